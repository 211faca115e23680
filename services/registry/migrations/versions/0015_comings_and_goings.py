"""Households that stood again after they were closed, and why a deed was done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """The days between a closing and a reopening; the reason of a deed."""
    for table in ("household", "household_history"):
        op.add_column(table, sa.Column("gaps", postgresql.DATEMULTIRANGE(), comment="曾注销的期间"))
    op.add_column("deed", sa.Column("reason", sa.Text(), comment="原因"))
