"""From which system a file comes, what its headings were said to mean, and how it was read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Three columns; what a worker found out is the worker's to write."""
    op.add_column("intake", sa.Column("system", sa.Text(), comment="来源系统"))
    choices = sa.Column("choices", postgresql.JSONB(), nullable=False, server_default="{}", comment="指定的列义")
    op.add_column("intake", choices)
    op.add_column("intake", sa.Column("reading", postgresql.JSONB(), comment="读表情况：工作表、列、说明"))
    op.execute("grant update (reading) on intake to registry_worker")
