"""An officer may move a household: decisions applied to it lie where it lies, as its other rows do."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """The one column; what was decided stays the worker's to write."""
    op.execute("grant update (division) on decision to registry_api")
