"""What was is read where what is may be read: the past goes with its household and its person (ADR 0020).

An image keeps the place where its household lay then; who may see it follows from where the household or the person
lies now. Writing stays as it was: whoever changes a row may keep its image.
"""

from alembic import op

from shared.db import definer_function, scope_check

revision = "0011"
down_revision = "0010"

SERVICE = "registry"
LEFT = """select count(*) from (
  select distinct on (no) no, division from (
    select no, division, observed_on, version from household where known_from <= moment
    union all
    select no, division, observed_on, version from household_history where known_from <= moment) images
  where no in (
    select i.no from household_history i join household h on h.no = i.no
    where i.division >= lowest and i.division < beyond
      and not h.division <@ nullif(scope_before, '')::int8multirange)
  order by no, (observed_on <= day) desc, abs(observed_on - day), version desc) then_there
where division >= lowest and division < beyond and division <@ nullif(scope_before, '')::int8multirange"""
"""A count and nothing else: households that lay in the caller's scope on that day and lie outside of it now."""


def upgrade() -> None:
    """Policies of the two tables of images; the indexes by which the past is looked up."""
    for table in ("household", "person"):
        past = f"{table}_history"
        op.execute(f"drop policy scope on {past}")
        # Not `exists`: the planner would hash all rows in scope for the images of one household (30 ms became 800).
        above = f"(select above.no from {table} above where above.no = {past}.no) is not null"
        op.execute(f"create policy scope_read on {past} for select using ({above})")
        op.execute(f"create policy scope_insert on {past} for insert with check ({scope_check()})")
    op.execute("create index household_history_division on household_history (division)")
    op.execute("create index status_household on status (household_no)")
    op.execute("create index income_closed on income (household_no) where known_to < 'infinity'")
    op.execute("create index person_history_id_number on person_history (id_number_index)")
    signature = "households_left(lowest bigint, beyond bigint, day date, moment timestamptz)"
    for statement in definer_function(signature, "bigint", LEFT, SERVICE):
        op.execute(statement)
