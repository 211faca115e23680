"""区划 and dated parameters: reference rows, readable where they apply to the scope or lie in it."""

from __future__ import annotations

import sqlalchemy as sa

from services.registry.tables.shapes import MOMENT, history_of, metadata, number

division = sa.Table(
    "division",
    metadata,
    sa.Column("code", sa.BigInteger, primary_key=True, autoincrement=False, comment="区划代码"),
    sa.Column("name", sa.Text, nullable=False, comment="名称"),
    sa.Column("level", sa.Text, nullable=False, comment="级别"),
    sa.Column("parent", sa.BigInteger, comment="上级区划"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="启用日期"),
    sa.Column("valid_to", sa.Date, comment="撤销日期"),
    sa.Column("superseded_by", sa.BigInteger, comment="并入区划"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("known_from", MOMENT, nullable=False, comment="录入时刻"),
    sa.Column("recorded_by", sa.Text, nullable=False, comment="录入人"),
    sa.CheckConstraint("level in ('province', 'prefecture', 'county', 'township', 'village')", name="division_level"),
    sa.CheckConstraint("valid_to is null or valid_to >= valid_from", name="division_validity"),
    sa.Index("division_parent", "parent", "code"),
    comment="区划",
)
division_history = history_of(division)

parameter = sa.Table(
    "parameter",
    metadata,
    number(),
    sa.Column("key", sa.Text, nullable=False, comment="参数"),
    sa.Column("division", sa.BigInteger, comment="适用区划，空为全国"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="生效日期"),
    sa.Column("valid_to", sa.Date, comment="失效日期"),
    sa.Column("value", sa.Text, nullable=False, comment="数值"),
    sa.Column("unit", sa.Text, nullable=False, comment="单位"),
    sa.Column("basis_zh", sa.Text, nullable=False, comment="依据"),
    sa.Column("basis_en", sa.Text, nullable=False, comment="依据（英文）"),
    sa.Column("entered_by", sa.Text, nullable=False, comment="录入人"),
    sa.Column("approved_by", sa.Text, nullable=False, comment="审定人"),
    sa.UniqueConstraint(
        "key", "division", "valid_from", name="parameter_place_and_start", postgresql_nulls_not_distinct=True
    ),
    comment="参数",
)
