"""By what a person may be met again: keys made of names, births and numbers, and who waits for his keys.

Everything here is derived from `person` and may be made anew. Everybody on record waits for his keys.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import grant, scoped, worker_only

revision = "0014"
down_revision = "0013"

SERVICE = "registry"
AT_ONCE = 5_000
WAITING = f"""with parts as (
  select uuidv7() as id, array_agg(no) as persons from person group by no / {AT_ONCE}),
kept as (insert into likeness_due (id, persons) select id, persons from parts)
insert into due (verb, noun, due_at) select 'person.keys', id::text, '-infinity' from parts"""


def upgrade() -> None:
    """Four tables; the worker alone writes them."""
    _likeness()
    _beside()
    rights = "select, insert, update, delete"
    for statement in (*scoped("likeness"), *grant("likeness", SERVICE, api="select", worker=rights)):
        op.execute(statement)
    for table in ("likeness_probe", "likeness_frequency"):
        for statement in (*worker_only(table, SERVICE), *grant(table, SERVICE, worker=rights)):
            op.execute(statement)
    waiting = grant("likeness_due", SERVICE, api="insert", worker=rights)
    for statement in (*worker_only("likeness_due", SERVICE, api_may_insert=True), *waiting):
        op.execute(statement)
    for table in ("likeness", "likeness_probe", "likeness_frequency"):
        op.execute(f"grant maintain on {table} to {SERVICE}_worker")
    _everybody()


def _key(name: str, comment: str, kind: Any = sa.BigInteger) -> sa.Column[Any]:
    return sa.Column(name, kind(), server_default=sa.text("0"), nullable=False, comment=comment)


def _told(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C"), server_default=sa.text("''"), nullable=False, comment=comment)


def _likeness() -> None:
    op.create_table(
        "likeness",
        sa.Column("person_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="人内部序号"),
        _key("household_no", "现所在户（不在任何户为0）"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        _told("name", "姓名"),
        _told("pinyin", "姓名拼音"),
        _told("initials", "姓名拼音首字母"),
        _key("id_form", "证件号码情形：0 无、1 有效、2 有误、3 被表格截断", sa.SmallInteger),
        _key("id_key", "有效证件号码的比对码"),
        _key("phone_key", "电话的比对码"),
        _key("name_key", "异体归一姓名的比对码"),
        _key("sound_key", "读音的比对码"),
        _key("bag_key", "不计次序的读音的比对码"),
        _key("surname_key", "姓的比对码"),
        _key("given_key", "名的比对码"),
        _key("spelling", "音节"),
        _key("syllables", "音节数", sa.SmallInteger),
        _key("born", "出生日期（年月日）", sa.Integer),
        _key("born_day", "出生日序", sa.Integer),
        _key("sex", "性别：0 不详、1 男、2 女", sa.SmallInteger),
        _key("head_key", "所在户户主读音的比对码"),
        sa.PrimaryKeyConstraint("person_no"),
        comment="人的比对码",
    )
    for name, columns in (
        ("household", ["household_no"]),
        ("id", ["id_key"]),
        ("bag_division", ["bag_key", "division"]),
        ("bag_born", ["bag_key", "born"]),
        ("surname_born", ["surname_key", "born"]),
        ("given_born", ["given_key", "born"]),
        ("phone", ["phone_key"]),
        ("head_born", ["head_key", "born"]),
    ):
        known = sa.text(f"{columns[0]} <> 0")
        op.create_index(f"likeness_{name}", "likeness", columns, unique=False, postgresql_where=known)
    op.create_index("likeness_division_born", "likeness", ["division", "born"], unique=False)
    for name in ("name", "pinyin", "initials"):
        op.create_index(f"likeness_{name}", "likeness", [name], unique=False)


def _beside() -> None:
    op.create_table(
        "likeness_probe",
        sa.Column("person_no", sa.BigInteger(), nullable=False, comment="人内部序号"),
        sa.Column("key", sa.BigInteger(), nullable=False, comment="可能的正确号码的比对码"),
        _key("kind", "1 一处笔误、2 被截断", sa.SmallInteger),
        sa.PrimaryKeyConstraint("person_no", "key"),
        comment="有误证件号码的修复码",
    )
    op.create_index("likeness_probe_key", "likeness_probe", ["key"], unique=False)
    op.create_table(
        "likeness_frequency",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False, comment="比对码种类"),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False, comment="比对码"),
        sa.Column("people", sa.Integer(), nullable=False, comment="人数"),
        sa.PrimaryKeyConstraint("kind", "key"),
        comment="比对码出现的人数",
    )
    op.create_table(
        "likeness_due",
        sa.Column("id", sa.UUID(), nullable=False, comment="标识"),
        sa.Column("persons", pg.ARRAY(sa.BigInteger()), nullable=False, comment="有变动的人"),
        sa.PrimaryKeyConstraint("id"),
        comment="待重算比对码的人",
    )


def _everybody() -> None:
    """The owner writes under policies like everybody else: for this once."""
    for table in ("likeness_due", "due"):
        op.execute(f"create policy owner_insert on {table} for insert to {SERVICE}_owner with check (true)")
    op.execute(WAITING)
    for table in ("likeness_due", "due"):
        op.execute(f"drop policy owner_insert on {table}")
