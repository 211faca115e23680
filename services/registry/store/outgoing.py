"""Both facts of many households at once, built by the database from its current rows: for intake and republish.

The same facts that `domain.facts_of` builds for one household; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Transaction
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded

MEMBER_FACTS = (
    "sex", "birth_on", "present", "schooling", "education", "health", "disability_kind", "disability_level", "labour",
    "medical_cover", "serious_illness_cover", "pension_cover", "work_monthly_pay_fen", "job_lost_on",
)  # fmt: skip
WORK_MONTHS = "case when p.work_months between 0 and 12 then p.work_months end"
"""Others are recorded with a doubt (L10) and do not travel: nothing can be judged by them."""
LIVING_FACTS = (
    "food_assured", "clothing_assured", "housing_level", "water_safe", "road", "electricity", "self_paid_medical_fen",
    "insurance_paid_fen", "disaster_kind", "disaster_on", "disaster_loss_fen", "headcount_on_form", "main_cause",
    "other_causes",
)  # fmt: skip


def pairs(columns: Sequence[str], alias: str) -> str:
    return ", ".join(f"'{name}', {alias}.{name}" for name in columns)


SPANS = """select household_no, json_agg(json_build_object('kind', kind, 'since', lower(during), 'until', upper(during),
    'decision', opened_by) order by lower(during), kind) as list
  from status where household_no = any($1) and known_to = 'infinity' group by household_no"""
MEMBERS = f"""select m.household_no, count(*) as headcount,
    max(p.masked_name) filter (where m.relation = 'head') as masked_head,
    json_agg(json_build_object('pseudonym', p.pseudonym, 'relation', m.relation, {pairs(MEMBER_FACTS, "p")},
      'work_months', {WORK_MONTHS}) order by m.relation <> 'head', m.person_no) as list
  from (select household_no, person_no, relation from membership
        where household_no = any($1) and known_to = 'infinity' and upper_inf(during)) m
  join (select * from person where household_no = any($1)) p on p.no = m.person_no group by m.household_no"""
MATCHED = """select declared_no, sum(fen)::bigint as fen from income_match
  where household_no = any($1) and known_to = 'infinity' group by declared_no"""
INCOME = f"""select household_no,
    json_agg(json_build_object('year_from', year_from, 'year_to', year_to, 'component', component, 'item', item,
      'source', source, 'fen', i.fen - coalesce(m.fen, 0), 'paid_on', paid_on)
      order by year_from, component, item, source, no) as list
  from (select * from income where household_no = any($1) and known_to = 'infinity') i
  left join ({MATCHED}) m on m.declared_no = i.no group by household_no"""
YEARS = """select household_no, json_agg(json_build_array(year_from, year_to) order by year_from, year_to) as list
  from (select distinct household_no, year_from, year_to from income
        where household_no = any($1) and known_to = 'infinity' and source = 'declared') d group by household_no"""
DECISIONS = """select household_no,
    json_agg(id order by known_from, id) filter (where refused_because is null) as list,
    json_agg(json_build_object('decision', id, 'reason', refused_because) order by known_from, id)
      filter (where refused_because is not null) as refused
  from decision where household_no = any($1) and withdrawn_at is null group by household_no"""
LIVING = f"json_build_object({pairs(LIVING_FACTS, 'h')}, 'housing_area_m2', h.housing_area_m2::text)"

BUILT = f"""
with spans as ({SPANS}), members as ({MEMBERS}), amounts as ({INCOME}), years as ({YEARS}),
decided as ({DECISIONS}),
built as (
  select h.id, h.version,
    json_build_object('household', h.id, 'version', h.version, 'number', h.number, 'division', h.division::text,
      'group', h."group", 'statuses', coalesce(s.list, '[]'), 'masked_head', coalesce(m.masked_head, ''),
      'headcount', coalesce(m.headcount, 0), 'superseded_by', h.superseded_by,
      'decisions', coalesce(d.list, '[]'), 'decisions_refused', coalesce(d.refused, '[]')) as recorded,
    json_build_object('household', h.id, 'version', h.version, 'division', h.division::text,
      'statuses', coalesce(s.list, '[]'), 'members', coalesce(m.list, '[]'), 'living', {LIVING},
      'income', coalesce(i.list, '[]'), 'income_declared', coalesce(y.list, '[]'),
      'superseded_by', h.superseded_by) as circumstances
  from (select * from household where no = any($1)) h
  left join spans s on s.household_no = h.no
  left join members m on m.household_no = h.no
  left join amounts i on i.household_no = h.no
  left join years y on y.household_no = h.no
  left join decided d on d.household_no = h.no)
"""
ANNOUNCE = f"""{BUILT}
insert into outbox (event_id, topic, key, type, payload, version, said_at, traceparent)
select uuidv7(), said.topic, built.id::text, said.type, convert_to(said.payload::text, 'UTF8'), built.version, $2, $3
from built cross join lateral (values
  ('{HouseholdRecorded.TOPIC}', '{HouseholdRecorded.TYPE}', built.recorded),
  ('{CircumstancesRecorded.TOPIC}', '{CircumstancesRecorded.TYPE}', built.circumstances)) as said(topic, type, payload)
"""


async def announce_households(tx: Transaction, households: Sequence[int], at: datetime) -> None:
    """Both facts of each of these households, with one version, into the outbox. The caller has locked them."""
    if households:
        await tx.driver.execute(ANNOUNCE, sorted(households), at, tx.traceparent)


async def load_facts(
    tx: Transaction, households: Sequence[int]
) -> list[tuple[UUID, HouseholdRecorded, CircumstancesRecorded]]:
    """Both facts of each of these households, to be said by whoever asks."""
    rows = await tx.driver.fetch(
        f"{BUILT} select id, recorded::text, circumstances::text from built order by id", households
    )
    return [
        (id_, HouseholdRecorded.model_validate_json(recorded), CircumstancesRecorded.model_validate_json(circumstances))
        for id_, recorded, circumstances in rows
    ]
