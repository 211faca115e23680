"""导出: what was exported, for whom and how much of it, and the file itself in sealed pieces until its days end."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import MOMENT, metadata

export = sa.Table(
    "export",
    metadata,
    sa.Column("job", pg.UUID, primary_key=True, comment="任务编号"),
    sa.Column("shape", sa.Text, nullable=False, comment="每行一户或一人"),
    sa.Column("format", sa.Text, nullable=False, comment="文件格式"),
    sa.Column("in_clear", sa.Boolean, nullable=False, comment="是否含个人信息全文"),
    sa.Column("purpose", sa.Text, comment="事由"),
    sa.Column("words", sa.Text, nullable=False, comment="查询条件（不含个人信息）"),
    sa.Column("sought_sealed", pg.BYTEA, nullable=False, comment="查询条件（密封）"),
    sa.Column("as_of", sa.Date, comment="真实时间"),
    sa.Column("known_at", MOMENT, comment="所知时间"),
    sa.Column("submitted_at", MOMENT, nullable=False, comment="提交时刻"),
    sa.Column("lines", sa.Integer, comment="行数"),
    sa.Column("size_bytes", sa.BigInteger, comment="文件字节数"),
    sa.Column("finished_at", MOMENT, comment="完成时刻"),
    sa.CheckConstraint("shape in ('households', 'persons')", name="export_shape"),
    sa.CheckConstraint("format in ('xlsx', 'csv', 'parquet')", name="export_format"),
    sa.CheckConstraint("not in_clear or purpose is not null", name="export_purpose"),
    sa.CheckConstraint("(as_of is null) = (known_at is null)", name="export_times"),
    comment="导出",
)

export_piece = sa.Table(
    "export_piece",
    metadata,
    sa.Column("job", pg.UUID, primary_key=True, comment="任务编号"),
    sa.Column("kind", sa.Text, primary_key=True, comment="待装订的行或文件"),
    sa.Column("piece", sa.Integer, primary_key=True, autoincrement=False, comment="分块"),
    sa.Column("sealed", pg.BYTEA, nullable=False, comment="内容（密封）"),
    sa.CheckConstraint("kind in ('lines', 'file')", name="export_piece_kind"),
    comment="导出内容",
)
