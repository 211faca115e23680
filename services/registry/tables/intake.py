"""导入: a file, its pieces, what became of its rows; and the rows on their way in (unlogged, the worker's alone)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables import households, people
from services.registry.tables.shapes import MOMENT, metadata

intake = sa.Table(
    "intake",
    metadata,
    sa.Column("job", pg.UUID, primary_key=True, comment="任务编号"),
    sa.Column("filename", sa.Text, nullable=False, comment="文件名"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, comment="字节数"),
    sa.Column("content_hash", pg.BYTEA, nullable=False, comment="内容摘要"),
    sa.Column("year_from", sa.Date, nullable=False, comment="收入年度起"),
    sa.Column("year_to", sa.Date, nullable=False, comment="收入年度止"),
    sa.Column("observed_on", sa.Date, nullable=False, comment="调查日期"),
    sa.Column("dry_run", sa.Boolean, nullable=False, comment="试运行"),
    sa.Column("source", pg.UUID, nullable=False, comment="原件所属任务"),
    sa.Column("rows", sa.Integer, comment="行数"),
    sa.Column("submitted_at", MOMENT, nullable=False, comment="提交时刻"),
    sa.Column("answered_at", MOMENT, comment="回执完成时刻"),
    sa.Column("system", sa.Text, comment="来源系统"),
    sa.Column("choices", pg.JSONB, nullable=False, server_default="{}", comment="指定的列义"),
    sa.Column("reading", pg.JSONB, comment="读表情况：工作表、列、说明"),
    sa.Column("undoes", pg.UUID, comment="所撤销的批次"),
    sa.Column("mode", sa.Text, nullable=False, server_default="record", comment="导入方式"),
    sa.Column("blank", sa.Text, nullable=False, server_default="erase", comment="空白单元格的含义"),
    sa.Column("diff", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="列出变更"),
    sa.Index("intake_undoes", "undoes"),
    comment="导入文件",
)


def _of_intake() -> sa.Column[Any]:
    return sa.Column("job", pg.UUID, primary_key=True, comment="任务编号")


intake_file = sa.Table(
    "intake_file",
    metadata,
    _of_intake(),
    sa.Column("kind", sa.Text, primary_key=True, comment="原件或回执"),
    sa.Column("piece", sa.Integer, primary_key=True, autoincrement=False, comment="分块"),
    sa.Column("sealed", pg.BYTEA, nullable=False, comment="内容（密封）"),
    sa.CheckConstraint("kind in ('upload', 'answer')", name="intake_file_kind"),
    comment="导入文件内容",
)

COUNTS = ("rows", "rows_new", "rows_changed", "rows_unchanged", "rows_refused", "doubts")

intake_chunk = sa.Table(
    "intake_chunk",
    metadata,
    _of_intake(),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False, comment="分段，0 为读表时退回的行"),
    *(sa.Column(name, sa.Integer, nullable=False, comment=name) for name in COUNTS),
    sa.Column("recorded_at", MOMENT, nullable=False, comment="完成时刻"),
    sa.CheckConstraint(
        "rows = rows_new + rows_changed + rows_unchanged + rows_refused", name="intake_chunk_nothing_lost"
    ),
    comment="导入分段计数",
)

intake_refusal = sa.Table(
    "intake_refusal",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=False), primary_key=True, comment="内部序号"),
    sa.Column("job", pg.UUID, nullable=False, comment="任务编号"),
    sa.Column("chunk", sa.Integer, nullable=False, comment="分段"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("column", sa.Text, comment="列"),
    sa.Column("code", sa.Text, nullable=False, comment="原因代码"),
    sa.Column("detail_zh", sa.Text, nullable=False, comment="原因"),
    sa.Column("detail_en", sa.Text, nullable=False, comment="原因（英文）"),
    sa.Index("intake_refusal_job", "job", "row"),
    comment="退回的行",
)


intake_doubt = sa.Table(
    "intake_doubt",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=False), primary_key=True, comment="内部序号"),
    sa.Column("job", pg.UUID, nullable=False, comment="任务编号"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("field", sa.Text, nullable=False, comment="字段"),
    sa.Column("check_id", sa.Text, nullable=False, comment="校验规则"),
    sa.Column("detail_zh", sa.Text, nullable=False, comment="说明"),
    sa.Column("detail_en", sa.Text, nullable=False, comment="说明（英文）"),
    sa.Index("intake_doubt_job", "job", "row"),
    comment="本次文件的疑点，写入回执后即清除",
)


intake_change = sa.Table(
    "intake_change",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=False), primary_key=True, comment="内部序号"),
    sa.Column("job", pg.UUID, nullable=False, comment="任务编号"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("number", sa.Text, nullable=False, comment="户编号"),
    sa.Column("masked_name", sa.Text, comment="脱敏姓名（关于整户的为空）"),
    sa.Column("kind", sa.Text, nullable=False, comment="新增、变更或离户"),
    sa.Column("field", sa.Text, comment="字段（新增的为空）"),
    sa.Column("before", sa.Text, comment="原值"),
    sa.Column("after", sa.Text, comment="新值"),
    sa.CheckConstraint("kind in ('new', 'changed', 'left')", name="intake_change_kind"),
    sa.Index("intake_change_job", "job", "no"),
    comment="文件逐项变更",
)

undo_plan = sa.Table(
    "undo_plan",
    metadata,
    _of_intake(),
    sa.Column("household_no", sa.BigInteger, primary_key=True, autoincrement=False, comment="户内部序号"),
    sa.Column("part", sa.Integer, nullable=False, comment="分段"),
    sa.Column("tied", sa.BigInteger, nullable=False, comment="须一同撤销的户"),
    sa.Column("undone", sa.Boolean, comment="已撤销，或因此后有变而未撤销"),
    comment="撤销计划",
)

absence = sa.Table(
    "absence",
    metadata,
    sa.Column("no", sa.BigInteger, sa.Identity(always=False), primary_key=True, comment="内部序号"),
    sa.Column("job", pg.UUID, nullable=False, comment="任务编号"),
    sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
    sa.Column("decision", sa.Text, comment="处理意见"),
    sa.Column("reason", sa.Text, comment="理由"),
    sa.Column("decided_by", sa.Text, comment="经办人"),
    sa.Column("decided_at", MOMENT, comment="处理时刻"),
    sa.CheckConstraint("num_nulls(decision, reason, decided_by, decided_at) in (0, 4)", name="absence_decided"),
    sa.Index("absence_once", "job", "household_no", unique=True),
    comment="整村核对时名单未列的户，待人处理",
)


def _staged(name: str, comment: str, *columns: Any) -> sa.Table:
    return sa.Table(
        f"staging_{name}",
        metadata,
        sa.Column("job", pg.UUID, nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
        *columns,
        comment=comment,
        prefixes=["UNLOGGED"],
    )


staging_household = _staged(
    "household",
    "待入库的户",
    sa.Column("is_new", sa.Boolean, nullable=False, comment="新户"),
    sa.Column("row", sa.Integer, nullable=False, comment="户主所在行"),
    sa.Column("id", pg.UUID, nullable=False, comment="户标识"),
    sa.Column("number", sa.Text, nullable=False, comment="户编号"),
    sa.Column("observed_on", sa.Date, nullable=False, comment="调查日期"),
    *households.staged(),
)
staging_person = _staged(
    "person",
    "待入库的人",
    sa.Column("person_no", sa.BigInteger, nullable=False, comment="人内部序号"),
    sa.Column("is_new", sa.Boolean, nullable=False, comment="新人"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("id", pg.UUID, nullable=False, comment="人标识"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="所在村"),
    sa.Column("identity_index", pg.BYTEA, nullable=False, comment="唯一识别键"),
    sa.Column("id_provisional", sa.Boolean, nullable=False, comment="证件待核"),
    sa.Column("relation", sa.Text, comment="与户主关系"),
    sa.Column("observed_on", sa.Date, nullable=False, comment="调查日期"),
    *people.staged(),
)
staging_status = _staged(
    "status",
    "待入库的户状态",
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("kind", sa.Text, nullable=False, comment="户类型"),
    sa.Column("since", sa.Date, nullable=False, comment="起"),
    sa.Column("until", sa.Date, comment="止"),
)
staging_income = _staged(
    "income",
    "待入库的收入",
    sa.Column("entry", sa.Integer, nullable=False, comment="分段内序号"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("year_from", sa.Date, nullable=False, comment="收入年度起"),
    sa.Column("year_to", sa.Date, nullable=False, comment="收入年度止"),
    sa.Column("component", sa.Text, nullable=False, comment="收入构成"),
    sa.Column("item", sa.Text, nullable=False, comment="收入子项"),
    sa.Column("fen", sa.BigInteger, nullable=False, comment="金额（分）"),
)
staging_doubt = _staged(
    "doubt",
    "待入库的疑点",
    sa.Column("person_no", sa.BigInteger, comment="人内部序号"),
    sa.Column("row", sa.Integer, nullable=False, comment="文件行号"),
    sa.Column("check_id", sa.Text, nullable=False, comment="校验规则"),
    sa.Column("severity", sa.Text, nullable=False, comment="严重程度"),
    sa.Column("field", sa.Text, nullable=False, comment="字段"),
    sa.Column("detail_zh", sa.Text, nullable=False, comment="说明"),
    sa.Column("detail_en", sa.Text, nullable=False, comment="说明（英文）"),
    sa.Column("fingerprints", sa.Text, comment="所核事实的指纹，每把在用密钥一个"),
)
