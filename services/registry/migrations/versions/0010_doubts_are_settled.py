"""A doubt is assigned, answered by a written finding, closed by a second person, and asked again when its facts change.

What each doubt is about becomes comparable: a keyed hash of the values that its check looked at, never the values. A
doubt about a whole household names no member any more, whichever way the household came in.
"""

import sqlalchemy as sa
from alembic import op

from shared.db import grant, scoped_through

revision = "0010"
down_revision = "0009"

SERVICE = "registry"
STANDING = "closed_at is null or finding in ('kept', 'corrected', 'exception')"
OF_HOUSEHOLDS = "('I13', 'F1', 'M2')"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Columns, the history's table, what two persons are for, and who may write it."""
    _columns()
    _constraints()
    _events()
    op.add_column("staging_doubt", sa.Column("fingerprints", sa.Text(), comment="所核事实的指纹，每把在用密钥一个"))
    settling = "closed_at, closed_by, finding, version, state, fingerprint, still_found, assignee, reason, until"
    for login in ("api", "worker"):
        op.execute(
            f"grant update ({settling}, found_by, detail_zh, detail_en, batch, batch_row) on doubt to {SERVICE}_{login}"
        )


def _columns() -> None:
    for column in (
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False, comment="版本"),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False, comment="状态"),
        sa.Column("fingerprint", sa.Text(), comment="所核事实的指纹（带密钥散列）"),
        sa.Column(
            "still_found", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="最近一次检查仍存疑"
        ),
        sa.Column("assignee", sa.Text(), comment="核查人"),
        sa.Column("reason", sa.Text(), comment="结论理由"),
        sa.Column("until", sa.Date(), comment="例外有效期止"),
        sa.Column("found_by", sa.Text(), comment="作出结论的人"),
    ):
        op.add_column("doubt", column)
    op.alter_column("doubt", "person_no", existing_type=sa.BigInteger(), comment="人内部序号（关于整户的为空）")
    op.execute("update doubt set state = 'closed' where closed_at is not null")
    op.execute(f"update doubt set person_no = null where check_id in {OF_HOUSEHOLDS} and closed_at is null")


def _constraints() -> None:
    op.create_check_constraint("doubt_state", "doubt", "state in ('open', 'assigned', 'found', 'closed')")
    op.create_check_constraint("doubt_closed", "doubt", "(state = 'closed') = (closed_at is not null)")
    op.create_check_constraint(
        "doubt_two_persons",
        "doubt",
        "closed_at is null or finding is null or finding not in ('kept', 'exception') or found_by <> closed_by",
    )
    op.create_check_constraint(
        "doubt_exception",
        "doubt",
        "finding is distinct from 'exception' or (until is not null and reason is not null)",
    )
    op.drop_index("doubt_open", table_name="doubt")
    op.create_index(
        "doubt_standing",
        "doubt",
        ["household_no", "person_no", "check_id", "field"],
        unique=True,
        postgresql_where=sa.text(STANDING),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("doubt_id", "doubt", ["id"], unique=True)


def _events() -> None:
    op.create_table(
        "doubt_event",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="内部序号"),
        sa.Column("doubt_no", sa.BigInteger(), nullable=False, comment="疑点内部序号"),
        sa.Column("what", sa.Text(), nullable=False, comment="事项"),
        sa.Column("at", MOMENT, nullable=False, comment="时刻"),
        sa.Column("by", sa.Text(), nullable=False, comment="经办人"),
        sa.Column("assignee", sa.Text(), comment="核查人"),
        sa.Column("finding", sa.Text(), comment="核查结论"),
        sa.Column("reason", sa.Text(), comment="理由"),
        sa.Column("until", sa.Date(), comment="例外有效期止"),
        sa.PrimaryKeyConstraint("no"),
        comment="疑点经过，只增不改",
    )
    op.create_index("doubt_event_doubt", "doubt_event", ["doubt_no"], unique=False)
    rights = grant("doubt_event", SERVICE, api="select, insert", worker="select, insert")
    for statement in (*scoped_through("doubt_event", "doubt", key="doubt_no", parent_key="no"), *rights):
        op.execute(statement)
