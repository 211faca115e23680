"""The tables of the register, as they first stood. Guards follow in 0002, policies and grants in 0003."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from shared.db import plumbing_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Plumbing, then one function a table."""
    plumbing_tables(sa.MetaData()).outbox.metadata.create_all(op.get_bind())
    _decision()
    _division()
    _division_history()
    _doubt()
    _household()
    _household_history()
    _income()
    _intake()
    _intake_chunk()
    _intake_file()
    _intake_refusal()
    _membership()
    _parameter()
    _person()
    _person_history()
    _staging_doubt()
    _staging_household()
    _staging_income()
    _staging_person()
    _staging_status()
    _status()


def _decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.UUID(), nullable=False, comment="决定编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("case_id", sa.UUID(), nullable=False, comment="案件编号"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="结论"),
        sa.Column("effective_on", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("document_number", sa.Text(), nullable=False, comment="文号"),
        sa.Column("version_judged", sa.BigInteger(), nullable=False, comment="研判所依据的版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True, comment="作废时刻"),
        sa.PrimaryKeyConstraint("id"),
        comment="已执行的决定",
    )
    op.create_index("decision_household", "decision", ["household_no"], unique=False)


def _division() -> None:
    op.create_table(
        "division",
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=False, comment="区划代码"),
        sa.Column("name", sa.Text(), nullable=False, comment="名称"),
        sa.Column("level", sa.Text(), nullable=False, comment="级别"),
        sa.Column("parent", sa.BigInteger(), nullable=True, comment="上级区划"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="启用日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="撤销日期"),
        sa.Column("superseded_by", sa.BigInteger(), nullable=True, comment="并入区划"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.CheckConstraint(
            "level in ('province', 'prefecture', 'county', 'township', 'village')", name="division_level"
        ),
        sa.CheckConstraint("valid_to is null or valid_to >= valid_from", name="division_validity"),
        sa.PrimaryKeyConstraint("code"),
        comment="区划",
    )
    op.create_index("division_parent", "division", ["parent", "code"], unique=False)


def _division_history() -> None:
    op.create_table(
        "division_history",
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=False, comment="区划代码"),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False, comment="名称"),
        sa.Column("level", sa.Text(), autoincrement=False, nullable=False, comment="级别"),
        sa.Column("parent", sa.BigInteger(), autoincrement=False, nullable=True, comment="上级区划"),
        sa.Column("valid_from", sa.Date(), autoincrement=False, nullable=False, comment="启用日期"),
        sa.Column("valid_to", sa.Date(), autoincrement=False, nullable=True, comment="撤销日期"),
        sa.Column("superseded_by", sa.BigInteger(), autoincrement=False, nullable=True, comment="并入区划"),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), autoincrement=False, nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), autoincrement=False, nullable=False, comment="录入人"),
        sa.Column("known_to", sa.DateTime(timezone=True), nullable=False, comment="被取代时刻"),
        sa.PrimaryKeyConstraint("code", "version", name="division_history_pkey"),
        comment="区划·历史影像",
    )


