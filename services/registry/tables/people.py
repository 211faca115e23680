"""人: what was last observed of a person, and superseded images. Identity numbers, phones and cards are sealed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import history_of, metadata, number, observed, unfilled


def facts() -> list[sa.Column[Any]]:
    """What is observed of a person and compared when a file comes again: everything but sealed values."""
    return [
        sa.Column("person_number", sa.Text, comment="人编号"),
        sa.Column("name", sa.Text, nullable=False, comment="姓名"),
        sa.Column("masked_name", sa.Text, nullable=False, comment="脱敏姓名"),
        sa.Column("sex", sa.Text, comment="性别"),
        sa.Column("birth_on", sa.Date, comment="出生日期"),
        sa.Column("id_kind", sa.Text, comment="证件类型"),
        sa.Column("id_number_index", pg.BYTEA, comment="证件号码盲索引"),
        sa.Column("ethnicity", sa.Text, comment="民族"),
        sa.Column("political", sa.Text, comment="政治面貌"),
        sa.Column("schooling", sa.Text, comment="在校生状况"),
        sa.Column("education", sa.Text, comment="文化程度"),
        sa.Column("health", sa.Text, comment="健康状况"),
        sa.Column("disability_kind", sa.SmallInteger, comment="残疾类别"),
        sa.Column("disability_level", sa.SmallInteger, comment="残疾等级"),
        sa.Column("disability_card_index", pg.BYTEA, comment="残疾人证号盲索引"),
        sa.Column("labour", sa.Text, comment="劳动技能"),
        sa.Column("medical_cover", sa.Text, comment="医疗保险"),
        sa.Column("serious_illness_cover", sa.Text, comment="大病保险"),
        sa.Column("pension_cover", sa.Text, comment="养老保险"),
        sa.Column("workplace", sa.Text, comment="务工所在地"),
        sa.Column("work_months", sa.Integer, comment="务工月数"),
        sa.Column("work_monthly_pay_fen", sa.BigInteger, comment="月工资（分）"),
        sa.Column("job_lost_on", sa.Date, comment="失业日期"),
        sa.Column("phone_index", pg.BYTEA, comment="联系电话盲索引"),
        sa.Column("present", sa.Boolean, comment="在户"),
        sa.Column("source_values", sa.Text, comment="与标准文字不同的原文（JSON）"),
    ]


def sealed() -> list[sa.Column[Any]]:
    """密封字段: opened for a stated purpose alone; never compared, since each sealing differs."""
    return [
        sa.Column("id_number_sealed", pg.BYTEA, comment="证件号码（密封）"),
        sa.Column("disability_card_sealed", pg.BYTEA, comment="残疾人证号（密封）"),
        sa.Column("phone_sealed", pg.BYTEA, comment="联系电话（密封）"),
    ]


PERSON_FACTS: tuple[str, ...] = tuple(column.name for column in facts())
PERSON_SEALED: tuple[str, ...] = tuple(column.name for column in sealed())

person = sa.Table(
    "person",
    metadata,
    number(),
    sa.Column("id", pg.UUID, nullable=False, unique=True, comment="人标识"),
    sa.Column(
        "pseudonym", pg.UUID, nullable=False, server_default=sa.text("gen_random_uuid()"), comment="假名（仅供研判）"
    ),
    sa.Column("household_no", sa.BigInteger, comment="现所在户"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    sa.Column("identity_index", pg.BYTEA, nullable=False, unique=True, comment="唯一识别键"),
    sa.Column("id_provisional", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="证件待核"),
    sa.Column("died_on", sa.Date, comment="死亡日期"),
    sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="作废"),
    *facts(),
    *sealed(),
    *observed(),
    sa.Index("person_household", "household_no"),
    sa.Index("person_division", "division", "no"),
    sa.Index("person_provisional_id", "id_number_index", postgresql_where=sa.text("id_provisional")),
    comment="人",
    postgresql_with={"fillfactor": 80},
)
person_history = history_of(person)
sa.Index("person_history_id_number", person_history.c.id_number_index)


def staged() -> list[sa.Column[Any]]:
    """The same columns for a row on its way in; a correction says few of them."""
    return unfilled([*facts(), *sealed()])
