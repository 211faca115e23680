"""疑点: what a check found worth asking about; never a verdict. And what became of each, step by step."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.registry.tables.shapes import MOMENT, metadata, number, recorded

STANDING = "closed_at is null or finding in ('kept', 'corrected', 'exception')"
"""Still asked, or settled by a person: the same question about the same thing is never a second row."""

doubt = sa.Table(
    "doubt",
    metadata,
    number(),
    sa.Column("id", pg.UUID, nullable=False, server_default=sa.text("uuidv7()"), comment="疑点编号"),
    sa.Column("household_no", sa.BigInteger, nullable=False, comment="户内部序号"),
    sa.Column("person_no", sa.BigInteger, comment="人内部序号（关于整户的为空）"),
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
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1"), comment="版本"),
    sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'open'"), comment="状态"),
    sa.Column("fingerprint", sa.Text, comment="所核事实的指纹（带密钥散列）"),
    sa.Column("still_found", sa.Boolean, nullable=False, server_default=sa.text("true"), comment="最近一次检查仍存疑"),
    sa.Column("assignee", sa.Text, comment="核查人"),
    sa.Column("reason", sa.Text, comment="结论理由"),
    sa.Column("until", sa.Date, comment="例外有效期止"),
    sa.Column("found_by", sa.Text, comment="作出结论的人"),
    sa.CheckConstraint("state in ('open', 'assigned', 'found', 'closed')", name="doubt_state"),
    sa.CheckConstraint("(state = 'closed') = (closed_at is not null)", name="doubt_closed"),
    sa.CheckConstraint(
        "closed_at is null or finding is null or finding not in ('kept', 'exception') or found_by <> closed_by",
        name="doubt_two_persons",
    ),
    sa.CheckConstraint(
        "finding is distinct from 'exception' or (until is not null and reason is not null)", name="doubt_exception"
    ),
    sa.Index(
        "doubt_standing", "household_no", "person_no", "check_id", "field",
        unique=True, postgresql_where=sa.text(STANDING), postgresql_nulls_not_distinct=True,
    ),
    sa.Index("doubt_division", "division", "check_id", postgresql_where=sa.text("closed_at is null")),
    sa.Index("doubt_id", "id", unique=True),
    comment="疑点",
)  # fmt: skip

doubt_event = sa.Table(
    "doubt_event",
    metadata,
    number(),
    sa.Column("doubt_no", sa.BigInteger, nullable=False, comment="疑点内部序号"),
    sa.Column("what", sa.Text, nullable=False, comment="事项"),
    sa.Column("at", MOMENT, nullable=False, comment="时刻"),
    sa.Column("by", sa.Text, nullable=False, comment="经办人"),
    sa.Column("assignee", sa.Text, comment="核查人"),
    sa.Column("finding", sa.Text, comment="核查结论"),
    sa.Column("reason", sa.Text, comment="理由"),
    sa.Column("until", sa.Date, comment="例外有效期止"),
    sa.Index("doubt_event_doubt", "doubt_no"),
    comment="疑点经过，只增不改",
)
