"""Births, deaths, splits and mergers: when somebody died, when a household was closed, and what was done to it."""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped

revision = "0012"
down_revision = "0011"

SERVICE = "registry"


def upgrade() -> None:
    """Two days with their past, and the record of deeds."""
    for table in ("person", "person_history"):
        op.add_column(table, sa.Column("died_on", sa.Date, comment="死亡日期"))
    for table in ("household", "household_history"):
        op.add_column(table, sa.Column("closed_on", sa.Date, comment="注销日期"))
    op.create_table(
        "deed",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("verb", sa.Text(), nullable=False, comment="办理事项"),
        sa.Column("happened_on", sa.Date(), nullable=False, comment="发生日期"),
        sa.Column("other_number", sa.Text(), nullable=True, comment="另一户的户编号"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.PrimaryKeyConstraint("no"),
        comment="户的变动办理记录",
    )
    op.create_index("deed_household", "deed", ["household_no"], unique=False)
    api, worker = "select, insert, update (division)", "select, update (division)"
    for statement in (*scoped("deed"), *grant("deed", SERVICE, api=api, worker=worker)):
        op.execute(statement)
