"""The tables of notify as they first stood, and who may touch which row.

`public_notice` is the only table that a door without a token may read (policy using (true)): it holds what hangs in
public, already masked, and is emptied when the notice comes down.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import grant, open_to_all, plumbing_access, plumbing_tables, reference, scoped

revision = "0001"
down_revision = None

SERVICE = "notify"


def upgrade() -> None:
    """Tables, policies, grants."""
    plumbing_tables(sa.MetaData()).outbox.metadata.create_all(op.get_bind())
    _division()
    _notice()
    _public_notice()
    for statement in (*plumbing_access(SERVICE), *_policies(), *_grants()):
        op.execute(statement)


def _policies() -> list[str]:
    return [
        *reference("division", column="code"),
        *scoped("notice", column="village"),
        *open_to_all("public_notice", column="village"),
    ]


def _grants() -> list[str]:
    return [
        *grant("division", SERVICE, api="select", worker="select, insert, update"),
        *grant("notice", SERVICE, api="select", worker="select, insert, update, maintain"),
        *grant("public_notice", SERVICE, api="select", worker="select, insert, update"),
    ]


def _division() -> None:
    op.create_table(
        "division",
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=False, comment="区划代码"),
        sa.Column("name", sa.Text(), nullable=False, comment="名称"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.PrimaryKeyConstraint("code"),
        comment="区划名称",
    )


def _notice() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.UUID(), nullable=False, comment="告示编号"),
        sa.Column("publicity", sa.UUID(), nullable=False, comment="公示编号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="种类"),
        sa.Column("village", sa.BigInteger(), nullable=False, comment="村"),
        sa.Column("days", sa.Integer(), nullable=False, comment="公示天数"),
        sa.Column("objections_to", sa.Text(), nullable=False, comment="异议受理处"),
        sa.Column("items", pg.JSONB(), nullable=False, comment="名单（已脱敏）"),
        sa.Column("asked_on", sa.Date(), nullable=False, comment="提出日期"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="受理时刻"),
        sa.Column("state", sa.Text(), nullable=False, comment="状态"),
        sa.Column("unfit", sa.Text(), nullable=True, comment="不予张贴的原因"),
        sa.Column("text_version", sa.Text(), nullable=True, comment="文字版本"),
        sa.Column("content_hash", sa.Text(), nullable=True, comment="内容哈希"),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True, comment="张贴时刻"),
        sa.Column("first_day", sa.Date(), nullable=True, comment="公示首日"),
        sa.Column("last_day", sa.Date(), nullable=True, comment="公示末日"),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True, comment="撤下时刻"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("board", pg.JSONB(), nullable=True, comment="张贴原文（留证）"),
        sa.CheckConstraint("state in ('created', 'posted', 'taken_down', 'cancelled', 'refused')", name="notice_state"),
        sa.CheckConstraint(
            "(state in ('posted', 'taken_down')) = (posted_at is not null and first_day is not null"
            " and last_day is not null and content_hash is not null and board is not null)",
            name="notice_hung",
        ),
        sa.CheckConstraint("(state = 'taken_down') = (taken_down_at is not null)", name="notice_down"),
        sa.CheckConstraint("(state = 'refused') = (unfit is not null)", name="notice_unfit"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("publicity"),
        comment="告示",
    )
    op.create_index("notice_village", "notice", ["village", "created_at", "id"], unique=False)


def _public_notice() -> None:
    op.create_table(
        "public_notice",
        sa.Column("notice", sa.UUID(), nullable=False, comment="告示编号"),
        sa.Column("village", sa.BigInteger(), nullable=False, comment="村"),
        sa.Column("last_day", sa.Date(), nullable=False, comment="公示末日"),
        sa.Column("board", pg.JSONB(), nullable=True, comment="张贴内容；撤下后为空"),
        sa.PrimaryKeyConstraint("notice"),
        comment="公示栏（无需令牌可读）",
    )
    op.create_index("public_notice_village", "public_notice", ["village"], unique=False)
