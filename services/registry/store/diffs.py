"""What a staged chunk would change, field by field: written down by the database before anything is applied, by the
very keys that `intake.classify` found. Nobody is named in clear; of a sealed value it is said that it changes, no more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from services.registry.domain.places import ROW_MASK
from services.registry.store.intake import Change, Columns
from shared.db import Transaction

KEPT = "insert into intake_change (job, row, number, masked_name, kind, field, before, after)"
HOMES = "(select household_no, number, row, is_new from staging_household where job = $1)"
HIDDEN = {
    "id_number_index": "id_number",
    "disability_card_index": "disability_card",
    "phone_index": "phone",
    "person_number": "person_number",
}
"""Column → field: only that it changes is told."""
UNTOLD = ("masked_name", "disability_kind", "disability_level")
"""Said by the name, and by the card."""

NEW = f"""{KEPT}
select $1, h.row, h.number, null, 'new', null, null, null from {HOMES} h where h.is_new
union all
select $1, s.row & {ROW_MASK}, h.number, s.masked_name, 'new', null, null, s.relation
from (select * from staging_person where job = $1 and is_new) s
join {HOMES} h on h.household_no = s.household_no order by 2"""

HOUSEHOLDS = f"""{KEPT}
select $1, s.row, s.number, null, 'changed', f.key, to_jsonb(h) ->> f.key, to_jsonb(s) ->> f.key
from (select * from staging_household where job = $1 and household_no = any($2)) s
join (select * from household where no = any($2)) h on h.no = s.household_no
cross join unnest($3::text[]) as f(key)
where to_jsonb(h) -> f.key is distinct from to_jsonb(s) -> f.key order by s.row, f.key"""

PERSONS = f"""{KEPT}
select $1, s.row & {ROW_MASK}, h.number, p.masked_name, 'changed', coalesce($4::jsonb ->> f.key, f.key),
  case when not $4::jsonb ? f.key then case f.key when 'name' then p.masked_name else to_jsonb(p) ->> f.key end
    when to_jsonb(p) ->> f.key is not null then '***' end,
  case when not $4::jsonb ? f.key then case f.key when 'name' then s.masked_name else to_jsonb(s) ->> f.key end
    when to_jsonb(s) ->> f.key is not null then '***' end
from (select * from staging_person where job = $1 and person_no = any($2)) s
join (select * from person where no = any($2)) p on p.no = s.person_no
join {HOMES} h on h.household_no = s.household_no
cross join unnest($3::text[]) as f(key)
where to_jsonb(p) -> f.key is distinct from to_jsonb(s) -> f.key order by s.row, f.key"""

MEMBERS = f"""{KEPT}
select $1, s.row & {ROW_MASK}, h.number, s.masked_name, 'changed', 'relation', m.relation, s.relation
from (select * from staging_person where job = $1 and not is_new and person_no = any($3)) s
join {HOMES} h on h.household_no = s.household_no
left join (select * from membership where no = any($2)) m
  on m.person_no = s.person_no and m.household_no = s.household_no
union all
select $1, h.row, h.number, p.masked_name, 'left', 'relation', m.relation, null
from (select * from membership where no = any($2)) m
join {HOMES} h on h.household_no = m.household_no
join (select no, masked_name from person where no = any($4)) p on p.no = m.person_no order by 2"""

SPAN = "concat_ws(' ', lower(during), upper(during))"
STATUSES = f"""{KEPT}
select $1, h.row, h.number, null, 'changed', coalesce(o.kind, n.kind), o.span, n.span
from (select household_no, kind, {SPAN} as span from status where no = any($2)) o
full join (select household_no, kind, string_agg(concat_ws(' ', since, until), '；' order by since) as span
  from unnest($3::bigint[], $4::text[], $5::date[], $6::date[]) as r(household_no, kind, since, until)
  group by household_no, kind) n on n.household_no = o.household_no and n.kind = o.kind
join {HOMES} h on h.household_no = coalesce(o.household_no, n.household_no) and not h.is_new order by 2, 6"""

INCOMES = f"""{KEPT}
select $1, h.row, h.number, null, 'changed', coalesce(o.item, n.item), o.fen::text, n.fen::text
from (select household_no, year_from, item, fen from income where no = any($2)) o
full join (select household_no, year_from, item, fen from staging_income where job = $1 and entry = any($3)) n
  on n.household_no = o.household_no and n.year_from = o.year_from and n.item = o.item
join {HOMES} h on h.household_no = coalesce(o.household_no, n.household_no) and not h.is_new
where o.fen is distinct from n.fen order by 2, 6"""


async def save_diff(tx: Transaction, job: UUID, change: Change, columns: Columns) -> None:
    """Every line of it, into the table that the file is reached through."""
    run = tx.driver.execute
    await run(NEW, job)
    await run(HOUSEHOLDS, job, change.households_changed, list(columns.household))
    of_person = ["id_provisional", *(name for name in columns.person if name not in UNTOLD)]
    await run(PERSONS, job, change.persons_changed, of_person, json.dumps(HIDDEN))
    await run(MEMBERS, job, change.memberships_closing, change.persons_entering, change.persons_leaving)
    await run(STATUSES, job, change.statuses_closing, *(change.statuses_opening[:4] or ([], [], [], [])))
    await run(INCOMES, job, change.incomes_closing, change.incomes_opening)


async def load_diff(tx: Transaction, job: UUID, limit: int) -> list[Sequence[str | int | None]]:
    """The first lines of it, for the answer workbook: row, number, name, kind, field, before, after."""
    rows = await tx.driver.fetch(
        "select row, number, masked_name, kind, field, before, after from intake_change where job = $1"
        " order by no limit $2",
        job,
        limit,
    )
    return [tuple(row) for row in rows]


async def drop_diffs(tx: Transaction, jobs: Sequence[UUID]) -> None:
    """They go with what was kept of these files."""
    await tx.driver.execute("delete from intake_change where job = any($1)", list(jobs))
