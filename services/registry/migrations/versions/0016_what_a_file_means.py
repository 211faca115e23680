"""How a file means what it says, what its empty cells mean, and whom a village's full list does not name."""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped_through

revision = "0016"
down_revision = "0015"

SERVICE = "registry"
UNFILLED = {
    "staging_household": ("division", "other_causes"),
    "staging_person": ("name", "masked_name", "relation"),
}
"""What a correction need not say; the register's own tables still demand it."""


def upgrade() -> None:
    """Two columns of a file, staging that may hold parts, and the list that waits for somebody's decision."""
    mode = sa.Column("mode", sa.Text(), nullable=False, server_default="record", comment="导入方式")
    op.add_column("intake", mode)
    blank = sa.Column("blank", sa.Text(), nullable=False, server_default="erase", comment="空白单元格的含义")
    op.add_column("intake", blank)
    for table, columns in UNFILLED.items():
        for column in columns:
            op.alter_column(table, column, nullable=True)
        op.execute(f"grant update on {table} to {SERVICE}_worker")  # what a correction leaves out is filled in there
    op.create_table(
        "absence",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("decision", sa.Text(), comment="处理意见"),
        sa.Column("reason", sa.Text(), comment="理由"),
        sa.Column("decided_by", sa.Text(), comment="经办人"),
        sa.Column("decided_at", sa.DateTime(timezone=True), comment="处理时刻"),
        sa.CheckConstraint("num_nulls(decision, reason, decided_by, decided_at) in (0, 4)", name="absence_decided"),
        sa.PrimaryKeyConstraint("no"),
        comment="整村核对时名单未列的户，待人处理",
    )
    op.create_index("absence_once", "absence", ["job", "household_no"], unique=True)
    api = "select, update (decision, reason, decided_by, decided_at)"
    rights = grant("absence", SERVICE, api=api, worker="select, insert")
    for statement in (*scoped_through("absence", "job", key="job"), *rights):
        op.execute(statement)
