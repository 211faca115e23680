"""Which money paid documents which amount declared, and on which day an amount was declared."""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped

revision = "0004"
down_revision = "0003"

SERVICE = "registry"
DECLARED_ON = """update income set declared_on = (select observed_on from household h where h.no = household_no)
where source = 'declared'"""


def upgrade() -> None:
    """A day on declared rows; the matches, with policies and grants."""
    op.add_column("income", sa.Column("declared_on", sa.Date, comment="申报表的调查日期"))
    op.execute(DECLARED_ON)
    op.create_check_constraint("income_declared_on", "income", "(source = 'declared') = (declared_on is not null)")
    _match()
    rights = "select, insert, update (known_to, closed_batch, closed_by, division)"
    for statement in (*scoped("income_match"), *grant("income_match", SERVICE, api=rights, worker=rights)):
        op.execute(statement)
    op.execute(f"grant maintain on income_match to {SERVICE}_worker")


def _match() -> None:
    op.create_table(
        "income_match",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("household_no", sa.BigInteger(), nullable=False, comment="户内部序号"),
        sa.Column("division", sa.BigInteger(), nullable=False, comment="所在村"),
        sa.Column("declared_no", sa.BigInteger(), nullable=False, comment="申报收入行"),
        sa.Column("payout_no", sa.BigInteger(), nullable=False, comment="兑付收入行"),
        sa.Column("fen", sa.BigInteger(), nullable=False, comment="对应金额（分）"),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False, comment="录入时刻"),
        sa.Column(
            "known_to", sa.DateTime(timezone=True), server_default=sa.text("'infinity'"), nullable=False,
            comment="更正时刻",
        ),
        sa.Column("recorded_by", sa.Text(), nullable=False, comment="录入人"),
        sa.Column("batch", sa.UUID(), nullable=True, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer(), nullable=True, comment="文件行号"),
        sa.Column("closed_batch", sa.UUID(), nullable=True, comment="更正批次"),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="更正人"),
        sa.CheckConstraint("fen > 0", name="income_match_fen"),
        sa.PrimaryKeyConstraint("no"),
        comment="收入对应",
    )  # fmt: skip
    op.create_index("income_match_household", "income_match", ["household_no"], unique=False)
    op.create_index(
        "income_match_once",
        "income_match",
        ["declared_no", "payout_no"],
        unique=True,
        postgresql_where=sa.text("known_to = 'infinity'"),
    )
