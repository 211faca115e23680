"""A file that was recorded is taken back: which batch undoes which, what it took back, and who is withdrawn by it."""

import sqlalchemy as sa
from alembic import op

from shared.db import definer_function, grant, scoped_through

revision = "0019"
down_revision = "0018"

SERVICE = "registry"
UNDOING = """select a.job from intake a join job b on b.id = a.job
where a.undoes = batch and b.state in ('queued', 'running', 'done') order by a.job limit 1"""


def upgrade() -> None:
    """Columns, the plan of an undo, and who may mark an image of the past as taken back."""
    for table in ("household", "person"):
        past, no = f"{table}_history", sa.text("false")
        for one in (table, past):
            op.add_column(one, sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=no, comment="作废"))
        op.add_column(past, sa.Column("undone_by", sa.UUID(), comment="撤销该影像的批次"))
        above = f"(select above.no from {table} above where above.no = {past}.no) is not null"
        op.execute(f"create policy scope_undone on {past} for update using ({above})")
        op.execute(f"grant update (undone_by) on {past} to {SERVICE}_worker")
    op.add_column("intake", sa.Column("undoes", sa.UUID(), comment="所撤销的批次"))
    op.create_index("intake_undoes", "intake", ["undoes"], unique=False)
    op.create_table(
        "undo_plan",
        sa.Column("job", sa.UUID(), nullable=False, comment="任务编号"),
        sa.Column("household_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="户内部序号"),
        sa.Column("part", sa.Integer(), nullable=False, comment="分段"),
        sa.Column("tied", sa.BigInteger(), nullable=False, comment="须一同撤销的户"),
        sa.Column("undone", sa.Boolean(), comment="已撤销，或因此后有变而未撤销"),
        sa.PrimaryKeyConstraint("job", "household_no"),
        comment="撤销计划",
    )
    rights = grant("undo_plan", SERVICE, api="select", worker="select, insert, update (undone)")
    for statement in (*scoped_through("undo_plan", "job", key="job"), *rights):
        op.execute(statement)
    for statement in definer_function("undoing_of(batch uuid)", "uuid", UNDOING, SERVICE, to=("api",)):
        op.execute(statement)
