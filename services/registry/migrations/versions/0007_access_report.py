"""The auditor's way into the access log."""

from alembic import op

from shared.db import access_report

revision = "0007"
down_revision = "0006"

SERVICE = "registry"


def upgrade() -> None:
    """The function, and who may call it."""
    for statement in access_report(SERVICE):
        op.execute(statement)
