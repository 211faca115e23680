"""Which columns there are. `migrations/versions` holds their history; the ledger's guards stand in `0002_ledger`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import plumbing_tables

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)

MOMENT = sa.DateTime(timezone=True)


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target])


# ── what was heard ────────────────────────────────────────────────────────────────────────────────────────────────────

division = sa.Table(
    "division",
    metadata,
    sa.Column("code", sa.BigInteger, primary_key=True, autoincrement=False, comment="区划代码"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("name", sa.Text, nullable=False, comment="名称"),
    sa.Column("level", sa.Text, nullable=False, comment="级别"),
    sa.Column("parent", sa.BigInteger, comment="上级区划"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="启用日期"),
    sa.Column("valid_to", sa.Date, comment="停用日期"),
    sa.Column("superseded_by", sa.BigInteger, comment="并入的区划"),
    comment="区划（听自登记服务）",
)

household = sa.Table(
    "household",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="户"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.Column("number", sa.Text, nullable=False, comment="户编号"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="区划代码"),
    sa.Column("statuses", pg.JSONB, nullable=False, comment="户状态区间"),
    sa.Column("masked_head", sa.Text, nullable=False, comment="脱敏户主姓名"),
    sa.Column("superseded_by", pg.UUID, comment="并入的户"),
    sa.Index("household_number", "number"),
    sa.Index("household_division", "division"),
    comment="户（听自登记服务）",
)

# ── dated reference rows ──────────────────────────────────────────────────────────────────────────────────────────────

unit = sa.Table(
    "unit",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False, comment="计量单位"),
    sa.Column("code", sa.Text, nullable=False, unique=True, comment="代码"),
    sa.Column("zh", sa.Text, nullable=False, comment="中文名"),
    sa.Column("scale", sa.SmallInteger, nullable=False, comment="小数位"),
    sa.CheckConstraint("scale between 0 and 6", name="unit_scale"),
    comment="计量单位",
)

parameter = sa.Table(
    "parameter",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="序号"),
    sa.Column("key", sa.Text, nullable=False, comment="参数"),
    sa.Column("division", sa.BigInteger, comment="适用区划，空为全国"),
    sa.Column("valid_from", sa.Date, nullable=False, comment="施行日期"),
    sa.Column("valid_to", sa.Date, comment="废止日期"),
    sa.Column("value", sa.Text, nullable=False, comment="值"),
    sa.Column("unit", sa.Text, nullable=False, comment="单位"),
    sa.Column("basis_zh", sa.Text, nullable=False, comment="依据"),
    sa.Column("basis_en", sa.Text, nullable=False, comment="依据（英文）"),
    sa.Column("entered_by", sa.Text, nullable=False, comment="录入人"),
    sa.Column("approved_by", sa.Text, nullable=False, comment="批准人"),
    sa.UniqueConstraint("key", "division", "valid_from", name="parameter_once", postgresql_nulls_not_distinct=True),
    comment="参数",
)

chart = sa.Table(
    "chart",
    metadata,
    sa.Column("code", sa.Text, primary_key=True, comment="科目表"),
    sa.Column("zh", sa.Text, nullable=False, comment="中文名"),
    sa.Column("en", sa.Text, nullable=False, comment="英文名"),
    sa.Column("basis", sa.Text, nullable=False, comment="依据"),
    comment="会计科目表",
)

chart_account = sa.Table(
    "chart_account",
    metadata,
    sa.Column("chart", sa.Text, primary_key=True, comment="科目表"),
    sa.Column("code", sa.Text, primary_key=True, comment="科目编号"),
    sa.Column("zh", sa.Text, nullable=False, comment="科目名称"),
    sa.Column("en", sa.Text, nullable=False, comment="英文名"),
    sa.Column("class", sa.Text, nullable=False, comment="科目类别"),
    sa.Column("normal", sa.SmallInteger, nullable=False, comment="余额方向：1借，-1贷"),
    sa.Column("guard", sa.SmallInteger, nullable=False, comment="余额守卫：0无，1借方不为负，2贷方不为负"),
    sa.Column("by_member", sa.Boolean, nullable=False, comment="按成员设明细"),
    sa.Column("optional", sa.Boolean, nullable=False, comment="可选科目"),
    _reference("chart", "chart.code"),
    comment="会计科目",
)

# ── books, members, accounts ──────────────────────────────────────────────────────────────────────────────────────────

book = sa.Table(
    "book",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True, comment="账簿序号"),
    sa.Column("public_id", pg.UUID, nullable=False, unique=True, comment="账簿编号"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="区划代码"),
    sa.Column("name", sa.Text, nullable=False, comment="合作社名称"),
    sa.Column("chart", sa.Text, nullable=False, comment="科目表"),
    sa.Column("opened_on", sa.Date, nullable=False, comment="启用日期"),
    sa.Column("opened_by", sa.Text, nullable=False, comment="建账人"),
    sa.Column("opened_at", MOMENT, nullable=False, comment="建账时刻"),
    sa.Column("admission_status", sa.Text, comment="入社条件：户状态"),
    sa.Column("admission_on", sa.Date, comment="入社条件：日期"),
    sa.Column("chart_exception", sa.Text, comment="科目表例外的理由"),
    sa.Column("chart_exception_by", sa.Text, comment="科目表例外的决定人"),
    sa.Column("chart_exception_at", MOMENT, comment="科目表例外的时刻"),
    sa.CheckConstraint("num_nulls(admission_status, admission_on) in (0, 2)", name="book_admission_whole"),
    sa.CheckConstraint(
        "num_nulls(chart_exception, chart_exception_by, chart_exception_at) in (0, 3)", name="book_exception_whole"
    ),
    sa.Index("book_division", "division"),
    _reference("chart", "chart.code"),
    comment="账簿",
)

member = sa.Table(
    "member",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="成员序号"),
    sa.Column("book_id", sa.Integer, nullable=False, comment="账簿"),
    sa.Column("number", sa.Integer, nullable=False, comment="成员编号"),
    sa.Column("household", pg.UUID, nullable=False, comment="户"),
    sa.Column("joined_on", sa.Date, nullable=False, comment="入社日期"),
    sa.Column("left_on", sa.Date, comment="退社日期"),
    sa.Column("entered_by", sa.Text, nullable=False, comment="登记人"),
    sa.Column("entered_at", MOMENT, nullable=False, comment="登记时刻"),
    sa.UniqueConstraint("book_id", "number", name="member_number"),
    sa.UniqueConstraint("book_id", "household", name="member_household"),
    sa.CheckConstraint("number > 0", name="member_number_positive"),
    sa.CheckConstraint("left_on > joined_on", name="member_span"),
    _reference("book_id", "book.id"),
    comment="成员",
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="账户序号"),
    sa.Column("book_id", sa.Integer, nullable=False, comment="账簿"),
    sa.Column("code", sa.Text, nullable=False, comment="科目编号"),
    sa.Column("member_id", sa.BigInteger, comment="成员"),
    sa.Column("unit_id", sa.SmallInteger, nullable=False, comment="计量单位"),
    sa.Column("normal", sa.SmallInteger, nullable=False, comment="余额方向：1借，-1贷"),
    sa.Column("guard", sa.SmallInteger, nullable=False, comment="余额守卫：0无，1借方不为负，2贷方不为负"),
    sa.Column("opened_on", sa.Date, nullable=False, comment="启用日期"),
    sa.UniqueConstraint(
        "book_id", "code", "member_id", "unit_id", name="account_once", postgresql_nulls_not_distinct=True
    ),
    sa.CheckConstraint("normal in (1, -1)", name="account_normal"),
    sa.CheckConstraint("guard in (0, 1, 2)", name="account_guard"),
    sa.Index("account_member", "member_id"),
    _reference("book_id", "book.id"),
    _reference("member_id", "member.id"),
    _reference("unit_id", "unit.id"),
    comment="账户",
)

# ── the ledger ────────────────────────────────────────────────────────────────────────────────────────────────────────

period_head = sa.Table(
    "period_head",
    metadata,
    sa.Column("book_id", sa.Integer, primary_key=True, autoincrement=False, comment="账簿"),
    sa.Column("period", sa.Integer, primary_key=True, autoincrement=False, comment="会计期间，如201909"),
    sa.Column("status", sa.CHAR(1), nullable=False, server_default="o", comment="状态：o开放，c已结账"),
    sa.Column("last_no", sa.Integer, nullable=False, server_default=sa.text("0"), comment="最后凭证号"),
    sa.Column("chain", pg.BYTEA, nullable=False, comment="链首摘要"),
    sa.CheckConstraint("status in ('o', 'c')", name="period_head_status"),
    sa.CheckConstraint("period % 100 between 1 and 12", name="period_head_month"),
    _reference("book_id", "book.id"),
    comment="会计期间",
    postgresql_with={"fillfactor": 50},
)

draft = sa.Table(
    "draft",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="草稿编号"),
    sa.Column("book_id", sa.Integer, nullable=False, comment="账簿"),
    sa.Column("posting", sa.Text, nullable=False, comment="分录模板"),
    sa.Column("period", sa.Integer, nullable=False, comment="会计期间"),
    sa.Column("terms", pg.JSONB, nullable=False, comment="业务要素"),
    sa.Column("entries", pg.JSONB, nullable=False, comment="拟记凭证"),
    sa.Column("hash", pg.BYTEA, nullable=False, comment="拟记凭证摘要"),
    sa.Column("drafted_by", sa.Text, nullable=False, comment="制单人"),
    sa.Column("drafted_at", MOMENT, nullable=False, comment="制单时刻"),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting", comment="状态"),
    sa.Column("decided_by", sa.Text, comment="审核人"),
    sa.Column("decided_at", MOMENT, comment="审核时刻"),
    sa.Column("reason", sa.Text, comment="退回原因"),
    sa.CheckConstraint("state in ('waiting', 'approved', 'rejected')", name="draft_state"),
    sa.CheckConstraint("state <> 'approved' or decided_by <> drafted_by", name="draft_two_persons"),
    sa.CheckConstraint(
        "(state = 'waiting') = (decided_by is null) and (state = 'waiting') = (decided_at is null)",
        name="draft_decided_whole",
    ),
    sa.Index("draft_book", "book_id", "drafted_at", "id"),
    sa.Index("draft_waiting", "book_id", "period", postgresql_where=sa.text("state = 'waiting'")),
    _reference("book_id", "book.id"),
    comment="凭证草稿",
)

entry_id = sa.Sequence("entry_id", metadata=metadata, cache=100)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, comment="凭证序号"),
    sa.Column("public_id", pg.UUID, nullable=False, unique=True, comment="凭证编号"),
    sa.Column("book_id", sa.Integer, nullable=False, comment="账簿"),
    sa.Column("period", sa.Integer, nullable=False, comment="会计期间"),
    sa.Column("no", sa.Integer, nullable=False, comment="凭证号"),
    sa.Column("kind", sa.SmallInteger, nullable=False, comment="类别：1普通 2期初 3结转 4冲销 5调整"),
    sa.Column("eff", sa.Date, nullable=False, comment="业务日期"),
    sa.Column("key", sa.Text, nullable=False, comment="凭证键"),
    sa.Column("body_hash", pg.BYTEA, nullable=False, comment="内容摘要"),
    sa.Column("legs", sa.SmallInteger, nullable=False, comment="分录数"),
    sa.Column("memo", sa.Text, nullable=False, comment="摘要"),
    sa.Column("source", sa.Text, nullable=False, comment="分录模板"),
    sa.Column("draft_id", pg.UUID, nullable=False, comment="凭证草稿"),
    sa.Column("bundle", pg.UUID, comment="跨账簿业务编号"),
    sa.Column("reverses", sa.BigInteger, unique=True, comment="被冲销的凭证"),
    sa.Column("posted_by", sa.Text, nullable=False, comment="审核人"),
    sa.Column("posted_at", MOMENT, nullable=False, comment="记账时刻（业务时间）"),
    sa.UniqueConstraint("book_id", "key", name="entry_key"),
    sa.UniqueConstraint("book_id", "period", "no", name="entry_number"),
    sa.CheckConstraint("legs >= 2", name="entry_legs"),
    sa.CheckConstraint("kind between 1 and 5 and (kind = 4) = (reverses is not null)", name="entry_kind"),
    sa.CheckConstraint("period = (date_part('year', eff) * 100 + date_part('month', eff))::int", name="entry_period"),
    comment="凭证",
)

leg = sa.Table(
    "leg",
    metadata,
    sa.Column("entry_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="凭证"),
    sa.Column("n", sa.SmallInteger, primary_key=True, autoincrement=False, comment="行号"),
    sa.Column("account_id", sa.BigInteger, nullable=False, comment="账户"),
    sa.Column("unit_id", sa.SmallInteger, nullable=False, comment="计量单位"),
    sa.Column("side", sa.SmallInteger, nullable=False, comment="方向：1借，-1贷"),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="金额（最小单位），负数为红字"),
    sa.Column("eff", sa.Date, nullable=False, comment="业务日期"),
    sa.CheckConstraint("n > 0", name="leg_n"),
    sa.CheckConstraint("side in (1, -1)", name="leg_side"),
    sa.CheckConstraint("amount <> 0", name="leg_amount"),
    sa.Index("leg_account", "account_id", "unit_id", "eff", "entry_id", postgresql_include=["side", "amount"]),
    comment="分录",
)

balance = sa.Table(
    "balance",
    metadata,
    sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="账户"),
    sa.Column("dr", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="借方累计"),
    sa.Column("cr", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="贷方累计"),
    sa.Column("held", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="冻结"),
    sa.Column("guard", sa.SmallInteger, nullable=False, comment="余额守卫"),
    sa.CheckConstraint("held >= 0", name="balance_held"),
    sa.CheckConstraint(
        "guard = 0 or (guard = 1 and dr - cr - held >= 0) or (guard = 2 and cr - dr - held >= 0)", name="balance_guard"
    ),
    comment="余额",
    postgresql_with={"fillfactor": 60},
)

balance_month = sa.Table(
    "balance_month",
    metadata,
    sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="账户"),
    sa.Column("period", sa.Integer, primary_key=True, autoincrement=False, comment="会计期间"),
    sa.Column("dr", sa.BigInteger, nullable=False, comment="本期借方发生额"),
    sa.Column("cr", sa.BigInteger, nullable=False, comment="本期贷方发生额"),
    comment="月度发生额",
    postgresql_with={"fillfactor": 60},
)

block = sa.Table(
    "block",
    metadata,
    sa.Column("book_id", sa.Integer, primary_key=True, autoincrement=False, comment="账簿"),
    sa.Column("period", sa.Integer, primary_key=True, autoincrement=False, comment="会计期间"),
    sa.Column("last_no", sa.Integer, primary_key=True, autoincrement=False, comment="末号"),
    sa.Column("first_no", sa.Integer, nullable=False, comment="首号"),
    sa.Column("prev", pg.BYTEA, nullable=False, comment="前一摘要"),
    sa.Column("hash", pg.BYTEA, nullable=False, comment="摘要"),
    comment="摘要链",
)

month_close = sa.Table(
    "month_close",
    metadata,
    sa.Column("book_id", sa.Integer, primary_key=True, autoincrement=False, comment="账簿"),
    sa.Column("period", sa.Integer, primary_key=True, autoincrement=False, comment="会计期间"),
    sa.Column("closed_by", sa.Text, nullable=False, comment="结账人"),
    sa.Column("closed_at", MOMENT, nullable=False, comment="结账时刻"),
    sa.Column("chain", pg.BYTEA, nullable=False, comment="链末摘要"),
    sa.Column("entries", sa.Integer, nullable=False, comment="凭证数"),
    sa.Column("legs", sa.Integer, nullable=False, comment="分录数"),
    sa.Column("debit_fen", sa.BigInteger, nullable=False, comment="借方合计（分）"),
    sa.Column("credit_fen", sa.BigInteger, nullable=False, comment="贷方合计（分）"),
    _reference("book_id", "book.id"),
    comment="结账记录",
)

payout = sa.Table(
    "payout",
    metadata,
    sa.Column("entry_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="凭证"),
    sa.Column("id", pg.UUID, nullable=False, unique=True, comment="兑付编号"),
    sa.Column("book_id", sa.Integer, nullable=False, comment="账簿"),
    sa.Column("member_id", sa.BigInteger, nullable=False, comment="成员"),
    sa.Column("household", pg.UUID, nullable=False, comment="户"),
    sa.Column("kind", sa.Text, nullable=False, comment="兑付种类"),
    sa.Column("fen", sa.BigInteger, nullable=False, comment="金额（分），负数为退回"),
    sa.Column("paid_on", sa.Date, nullable=False, comment="兑付日期"),
    sa.Column("settles", sa.BigInteger, nullable=False, comment="所结清的分配凭证"),
    sa.Column("reverses", pg.UUID, unique=True, comment="所退回的兑付"),
    sa.CheckConstraint("(fen < 0) = (reverses is not null)", name="payout_sign"),
    sa.Index("payout_book", "book_id", "entry_id"),
    sa.Index("payout_settles", "settles", "member_id"),
    sa.Index("payout_household", "household"),
    comment="兑付",
)

UNSCOPED = {
    "unit": "units of the whole country: read by all, loaded by the owner alone",
    "chart": "charts of accounts are law for the whole country: read by all, loaded by the owner alone",
    "chart_account": "lines of those charts: the same",
    "division": "names of divisions: seen by whom they lie above, below or within (policies of a reference table)",
}
"""Tables not filtered by "this row's division lies in the scope", each with its reason."""
