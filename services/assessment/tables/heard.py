"""What assessment heard of others: divisions, what a public list shows of a household, every version of circumstances.

`subject` is the noun that is locked: one row a household, with its newest circumstances packed for judging, and which
judgement is its latest. `circumstance` keeps every version heard, as it was told: judgements must be explainable in ten
years.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.assessment.tables.foundation import MOMENT, division_column, metadata

division = sa.Table(
    "division",
    metadata,
    sa.Column("code", sa.BigInteger, primary_key=True, autoincrement=False, comment="区划代码"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("name", sa.Text, nullable=False, comment="名称"),
    sa.Column("level", sa.Text, nullable=False, comment="级别"),
    sa.Column("parent", sa.BigInteger, comment="上级区划"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="启用日期"),
    sa.Column("valid_to", sa.Date, comment="撤销日期"),
    sa.Column("superseded_by", sa.BigInteger, comment="并入区划"),
    sa.Index("division_parent", "parent"),
    comment="区划（听自登记）",
)

household = sa.Table(
    "household",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="户标识"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("number", sa.Text, nullable=False, comment="户编号"),
    division_column(),
    sa.Column("group", sa.Text, comment="村民小组"),
    sa.Column("statuses", pg.JSONB, nullable=False, comment="户状态区间"),
    sa.Column("masked_head", sa.Text, nullable=False, comment="户主姓名（已脱敏）"),
    sa.Column("headcount", sa.Integer, nullable=False, comment="人口数"),
    sa.Column("superseded_by", pg.UUID, comment="并入户"),
    sa.Column("decisions", pg.ARRAY(pg.UUID), nullable=False, comment="已执行的决定"),
    sa.Index("household_division", "division", "id"),
    sa.Index("household_number", "number"),
    comment="户（公示所需，听自登记）",
)

circumstance = sa.Table(
    "circumstance",
    metadata,
    sa.Column("household", pg.UUID, primary_key=True, comment="户标识"),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False, comment="版本"),
    division_column("所在村（随户现在的归属）"),
    sa.Column("said_at", MOMENT, nullable=False, comment="公告时刻"),
    sa.Column("body", pg.JSONB, nullable=False, comment="户情况原文"),
    sa.Index("circumstance_division", "division"),
    comment="户情况各版本（听自登记）",
)

subject = sa.Table(
    "subject",
    metadata,
    sa.Column("household", pg.UUID, primary_key=True, comment="户标识"),
    division_column(),
    sa.Column("circumstance_version", sa.BigInteger, nullable=False, comment="最新情况的版本"),
    sa.Column("layout", sa.Text, nullable=False, comment="打包格式指纹"),
    sa.Column("packed_household", pg.BYTEA, nullable=False, comment="打包：户"),
    sa.Column("packed_members", pg.BYTEA, nullable=False, comment="打包：成员"),
    sa.Column("packed_income", pg.BYTEA, nullable=False, comment="打包：收入"),
    sa.Column("packed_statuses", pg.BYTEA, nullable=False, comment="打包：户状态"),
    sa.Column("packed_declarations", pg.BYTEA, nullable=False, comment="打包：申报年度"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="研判版本，逐次加一"),
    sa.Column("judgement", pg.UUID, comment="最近一次研判"),
    sa.Column("digest", pg.BYTEA, comment="最近一次研判结果的指纹"),
    sa.Column("verdicts", pg.ARRAY(sa.Text), nullable=False, comment="最近一次研判的结论（规则包=结论）"),
    sa.Index("subject_division", "division", "household"),
    comment="研判对象",
    postgresql_with={"fillfactor": 80},
)
