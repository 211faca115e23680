"""What the register cannot hold: a person in two households, a day without head or with two, a status twice at once.

Unique partial indexes hold today; one statement-level trigger a table holds every day that was ever claimed. It locks
households, then persons, so that racing writers see each other, and refuses any isolation but READ COMMITTED:
elsewhere the lock is granted while the snapshot is old. It looks across all scopes: a person may belong to a hidden
household.
Refusals carry the name of the guard as their constraint, which the store turns into a named error.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

EVERYTHING = """
  perform set_config('tuopin.lo', '0', true), set_config('tuopin.hi', '1000000000000', true),
    set_config('tuopin.scope', '{[0,1000000000000)}', true);"""
BACK = """
  perform set_config('tuopin.lo', lo_before, true), set_config('tuopin.hi', hi_before, true),
    set_config('tuopin.scope', scope_before, true);"""
BEFORE = """
  lo_before constant text := coalesce(current_setting('tuopin.lo', true), '');
  hi_before constant text := coalesce(current_setting('tuopin.hi', true), '');
  scope_before constant text := coalesce(current_setting('tuopin.scope', true), '');"""
READ_COMMITTED_ONLY = """
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the guards of the register hold under READ COMMITTED alone'
      using errcode = 'integrity_constraint_violation', constraint = 'guard_isolation';
  end if;"""


def overlap(table: str, owner: str, condition: str) -> str:
    """Two rows held to be true whose days overlap, within one owner."""
    return f"""exists (select 1 from (
      select lower(during) < lag(coalesce(upper(during), 'infinity'))
        over (partition by {owner} order by lower(during)) as bad
      from {table} where known_to = 'infinity' and {condition}) pairs where bad)"""


def refuse(constraint: str, message: str) -> str:
    return f"raise exception '{message}' using errcode = 'exclusion_violation', constraint = '{constraint}';"


MEMBERSHIP = f"""
create function membership_guard() returns trigger language plpgsql security definer set search_path = public, pg_temp
as $guard$
declare{BEFORE}
  households bigint[];
  persons bigint[];
  found_households bigint;
  found_persons bigint;
begin{READ_COMMITTED_ONLY}
  select array_agg(distinct household_no order by household_no), array_agg(distinct person_no order by person_no)
    into households, persons from new_rows;
  if households is null then return null; end if;{EVERYTHING}
  select count(*) into found_households from
    (select 1 from household where no = any(households) order by no for no key update) locked;
  select count(*) into found_persons from
    (select 1 from person where no = any(persons) order by no for no key update) locked;
  if found_households <> cardinality(households) or found_persons <> cardinality(persons) then
    raise exception 'a membership of somebody or something unknown'
      using errcode = 'foreign_key_violation', constraint = 'guard_member_known';
  end if;
  if {overlap("membership", "person_no", "person_no = any(persons)")} then
    {refuse("guard_one_household", "a person in two households on one day")}
  end if;
  if exists (select 1 from membership where known_to = 'infinity' and household_no = any(households)
      group by household_no
      having range_agg(during) <> coalesce(range_agg(during) filter (where relation = 'head'), '{{}}'))
    or {overlap("membership", "household_no", "relation = 'head' and household_no = any(households)")} then
    {refuse("guard_one_head", "a household has exactly one head on each of its days")}
  end if;{BACK}
  return null;
end $guard$"""

STATUS = f"""
create function status_guard() returns trigger language plpgsql security definer set search_path = public, pg_temp
as $guard$
declare{BEFORE}
  households bigint[];
  found_households bigint;
begin{READ_COMMITTED_ONLY}
  select array_agg(distinct household_no order by household_no) into households from new_rows;
  if households is null then return null; end if;{EVERYTHING}
  select count(*) into found_households from
    (select 1 from household where no = any(households) order by no for no key update) locked;
  if found_households <> cardinality(households) then
    raise exception 'a status of an unknown household'
      using errcode = 'foreign_key_violation', constraint = 'guard_status_known';
  end if;
  if {overlap("status", "household_no, kind", "household_no = any(households)")} then
    {refuse("guard_status_once", "a household has one status twice on one day")}
  end if;
  if {overlap("status", "household_no", "kind in ('poor', 'lifted') and household_no = any(households)")} then
    {refuse("guard_poor_or_lifted", "a household is poor and lifted on one day")}
  end if;{BACK}
  return null;
end $guard$"""


def upgrade() -> None:
    """Functions, then a trigger for inserts and one for updates: a transition table serves one kind of event."""
    op.execute(MEMBERSHIP)
    op.execute(STATUS)
    for table in ("membership", "status"):
        op.execute(f"revoke all on function {table}_guard() from public")
        for event in ("insert", "update"):
            op.execute(
                f"create trigger {table}_{event} after {event} on {table} referencing new table as new_rows"
                f" for each statement execute function {table}_guard()"
            )
