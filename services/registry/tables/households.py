"""户: what was last observed of a household, its superseded images, and the decisions applied to it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import AREA, MOMENT, history_of, metadata, number, observed, unfilled

DECLARED = (
    ("a", "工资性收入"),
    ("b", "生产经营性收入"),
    ("c", "财产性收入"),
    ("d", "转移性收入"),
    ("e", "生产经营性支出"),
    ("net", "家庭纯收入"),
    ("per_capita", "人均纯收入"),
)


def facts() -> list[sa.Column[Any]]:
    """What is observed of a household: the columns that a file or an officer may change."""
    return [
        sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
        sa.Column("group", sa.Text, comment="村民小组"),
        sa.Column("registered_on", sa.Date, comment="建档日期"),
        sa.Column("main_cause", sa.Text, comment="主要致贫原因"),
        sa.Column("other_causes", pg.ARRAY(sa.Text), nullable=False, comment="其他致贫原因"),
        sa.Column("housing_level", sa.Text, comment="住房安全等级"),
        sa.Column("housing_area_m2", AREA, comment="住房面积（平方米）"),
        sa.Column("water_safe", sa.Text, comment="是否解决安全饮用水"),
        sa.Column("road", sa.Text, comment="入户路类型"),
        sa.Column("electricity", sa.Text, comment="是否通生活用电"),
        sa.Column("arable_mu", AREA, comment="耕地面积（亩）"),
        sa.Column("irrigated_mu", AREA, comment="有效灌溉面积（亩）"),
        sa.Column("forest_mu", AREA, comment="林地面积（亩）"),
        sa.Column("returned_forest_mu", AREA, comment="退耕还林面积（亩）"),
        sa.Column("orchard_mu", AREA, comment="林果面积（亩）"),
        sa.Column("pasture_mu", AREA, comment="牧草地面积（亩）"),
        sa.Column("water_mu", AREA, comment="水面面积（亩）"),
        sa.Column("food_assured", sa.Text, comment="不愁吃"),
        sa.Column("clothing_assured", sa.Text, comment="不愁穿"),
        sa.Column("self_paid_medical_fen", sa.BigInteger, comment="合规自付医疗支出（分）"),
        sa.Column("insurance_paid_fen", sa.BigInteger, comment="理赔收入（分）"),
        sa.Column("disaster_kind", sa.Text, comment="灾害类型"),
        sa.Column("disaster_on", sa.Date, comment="受灾日期"),
        sa.Column("disaster_loss_fen", sa.BigInteger, comment="灾害损失（分）"),
        sa.Column("headcount_on_form", sa.Integer, comment="表内家庭人口数"),
        *(sa.Column(f"declared_{name}_fen", sa.BigInteger, comment=f"申报合计：{zh}（分）") for name, zh in DECLARED),
        sa.Column("source_values", sa.Text, comment="与标准文字不同的原文（JSON）"),
    ]


HOUSEHOLD_FACTS: tuple[str, ...] = tuple(column.name for column in facts())
"""In the order in which files and comparisons name them."""

household = sa.Table(
    "household",
    metadata,
    number(),
    sa.Column("id", pg.UUID, nullable=False, unique=True, comment="户标识"),
    sa.Column("number", sa.Text, nullable=False, unique=True, comment="户编号"),
    *facts(),
    sa.Column("superseded_by", pg.UUID, comment="并入户"),
    sa.Column("closed_on", sa.Date, comment="注销日期"),
    sa.Column("gaps", pg.DATEMULTIRANGE, comment="曾注销的期间"),
    sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="作废"),
    *observed(),
    sa.CheckConstraint("number ~ '^[0-9]{16}$'", name="household_number_form"),
    sa.CheckConstraint("cardinality(other_causes) <= 2", name="household_other_causes"),
    sa.Index("household_division", "division", "number"),
    comment="户",
    postgresql_with={"fillfactor": 80},
)
household_history = history_of(household)
sa.Index("household_history_division", household_history.c.division)

decision = sa.Table(
    "decision",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="决定编号"),
    sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    sa.Column("case_id", pg.UUID, nullable=False, comment="案件编号"),
    sa.Column("outcome", sa.Text, nullable=False, comment="结论"),
    sa.Column("effective_on", sa.Date, nullable=False, comment="生效日期"),
    sa.Column("document_number", sa.Text, nullable=False, comment="文号"),
    sa.Column("version_judged", sa.BigInteger, nullable=False, comment="研判所依据的版本"),
    sa.Column("known_from", MOMENT, nullable=False, comment="录入时刻"),
    sa.Column("withdrawn_at", MOMENT, comment="作废时刻"),
    sa.Column("refused_because", sa.Text, comment="未能执行的原因"),
    sa.Index("decision_household", "household_no"),
    comment="已执行的决定",
)


deed = sa.Table(
    "deed",
    metadata,
    number(),
    sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    sa.Column("verb", sa.Text, nullable=False, comment="办理事项"),
    sa.Column("happened_on", sa.Date, nullable=False, comment="发生日期"),
    sa.Column("other_number", sa.Text, comment="另一户的户编号"),
    sa.Column("reason", sa.Text, comment="原因"),
    sa.Column("known_from", MOMENT, nullable=False, comment="录入时刻"),
    sa.Column("recorded_by", sa.Text, nullable=False, comment="录入人"),
    sa.Index("deed_household", "household_no"),
    comment="户的变动办理记录",
)


def staged() -> list[sa.Column[Any]]:
    """The same columns for a row on its way in; a correction says few of them."""
    return unfilled(facts())
