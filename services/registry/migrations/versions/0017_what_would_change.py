"""What a file changes, field by field, for those who ask before it is recorded."""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped_through

revision = "0017"
down_revision = "0016"

SERVICE = "registry"


def upgrade() -> None:
    """Whether it was asked for, and its lines: reached through the file, gone with it."""
    no = sa.text("false")
    op.add_column("intake", sa.Column("diff", sa.Boolean(), nullable=False, server_default=no, comment="列出变更"))
    op.create_table(
        "intake_change",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("number", sa.Text(), nullable=False, comment="户编号"),
        sa.Column("masked_name", sa.Text(), comment="脱敏姓名（关于整户的为空）"),
        sa.Column("kind", sa.Text(), nullable=False, comment="新增、变更或离户"),
        sa.Column("field", sa.Text(), comment="字段（新增的为空）"),
        sa.Column("before", sa.Text(), comment="原值"),
        sa.Column("after", sa.Text(), comment="新值"),
        sa.CheckConstraint("kind in ('new', 'changed', 'left')", name="intake_change_kind"),
        sa.PrimaryKeyConstraint("no"),
        comment="文件逐项变更",
    )
    op.create_index("intake_change_job", "intake_change", ["job", "no"], unique=False)
    rights = grant("intake_change", SERVICE, api="select", worker="select, insert, delete")
    for statement in (*scoped_through("intake_change", "job", key="job"), *rights):
        op.execute(statement)
