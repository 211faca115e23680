"""What was exported, for whom and what for, and its file in sealed pieces until its days end."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.db import grant, scoped_through

revision = "0020"
down_revision = "0019"

SERVICE = "registry"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two tables, seen by whom the job is seen; the file goes in the end, what was exported stays on record."""
    _export()
    _export_piece()
    for table in ("export", "export_piece"):
        for statement in scoped_through(table, "job", key="job"):
            op.execute(statement)
    for statement in (
        *grant("export", SERVICE, api="select, insert", worker="select, update (lines, size_bytes, finished_at)"),
        *grant("export_piece", SERVICE, api="select", worker="select, insert, delete"),
    ):
        op.execute(statement)


def _export() -> None:
    op.create_table(
        "export",
        sa.Column("job", postgresql.UUID(), nullable=False, comment="任务编号"),
        sa.Column("shape", sa.Text(), nullable=False, comment="每行一户或一人"),
        sa.Column("format", sa.Text(), nullable=False, comment="文件格式"),
        sa.Column("in_clear", sa.Boolean(), nullable=False, comment="是否含个人信息全文"),
        sa.Column("purpose", sa.Text(), comment="事由"),
        sa.Column("words", sa.Text(), nullable=False, comment="查询条件（不含个人信息）"),
        sa.Column("sought_sealed", postgresql.BYTEA(), nullable=False, comment="查询条件（密封）"),
        sa.Column("as_of", sa.Date(), comment="真实时间"),
        sa.Column("known_at", MOMENT, comment="所知时间"),
        sa.Column("submitted_at", MOMENT, nullable=False, comment="提交时刻"),
        sa.Column("lines", sa.Integer(), comment="行数"),
        sa.Column("size_bytes", sa.BigInteger(), comment="文件字节数"),
        sa.Column("finished_at", MOMENT, comment="完成时刻"),
        sa.CheckConstraint("shape in ('households', 'persons')", name="export_shape"),
        sa.CheckConstraint("format in ('xlsx', 'csv', 'parquet')", name="export_format"),
        sa.CheckConstraint("not in_clear or purpose is not null", name="export_purpose"),
        sa.CheckConstraint("(as_of is null) = (known_at is null)", name="export_times"),
        sa.PrimaryKeyConstraint("job"),
        comment="导出",
    )


def _export_piece() -> None:
    op.create_table(
        "export_piece",
        sa.Column("job", postgresql.UUID(), nullable=False, comment="任务编号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="待装订的行或文件"),
        sa.Column("piece", sa.Integer(), autoincrement=False, nullable=False, comment="分块"),
        sa.Column("sealed", postgresql.BYTEA(), nullable=False, comment="内容（密封）"),
        sa.CheckConstraint("kind in ('lines', 'file')", name="export_piece_kind"),
        sa.PrimaryKeyConstraint("job", "kind", "piece"),
        comment="导出内容",
    )
