"""成员关系, 户状态 (intervals of days) and 收入 (amounts of a period): corrected by closing
and inserting, never edited.

No overlap and exactly one head are held by unique partial indexes and statement triggers of the first migration.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import known, metadata, number

HELD = sa.text("known_to = 'infinity'")
CLOSED = sa.text("known_to < 'infinity'")
HELD_AND_OPEN = sa.text("known_to = 'infinity' and upper_inf(during)")
HELD_PAYOUT = sa.text("known_to = 'infinity' and source = 'payout'")
CURRENT_HEAD = sa.text("known_to = 'infinity' and upper_inf(during) and relation = 'head'")


def _of_household() -> list[sa.Column[Any]]:
    return [
        sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    ]


def _during(name: str) -> list[Any]:
    return [
        sa.Column("during", pg.DATERANGE, nullable=False, comment="起止"),
        sa.CheckConstraint("not isempty(during) and not lower_inf(during)", name=f"{name}_during"),
    ]


membership = sa.Table(
    "membership",
    metadata,
    number(),
    sa.Column("person_no", sa.BigInteger, nullable=False, comment="人内部序号"),
    *_of_household(),
    sa.Column("relation", sa.Text, nullable=False, comment="与户主关系"),
    *_during("membership"),
    *known(),
    sa.Index("membership_household", "household_no"),
    sa.Index("membership_start", "person_no", sa.text("lower(during)"), unique=True, postgresql_where=HELD),
    sa.Index("membership_current", "person_no", unique=True, postgresql_where=HELD_AND_OPEN),
    sa.Index("membership_head", "household_no", unique=True, postgresql_where=CURRENT_HEAD),
    comment="成员关系",
)

status = sa.Table(
    "status",
    metadata,
    number(),
    *_of_household(),
    sa.Column("kind", sa.Text, nullable=False, comment="户类型"),
    *_during("status"),
    sa.Column("opened_by", pg.UUID, comment="据以开始的决定"),
    sa.Column("ended_by", pg.UUID, comment="据以结束的决定"),
    *known(),
    sa.Index("status_start", "household_no", "kind", sa.text("lower(during)"), unique=True, postgresql_where=HELD),
    sa.Index("status_household", "household_no"),
    sa.Index("status_division", "division", "kind"),
    comment="户状态区间",
)

income = sa.Table(
    "income",
    metadata,
    number(),
    *_of_household(),
    sa.Column("year_from", sa.Date, nullable=False, comment="收入年度起"),
    sa.Column("year_to", sa.Date, nullable=False, comment="收入年度止"),
    sa.Column("component", sa.Text, nullable=False, comment="收入构成"),
    sa.Column("item", sa.Text, nullable=False, comment="收入子项"),
    sa.Column("source", sa.Text, nullable=False, comment="来源"),
    sa.Column("reference", sa.Text, nullable=False, comment="来源凭据"),
    sa.Column("fen", sa.BigInteger, nullable=False, comment="金额（分）"),
    sa.Column("paid_on", sa.Date, comment="支付日期"),
    sa.Column("reverses", sa.Text, comment="所冲销的兑付"),
    *known(),
    sa.Column("declared_on", sa.Date, comment="申报表的调查日期"),
    sa.CheckConstraint("(source = 'declared') = (declared_on is not null)", name="income_declared_on"),
    sa.CheckConstraint("year_to > year_from", name="income_year"),
    sa.CheckConstraint("component in ('A', 'B', 'C', 'D', 'E')", name="income_component"),
    sa.CheckConstraint("source in ('declared', 'payout')", name="income_source"),
    sa.Index(
        "income_once", "household_no", "year_from", "item", "source", "reference", unique=True, postgresql_where=HELD
    ),
    sa.Index("income_closed", "household_no", postgresql_where=CLOSED),
    sa.Index("income_payout", "reference", unique=True, postgresql_where=HELD_PAYOUT),
    sa.Index("income_reversal", "reverses", unique=True, postgresql_where=HELD_PAYOUT),
    comment="收入",
)

income_match = sa.Table(
    "income_match",
    metadata,
    number(),
    *_of_household(),
    sa.Column("declared_no", sa.BigInteger, nullable=False, comment="申报收入行"),
    sa.Column("payout_no", sa.BigInteger, nullable=False, comment="兑付收入行"),
    sa.Column("fen", sa.BigInteger, nullable=False, comment="对应金额（分）"),
    *known(),
    sa.CheckConstraint("fen > 0", name="income_match_fen"),
    sa.Index("income_match_household", "household_no"),
    sa.Index("income_match_once", "declared_no", "payout_no", unique=True, postgresql_where=HELD),
    comment="收入对应",
)
