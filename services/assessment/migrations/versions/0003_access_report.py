"""The auditor's way into the access log."""

from alembic import op

from shared.db import access_report

revision = "0003"
down_revision = "0002"

SERVICE = "assessment"


def upgrade() -> None:
    """The function, and who may call it."""
    for statement in access_report(SERVICE):
        op.execute(statement)
