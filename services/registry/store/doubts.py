"""Doubts as remembered: opened when found, closed when no longer found or by a written finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from uuid import UUID

from services.registry.domain.statuses import CHECK_ID
from services.registry.store.people import Written
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Found:
    """发现的疑点: of which person, by which check, at which field."""

    person: UUID
    check_id: str
    severity: str
    field: str
    detail_zh: str
    detail_en: str


SAVE = f"""with found as (
  select distinct on (p.no, f.check_id, f.field) p.no as person_no, f.check_id, f.severity, f.field, f.zh, f.en
  from unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    as f(person, check_id, severity, field, zh, en)
  join person p on p.id = f.person),
home as (select no, division from household where id = $1),
gone as (
  update doubt d set closed_at = $2, closed_by = $3, finding = 'no_longer_found'
  where d.household_no = (select no from home) and d.closed_at is null and d.check_id <> '{CHECK_ID}' and not exists (
    select 1 from found f
    where f.person_no is not distinct from d.person_no and f.check_id = d.check_id and f.field = d.field)
  returning d.no)
insert into doubt (household_no, person_no, division, check_id, severity, field, detail_zh, detail_en, opened_at,
  recorded_by)
select home.no, f.person_no, home.division, f.check_id, f.severity, f.field, f.zh, f.en, $2, $3
from found f cross join home
where (select count(*) from gone) >= 0 and not exists (
  select 1 from doubt d where d.household_no = home.no and d.closed_at is null
    and f.person_no is not distinct from d.person_no and f.check_id = d.check_id and f.field = d.field)"""


async def save_doubts(tx: Transaction, household_id: UUID, found: Sequence[Found], written: Written) -> None:
    """What is in doubt now, all of it."""
    columns = [list(column) for column in zip(*map(astuple, found), strict=True)] or [[]] * 6
    await tx.driver.execute(SAVE, household_id, written.now, written.by, *columns)
