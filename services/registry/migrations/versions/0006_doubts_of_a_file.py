"""What a file leaves in doubt, until its answer workbook is made: a trial run has no other place for it."""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped_through

revision = "0006"
down_revision = "0005"

SERVICE = "registry"


def upgrade() -> None:
    """The table, reached through its file as its other rows are."""
    op.create_table(
        "intake_doubt",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("field", sa.Text(), nullable=False, comment="字段"),
        sa.Column("check_id", sa.Text(), nullable=False, comment="校验规则"),
        sa.Column("detail_zh", sa.Text(), nullable=False, comment="说明"),
        sa.Column("detail_en", sa.Text(), nullable=False, comment="说明（英文）"),
        sa.PrimaryKeyConstraint("no"),
        comment="本次文件的疑点，写入回执后即清除",
    )
    op.create_index("intake_doubt_job", "intake_doubt", ["job", "row"], unique=False)
    rights = grant("intake_doubt", SERVICE, api="select", worker="select, insert, delete")
    for statement in (*scoped_through("intake_doubt", "job", key="job"), *rights):
        op.execute(statement)
