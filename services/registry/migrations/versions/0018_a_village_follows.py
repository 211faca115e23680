"""A village that is merged or has another code is carried over by the worker, which notes it with each household."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """One right more."""
    op.execute("grant insert on deed to registry_worker")
