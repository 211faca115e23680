"""Who may touch which row, and the three questions that may look across all scopes.

Each answers little: which of these keys stand anywhere (the caller subtracts those it sees), and in how many counties
an identity is on record. Staging tables have no policy because COPY refuses one; the worker alone may touch them.
"""

from alembic import op

from shared.db import definer_function, grant, plumbing_access, reference, scoped, scoped_through

revision = "0003"
down_revision = "0002"

SERVICE = "registry"
SCOPED = (
    "household", "household_history", "person", "person_history", "membership", "status", "income", "decision", "doubt",
)  # fmt: skip
OF_AN_INTAKE = ("intake", "intake_file", "intake_chunk", "intake_refusal")
STAGING = ("staging_household", "staging_person", "staging_status", "staging_income", "staging_doubt")
CLOSING = "known_to, closed_batch, closed_by, division"


def upgrade() -> None:
    """Policies, grants, functions."""
    for statement in (*_policies(), *_grants(), *_worker_grants(), *_functions(), *plumbing_access(SERVICE)):
        op.execute(statement)
    # `tuopin migrate` runs as the owner and announces the divisions that it loads.
    op.execute(f"create policy owner_insert on outbox for insert to {SERVICE}_owner with check (true)")
    # A fact stays minutes at most: compressing 3 kB and moving it out of line cost 1.6 times the whole announcement.
    op.execute("alter table outbox alter payload set storage external")
    op.execute("alter table outbox set (toast_tuple_target = 8160)")


def _policies() -> list[str]:
    return [
        *(statement for table in SCOPED for statement in scoped(table)),
        *reference("division", column="code"),
        *reference("division_history", column="code"),
        *reference("parameter"),
        *(statement for table in OF_AN_INTAKE for statement in scoped_through(table, "job", key="job")),
    ]


def _grants() -> list[str]:
    both = {
        "household": "select, insert, update",
        "household_history": "select, insert",
        "person": "select, insert, update",
        "person_history": "select, insert",
        "membership": f"select, insert, update ({CLOSING})",
        "status": f"select, insert, update ({CLOSING})",
        "income": f"select, insert, update ({CLOSING})",
        "doubt": "select, insert, update (division, closed_at, closed_by, finding)",
        "division": "select, insert, update",
        "division_history": "select, insert",
        "parameter": "select",
    }
    statements = [s for table, rights in both.items() for s in grant(table, SERVICE, api=rights, worker=rights)]
    return [
        *statements,
        *grant("decision", SERVICE, api="select", worker="select, insert, update (division, withdrawn_at)"),
        *grant("intake", SERVICE, api="select, insert", worker="select, update (rows, answered_at)"),
        *grant("intake_file", SERVICE, api="select, insert", worker="select, insert, delete"),
        *grant("intake_chunk", SERVICE, api="select", worker="select, insert"),
        *grant("intake_refusal", SERVICE, api="select", worker="select, insert"),
    ]


def _worker_grants() -> list[str]:
    """Numbers are drawn before rows are staged; statistics are refreshed after the first chunks of a first load."""
    worker = f"{SERVICE}_worker"
    return [
        f"grant usage on sequence household_no_seq, person_no_seq to {worker}",
        *(f"grant select, insert, delete, maintain on {table} to {worker}" for table in STAGING),
        *(
            f"grant maintain on {table} to {worker}"
            for table in ("household", "person", "membership", "status", "income")
        ),
    ]


def _functions() -> list[str]:
    return [
        *definer_function(
            "numbers_on_record(numbers text[])",
            "text[]",
            "select coalesce(array_agg(number), '{}') from household where number = any(numbers)",
            SERVICE,
        ),
        *definer_function(
            "identities_on_record(identities bytea[])",
            "bytea[]",
            "select coalesce(array_agg(identity_index), '{}') from person where identity_index = any(identities)",
            SERVICE,
        ),
        *definer_function(
            "identity_by_county(indexes bytea[])",
            "jsonb",
            "select coalesce(jsonb_object_agg(county, people), '{}') from (select (division / 1000000)::text as county,"
            " count(*) as people from person where identity_index = any(indexes)"
            " or (id_provisional and id_number_index = any(indexes)) group by 1) found",
            SERVICE,
        ),
    ]
