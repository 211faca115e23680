"""比对码: by what a person may be met again though he was written otherwise. Derived from `person` alone by
the worker, so it may be made anew at any time; nothing is decided by it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import metadata

ZERO = sa.text("0")


def _key(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=ZERO, comment=comment)


def _small(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger, nullable=False, server_default=ZERO, comment=comment)


def _told(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C"), nullable=False, server_default=sa.text("''"), comment=comment)


def _where(name: str) -> Any:
    return sa.text(f"{name} <> 0")


likeness = sa.Table(
    "likeness",
    metadata,
    sa.Column("person_no", sa.BigInteger, primary_key=True, autoincrement=False, comment="人内部序号"),
    _key("household_no", "现所在户（不在任何户为0）"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    _told("name", "姓名"),
    _told("pinyin", "姓名拼音"),
    _told("initials", "姓名拼音首字母"),
    _small("id_form", "证件号码情形：0 无、1 有效、2 有误、3 被表格截断"),
    _key("id_key", "有效证件号码的比对码"),
    _key("phone_key", "电话的比对码"),
    _key("name_key", "异体归一姓名的比对码"),
    _key("sound_key", "读音的比对码"),
    _key("bag_key", "不计次序的读音的比对码"),
    _key("surname_key", "姓的比对码"),
    _key("given_key", "名的比对码"),
    _key("spelling", "音节"),
    _small("syllables", "音节数"),
    sa.Column("born", sa.Integer, nullable=False, server_default=ZERO, comment="出生日期（年月日）"),
    sa.Column("born_day", sa.Integer, nullable=False, server_default=ZERO, comment="出生日序"),
    _small("sex", "性别：0 不详、1 男、2 女"),
    _key("head_key", "所在户户主读音的比对码"),
    sa.Index("likeness_household", "household_no", postgresql_where=_where("household_no")),
    sa.Index("likeness_id", "id_key", postgresql_where=_where("id_key")),
    sa.Index("likeness_bag_division", "bag_key", "division", postgresql_where=_where("bag_key")),
    sa.Index("likeness_bag_born", "bag_key", "born", postgresql_where=_where("bag_key")),
    sa.Index("likeness_division_born", "division", "born"),
    sa.Index("likeness_surname_born", "surname_key", "born", postgresql_where=_where("surname_key")),
    sa.Index("likeness_given_born", "given_key", "born", postgresql_where=_where("given_key")),
    sa.Index("likeness_phone", "phone_key", postgresql_where=_where("phone_key")),
    sa.Index("likeness_head_born", "head_key", "born", postgresql_where=_where("head_key")),
    sa.Index("likeness_name", "name"),
    sa.Index("likeness_pinyin", "pinyin"),
    sa.Index("likeness_initials", "initials"),
    comment="人的比对码",
)

likeness_probe = sa.Table(
    "likeness_probe",
    metadata,
    sa.Column("person_no", sa.BigInteger, nullable=False, comment="人内部序号"),
    sa.Column("key", sa.BigInteger, nullable=False, comment="可能的正确号码的比对码"),
    _small("kind", "1 一处笔误、2 被截断"),
    sa.PrimaryKeyConstraint("person_no", "key"),
    sa.Index("likeness_probe_key", "key"),
    comment="有误证件号码的修复码",
)

likeness_frequency = sa.Table(
    "likeness_frequency",
    metadata,
    sa.Column("kind", sa.SmallInteger, primary_key=True, autoincrement=False, comment="比对码种类"),
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False, comment="比对码"),
    sa.Column("people", sa.Integer, nullable=False, comment="人数"),
    comment="比对码出现的人数",
)

likeness_due = sa.Table(
    "likeness_due",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="标识"),
    sa.Column("persons", pg.ARRAY(sa.BigInteger), nullable=False, comment="有变动的人"),
    comment="待重算比对码的人",
)
