"""A decision that the register could not apply is kept with its reason, so that the town hears it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Why it has no effect; empty for one that has."""
    op.add_column("decision", sa.Column("refused_because", sa.Text, comment="未能执行的原因"))
    op.execute("grant update (refused_because) on decision to registry_worker")
