"""The tables of assessment, as they first stood, with who may touch which row.

Rows about a household carry its present division: when it moves, all its rows move with it, so that whoever is
responsible for it now can explain every judgement ever made.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import grant, plumbing_access, plumbing_tables, reference, scoped

revision = "0001"
down_revision = None

SERVICE = "assessment"
SCOPED = ("household", "circumstance", "subject", "judgement", "finding", "run", "parameter_proposal")


def upgrade() -> None:
    """Plumbing, then one function a table, then policies and grants."""
    plumbing_tables(sa.MetaData()).outbox.metadata.create_all(op.get_bind())
    _circumstance()
    _division()
    _finding()
    _household()
    _judgement()
    _numbers()
    _pack()
    _parameter()
    _parameter_proposal()
    _run()
    _subject()
    for statement in (*_policies(), *_grants(), *plumbing_access(SERVICE)):
        op.execute(statement)


def _policies() -> list[str]:
    return [
        *(statement for table in SCOPED for statement in scoped(table)),
        *reference("division", column="code"),
        *reference("parameter"),
        *reference("pack"),
        *reference("numbers"),
    ]


def _grants() -> list[str]:
    """The api reads; it writes parameters and asks for runs. The worker hears and judges."""
    rights = {
        "division": ("select", "select, insert, update, delete"),
        "household": ("select", "select, insert, update, delete"),
        "circumstance": ("select", "select, insert, update (division), delete"),
        "subject": ("select", "select, insert, update, delete, maintain"),
        "judgement": ("select", "select, insert, update (division)"),
        "finding": ("select", "select, insert, update (division)"),
        "numbers": ("select", "select, insert"),
        "pack": ("select", "select"),
        "parameter": ("select, insert, update (valid_to)", "select"),
        "parameter_proposal": ("select, insert, update (approved_by, approved_at)", "select"),
        "run": ("select, insert", "select, insert, update (ended_at, outcome, judged, changed)"),
    }
    return [s for table, (api, worker) in rights.items() for s in grant(table, SERVICE, api=api, worker=worker)]


def _circumstance() -> None:
    op.create_table(
        "circumstance",
        sa.Column("household", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False, comment="版本"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村（随户现在的归属）"),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False, comment="公告时刻"),
        sa.Column("body", pg.JSONB(astext_type=sa.Text()), nullable=False, comment="户情况原文"),
        sa.PrimaryKeyConstraint("household", "version"),
        comment="户情况各版本（听自登记）",
    )
    op.create_index("circumstance_division", "circumstance", ["division"], unique=False)


def _division() -> None:
    op.create_table(
        "division",
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=False, comment="区划代码"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("name", sa.Text(), nullable=False, comment="名称"),
        sa.Column("level", sa.Text(), nullable=False, comment="级别"),
        sa.Column("parent", sa.BigInteger(), nullable=True, comment="上级区划"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="启用日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="撤销日期"),
        sa.Column("superseded_by", sa.BigInteger(), nullable=True, comment="并入区划"),
        sa.PrimaryKeyConstraint("code"),
        comment="区划（听自登记）",
    )
    op.create_index("division_parent", "division", ["parent"], unique=False)


def _finding() -> None:
    op.create_table(
        "finding",
        sa.Column("judgement", sa.UUID(), nullable=False, comment="研判编号"),
        sa.Column("pack", sa.Text(), nullable=False, comment="规则包"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村（随户现在的归属）"),
        sa.Column("pack_hash", sa.Text(), nullable=False, comment="规则包指纹"),
        sa.Column("numbers_hash", sa.Text(), nullable=False, comment="参数指纹"),
        sa.Column("verdict", sa.Text(), nullable=False, comment="结论"),
        sa.Column("previous", sa.Text(), nullable=True, comment="上一次研判的结论"),
        sa.Column("fail", sa.BigInteger(), nullable=False, comment="未达标位"),
        sa.Column("unknown", sa.BigInteger(), nullable=False, comment="无法判断位"),
        sa.Column("score", sa.Integer(), nullable=True, comment="分值"),
        sa.Column("figures", pg.ARRAY(sa.BigInteger()), nullable=False, comment="理由所用数字"),
        sa.PrimaryKeyConstraint("judgement", "pack"),
        comment="认定结果",
    )


def _household() -> None:
    op.create_table(
        "household",
        sa.Column("id", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("number", sa.Text(), nullable=False, comment="户编号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("group", sa.Text(), nullable=True, comment="村民小组"),
        sa.Column("statuses", pg.JSONB(astext_type=sa.Text()), nullable=False, comment="户状态区间"),
        sa.Column("masked_head", sa.Text(), nullable=False, comment="户主姓名（已脱敏）"),
        sa.Column("headcount", sa.Integer(), nullable=False, comment="人口数"),
        sa.Column("superseded_by", sa.UUID(), nullable=True, comment="并入户"),
        sa.Column("decisions", pg.ARRAY(sa.UUID()), nullable=False, comment="已执行的决定"),
        sa.PrimaryKeyConstraint("id"),
        comment="户（公示所需，听自登记）",
    )
    op.create_index("household_division", "household", ["division", "id"], unique=False)
    op.create_index("household_number", "household", ["number"], unique=False)


def _judgement() -> None:
    op.create_table(
        "judgement",
        sa.Column("id", sa.UUID(), nullable=False, comment="研判编号"),
        sa.Column("household", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="研判版本"),
        sa.Column("household_version", sa.BigInteger(), nullable=False, comment="所依据的户情况版本"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村（随户现在的归属）"),
        sa.Column("judged_on", sa.Date(), nullable=False, comment="研判日期"),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False, comment="研判时刻"),
        sa.Column("run", sa.UUID(), nullable=True, comment="所属批量研判，空为听到情况即时研判"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("household", "version", name="judgement_household_version"),
        comment="研判",
    )
    op.create_index("judgement_division", "judgement", ["division"], unique=False)


def _numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("hash", sa.Text(), nullable=False, comment="内容指纹"),
        sa.Column("division", sa.BigInteger(), nullable=True, comment="存档时的管辖区划，空为全国"),
        sa.Column("content", pg.JSONB(astext_type=sa.Text()), nullable=False, comment="参数取值与依据"),
        sa.UniqueConstraint("hash", "division", name="numbers_hash_and_place", postgresql_nulls_not_distinct=True),
        comment="研判参数存档",
    )


def _pack() -> None:
    op.create_table(
        "pack",
        sa.Column("hash", sa.Text(), nullable=False, comment="内容指纹"),
        sa.Column("id", sa.Text(), nullable=False, comment="规则包"),
        sa.Column("division", sa.BigInteger(), nullable=True, comment="适用区划，空为全国"),
        sa.Column("content", pg.JSONB(astext_type=sa.Text()), nullable=False, comment="原文"),
        sa.PrimaryKeyConstraint("hash"),
        comment="规则包存档",
    )


def _parameter() -> None:
    op.create_table(
        "parameter",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="内部序号"),
        sa.Column("key", sa.Text(), nullable=False, comment="参数"),
        sa.Column("division", sa.BigInteger(), nullable=True, comment="适用区划，空为全国"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="失效日期（含当日）"),
        sa.Column("value", sa.Text(), nullable=False, comment="数值"),
        sa.Column("unit", sa.Text(), nullable=False, comment="单位"),
        sa.Column("basis_zh", sa.Text(), nullable=False, comment="依据"),
        sa.Column("basis_en", sa.Text(), nullable=False, comment="依据（英文）"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("approved_by", sa.Text(), nullable=False, comment="审定人"),
        sa.CheckConstraint("valid_to is null or valid_to >= valid_from", name="parameter_validity"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint(
            "key", "division", "valid_from", name="parameter_place_and_start", postgresql_nulls_not_distinct=True
        ),
        comment="参数",
    )


def _parameter_proposal() -> None:
    op.create_table(
        "parameter_proposal",
        sa.Column("id", sa.UUID(), nullable=False, comment="提案编号"),
        sa.Column("key", sa.Text(), nullable=False, comment="参数"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="适用区划"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="失效日期（含当日）"),
        sa.Column("value", sa.Text(), nullable=False, comment="数值"),
        sa.Column("unit", sa.Text(), nullable=False, comment="单位"),
        sa.Column("basis_zh", sa.Text(), nullable=False, comment="依据"),
        sa.Column("basis_en", sa.Text(), nullable=False, comment="依据（英文）"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("approved_by", sa.Text(), nullable=True, comment="审定人"),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True, comment="审定时刻"),
        sa.CheckConstraint("approved_by is null or approved_by <> entered_by", name="parameter_two_persons"),
        sa.PrimaryKeyConstraint("id"),
        comment="参数提案",
    )
    op.create_index("parameter_proposal_division", "parameter_proposal", ["division", "id"], unique=False)


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.UUID(), nullable=False, comment="批量研判编号（任务编号）"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="研判的区划"),
        sa.Column("judged_on", sa.Date(), nullable=False, comment="研判日期"),
        sa.Column("asked_by", sa.Text(), nullable=False, comment="发起人"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, comment="发起时刻"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="结束时刻"),
        sa.Column("outcome", sa.Text(), nullable=True, comment="结果"),
        sa.Column("judged", sa.BigInteger(), nullable=False, comment="已研判户数"),
        sa.Column("changed", sa.BigInteger(), nullable=False, comment="其中有新结果的户数"),
        sa.PrimaryKeyConstraint("id"),
        comment="批量研判",
    )
    op.create_index("run_division", "run", ["division", "id"], unique=False)


def _subject() -> None:
    op.create_table(
        "subject",
        sa.Column("household", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("circumstance_version", sa.BigInteger(), nullable=False, comment="最新情况的版本"),
        sa.Column("layout", sa.Text(), nullable=False, comment="打包格式指纹"),
        sa.Column("packed_household", pg.BYTEA(), nullable=False, comment="打包：户"),
        sa.Column("packed_members", pg.BYTEA(), nullable=False, comment="打包：成员"),
        sa.Column("packed_income", pg.BYTEA(), nullable=False, comment="打包：收入"),
        sa.Column("packed_statuses", pg.BYTEA(), nullable=False, comment="打包：户状态"),
        sa.Column("packed_declarations", pg.BYTEA(), nullable=False, comment="打包：申报年度"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="研判版本，逐次加一"),
        sa.Column("judgement", sa.UUID(), nullable=True, comment="最近一次研判"),
        sa.Column("digest", pg.BYTEA(), nullable=True, comment="最近一次研判结果的指纹"),
        sa.Column("verdicts", pg.ARRAY(sa.Text()), nullable=False, comment="最近一次研判的结论（规则包=结论）"),
        sa.PrimaryKeyConstraint("household"),
        comment="研判对象",
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("subject_division", "subject", ["division", "household"], unique=False)
