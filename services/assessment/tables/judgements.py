"""Judgements and what they stand on: packs and numbers as they were, kept by their hashes; parameters; runs."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.assessment.tables.foundation import MOMENT, division_column, metadata

parameter = sa.Table(
    "parameter",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="内部序号"),
    sa.Column("key", sa.Text, nullable=False, comment="参数"),
    sa.Column("division", sa.BigInteger, comment="适用区划，空为全国"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="生效日期"),
    sa.Column("valid_to", sa.Date, comment="失效日期（含当日）"),
    sa.Column("value", sa.Text, nullable=False, comment="数值"),
    sa.Column("unit", sa.Text, nullable=False, comment="单位"),
    sa.Column("basis_zh", sa.Text, nullable=False, comment="依据"),
    sa.Column("basis_en", sa.Text, nullable=False, comment="依据（英文）"),
    sa.Column("entered_by", sa.Text, nullable=False, comment="录入人"),
    sa.Column("approved_by", sa.Text, nullable=False, comment="审定人"),
    sa.UniqueConstraint(
        "key", "division", "valid_from", name="parameter_place_and_start", postgresql_nulls_not_distinct=True
    ),
    sa.CheckConstraint("valid_to is null or valid_to >= valid_from", name="parameter_validity"),
    comment="参数",
)

parameter_proposal = sa.Table(
    "parameter_proposal",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="提案编号"),
    sa.Column("key", sa.Text, nullable=False, comment="参数"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="适用区划"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="生效日期"),
    sa.Column("valid_to", sa.Date, comment="失效日期（含当日）"),
    sa.Column("value", sa.Text, nullable=False, comment="数值"),
    sa.Column("unit", sa.Text, nullable=False, comment="单位"),
    sa.Column("basis_zh", sa.Text, nullable=False, comment="依据"),
    sa.Column("basis_en", sa.Text, nullable=False, comment="依据（英文）"),
    sa.Column("entered_by", sa.Text, nullable=False, comment="录入人"),
    sa.Column("entered_at", MOMENT, nullable=False, comment="录入时刻"),
    sa.Column("approved_by", sa.Text, comment="审定人"),
    sa.Column("approved_at", MOMENT, comment="审定时刻"),
    sa.CheckConstraint("approved_by is null or approved_by <> entered_by", name="parameter_two_persons"),
    sa.Index("parameter_proposal_division", "division", "id"),
    comment="参数提案",
)

pack = sa.Table(
    "pack",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True, comment="内容指纹"),
    sa.Column("id", sa.Text, nullable=False, comment="规则包"),
    sa.Column("division", sa.BigInteger, comment="适用区划，空为全国"),
    sa.Column("content", pg.JSONB, nullable=False, comment="原文"),
    comment="规则包存档",
)

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("hash", sa.Text, nullable=False, comment="内容指纹"),
    sa.Column("division", sa.BigInteger, comment="存档时的管辖区划，空为全国"),
    sa.Column("content", pg.JSONB, nullable=False, comment="参数取值与依据"),
    sa.UniqueConstraint("hash", "division", name="numbers_hash_and_place", postgresql_nulls_not_distinct=True),
    comment="研判参数存档",
)

judgement = sa.Table(
    "judgement",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="研判编号"),
    sa.Column("household", pg.UUID, nullable=False, comment="户标识"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="研判版本"),
    sa.Column("household_version", sa.BigInteger, nullable=False, comment="所依据的户情况版本"),
    division_column("所在村（随户现在的归属）"),
    sa.Column("judged_on", sa.Date, nullable=False, comment="研判日期"),
    sa.Column("judged_at", MOMENT, nullable=False, comment="研判时刻"),
    sa.Column("run", pg.UUID, comment="所属批量研判，空为听到情况即时研判"),
    sa.UniqueConstraint("household", "version", name="judgement_household_version"),
    sa.Index("judgement_division", "division"),
    comment="研判",
)

finding = sa.Table(
    "finding",
    metadata,
    sa.Column("judgement", pg.UUID, primary_key=True, comment="研判编号"),
    sa.Column("pack", sa.Text, primary_key=True, comment="规则包"),
    division_column("所在村（随户现在的归属）"),
    sa.Column("pack_hash", sa.Text, nullable=False, comment="规则包指纹"),
    sa.Column("numbers_hash", sa.Text, nullable=False, comment="参数指纹"),
    sa.Column("verdict", sa.Text, nullable=False, comment="结论"),
    sa.Column("previous", sa.Text, comment="上一次研判的结论"),
    sa.Column("fail", sa.BigInteger, nullable=False, comment="未达标位"),
    sa.Column("unknown", sa.BigInteger, nullable=False, comment="无法判断位"),
    sa.Column("score", sa.Integer, comment="分值"),
    sa.Column("figures", pg.ARRAY(sa.BigInteger), nullable=False, comment="理由所用数字"),
    comment="认定结果",
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="批量研判编号（任务编号）"),
    division_column("研判的区划"),
    sa.Column("judged_on", sa.Date, nullable=False, comment="研判日期"),
    sa.Column("asked_by", sa.Text, nullable=False, comment="发起人"),
    sa.Column("asked_at", MOMENT, nullable=False, comment="发起时刻"),
    sa.Column("ended_at", MOMENT, comment="结束时刻"),
    sa.Column("outcome", sa.Text, comment="结果"),
    sa.Column("judged", sa.BigInteger, nullable=False, comment="已研判户数"),
    sa.Column("changed", sa.BigInteger, nullable=False, comment="其中有新结果的户数"),
    sa.Index("run_division", "division", "id"),
    comment="批量研判",
)