def _doubt() -> None:
    op.create_table(
        "doubt",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False, comment="疑点编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("person_no", sa.BigInteger(), nullable=True, comment="人内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("check_id", sa.Text(), nullable=False, comment="校验规则"),
        sa.Column("severity", sa.Text(), nullable=False, comment="严重程度"),
        sa.Column("field", sa.Text(), nullable=False, comment="字段"),
        sa.Column("detail_zh", sa.Text(), nullable=False, comment="说明"),
        sa.Column("detail_en", sa.Text(), nullable=False, comment="说明（英文）"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, comment="发现时刻"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="关闭时刻"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="关闭人"),
        sa.Column("finding", sa.Text(), nullable=True, comment="核查结论"),
        sa.PrimaryKeyConstraint("no"),
        comment="疑点",
    )
    op.create_index(
        "doubt_division", "doubt", ["division", "check_id"], unique=False, postgresql_where=sa.text("closed_at is null")
    )
    op.create_index(
        "doubt_open",
        "doubt",
        ["household_no", "person_no", "check_id", "field"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
        postgresql_nulls_not_distinct=True,
    )


def _household() -> None:
    op.create_table(
        "household",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("id", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("number", sa.Text(), nullable=False, comment="户编号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("group", sa.Text(), nullable=True, comment="村民小组"),
        sa.Column("registered_on", sa.Date(), nullable=True, comment="建档日期"),
        sa.Column("main_cause", sa.Text(), nullable=True, comment="主要致贫原因"),
        sa.Column("other_causes", pg.ARRAY(sa.Text()), nullable=False, comment="其他致贫原因"),
        sa.Column("housing_level", sa.Text(), nullable=True, comment="住房安全等级"),
        sa.Column("housing_area_m2", sa.Numeric(precision=12, scale=2), nullable=True, comment="住房面积（平方米）"),
        sa.Column("water_safe", sa.Text(), nullable=True, comment="是否解决安全饮用水"),
        sa.Column("road", sa.Text(), nullable=True, comment="入户路类型"),
        sa.Column("electricity", sa.Text(), nullable=True, comment="是否通生活用电"),
        sa.Column("arable_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="耕地面积（亩）"),
        sa.Column("irrigated_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="有效灌溉面积（亩）"),
        sa.Column("forest_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="林地面积（亩）"),
        sa.Column("returned_forest_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="退耕还林面积（亩）"),
        sa.Column("orchard_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="林果面积（亩）"),
        sa.Column("pasture_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="牧草地面积（亩）"),
        sa.Column("water_mu", sa.Numeric(precision=12, scale=2), nullable=True, comment="水面面积（亩）"),
        sa.Column("food_assured", sa.Text(), nullable=True, comment="不愁吃"),
        sa.Column("clothing_assured", sa.Text(), nullable=True, comment="不愁穿"),
        sa.Column("self_paid_medical_fen", sa.BigInteger(), nullable=True, comment="合规自付医疗支出（分）"),
        sa.Column("insurance_paid_fen", sa.BigInteger(), nullable=True, comment="理赔收入（分）"),
        sa.Column("disaster_kind", sa.Text(), nullable=True, comment="灾害类型"),
        sa.Column("disaster_on", sa.Date(), nullable=True, comment="受灾日期"),
        sa.Column("disaster_loss_fen", sa.BigInteger(), nullable=True, comment="灾害损失（分）"),
        sa.Column("headcount_on_form", sa.Integer(), nullable=True, comment="表内家庭人口数"),
        sa.Column("declared_a_fen", sa.BigInteger(), nullable=True, comment="申报合计：工资性收入（分）"),
        sa.Column("declared_b_fen", sa.BigInteger(), nullable=True, comment="申报合计：生产经营性收入（分）"),
        sa.Column("declared_c_fen", sa.BigInteger(), nullable=True, comment="申报合计：财产性收入（分）"),
        sa.Column("declared_d_fen", sa.BigInteger(), nullable=True, comment="申报合计：转移性收入（分）"),
        sa.Column("declared_e_fen", sa.BigInteger(), nullable=True, comment="申报合计：生产经营性支出（分）"),
        sa.Column("declared_net_fen", sa.BigInteger(), nullable=True, comment="申报合计：家庭纯收入（分）"),
        sa.Column("declared_per_capita_fen", sa.BigInteger(), nullable=True, comment="申报合计：人均纯收入（分）"),
        sa.Column("source_values", sa.Text(), nullable=True, comment="与标准文字不同的原文（JSON）"),
        sa.Column("superseded_by", sa.UUID(), nullable=True, comment="并入户"),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="调查日期"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.CheckConstraint("number ~ '^[0-9]{16}$'", name="household_number_form"),
        sa.CheckConstraint("cardinality(other_causes) <= 2", name="household_other_causes"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("number"),
        comment="户",
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("household_division", "household", ["division", "number"], unique=False)


def _household_history() -> None:
    op.create_table(
        "household_history",
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False, comment="内部序号"),
        sa.Column("id", sa.UUID(), autoincrement=False, nullable=False, comment="户标识"),
        sa.Column("number", sa.Text(), autoincrement=False, nullable=False, comment="户编号"),
        sa.Column("division", sa.BigInteger(), autoincrement=False, nullable=False, comment="所在村"),
        sa.Column("group", sa.Text(), autoincrement=False, nullable=True, comment="村民小组"),
        sa.Column("registered_on", sa.Date(), autoincrement=False, nullable=True, comment="建档日期"),
        sa.Column("main_cause", sa.Text(), autoincrement=False, nullable=True, comment="主要致贫原因"),
        sa.Column("other_causes", pg.ARRAY(sa.Text()), autoincrement=False, nullable=False, comment="其他致贫原因"),
        sa.Column("housing_level", sa.Text(), autoincrement=False, nullable=True, comment="住房安全等级"),
        sa.Column(
            "housing_area_m2",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="住房面积（平方米）",
        ),
        sa.Column("water_safe", sa.Text(), autoincrement=False, nullable=True, comment="是否解决安全饮用水"),
        sa.Column("road", sa.Text(), autoincrement=False, nullable=True, comment="入户路类型"),
        sa.Column("electricity", sa.Text(), autoincrement=False, nullable=True, comment="是否通生活用电"),
        sa.Column(
            "arable_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="耕地面积（亩）"
        ),
        sa.Column(
            "irrigated_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="有效灌溉面积（亩）",
        ),
        sa.Column(
            "forest_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="林地面积（亩）"
        ),
        sa.Column(
            "returned_forest_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="退耕还林面积（亩）",
        ),
        sa.Column(
            "orchard_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="林果面积（亩）",
        ),
        sa.Column(
            "pasture_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="牧草地面积（亩）",
        ),
        sa.Column(
            "water_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="水面面积（亩）"
        ),
        sa.Column("food_assured", sa.Text(), autoincrement=False, nullable=True, comment="不愁吃"),
        sa.Column("clothing_assured", sa.Text(), autoincrement=False, nullable=True, comment="不愁穿"),
        sa.Column(
            "self_paid_medical_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="合规自付医疗支出（分）",
        ),
        sa.Column("insurance_paid_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="理赔收入（分）"),
        sa.Column("disaster_kind", sa.Text(), autoincrement=False, nullable=True, comment="灾害类型"),
        sa.Column("disaster_on", sa.Date(), autoincrement=False, nullable=True, comment="受灾日期"),
        sa.Column("disaster_loss_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="灾害损失（分）"),
        sa.Column("headcount_on_form", sa.Integer(), autoincrement=False, nullable=True, comment="表内家庭人口数"),
        sa.Column(
            "declared_a_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：工资性收入（分）"
        ),
        sa.Column(
            "declared_b_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：生产经营性收入（分）",
        ),
        sa.Column(
            "declared_c_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：财产性收入（分）"
        ),
        sa.Column(
            "declared_d_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：转移性收入（分）"
        ),
        sa.Column(
            "declared_e_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：生产经营性支出（分）",
        ),
        sa.Column(
            "declared_net_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：家庭纯收入（分）",
        ),
        sa.Column(
            "declared_per_capita_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：人均纯收入（分）",
        ),
        sa.Column(
            "source_values", sa.Text(), autoincrement=False, nullable=True, comment="与标准文字不同的原文（JSON）"
        ),
        sa.Column("superseded_by", sa.UUID(), autoincrement=False, nullable=True, comment="并入户"),
        sa.Column("observed_on", sa.Date(), autoincrement=False, nullable=False, comment="调查日期"),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), autoincrement=False, nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), autoincrement=False, nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), autoincrement=False, nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), autoincrement=False, nullable=True, comment="文件行号"),
        sa.Column("known_to", sa.DateTime(timezone=True), nullable=False, comment="被取代时刻"),
        sa.PrimaryKeyConstraint("no", "version", name="household_history_pkey"),
        comment="户·历史影像",
    )


def _income() -> None:
    op.create_table(
        "income",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("year_from", sa.Date(), nullable=False, comment="收入年度起"),
        sa.Column("year_to", sa.Date(), nullable=False, comment="收入年度止"),
        sa.Column("component", sa.Text(), nullable=False, comment="收入构成"),
        sa.Column("item", sa.Text(), nullable=False, comment="收入子项"),
        sa.Column("source", sa.Text(), nullable=False, comment="来源"),
        sa.Column("reference", sa.Text(), nullable=False, comment="来源凭据"),
        sa.Column("fen", sa.BigInteger(), nullable=False, comment="金额（分）"),
        sa.Column("paid_on", sa.Date(), nullable=True, comment="支付日期"),
        sa.Column("reverses", sa.Text(), nullable=True, comment="所冲销的兑付"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column(
            "known_to",
            sa.DateTime(timezone=True),
            server_default=sa.text("'infinity'"),
            nullable=False,
            comment="更正时刻",
        ),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.Column("closed_batch", sa.UUID(), nullable=True, comment="更正批次"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="更正人"),
        sa.CheckConstraint("component in ('A', 'B', 'C', 'D', 'E')", name="income_component"),
        sa.CheckConstraint("source in ('declared', 'payout')", name="income_source"),
        sa.CheckConstraint("year_to > year_from", name="income_year"),
        sa.PrimaryKeyConstraint("no"),
        comment="收入",
    )
    op.create_index(
        "income_once",
        "income",
        ["household_no", "year_from", "item", "source", "reference"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity'"),
    )
    op.create_index(
        "income_payout",
        "income",
        ["reference"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity' and source = 'payout'"),
    )
    op.create_index(
        "income_reversal",
        "income",
        ["reverses"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity' and source = 'payout'"),
    )


def _intake() -> None:
    op.create_table(
        "intake",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("filename", sa.Text(), nullable=False, comment="文件名"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="字节数"),
        sa.Column("content_hash", pg.BYTEA(), nullable=False, comment="内容摘要"),
        sa.Column("year_from", sa.Date(), nullable=False, comment="收入年度起"),
        sa.Column("year_to", sa.Date(), nullable=False, comment="收入年度止"),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="调查日期"),
        sa.Column("dry_run", sa.Boolean(), nullable=False, comment="试运行"),
        sa.Column("source", sa.UUID(), nullable=False, comment="原件所属任务"),
        sa.Column("rows", sa.Integer(), nullable=True, comment="行数"),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False, comment="提交时刻"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True, comment="回执完成时刻"),
        sa.PrimaryKeyConstraint("job"),
        comment="导入文件",
    )


def _intake_chunk() -> None:
    op.create_table(
        "intake_chunk",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False, comment="分段，0 为读表时退回的行"),
        sa.Column("rows", sa.Integer(), nullable=False, comment="rows"),
        sa.Column("rows_new", sa.Integer(), nullable=False, comment="rows_new"),
        sa.Column("rows_changed", sa.Integer(), nullable=False, comment="rows_changed"),
        sa.Column("rows_unchanged", sa.Integer(), nullable=False, comment="rows_unchanged"),
        sa.Column("rows_refused", sa.Integer(), nullable=False, comment="rows_refused"),
        sa.Column("doubts", sa.Integer(), nullable=False, comment="doubts"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="完成时刻"),
        sa.CheckConstraint(
            "rows = rows_new + rows_changed + rows_unchanged + rows_refused", name="intake_chunk_nothing_lost"
        ),
        sa.PrimaryKeyConstraint("job", "chunk"),
        comment="导入分段计数",
    )


def _intake_file() -> None:
    op.create_table(
        "intake_file",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="原件或回执"),
        sa.Column("piece", sa.Integer(), autoincrement=False, nullable=False, comment="分块"),
        sa.Column("sealed", pg.BYTEA(), nullable=False, comment="内容（密封）"),
        sa.CheckConstraint("kind in ('upload', 'answer')", name="intake_file_kind"),
        sa.PrimaryKeyConstraint("job", "kind", "piece"),
        comment="导入文件内容",
    )


def _intake_refusal() -> None:
    op.create_table(
        "intake_refusal",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("chunk", sa.Integer(), nullable=False, comment="分段"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("column", sa.Text(), nullable=True, comment="列"),
        sa.Column("code", sa.Text(), nullable=False, comment="原因代码"),
        sa.Column("detail_zh", sa.Text(), nullable=False, comment="原因"),
        sa.Column("detail_en", sa.Text(), nullable=False, comment="原因（英文）"),
        sa.PrimaryKeyConstraint("no"),
        comment="退回的行",
    )
    op.create_index("intake_refusal_job", "intake_refusal", ["job", "row"], unique=False)


def _membership() -> None:
    op.create_table(
        "membership",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("person_no", sa.BigInteger(), nullable=False, comment="人内部序号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("relation", sa.Text(), nullable=False, comment="与户主关系"),
        sa.Column("during", pg.DATERANGE(), nullable=False, comment="起止"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column(
            "known_to",
            sa.DateTime(timezone=True),
            server_default=sa.text("'infinity'"),
            nullable=False,
            comment="更正时刻",
        ),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.Column("closed_batch", sa.UUID(), nullable=True, comment="更正批次"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="更正人"),
        sa.CheckConstraint("not isempty(during) and not lower_inf(during)", name="membership_during"),
        sa.PrimaryKeyConstraint("no"),
        comment="成员关系",
    )
    op.create_index(
        "membership_current",
        "membership",
        ["person_no"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity' and upper_inf(during)"),
    )
    op.create_index(
        "membership_head",
        "membership",
        ["household_no"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity' and upper_inf(during) and relation = 'head'"),
    )
    op.create_index("membership_household", "membership", ["household_no"], unique=False)
    op.create_index(
        "membership_start",
        "membership",
        ["person_no", sa.literal_column("lower(during)")],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity'"),
    )


def _parameter() -> None:
    op.create_table(
        "parameter",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("key", sa.Text(), nullable=False, comment="参数"),
        sa.Column("division", sa.BigInteger(), nullable=True, comment="适用区划，空为全国"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="失效日期"),
        sa.Column("value", sa.Text(), nullable=False, comment="数值"),
        sa.Column("unit", sa.Text(), nullable=False, comment="单位"),
        sa.Column("basis_zh", sa.Text(), nullable=False, comment="依据"),
        sa.Column("basis_en", sa.Text(), nullable=False, comment="依据（英文）"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("approved_by", sa.Text(), nullable=False, comment="审定人"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint(
            "key", "division", "valid_from", name="parameter_place_and_start", postgresql_nulls_not_distinct=True
        ),
        comment="参数",
    )


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("id", sa.UUID(), nullable=False, comment="人标识"),
        sa.Column(
            "pseudonym",
            sa.UUID(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="假名（仅供研判）",
        ),
        sa.Column("household_no", sa.BigInteger(), nullable=True, comment="现所在户"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("identity_index", pg.BYTEA(), nullable=False, comment="唯一识别键"),
        sa.Column("id_provisional", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="证件待核"),
        sa.Column("person_number", sa.Text(), nullable=True, comment="人编号"),
        sa.Column("name", sa.Text(), nullable=False, comment="姓名"),
        sa.Column("masked_name", sa.Text(), nullable=False, comment="脱敏姓名"),
        sa.Column("sex", sa.Text(), nullable=True, comment="性别"),
        sa.Column("birth_on", sa.Date(), nullable=True, comment="出生日期"),
        sa.Column("id_kind", sa.Text(), nullable=True, comment="证件类型"),
        sa.Column("id_number_index", pg.BYTEA(), nullable=True, comment="证件号码盲索引"),
        sa.Column("ethnicity", sa.Text(), nullable=True, comment="民族"),
        sa.Column("political", sa.Text(), nullable=True, comment="政治面貌"),
        sa.Column("schooling", sa.Text(), nullable=True, comment="在校生状况"),
        sa.Column("education", sa.Text(), nullable=True, comment="文化程度"),
        sa.Column("health", sa.Text(), nullable=True, comment="健康状况"),
        sa.Column("disability_kind", sa.SmallInteger(), nullable=True, comment="残疾类别"),
        sa.Column("disability_level", sa.SmallInteger(), nullable=True, comment="残疾等级"),
        sa.Column("disability_card_index", pg.BYTEA(), nullable=True, comment="残疾人证号盲索引"),
        sa.Column("labour", sa.Text(), nullable=True, comment="劳动技能"),
        sa.Column("medical_cover", sa.Text(), nullable=True, comment="医疗保险"),
        sa.Column("serious_illness_cover", sa.Text(), nullable=True, comment="大病保险"),
        sa.Column("pension_cover", sa.Text(), nullable=True, comment="养老保险"),
        sa.Column("workplace", sa.Text(), nullable=True, comment="务工所在地"),
        sa.Column("work_months", sa.Integer(), nullable=True, comment="务工月数"),
        sa.Column("work_monthly_pay_fen", sa.BigInteger(), nullable=True, comment="月工资（分）"),
        sa.Column("job_lost_on", sa.Date(), nullable=True, comment="失业日期"),
        sa.Column("phone_index", pg.BYTEA(), nullable=True, comment="联系电话盲索引"),
        sa.Column("present", sa.Boolean(), nullable=True, comment="在户"),
        sa.Column("source_values", sa.Text(), nullable=True, comment="与标准文字不同的原文（JSON）"),
        sa.Column("id_number_sealed", pg.BYTEA(), nullable=True, comment="证件号码（密封）"),
        sa.Column("disability_card_sealed", pg.BYTEA(), nullable=True, comment="残疾人证号（密封）"),
        sa.Column("phone_sealed", pg.BYTEA(), nullable=True, comment="联系电话（密封）"),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="调查日期"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("identity_index"),
        comment="人",
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("person_division", "person", ["division", "no"], unique=False)
    op.create_index("person_household", "person", ["household_no"], unique=False)
    op.create_index(
        "person_provisional_id", "person", ["id_number_index"], unique=False, postgresql_where=sa.text("id_provisional")
    )


def _person_history() -> None:
    op.create_table(
        "person_history",
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False, comment="内部序号"),
        sa.Column("id", sa.UUID(), autoincrement=False, nullable=False, comment="人标识"),
        sa.Column("pseudonym", sa.UUID(), autoincrement=False, nullable=False, comment="假名（仅供研判）"),
        sa.Column("household_no", sa.BigInteger(), autoincrement=False, nullable=True, comment="现所在户"),
        sa.Column("division", sa.BigInteger(), autoincrement=False, nullable=False, comment="所在村"),
        sa.Column("identity_index", pg.BYTEA(), autoincrement=False, nullable=False, comment="唯一识别键"),
        sa.Column("id_provisional", sa.Boolean(), autoincrement=False, nullable=False, comment="证件待核"),
        sa.Column("person_number", sa.Text(), autoincrement=False, nullable=True, comment="人编号"),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False, comment="姓名"),
        sa.Column("masked_name", sa.Text(), autoincrement=False, nullable=False, comment="脱敏姓名"),
        sa.Column("sex", sa.Text(), autoincrement=False, nullable=True, comment="性别"),
        sa.Column("birth_on", sa.Date(), autoincrement=False, nullable=True, comment="出生日期"),
        sa.Column("id_kind", sa.Text(), autoincrement=False, nullable=True, comment="证件类型"),
        sa.Column("id_number_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="证件号码盲索引"),
        sa.Column("ethnicity", sa.Text(), autoincrement=False, nullable=True, comment="民族"),
        sa.Column("political", sa.Text(), autoincrement=False, nullable=True, comment="政治面貌"),
        sa.Column("schooling", sa.Text(), autoincrement=False, nullable=True, comment="在校生状况"),
        sa.Column("education", sa.Text(), autoincrement=False, nullable=True, comment="文化程度"),
        sa.Column("health", sa.Text(), autoincrement=False, nullable=True, comment="健康状况"),
        sa.Column("disability_kind", sa.SmallInteger(), autoincrement=False, nullable=True, comment="残疾类别"),
        sa.Column("disability_level", sa.SmallInteger(), autoincrement=False, nullable=True, comment="残疾等级"),
        sa.Column("disability_card_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="残疾人证号盲索引"),
        sa.Column("labour", sa.Text(), autoincrement=False, nullable=True, comment="劳动技能"),
        sa.Column("medical_cover", sa.Text(), autoincrement=False, nullable=True, comment="医疗保险"),
        sa.Column("serious_illness_cover", sa.Text(), autoincrement=False, nullable=True, comment="大病保险"),
        sa.Column("pension_cover", sa.Text(), autoincrement=False, nullable=True, comment="养老保险"),
        sa.Column("workplace", sa.Text(), autoincrement=False, nullable=True, comment="务工所在地"),
        sa.Column("work_months", sa.Integer(), autoincrement=False, nullable=True, comment="务工月数"),
        sa.Column("work_monthly_pay_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="月工资（分）"),
        sa.Column("job_lost_on", sa.Date(), autoincrement=False, nullable=True, comment="失业日期"),
        sa.Column("phone_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="联系电话盲索引"),
        sa.Column("present", sa.Boolean(), autoincrement=False, nullable=True, comment="在户"),
        sa.Column(
            "source_values", sa.Text(), autoincrement=False, nullable=True, comment="与标准文字不同的原文（JSON）"
        ),
        sa.Column("id_number_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="证件号码（密封）"),
        sa.Column(
            "disability_card_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="残疾人证号（密封）"
        ),
        sa.Column("phone_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="联系电话（密封）"),
        sa.Column("observed_on", sa.Date(), autoincrement=False, nullable=False, comment="调查日期"),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False, comment="版本"),
        sa.Column("known_from", sa.DateTime(timezone=True), autoincrement=False, nullable=False, comment="录入时刻"),
        sa.Column("recorded_by", sa.Text(), autoincrement=False, nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), autoincrement=False, nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), autoincrement=False, nullable=True, comment="文件行号"),
        sa.Column("known_to", sa.DateTime(timezone=True), nullable=False, comment="被取代时刻"),
        sa.PrimaryKeyConstraint("no", "version", name="person_history_pkey"),
        comment="人·历史影像",
    )


def _staging_doubt() -> None:
    op.create_table(
        "staging_doubt",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("person_no", sa.BigInteger(), nullable=True, comment="人内部序号"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("check_id", sa.Text(), nullable=False, comment="校验规则"),
        sa.Column("severity", sa.Text(), nullable=False, comment="严重程度"),
        sa.Column("field", sa.Text(), nullable=False, comment="字段"),
        sa.Column("detail_zh", sa.Text(), nullable=False, comment="说明"),
        sa.Column("detail_en", sa.Text(), nullable=False, comment="说明（英文）"),
        comment="待入库的疑点",
        prefixes=["UNLOGGED"],
    )


def _staging_household() -> None:
    op.create_table(
        "staging_household",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("is_new", sa.Boolean(), nullable=False, comment="新户"),
        sa.Column("row", sa.Integer(), nullable=False, comment="户主所在行"),
        sa.Column("id", sa.UUID(), nullable=False, comment="户标识"),
        sa.Column("number", sa.Text(), nullable=False, comment="户编号"),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="调查日期"),
        sa.Column("division", sa.BigInteger(), autoincrement=False, nullable=False, comment="所在村"),
        sa.Column("group", sa.Text(), autoincrement=False, nullable=True, comment="村民小组"),
        sa.Column("registered_on", sa.Date(), autoincrement=False, nullable=True, comment="建档日期"),
        sa.Column("main_cause", sa.Text(), autoincrement=False, nullable=True, comment="主要致贫原因"),
        sa.Column("other_causes", pg.ARRAY(sa.Text()), autoincrement=False, nullable=False, comment="其他致贫原因"),
        sa.Column("housing_level", sa.Text(), autoincrement=False, nullable=True, comment="住房安全等级"),
        sa.Column(
            "housing_area_m2",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="住房面积（平方米）",
        ),
        sa.Column("water_safe", sa.Text(), autoincrement=False, nullable=True, comment="是否解决安全饮用水"),
        sa.Column("road", sa.Text(), autoincrement=False, nullable=True, comment="入户路类型"),
        sa.Column("electricity", sa.Text(), autoincrement=False, nullable=True, comment="是否通生活用电"),
        sa.Column(
            "arable_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="耕地面积（亩）"
        ),
        sa.Column(
            "irrigated_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="有效灌溉面积（亩）",
        ),
        sa.Column(
            "forest_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="林地面积（亩）"
        ),
        sa.Column(
            "returned_forest_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="退耕还林面积（亩）",
        ),
        sa.Column(
            "orchard_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="林果面积（亩）",
        ),
        sa.Column(
            "pasture_mu",
            sa.Numeric(precision=12, scale=2),
            autoincrement=False,
            nullable=True,
            comment="牧草地面积（亩）",
        ),
        sa.Column(
            "water_mu", sa.Numeric(precision=12, scale=2), autoincrement=False, nullable=True, comment="水面面积（亩）"
        ),
        sa.Column("food_assured", sa.Text(), autoincrement=False, nullable=True, comment="不愁吃"),
        sa.Column("clothing_assured", sa.Text(), autoincrement=False, nullable=True, comment="不愁穿"),
        sa.Column(
            "self_paid_medical_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="合规自付医疗支出（分）",
        ),
        sa.Column("insurance_paid_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="理赔收入（分）"),
        sa.Column("disaster_kind", sa.Text(), autoincrement=False, nullable=True, comment="灾害类型"),
        sa.Column("disaster_on", sa.Date(), autoincrement=False, nullable=True, comment="受灾日期"),
        sa.Column("disaster_loss_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="灾害损失（分）"),
        sa.Column("headcount_on_form", sa.Integer(), autoincrement=False, nullable=True, comment="表内家庭人口数"),
        sa.Column(
            "declared_a_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：工资性收入（分）"
        ),
        sa.Column(
            "declared_b_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：生产经营性收入（分）",
        ),
        sa.Column(
            "declared_c_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：财产性收入（分）"
        ),
        sa.Column(
            "declared_d_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="申报合计：转移性收入（分）"
        ),
        sa.Column(
            "declared_e_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：生产经营性支出（分）",
        ),
        sa.Column(
            "declared_net_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：家庭纯收入（分）",
        ),
        sa.Column(
            "declared_per_capita_fen",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="申报合计：人均纯收入（分）",
        ),
        sa.Column(
            "source_values", sa.Text(), autoincrement=False, nullable=True, comment="与标准文字不同的原文（JSON）"
        ),
        comment="待入库的户",
        prefixes=["UNLOGGED"],
    )


def _staging_income() -> None:
    op.create_table(
        "staging_income",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("entry", sa.Integer(), nullable=False, comment="分段内序号"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("year_from", sa.Date(), nullable=False, comment="收入年度起"),
        sa.Column("year_to", sa.Date(), nullable=False, comment="收入年度止"),
        sa.Column("component", sa.Text(), nullable=False, comment="收入构成"),
        sa.Column("item", sa.Text(), nullable=False, comment="收入子项"),
        sa.Column("fen", sa.BigInteger(), nullable=False, comment="金额（分）"),
        comment="待入库的收入",
        prefixes=["UNLOGGED"],
    )


def _staging_person() -> None:
    op.create_table(
        "staging_person",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("person_no", sa.BigInteger(), nullable=False, comment="人内部序号"),
        sa.Column("is_new", sa.Boolean(), nullable=False, comment="新人"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("id", sa.UUID(), nullable=False, comment="人标识"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("identity_index", pg.BYTEA(), nullable=False, comment="唯一识别键"),
        sa.Column("id_provisional", sa.Boolean(), nullable=False, comment="证件待核"),
        sa.Column("relation", sa.Text(), nullable=False, comment="与户主关系"),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="调查日期"),
        sa.Column("person_number", sa.Text(), autoincrement=False, nullable=True, comment="人编号"),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False, comment="姓名"),
        sa.Column("masked_name", sa.Text(), autoincrement=False, nullable=False, comment="脱敏姓名"),
        sa.Column("sex", sa.Text(), autoincrement=False, nullable=True, comment="性别"),
        sa.Column("birth_on", sa.Date(), autoincrement=False, nullable=True, comment="出生日期"),
        sa.Column("id_kind", sa.Text(), autoincrement=False, nullable=True, comment="证件类型"),
        sa.Column("id_number_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="证件号码盲索引"),
        sa.Column("ethnicity", sa.Text(), autoincrement=False, nullable=True, comment="民族"),
        sa.Column("political", sa.Text(), autoincrement=False, nullable=True, comment="政治面貌"),
        sa.Column("schooling", sa.Text(), autoincrement=False, nullable=True, comment="在校生状况"),
        sa.Column("education", sa.Text(), autoincrement=False, nullable=True, comment="文化程度"),
        sa.Column("health", sa.Text(), autoincrement=False, nullable=True, comment="健康状况"),
        sa.Column("disability_kind", sa.SmallInteger(), autoincrement=False, nullable=True, comment="残疾类别"),
        sa.Column("disability_level", sa.SmallInteger(), autoincrement=False, nullable=True, comment="残疾等级"),
        sa.Column("disability_card_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="残疾人证号盲索引"),
        sa.Column("labour", sa.Text(), autoincrement=False, nullable=True, comment="劳动技能"),
        sa.Column("medical_cover", sa.Text(), autoincrement=False, nullable=True, comment="医疗保险"),
        sa.Column("serious_illness_cover", sa.Text(), autoincrement=False, nullable=True, comment="大病保险"),
        sa.Column("pension_cover", sa.Text(), autoincrement=False, nullable=True, comment="养老保险"),
        sa.Column("workplace", sa.Text(), autoincrement=False, nullable=True, comment="务工所在地"),
        sa.Column("work_months", sa.Integer(), autoincrement=False, nullable=True, comment="务工月数"),
        sa.Column("work_monthly_pay_fen", sa.BigInteger(), autoincrement=False, nullable=True, comment="月工资（分）"),
        sa.Column("job_lost_on", sa.Date(), autoincrement=False, nullable=True, comment="失业日期"),
        sa.Column("phone_index", pg.BYTEA(), autoincrement=False, nullable=True, comment="联系电话盲索引"),
        sa.Column("present", sa.Boolean(), autoincrement=False, nullable=True, comment="在户"),
        sa.Column(
            "source_values", sa.Text(), autoincrement=False, nullable=True, comment="与标准文字不同的原文（JSON）"
        ),
        sa.Column("id_number_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="证件号码（密封）"),
        sa.Column(
            "disability_card_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="残疾人证号（密封）"
        ),
        sa.Column("phone_sealed", pg.BYTEA(), autoincrement=False, nullable=True, comment="联系电话（密封）"),
        comment="待入库的人",
        prefixes=["UNLOGGED"],
    )


def _staging_status() -> None:
    op.create_table(
        "staging_status",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("row", sa.Integer(), nullable=False, comment="文件行号"),
        sa.Column("kind", sa.Text(), nullable=False, comment="户类型"),
        sa.Column("since", sa.Date(), nullable=False, comment="起"),
        sa.Column("until", sa.Date(), nullable=True, comment="止"),
        comment="待入库的户状态",
        prefixes=["UNLOGGED"],
    )


def _status() -> None:
    op.create_table(
        "status",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("kind", sa.Text(), nullable=False, comment="户类型"),
        sa.Column("during", pg.DATERANGE(), nullable=False, comment="起止"),
        sa.Column("opened_by", sa.UUID(), nullable=True, comment="据以开始的决定"),
        sa.Column("ended_by", sa.UUID(), nullable=True, comment="据以结束的决定"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column(
            "known_to",
            sa.DateTime(timezone=True),
            server_default=sa.text("'infinity'"),
            nullable=False,
            comment="更正时刻",
        ),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.Column("closed_batch", sa.UUID(), nullable=True, comment="更正批次"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="更正人"),
        sa.CheckConstraint("not isempty(during) and not lower_inf(during)", name="status_during"),
        sa.PrimaryKeyConstraint("no"),
        comment="户状态区间",
    )
    op.create_index("status_division", "status", ["division", "kind"], unique=False)
    op.create_index(
        "status_start",
        "status",
        ["household_no", "kind", sa.literal_column("lower(during)")],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity'"),
    )
