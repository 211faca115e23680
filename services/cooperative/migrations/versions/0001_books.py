"""Books, members, accounts, drafts and the ledger's tables, each under the scope of its book.

The ledger's guards and functions follow in 0002; until then no login may write into it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import grant, plumbing_access, plumbing_tables, reference, scoped, scoped_through

revision = "0001"
down_revision = None

SERVICE = "cooperative"
THROUGH_BOOK = ("member", "account", "period_head", "draft", "entry", "block", "month_close", "payout")
OF_THE_WHOLE_COUNTRY = ("unit", "chart", "chart_account")


def upgrade() -> None:
    """Tables, then who may touch which row of them."""
    plumbing_tables(sa.MetaData()).outbox.metadata.create_all(op.get_bind())
    op.execute("create sequence entry_id cache 100")
    _heard()
    _dated()
    _books()
    _drafts()
    _ledger()
    for statement in (*_policies(), *_grants(), *plumbing_access(SERVICE)):
        op.execute(statement)


def _policies() -> list[str]:
    statements = [
        *scoped("book"),
        *scoped("household"),
        *reference("division", column="code"),
        *reference("parameter"),
        *scoped_through("balance", "account", key="account_id"),
        *scoped_through("balance_month", "account", key="account_id"),
        *_leg_policies(),
    ]
    for table in THROUGH_BOOK:
        statements += scoped_through(table, "book", key="book_id")
    for table in OF_THE_WHOLE_COUNTRY:
        statements += [
            f"alter table {table} enable row level security",
            f"alter table {table} force row level security",
            f"create policy read on {table} for select using (true)",
            f"create policy load on {table} to {SERVICE}_owner using (true)",
        ]
    return statements


def _leg_policies() -> list[str]:
    """Legs are read through their entry. They are written in one statement with it, which a policy cannot see yet:
    there the account decides, and the guard proves that both are of one book.
    """
    return [
        "alter table leg enable row level security",
        "alter table leg force row level security",
        "create policy scope_read on leg for select using (exists (select 1 from entry e where e.id = leg.entry_id))",
        "create policy scope_insert on leg for insert with check"
        " (exists (select 1 from account a where a.id = leg.account_id))",
    ]


def _grants() -> list[str]:
    read = ("account", "period_head", "entry", "leg", "balance", "balance_month", "block", "month_close", "payout")
    reference_rows = (*OF_THE_WHOLE_COUNTRY, "parameter")
    statements = [s for table in (*read, *reference_rows) for s in grant(table, SERVICE, api="select", worker="select")]
    own = "id, book_id, posting, period, terms, entries, hash, drafted_by, drafted_at"
    decision = "state, decided_by, decided_at, reason"
    return [
        *statements,
        *grant("book", SERVICE, api="select, insert", worker="select"),
        *grant("member", SERVICE, api="select, insert, update (left_on)", worker="select"),
        *grant("draft", SERVICE, api=f"select, insert ({own}), update ({decision})", worker="select"),
        *grant("division", SERVICE, api="select", worker="select, insert, update, delete"),
        *grant("household", SERVICE, api="select", worker="select, insert, update, delete"),
        *grant("payout", SERVICE, worker="maintain"),  # locked while payouts are said again
    ]


def _heard() -> None:
    """What is heard from registry."""
    op.create_table(
        "division",
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=False, comment="区划代码"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("name", sa.Text(), nullable=False, comment="名称"),
        sa.Column("level", sa.Text(), nullable=False, comment="级别"),
        sa.Column("parent", sa.BigInteger(), nullable=True, comment="上级区划"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="启用日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="停用日期"),
        sa.Column("superseded_by", sa.BigInteger(), nullable=True, comment="并入的区划"),
        sa.PrimaryKeyConstraint("code"),
        comment="区划（听自登记服务）",
    )
    op.create_table(
        "household",
        sa.Column("id", sa.UUID(), nullable=False, comment="户"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("number", sa.Text(), nullable=False, comment="户编号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="区划代码"),
        sa.Column("statuses", pg.JSONB(), nullable=False, comment="户状态区间"),
        sa.Column("masked_head", sa.Text(), nullable=False, comment="脱敏户主姓名"),
        sa.Column("superseded_by", sa.UUID(), nullable=True, comment="并入的户"),
        sa.PrimaryKeyConstraint("id"),
        comment="户（听自登记服务）",
    )
    op.create_index("household_division", "household", ["division"], unique=False)
    op.create_index("household_number", "household", ["number"], unique=False)


def _dated() -> None:
    """Dated reference rows."""
    op.create_table(
        "unit",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="计量单位"),
        sa.Column("code", sa.Text(), nullable=False, comment="代码"),
        sa.Column("zh", sa.Text(), nullable=False, comment="中文名"),
        sa.Column("scale", sa.SmallInteger(), nullable=False, comment="小数位"),
        sa.CheckConstraint("scale between 0 and 6", name="unit_scale"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
        comment="计量单位",
    )
    op.create_table(
        "parameter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="序号"),
        sa.Column("key", sa.Text(), nullable=False, comment="参数"),
        sa.Column("division", sa.BigInteger(), nullable=True, comment="适用区划，空为全国"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="施行日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="废止日期"),
        sa.Column("value", sa.Text(), nullable=False, comment="值"),
        sa.Column("unit", sa.Text(), nullable=False, comment="单位"),
        sa.Column("basis_zh", sa.Text(), nullable=False, comment="依据"),
        sa.Column("basis_en", sa.Text(), nullable=False, comment="依据（英文）"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("approved_by", sa.Text(), nullable=False, comment="批准人"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "division", "valid_from", name="parameter_once", postgresql_nulls_not_distinct=True),
        comment="参数",
    )
    op.create_table(
        "chart",
        sa.Column("code", sa.Text(), nullable=False, comment="科目表"),
        sa.Column("zh", sa.Text(), nullable=False, comment="中文名"),
        sa.Column("en", sa.Text(), nullable=False, comment="英文名"),
        sa.Column("basis", sa.Text(), nullable=False, comment="依据"),
        sa.PrimaryKeyConstraint("code"),
        comment="会计科目表",
    )
    op.create_table(
        "chart_account",
        sa.Column("chart", sa.Text(), nullable=False, comment="科目表"),
        sa.Column("code", sa.Text(), nullable=False, comment="科目编号"),
        sa.Column("zh", sa.Text(), nullable=False, comment="科目名称"),
        sa.Column("en", sa.Text(), nullable=False, comment="英文名"),
        sa.Column("class", sa.Text(), nullable=False, comment="科目类别"),
        sa.Column("normal", sa.SmallInteger(), nullable=False, comment="余额方向：1借，-1贷"),
        sa.Column("guard", sa.SmallInteger(), nullable=False, comment="余额守卫：0无，1借方不为负，2贷方不为负"),
        sa.Column("by_member", sa.Boolean(), nullable=False, comment="按成员设明细"),
        sa.Column("optional", sa.Boolean(), nullable=False, comment="可选科目"),
        sa.ForeignKeyConstraint(
            ["chart"],
            ["chart.code"],
        ),
        sa.PrimaryKeyConstraint("chart", "code"),
        comment="会计科目",
    )


def _books() -> None:
    """Books with their members, accounts and months."""
    op.create_table(
        "book",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False, comment="账簿序号"),
        sa.Column("public_id", sa.UUID(), nullable=False, comment="账簿编号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="区划代码"),
        sa.Column("name", sa.Text(), nullable=False, comment="合作社名称"),
        sa.Column("chart", sa.Text(), nullable=False, comment="科目表"),
        sa.Column("opened_on", sa.Date(), nullable=False, comment="启用日期"),
        sa.Column("opened_by", sa.Text(), nullable=False, comment="建账人"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, comment="建账时刻"),
        sa.Column("admission_status", sa.Text(), nullable=True, comment="入社条件：户状态"),
        sa.Column("admission_on", sa.Date(), nullable=True, comment="入社条件：日期"),
        sa.Column("chart_exception", sa.Text(), nullable=True, comment="科目表例外的理由"),
        sa.Column("chart_exception_by", sa.Text(), nullable=True, comment="科目表例外的决定人"),
        sa.Column("chart_exception_at", sa.DateTime(timezone=True), nullable=True, comment="科目表例外的时刻"),
        sa.CheckConstraint("num_nulls(admission_status, admission_on) in (0, 2)", name="book_admission_whole"),
        sa.CheckConstraint(
            "num_nulls(chart_exception, chart_exception_by, chart_exception_at) in (0, 3)", name="book_exception_whole"
        ),
        sa.ForeignKeyConstraint(
            ["chart"],
            ["chart.code"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("public_id"),
        comment="账簿",
    )
    op.create_index("book_division", "book", ["division"], unique=False)
    op.create_table(
        "member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="成员序号"),
        sa.Column("book_id", sa.Integer(), nullable=False, comment="账簿"),
        sa.Column("number", sa.Integer(), nullable=False, comment="成员编号"),
        sa.Column("household", sa.UUID(), nullable=False, comment="户"),
        sa.Column("joined_on", sa.Date(), nullable=False, comment="入社日期"),
        sa.Column("left_on", sa.Date(), nullable=True, comment="退社日期"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="登记人"),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False, comment="登记时刻"),
        sa.CheckConstraint("left_on > joined_on", name="member_span"),
        sa.CheckConstraint("number > 0", name="member_number_positive"),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["book.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("book_id", "household", name="member_household"),
        sa.UniqueConstraint("book_id", "number", name="member_number"),
        comment="成员",
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="账户序号"),
        sa.Column("book_id", sa.Integer(), nullable=False, comment="账簿"),
        sa.Column("code", sa.Text(), nullable=False, comment="科目编号"),
        sa.Column("member_id", sa.BigInteger(), nullable=True, comment="成员"),
        sa.Column("unit_id", sa.SmallInteger(), nullable=False, comment="计量单位"),
        sa.Column("normal", sa.SmallInteger(), nullable=False, comment="余额方向：1借，-1贷"),
        sa.Column("guard", sa.SmallInteger(), nullable=False, comment="余额守卫：0无，1借方不为负，2贷方不为负"),
        sa.Column("opened_on", sa.Date(), nullable=False, comment="启用日期"),
        sa.CheckConstraint("guard in (0, 1, 2)", name="account_guard"),
        sa.CheckConstraint("normal in (1, -1)", name="account_normal"),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["book.id"],
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.id"],
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"],
            ["unit.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "book_id", "code", "member_id", "unit_id", name="account_once", postgresql_nulls_not_distinct=True
        ),
        comment="账户",
    )
    op.create_index("account_member", "account", ["member_id"], unique=False)
    op.create_table(
        "period_head",
        sa.Column("book_id", sa.Integer(), autoincrement=False, nullable=False, comment="账簿"),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False, comment="会计期间，如201909"),
        sa.Column("status", sa.CHAR(length=1), server_default="o", nullable=False, comment="状态：o开放，c已结账"),
        sa.Column("last_no", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="最后凭证号"),
        sa.Column("chain", pg.BYTEA(), nullable=False, comment="链首摘要"),
        sa.CheckConstraint("status in ('o', 'c')", name="period_head_status"),
        sa.CheckConstraint("period % 100 between 1 and 12", name="period_head_month"),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["book.id"],
        ),
        sa.PrimaryKeyConstraint("book_id", "period"),
        comment="会计期间",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "month_close",
        sa.Column("book_id", sa.Integer(), autoincrement=False, nullable=False, comment="账簿"),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False, comment="会计期间"),
        sa.Column("closed_by", sa.Text(), nullable=False, comment="结账人"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False, comment="结账时刻"),
        sa.Column("chain", pg.BYTEA(), nullable=False, comment="链末摘要"),
        sa.Column("entries", sa.Integer(), nullable=False, comment="凭证数"),
        sa.Column("legs", sa.Integer(), nullable=False, comment="分录数"),
        sa.Column("debit_fen", sa.BigInteger(), nullable=False, comment="借方合计（分）"),
        sa.Column("credit_fen", sa.BigInteger(), nullable=False, comment="贷方合计（分）"),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["book.id"],
        ),
        sa.PrimaryKeyConstraint("book_id", "period"),
        comment="结账记录",
    )


def _drafts() -> None:
    """What one person makes and another decides."""
    op.create_table(
        "draft",
        sa.Column("id", sa.UUID(), nullable=False, comment="草稿编号"),
        sa.Column("book_id", sa.Integer(), nullable=False, comment="账簿"),
        sa.Column("posting", sa.Text(), nullable=False, comment="分录模板"),
        sa.Column("period", sa.Integer(), nullable=False, comment="会计期间"),
        sa.Column("terms", pg.JSONB(), nullable=False, comment="业务要素"),
        sa.Column("entries", pg.JSONB(), nullable=False, comment="拟记凭证"),
        sa.Column("hash", pg.BYTEA(), nullable=False, comment="拟记凭证摘要"),
        sa.Column("drafted_by", sa.Text(), nullable=False, comment="制单人"),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False, comment="制单时刻"),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False, comment="状态"),
        sa.Column("decided_by", sa.Text(), nullable=True, comment="审核人"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="审核时刻"),
        sa.Column("reason", sa.Text(), nullable=True, comment="退回原因"),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_by is null) and (state = 'waiting') = (decided_at is null)",
            name="draft_decided_whole",
        ),
        sa.CheckConstraint("state <> 'approved' or decided_by <> drafted_by", name="draft_two_persons"),
        sa.CheckConstraint("state in ('waiting', 'approved', 'rejected')", name="draft_state"),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["book.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="凭证草稿",
    )
    op.create_index("draft_book", "draft", ["book_id", "drafted_at", "id"], unique=False)
    op.create_index(
        "draft_waiting", "draft", ["book_id", "period"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )


def _ledger() -> None:
    """Entries, legs, what follows from them, and what was paid."""
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="凭证序号"),
        sa.Column("public_id", sa.UUID(), nullable=False, comment="凭证编号"),
        sa.Column("book_id", sa.Integer(), nullable=False, comment="账簿"),
        sa.Column("period", sa.Integer(), nullable=False, comment="会计期间"),
        sa.Column("no", sa.Integer(), nullable=False, comment="凭证号"),
        sa.Column("kind", sa.SmallInteger(), nullable=False, comment="类别：1普通 2期初 3结转 4冲销 5调整"),
        sa.Column("eff", sa.Date(), nullable=False, comment="业务日期"),
        sa.Column("key", sa.Text(), nullable=False, comment="凭证键"),
        sa.Column("body_hash", pg.BYTEA(), nullable=False, comment="内容摘要"),
        sa.Column("legs", sa.SmallInteger(), nullable=False, comment="分录数"),
        sa.Column("memo", sa.Text(), nullable=False, comment="摘要"),
        sa.Column("source", sa.Text(), nullable=False, comment="分录模板"),
        sa.Column("draft_id", sa.UUID(), nullable=False, comment="凭证草稿"),
        sa.Column("bundle", sa.UUID(), nullable=True, comment="跨账簿业务编号"),
        sa.Column("reverses", sa.BigInteger(), nullable=True, comment="被冲销的凭证"),
        sa.Column("posted_by", sa.Text(), nullable=False, comment="审核人"),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False, comment="记账时刻（业务时间）"),
        sa.CheckConstraint(
            "period = (date_part('year', eff) * 100 + date_part('month', eff))::int", name="entry_period"
        ),
        sa.CheckConstraint("kind between 1 and 5 and (kind = 4) = (reverses is not null)", name="entry_kind"),
        sa.CheckConstraint("legs >= 2", name="entry_legs"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("book_id", "key", name="entry_key"),
        sa.UniqueConstraint("book_id", "period", "no", name="entry_number"),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("reverses"),
        comment="凭证",
    )
    op.create_table(
        "leg",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="凭证"),
        sa.Column("n", sa.SmallInteger(), autoincrement=False, nullable=False, comment="行号"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账户"),
        sa.Column("unit_id", sa.SmallInteger(), nullable=False, comment="计量单位"),
        sa.Column("side", sa.SmallInteger(), nullable=False, comment="方向：1借，-1贷"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="金额（最小单位），负数为红字"),
        sa.Column("eff", sa.Date(), nullable=False, comment="业务日期"),
        sa.CheckConstraint("amount <> 0", name="leg_amount"),
        sa.CheckConstraint("n > 0", name="leg_n"),
        sa.CheckConstraint("side in (1, -1)", name="leg_side"),
        sa.PrimaryKeyConstraint("entry_id", "n"),
        comment="分录",
    )
    op.create_index(
        "leg_account",
        "leg",
        ["account_id", "unit_id", "eff", "entry_id"],
        unique=False,
        postgresql_include=["side", "amount"],
    )
    op.create_table(
        "balance",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="账户"),
        sa.Column("dr", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="借方累计"),
        sa.Column("cr", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="贷方累计"),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="冻结"),
        sa.Column("guard", sa.SmallInteger(), nullable=False, comment="余额守卫"),
        sa.CheckConstraint(
            "guard = 0 or (guard = 1 and dr - cr - held >= 0) or (guard = 2 and cr - dr - held >= 0)",
            name="balance_guard",
        ),
        sa.CheckConstraint("held >= 0", name="balance_held"),
        sa.PrimaryKeyConstraint("account_id"),
        comment="余额",
        postgresql_with={"fillfactor": 60},
    )
    op.create_table(
        "balance_month",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="账户"),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False, comment="会计期间"),
        sa.Column("dr", sa.BigInteger(), nullable=False, comment="本期借方发生额"),
        sa.Column("cr", sa.BigInteger(), nullable=False, comment="本期贷方发生额"),
        sa.PrimaryKeyConstraint("account_id", "period"),
        comment="月度发生额",
        postgresql_with={"fillfactor": 60},
    )
    op.create_table(
        "block",
        sa.Column("book_id", sa.Integer(), autoincrement=False, nullable=False, comment="账簿"),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False, comment="会计期间"),
        sa.Column("last_no", sa.Integer(), autoincrement=False, nullable=False, comment="末号"),
        sa.Column("first_no", sa.Integer(), nullable=False, comment="首号"),
        sa.Column("prev", pg.BYTEA(), nullable=False, comment="前一摘要"),
        sa.Column("hash", pg.BYTEA(), nullable=False, comment="摘要"),
        sa.PrimaryKeyConstraint("book_id", "period", "last_no"),
        comment="摘要链",
    )
    op.create_table(
        "payout",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="凭证"),
        sa.Column("id", sa.UUID(), nullable=False, comment="兑付编号"),
        sa.Column("book_id", sa.Integer(), nullable=False, comment="账簿"),
        sa.Column("member_id", sa.BigInteger(), nullable=False, comment="成员"),
        sa.Column("household", sa.UUID(), nullable=False, comment="户"),
        sa.Column("kind", sa.Text(), nullable=False, comment="兑付种类"),
        sa.Column("fen", sa.BigInteger(), nullable=False, comment="金额（分），负数为退回"),
        sa.Column("paid_on", sa.Date(), nullable=False, comment="兑付日期"),
        sa.Column("settles", sa.BigInteger(), nullable=False, comment="所结清的分配凭证"),
        sa.Column("reverses", sa.UUID(), nullable=True, comment="所退回的兑付"),
        sa.CheckConstraint("(fen < 0) = (reverses is not null)", name="payout_sign"),
        sa.PrimaryKeyConstraint("entry_id"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("reverses"),
        comment="兑付",
    )
    op.create_index("payout_book", "payout", ["book_id", "entry_id"], unique=False)
    op.create_index("payout_household", "payout", ["household"], unique=False)
    op.create_index("payout_settles", "payout", ["settles", "member_id"], unique=False)
