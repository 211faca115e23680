"""Cases with their steps, publicities with their lists, objections; and who may touch which row.

Steps and lists are only ever added: no login may change or delete them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import grant, scoped, scoped_through

revision = "0002"
down_revision = "0001"

SERVICE = "assessment"
OPEN = sa.text("state not in ('marked', 'refused')")


def upgrade() -> None:
    """Tables, policies, grants."""
    _case_file()
    _case_step()
    _publicity()
    _publicity_item()
    _objection()
    for statement in (*_policies(), *_grants()):
        op.execute(statement)


def _policies() -> list[str]:
    return [
        *scoped("case_file"),
        *scoped_through("case_step", "case_file", key="case_id"),
        *scoped("publicity", column="village"),
        *scoped_through("publicity_item", "publicity", key="publicity"),
        *scoped("objection", column="village"),
    ]


def _grants() -> list[str]:
    rights = {
        "case_file": ("select, insert, update", "select, update, maintain"),
        "case_step": ("select, insert", "select, insert"),
        "publicity": ("select, insert, update", "select, update, maintain"),
        "publicity_item": ("select, insert", "select"),
        "objection": ("select, insert, update (finding, finding_text, closed_by, closed_at)", "select"),
    }
    return [s for table, (api, worker) in rights.items() for s in grant(table, SERVICE, api=api, worker=worker)]


def _case_file() -> None:
    op.create_table(
        "case_file",
        sa.Column("id", sa.UUID(), nullable=False, comment="案件编号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="程序"),
        sa.Column("household", sa.UUID(), nullable=False, comment="户"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="村"),
        sa.Column("judgement", sa.UUID(), nullable=False, comment="立案所依据的研判"),
        sa.Column("judged_version", sa.BigInteger(), nullable=False, comment="研判所依据的户版本"),
        sa.Column("verdict", sa.Text(), nullable=False, comment="研判结论"),
        sa.Column("state", sa.Text(), nullable=False, comment="状态"),
        sa.Column("round", sa.Integer(), nullable=False, comment="轮次"),
        sa.Column("round_since", sa.Date(), nullable=False, comment="本轮开始日期"),
        sa.Column("opened_on", sa.Date(), nullable=False, comment="立案日期"),
        sa.Column("opened_by", sa.Text(), nullable=False, comment="立案人"),
        sa.Column("publicity", sa.UUID(), nullable=True, comment="所在公示"),
        sa.Column("decision", sa.UUID(), nullable=True, comment="决定编号"),
        sa.Column("outcome", sa.Text(), nullable=True, comment="决定"),
        sa.Column("effective_on", sa.Date(), nullable=True, comment="生效日期"),
        sa.Column("document_number", sa.Text(), nullable=True, comment="文号"),
        sa.Column("decided_by", sa.Text(), nullable=True, comment="决定人"),
        sa.Column("decided_by_name", sa.Text(), nullable=True, comment="决定人姓名"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="决定时刻"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.CheckConstraint(
            "num_nonnulls(decision, outcome, effective_on, document_number, decided_by, decided_by_name, decided_at)"
            " in (0, 7)",
            name="case_file_decision",
        ),
        sa.CheckConstraint(
            "(state in ('approved', 'marked', 'refused')) = (decision is not null)", name="case_file_decided"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision"),
        comment="案卷",
    )
    op.create_index("case_file_open", "case_file", ["kind", "household"], unique=True, postgresql_where=OPEN)
    op.create_index("case_file_division", "case_file", ["division", "state", "id"], unique=False)
    op.create_index("case_file_household", "case_file", ["household"], unique=False)
    op.create_index("case_file_publicity", "case_file", ["publicity"], unique=False)


def _case_step() -> None:
    op.create_table(
        "case_step",
        sa.Column("case_id", sa.UUID(), nullable=False, comment="案件"),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False, comment="序号"),
        sa.Column("round", sa.Integer(), nullable=False, comment="轮次"),
        sa.Column("step", sa.Text(), nullable=False, comment="环节"),
        sa.Column("state_before", sa.Text(), nullable=False, comment="原状态"),
        sa.Column("state_after", sa.Text(), nullable=False, comment="新状态"),
        sa.Column("taken_by", sa.Text(), nullable=False, comment="经办人"),
        sa.Column("taken_by_name", sa.Text(), nullable=False, comment="经办人姓名"),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False, comment="办理时刻"),
        sa.Column("taken_on", sa.Date(), nullable=False, comment="办理日期"),
        sa.Column("evidence", pg.JSONB(), nullable=False, comment="记载"),
        sa.Column("numbers", pg.JSONB(), nullable=False, comment="所用参数及依据"),
        sa.Column("remark", sa.Text(), nullable=False, comment="备注"),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("case_id", "sequence"),
        comment="案卷环节",
    )


def _publicity() -> None:
    op.create_table(
        "publicity",
        sa.Column("id", sa.UUID(), nullable=False, comment="公示编号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="程序"),
        sa.Column("village", sa.BigInteger(), nullable=False, comment="村"),
        sa.Column("days", sa.Integer(), nullable=False, comment="公示天数"),
        sa.Column("days_basis", sa.Text(), nullable=False, comment="天数依据"),
        sa.Column("opened_on", sa.Date(), nullable=False, comment="开启日期"),
        sa.Column("opened_by", sa.Text(), nullable=False, comment="开启人"),
        sa.Column("objections_to", sa.Text(), nullable=False, comment="异议受理处"),
        sa.Column("state", sa.Text(), nullable=False, comment="状态"),
        sa.Column("notice", sa.UUID(), nullable=True, comment="告示编号"),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True, comment="张贴时刻"),
        sa.Column("first_day", sa.Date(), nullable=True, comment="公示首日"),
        sa.Column("last_day", sa.Date(), nullable=True, comment="公示末日"),
        sa.Column("content_hash", sa.Text(), nullable=True, comment="张贴内容哈希"),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True, comment="撤下时刻"),
        sa.Column("ended_on", sa.Date(), nullable=True, comment="结束日期"),
        sa.Column("withdrawn_why", sa.Text(), nullable=True, comment="撤回原因"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.CheckConstraint("state in ('opened', 'posted', 'ended', 'withdrawn')", name="publicity_state"),
        sa.CheckConstraint(
            "num_nonnulls(notice, posted_at, first_day, last_day, content_hash) in (0, 5)", name="publicity_posted"
        ),
        sa.CheckConstraint("state not in ('posted', 'ended') or posted_at is not null", name="publicity_hung"),
        sa.CheckConstraint("state <> 'ended' or ended_on > last_day", name="publicity_days"),
        sa.CheckConstraint("(state in ('ended', 'withdrawn')) = (ended_on is not null)", name="publicity_over"),
        sa.PrimaryKeyConstraint("id"),
        comment="公示",
    )
    op.create_index("publicity_village", "publicity", ["village", "id"], unique=False)


def _publicity_item() -> None:
    op.create_table(
        "publicity_item",
        sa.Column("publicity", sa.UUID(), nullable=False, comment="公示"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False, comment="行次"),
        sa.Column("case_id", sa.UUID(), nullable=False, comment="案件"),
        sa.Column("masked_head", sa.Text(), nullable=False, comment="户主（已脱敏）"),
        sa.Column("group_name", sa.Text(), nullable=True, comment="村民小组"),
        sa.Column("category", sa.Text(), nullable=False, comment="类别"),
        sa.Column("headcount", sa.Integer(), nullable=False, comment="家庭人口"),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["publicity"], ["publicity.id"]),
        sa.PrimaryKeyConstraint("publicity", "place"),
        sa.UniqueConstraint("publicity", "case_id", name="publicity_item_case"),
        comment="公示名单（开启时冻结）",
    )
    op.create_index("publicity_item_case_id", "publicity_item", ["case_id"], unique=False)


def _objection() -> None:
    op.create_table(
        "objection",
        sa.Column("id", sa.UUID(), nullable=False, comment="异议编号"),
        sa.Column("case_id", sa.UUID(), nullable=False, comment="案件"),
        sa.Column("publicity", sa.UUID(), nullable=False, comment="公示"),
        sa.Column("village", sa.BigInteger(), nullable=False, comment="村"),
        sa.Column("raised_by", sa.Text(), nullable=False, comment="异议人"),
        sa.Column("text", sa.Text(), nullable=False, comment="异议内容"),
        sa.Column("received_on", sa.Date(), nullable=False, comment="收到日期"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="登记人"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="登记时刻"),
        sa.Column("finding", sa.Text(), nullable=True, comment="核查结论"),
        sa.Column("finding_text", sa.Text(), nullable=True, comment="核查情况"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="办结人"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="办结时刻"),
        sa.CheckConstraint("finding in ('upheld', 'rejected')", name="objection_finding"),
        sa.CheckConstraint(
            "num_nonnulls(finding, finding_text, closed_by, closed_at) in (0, 4)", name="objection_closed"
        ),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["publicity"], ["publicity.id"]),
        sa.PrimaryKeyConstraint("id"),
        comment="异议",
    )
    closed = sa.text("closed_at is null")
    op.create_index("objection_open", "objection", ["case_id"], unique=False, postgresql_where=closed)
    op.create_index("objection_village", "objection", ["village", "id"], unique=False)
