"""疑点: what a check found worth asking about; never a verdict."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import MOMENT, metadata, number, recorded

doubt = sa.Table(
    "doubt",
    metadata,
    number(),
    sa.Column("id", pg.UUID, nullable=False, server_default=sa.text("uuidv7()"), comment="疑点编号"),
    sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
    sa.Column("person_no", sa.BigInteger, comment="人内部序号"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    sa.Column("check_id", sa.Text, nullable=False, comment="校验规则"),
    sa.Column("severity", sa.Text, nullable=False, comment="严重程度"),
    sa.Column("field", sa.Text, nullable=False, comment="字段"),
    sa.Column("detail_zh", sa.Text, nullable=False, comment="说明"),
    sa.Column("detail_en", sa.Text, nullable=False, comment="说明（英文）"),
    sa.Column("opened_at", MOMENT, nullable=False, comment="发现时刻"),
    *recorded(),
    sa.Column("closed_at", MOMENT, comment="关闭时刻"),
    sa.Column("closed_by", sa.Text, comment="关闭人"),
    sa.Column("finding", sa.Text, comment="核查结论"),
    sa.Index(
        "doubt_open", "household_no", "person_no", "check_id", "field",
        unique=True, postgresql_where=sa.text("closed_at is null"), postgresql_nulls_not_distinct=True,
    ),
    sa.Index("doubt_division", "division", "check_id", postgresql_where=sa.text("closed_at is null")),
    comment="疑点",
)  # fmt: skip
