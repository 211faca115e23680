"""Which columns there are. `public_notice` is a projection of its own: what hangs in public, and nothing else."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import plumbing_tables

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)

MOMENT = sa.DateTime(timezone=True)

division = sa.Table(
    "division",
    metadata,
    sa.Column("code", sa.BigInteger, primary_key=True, autoincrement=False, comment="区划代码"),
    sa.Column("name", sa.Text, nullable=False, comment="名称"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    comment="区划名称",
)

notice = sa.Table(
    "notice",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="告示编号"),
    sa.Column("publicity", pg.UUID, nullable=False, unique=True, comment="公示编号"),
    sa.Column("kind", sa.Text, nullable=False, comment="种类"),
    sa.Column("village", sa.BigInteger, nullable=False, comment="村"),
    sa.Column("days", sa.Integer, nullable=False, comment="公示天数"),
    sa.Column("objections_to", sa.Text, nullable=False, comment="异议受理处"),
    sa.Column("items", pg.JSONB, nullable=False, comment="名单（已脱敏）"),
    sa.Column("asked_on", sa.Date, nullable=False, comment="提出日期"),
    sa.Column("created_at", MOMENT, nullable=False, comment="受理时刻"),
    sa.Column("state", sa.Text, nullable=False, comment="状态"),
    sa.Column("unfit", sa.Text, comment="不予张贴的原因"),
    sa.Column("text_version", sa.Text, comment="文字版本"),
    sa.Column("content_hash", sa.Text, comment="内容哈希"),
    sa.Column("posted_at", MOMENT, comment="张贴时刻"),
    sa.Column("first_day", sa.Date, comment="公示首日"),
    sa.Column("last_day", sa.Date, comment="公示末日"),
    sa.Column("taken_down_at", MOMENT, comment="撤下时刻"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("board", pg.JSONB, comment="张贴原文（留证）"),
    sa.CheckConstraint("state in ('created', 'posted', 'taken_down', 'cancelled', 'refused')", name="notice_state"),
    sa.CheckConstraint(
        "(state in ('posted', 'taken_down')) = (posted_at is not null and first_day is not null"
        " and last_day is not null and content_hash is not null and board is not null)",
        name="notice_hung",
    ),
    sa.CheckConstraint("(state = 'taken_down') = (taken_down_at is not null)", name="notice_down"),
    sa.CheckConstraint("(state = 'refused') = (unfit is not null)", name="notice_unfit"),
    sa.Index("notice_village", "village", "created_at", "id"),
    comment="告示",
)

public_notice = sa.Table(
    "public_notice",
    metadata,
    sa.Column("notice", pg.UUID, primary_key=True, comment="告示编号"),
    sa.Column("village", sa.BigInteger, nullable=False, comment="村"),
    sa.Column("last_day", sa.Date, nullable=False, comment="公示末日"),
    sa.Column("board", pg.JSONB, comment="张贴内容；撤下后为空"),
    sa.Index("public_notice_village", "village"),
    comment="公示栏（无需令牌可读）",
)
