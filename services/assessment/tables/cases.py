"""案卷, its steps, 公示 and 异议. Steps are only ever added; one open case a household is held by the database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.assessment.tables.foundation import MOMENT, metadata

case_file = sa.Table(
    "case_file",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="案件编号"),
    sa.Column("kind", sa.Text, nullable=False, comment="程序"),
    sa.Column("household", pg.UUID, nullable=False, comment="户"),
    sa.Column("division", sa.BigInteger, nullable=False, comment="村"),
    sa.Column("judgement", pg.UUID, nullable=False, comment="立案所依据的研判"),
    sa.Column("judged_version", sa.BigInteger, nullable=False, comment="研判所依据的户版本"),
    sa.Column("verdict", sa.Text, nullable=False, comment="研判结论"),
    sa.Column("state", sa.Text, nullable=False, comment="状态"),
    sa.Column("round", sa.Integer, nullable=False, comment="轮次"),
    sa.Column("round_since", sa.Date, nullable=False, comment="本轮开始日期"),
    sa.Column("opened_on", sa.Date, nullable=False, comment="立案日期"),
    sa.Column("opened_by", sa.Text, nullable=False, comment="立案人"),
    sa.Column("publicity", pg.UUID, comment="所在公示"),
    sa.Column("decision", pg.UUID, unique=True, comment="决定编号"),
    sa.Column("outcome", sa.Text, comment="决定"),
    sa.Column("effective_on", sa.Date, comment="生效日期"),
    sa.Column("document_number", sa.Text, comment="文号"),
    sa.Column("decided_by", sa.Text, comment="决定人"),
    sa.Column("decided_by_name", sa.Text, comment="决定人姓名"),
    sa.Column("decided_at", MOMENT, comment="决定时刻"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.CheckConstraint(
        "num_nonnulls(decision, outcome, effective_on, document_number, decided_by, decided_by_name, decided_at)"
        " in (0, 7)",
        name="case_file_decision",
    ),
    sa.CheckConstraint(
        "(state in ('approved', 'marked', 'refused')) = (decision is not null)", name="case_file_decided"
    ),
    sa.Index(
        "case_file_open",
        "kind",
        "household",
        unique=True,
        postgresql_where=sa.text("state not in ('marked', 'refused')"),
    ),
    sa.Index("case_file_division", "division", "state", "id"),
    sa.Index("case_file_household", "household"),
    sa.Index("case_file_publicity", "publicity"),
    comment="案卷",
)

case_step = sa.Table(
    "case_step",
    metadata,
    sa.Column("case_id", pg.UUID, sa.ForeignKey("case_file.id"), primary_key=True, comment="案件"),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False, comment="序号"),
    sa.Column("round", sa.Integer, nullable=False, comment="轮次"),
    sa.Column("step", sa.Text, nullable=False, comment="环节"),
    sa.Column("state_before", sa.Text, nullable=False, comment="原状态"),
    sa.Column("state_after", sa.Text, nullable=False, comment="新状态"),
    sa.Column("taken_by", sa.Text, nullable=False, comment="经办人"),
    sa.Column("taken_by_name", sa.Text, nullable=False, comment="经办人姓名"),
    sa.Column("taken_at", MOMENT, nullable=False, comment="办理时刻"),
    sa.Column("taken_on", sa.Date, nullable=False, comment="办理日期"),
    sa.Column("evidence", pg.JSONB, nullable=False, comment="记载"),
    sa.Column("numbers", pg.JSONB, nullable=False, comment="所用参数及依据"),
    sa.Column("remark", sa.Text, nullable=False, comment="备注"),
    comment="案卷环节",
)

publicity = sa.Table(
    "publicity",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="公示编号"),
    sa.Column("kind", sa.Text, nullable=False, comment="程序"),
    sa.Column("village", sa.BigInteger, nullable=False, comment="村"),
    sa.Column("days", sa.Integer, nullable=False, comment="公示天数"),
    sa.Column("days_basis", sa.Text, nullable=False, comment="天数依据"),
    sa.Column("opened_on", sa.Date, nullable=False, comment="开启日期"),
    sa.Column("opened_by", sa.Text, nullable=False, comment="开启人"),
    sa.Column("objections_to", sa.Text, nullable=False, comment="异议受理处"),
    sa.Column("state", sa.Text, nullable=False, comment="状态"),
    sa.Column("notice", pg.UUID, comment="告示编号"),
    sa.Column("posted_at", MOMENT, comment="张贴时刻"),
    sa.Column("first_day", sa.Date, comment="公示首日"),
    sa.Column("last_day", sa.Date, comment="公示末日"),
    sa.Column("content_hash", sa.Text, comment="张贴内容哈希"),
    sa.Column("taken_down_at", MOMENT, comment="撤下时刻"),
    sa.Column("ended_on", sa.Date, comment="结束日期"),
    sa.Column("withdrawn_why", sa.Text, comment="撤回原因"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
    sa.CheckConstraint("state in ('opened', 'posted', 'ended', 'withdrawn')", name="publicity_state"),
    sa.CheckConstraint(
        "num_nonnulls(notice, posted_at, first_day, last_day, content_hash) in (0, 5)", name="publicity_posted"
    ),
    sa.CheckConstraint("state not in ('posted', 'ended') or posted_at is not null", name="publicity_hung"),
    sa.CheckConstraint("state <> 'ended' or ended_on > last_day", name="publicity_days"),
    sa.CheckConstraint("(state in ('ended', 'withdrawn')) = (ended_on is not null)", name="publicity_over"),
    sa.Index("publicity_village", "village", "id"),
    comment="公示",
)

publicity_item = sa.Table(
    "publicity_item",
    metadata,
    sa.Column("publicity", pg.UUID, sa.ForeignKey("publicity.id"), primary_key=True, comment="公示"),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False, comment="行次"),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("case_file.id"), nullable=False, comment="案件"),
    sa.Column("masked_head", sa.Text, nullable=False, comment="户主（已脱敏）"),
    sa.Column("group_name", sa.Text, comment="村民小组"),
    sa.Column("category", sa.Text, nullable=False, comment="类别"),
    sa.Column("headcount", sa.Integer, nullable=False, comment="家庭人口"),
    sa.UniqueConstraint("publicity", "case_id", name="publicity_item_case"),
    sa.Index("publicity_item_case_id", "case_id"),
    comment="公示名单（开启时冻结）",
)

objection = sa.Table(
    "objection",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, comment="异议编号"),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("case_file.id"), nullable=False, comment="案件"),
    sa.Column("publicity", pg.UUID, sa.ForeignKey("publicity.id"), nullable=False, comment="公示"),
    sa.Column("village", sa.BigInteger, nullable=False, comment="村"),
    sa.Column("raised_by", sa.Text, nullable=False, comment="异议人"),
    sa.Column("text", sa.Text, nullable=False, comment="异议内容"),
    sa.Column("received_on", sa.Date, nullable=False, comment="收到日期"),
    sa.Column("recorded_by", sa.Text, nullable=False, comment="登记人"),
    sa.Column("recorded_at", MOMENT, nullable=False, comment="登记时刻"),
    sa.Column("finding", sa.Text, comment="核查结论"),
    sa.Column("finding_text", sa.Text, comment="核查情况"),
    sa.Column("closed_by", sa.Text, comment="办结人"),
    sa.Column("closed_at", MOMENT, comment="办结时刻"),
    sa.CheckConstraint("finding in ('upheld', 'rejected')", name="objection_finding"),
    sa.CheckConstraint("num_nonnulls(finding, finding_text, closed_by, closed_at) in (0, 4)", name="objection_closed"),
    sa.Index("objection_open", "case_id", postgresql_where=sa.text("closed_at is null")),
    sa.Index("objection_village", "village", "id"),
    comment="异议",
)
