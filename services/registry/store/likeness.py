"""比对码 as remembered: who waits for his keys, what they are made of, and the keys of many written at once.

Whoever writes persons says so in the same commit and does no more; the worker makes the keys right after it (ADR 0023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from shared.db import Transaction, lock
from shared.due import schedule, schedule_many
from shared.values import new_id

VERB = "person.keys"
NOTE = "insert into likeness_due (id, persons) values ($1, $2)"


async def note_persons(tx: Transaction, persons: Sequence[int], now: datetime) -> None:
    """Of these persons something is written in this transaction: their keys are made after it."""
    if persons:
        noun = new_id()
        await tx.driver.execute(NOTE, noun, list(persons))
        await schedule(tx, VERB, noun, now)


MANY = 200
"""From so many on tables are joined by hashing: the planner expects one row under forced policies and would loop
(measured: 4 s instead of 0.1 s for 20,000 persons). Of few, it is right to loop.
"""
LATER = """select id from likeness_due where id = any($1) and cardinality(persons) >= $2
  and uuid_extract_timestamp(id) > clock_timestamp() - interval '10 minutes'
  and exists (select from job where kind = 'intake' and state = 'running')"""
PAUSE = timedelta(seconds=5)


async def put_off(tx: Transaction, nouns: Sequence[UUID], now: datetime) -> list[UUID]:
    """Chunks of files let files go first, ten minutes at most: reading and recording need both cores. Who is left."""
    later = {row["id"] for row in await tx.driver.fetch(LATER, list(nouns), MANY)}
    if later:
        await schedule_many(tx, VERB, [(noun, now + PAUSE) for noun in later])
    return [noun for noun in nouns if noun not in later]


TAKE = """with taken as (delete from likeness_due where id = any($1) returning persons)
select array(select distinct unnest(persons) from taken order by 1)"""


async def take_persons(tx: Transaction, nouns: Sequence[UUID]) -> list[int]:
    """Who waits under these; one worker at a time, so that what is read is never older than what was written last."""
    await lock(tx, VERB)
    persons: list[int] = await tx.driver.fetchval(TAKE, list(nouns))
    return persons


SOURCES = """select p.no, p.id, coalesce(p.household_no, 0) as household_no, p.division, p.name, p.birth_on, p.sex,
  p.id_number_sealed, encode(p.id_number_index, 'hex') as id_number_index,
  encode(p.phone_index, 'hex') as phone_index, coalesce(m.person_no, 0) as head_no
from (select * from person where no = any($1)) p
left join (
  select household_no, person_no from membership where known_to = 'infinity' and upper_inf(during)
    and relation = 'head' and household_no = any(array(select household_no from person where no = any($1)))
) m on m.household_no = p.household_no"""


HASTEN = "set local enable_nestloop = off; set local plan_cache_mode = force_custom_plan"


async def sources_of(tx: Transaction, persons: Sequence[int]) -> list[asyncpg.Record]:
    """What keys are made of, and who heads each household."""
    if len(persons) >= MANY:
        await tx.driver.execute(HASTEN)
    return list(await tx.driver.fetch(SOURCES, list(persons)))


async def head_keys(tx: Transaction, heads: Sequence[int]) -> dict[int, int]:
    """The keys of heads that have theirs already."""
    found = await tx.driver.fetch("select person_no, bag_key from likeness where person_no = any($1)", list(heads))
    return {row["person_no"]: row["bag_key"] for row in found}


TYPES = {
    "person_no": "bigint", "household_no": "bigint", "division": "bigint", "name": "text", "pinyin": "text",
    "initials": "text", "id_form": "smallint", "id_key": "bigint", "phone_key": "bigint", "name_key": "bigint",
    "sound_key": "bigint", "bag_key": "bigint", "surname_key": "bigint", "given_key": "bigint", "spelling": "bigint",
    "syllables": "smallint", "born": "int", "born_day": "int", "sex": "smallint", "head_key": "bigint",
}  # fmt: skip
ARRAYS = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(TYPES.values(), 1))
NAMED = ", ".join(TYPES)
CHANGED = tuple(name for name in TYPES if name != "person_no")
WRITE = f"""insert into likeness as l ({NAMED}) select {NAMED} from unnest({ARRAYS}) as rows({NAMED})
on conflict (person_no) do update
set ({", ".join(CHANGED)}) = ({", ".join(f"excluded.{name}" for name in CHANGED)})
where ({", ".join(f"l.{name}" for name in CHANGED)}) is distinct from
  ({", ".join(f"excluded.{name}" for name in CHANGED)})
returning person_no"""
FELLOWS = """update likeness l set head_key = h.bag_key
from (select household_no, bag_key from likeness where person_no = any($1)) h
where l.household_no = h.household_no and l.head_key <> h.bag_key
  and l.household_no = any(array(select household_no from likeness where person_no = any($1)))
returning l.person_no"""
FORGET = "delete from likeness where person_no = any($1)"
FORGET_PROBES = "delete from likeness_probe where person_no = any($1)"
PROBES = """insert into likeness_probe (person_no, key, kind)
select distinct on (1, 2) * from unnest($1::bigint[], $2::bigint[], $3::smallint[]) as rows order by 1, 2, 3"""
Columns = Mapping[str, Sequence[Any]]


async def write_keys(tx: Transaction, persons: Sequence[int], keys: Columns, probes: Columns) -> list[int]:
    """The keys of all these persons; who has none here loses his. Answers of whom they are other than before."""
    here = set(keys["person_no"])
    gone = [one for one in persons if one not in here]
    await tx.driver.execute(FORGET, gone)
    await tx.driver.execute(FORGET_PROBES, list(persons))
    changed = await tx.driver.fetch(WRITE, *(keys[name] for name in TYPES))
    if probes["person_no"]:
        await tx.driver.execute(PROBES, *(probes[name] for name in ("person_no", "key", "kind")))
    heads = [one for one, head in zip(keys["person_no"], keys["head_no"], strict=True) if one == head]
    fellows = await tx.driver.fetch(FELLOWS, heads)
    return sorted({row["person_no"] for row in (*changed, *fellows)} | set(gone))
