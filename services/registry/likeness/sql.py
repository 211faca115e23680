"""比对语句: the definition printed as PostgreSQL, for one person, for some, and for the whole register.

The text is made here, beside the scorer of whole columns, because both are printed from one definition and a test holds
them equal; `store/` runs it. Every statement answers rows of `COLUMNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from services.registry.likeness.levels import (
    COMPARED,
    FIELDS,
    FREQUENCY_KINDS,
    NAME,
    PHONE,
    PHONE_CAP,
    RULES,
    STRATA,
    Field,
    Level,
    Rule,
)
from services.registry.likeness.pack import Pack, pack
from services.registry.likeness.scoring import LEAST_PEOPLE, LEAST_TOTAL

LEVELS = tuple(f"{field.name}_level" for field in FIELDS)
WEIGHTS = ("start_weight", *(f"{field.name}_weight" for field in FIELDS))
COLUMNS = ("lo", "hi", "stratum", *LEVELS, *WEIGHTS, "score")
"""lo and hi are inside keys of persons, the lower first; levels and stratum smallint, weights and score float8."""


FOR_PERSONS = "set local jit = off; set local enable_bitmapscan = off; set local plan_cache_mode = force_generic_plan"
"""Said before `of_persons` in its transaction: planning it takes longer than running it, so it is planned once a
connection; nothing of it is worth compiling; and beside the index that finds three people the whole scope's would be
read to be laid over it.
"""
FOR_REGISTER = "set local enable_nestloop = off; set local jit = off; set local work_mem = '256MB'"
"""Said before `of_register`: under forced policies every table seems to hold one row, and millions would be looped
over.
"""


@dataclass(frozen=True, slots=True)
class Tables:
    """表名: under which names keys, probes and frequencies stand."""

    keys: str = "likeness"
    probes: str = "likeness_probe"
    frequencies: str = "likeness_frequency"


@cache
def of_persons(held: Pack | None = None, tables: Tables = Tables()) -> str:
    """Pairs of the persons in `$1` (bigint[]) with anybody; one or some thousands."""
    sides = f"(select * from {tables.keys} where person_no = any($1))"
    return _statement(held or pack(), tables, sides, whole=False)


@cache
def of_register(held: Pack | None = None, tables: Tables = Tables()) -> str:
    """Every pair of the register."""
    return _statement(held or pack(), tables, tables.keys, whole=True)


def refresh_frequencies(tables: Tables = Tables()) -> tuple[str, ...]:
    """Statements that count people anew; what a name lost stays until it is counted anew, so all go first."""
    counted = "union all".join(
        f"\nselect {kind}::smallint, {name}, count(*)::integer from {tables.keys} where {name} <> 0 group by {name}"
        f" having count(*) > {LEAST_PEOPLE}\n"
        for name, kind in FREQUENCY_KINDS.items()
    )
    everybody = f"select 0::smallint, 0::bigint, count(*)::integer from {tables.keys}"
    return (
        f"delete from {tables.frequencies}",
        f"insert into {tables.frequencies} (kind, key, people) {everybody} union all {counted}",
    )


def _statement(held: Pack, tables: Tables, persons: str, *, whole: bool) -> str:
    found = "\n  union all ".join([*(_rule(rule, tables, whole) for rule in RULES), *_repairs(tables, whole)])
    return f"""with k as {"" if whole else "materialized "}(select * from {persons} k),
everybody as materialized (
  select greatest(coalesce(max(people), 0), {LEAST_TOTAL})::float8 as people from {tables.frequencies} where kind = 0),
found (lo, hi, fit) as ({found}),
pair as materialized (
  select lo, hi, coalesce(min(nullif(fit, 0)), 0) as fit from found group by lo, hi),
entries as {"" if whole else "materialized "}(
  select p.lo, p.hi, p.fit, {_side("a")}, {_side("b")}
  from pair p {_joined(tables, "a", "p.lo", whole)} {_joined(tables, "b", "p.hi", whole)}),
{_kin_of_all(tables) if whole else _kin_of_each(tables)},
leveled as (
  select lo, hi, {_case(STRATA)} as stratum, {", ".join(_leveled(field) for field in FIELDS)},
    {", ".join(f"a_{name}" for name in FREQUENCY_KINDS)}
  from side),
weighed as (
  select l.lo, l.hi, l.stratum, {", ".join(LEVELS)}, {_numbers("l.stratum", held.start)} as start_weight,
    {", ".join(_weight(field, held) for field in FIELDS)}
  from leveled l cross join everybody
  {_rarity_join(NAME, tables)}
  {_rarity_join(PHONE, tables)})
select *, {" + ".join(WEIGHTS)} as score from weighed"""


def _joined(tables: Tables, entry: str, person: str, whole: bool) -> str:
    """One side of a pair. Under its policy a table seems to hold one row, and is read whole before it is joined; a
    subquery of its own for each pair (`offset 0`) leaves no other way than the index.
    """
    if whole:
        return f"join {tables.keys} {entry} on {entry}.person_no = {person}"
    return f"cross join lateral (select * from {tables.keys} t where t.person_no = {person} offset 0) {entry}"


_APART = "a_household_no <> b_household_no and a_household_no <> 0 and b_household_no <> 0"


def _kin_of_all(tables: Tables) -> str:
    """Names that the other members of both households share, for all pairs at once."""
    return f"""kin as (
  select e.lo, e.hi, count(distinct m.bag_key) as shared
  from entries e join {tables.keys} m on m.household_no = e.a_household_no and m.person_no <> e.lo and m.bag_key <> 0
  join {tables.keys} n on n.household_no = e.b_household_no and n.person_no <> e.hi and n.bag_key = m.bag_key
  where {_APART} group by e.lo, e.hi),
side as (
  select e.*, coalesce(kin.shared, 0) as shared
  from entries e left join kin on kin.lo = e.lo and kin.hi = e.hi)"""


def _kin_of_each(tables: Tables) -> str:
    """The same, pair by pair: each household is read through its index and put into an array."""

    def names(side: str, but: str) -> str:
        return (
            f"array(select m.bag_key from {tables.keys} m where m.household_no = e.{side}_household_no"
            f" and m.household_no <> 0 and m.person_no <> e.{but} and m.bag_key <> 0 and {_APART})"
        )

    return f"""side as materialized (
  select e.*, (select count(distinct one) from unnest({names("a", "lo")}) one
    where one = any({names("b", "hi")})) as shared
  from entries e)"""


def _rule(rule: Rule, tables: Tables, whole: bool) -> str:
    """`a` is the one that is asked about, `b` anybody."""
    conditions = [f"{left.sql} = {right.sql}" for left, right in rule.on]
    conditions += [f"a.{name} <> 0" for name in rule.known]
    conditions += [
        f"b.{name} <> 0" for name in rule.known if name != "born"
    ]  # as the indexes leave out what is unknown
    if rule.where is not None:
        conditions.append(rule.where.sql)
    if rule.name == "telephone":
        conditions.append(
            f"not exists (select from {tables.frequencies} f where f.kind = {FREQUENCY_KINDS['phone_key']}"
            f" and f.key = a.phone_key and f.people > {PHONE_CAP})"
        )
    conditions.append(f"a.person_no {'<' if whole else '<>'} b.person_no")
    return f"{_ordered('0::smallint')} from k a {_met(tables, ' and '.join(conditions), whole)}"


def _met(tables: Tables, conditions: str, whole: bool) -> str:
    """Anybody whom the conditions bring together with `a`; for one person through an index, as `_joined` says why."""
    if whole:
        return f"join {tables.keys} b on {conditions}"
    return f"cross join lateral (select b.person_no from {tables.keys} b where {conditions} offset 0) b"


def _repairs(tables: Tables, whole: bool) -> list[str]:
    """A number that fails looks for the valid, a valid one for those that fail, and two that fail for a common one."""
    probed = f"from k a join {tables.probes} p on p.person_no = a.person_no"
    other = "q.person_no > p.person_no" if whole else "q.person_no <> p.person_no"
    valid = "b.id_key = p.key and b.id_key <> 0 and b.person_no <> a.person_no"
    asked = [
        f"{_ordered('p.kind')} {probed} {_met(tables, valid, whole)}",
        f"{_ordered('greatest(p.kind, q.kind)')} {probed} join {tables.probes} q on q.key = p.key and {other}"
        f" {_met(tables, 'b.person_no = q.person_no', whole)}",
    ]
    if not whole:
        failing = (
            f"from k a join {tables.probes} p on p.key = a.id_key and a.id_key <> 0 and p.person_no <> a.person_no"
        )
        asked.append(f"{_ordered('p.kind')} {failing} {_met(tables, 'b.person_no = p.person_no', whole)}")
    return asked


def _ordered(fit: str) -> str:
    return f"select least(a.person_no, b.person_no), greatest(a.person_no, b.person_no), {fit}"


def _side(entry: str) -> str:
    return ", ".join(f"{entry}.{name} as {entry}_{name}" for name in COMPARED)


def _flat(sql: str) -> str:
    """Columns of either entry as they are called once both stand in one row."""
    return sql.replace("a.", "a_").replace("b.", "b_")


def _case(conditions: tuple[object, ...]) -> str:
    arms = " ".join(f"when {_flat(one.sql)} then {at}" for at, one in enumerate(conditions))  # type: ignore[attr-defined]
    return f"(case {arms} else {len(conditions)} end)::smallint"


def _leveled(field: Field) -> str:
    return f"{_case(tuple(one.when for one in field.levels if one.when is not None))} as {field.name}_level"


def _numbers(place: str, values: tuple[float, ...]) -> str:
    """The value of a stratum; written short, since asyncpg keeps no plan of a statement above fifteen kilobytes."""
    return f"('{{{','.join(f'{value!r}' for value in values)}}}'::float8[])[{place} + 1]"


def _weight(field: Field, held: Pack) -> str:
    table = held.table(field)
    arms = [
        f"when {level} then {_numbers('l.stratum', tuple(float(one) for one in table[:, level]))}"
        + (f" + {_rarity(field, one, held)}" if one.rarity else "")
        for level, one in enumerate(field.levels)
    ]
    return f"case l.{field.name}_level {' '.join(arms)} end as {field.name}_weight"


def _rarity(field: Field, level: Level, held: Pack) -> str:
    """What a rare value adds: the binary logarithm of its share, times how such values cluster where the two live."""
    cluster = held.cluster(level.rarity or "")
    share = f"greatest(coalesce(f_{field.name}.people, 0), {LEAST_PEOPLE}) / everybody.people"
    return f"coalesce(-ln({share} * nullif({_numbers('l.stratum', cluster)}, 0)) / ln(2::float8), 0)"


def _rarity_join(field: Field, tables: Tables) -> str:
    rare = [(at, level.rarity) for at, level in enumerate(field.levels) if level.rarity]
    level = f"l.{field.name}_level"
    kind = f"case {level} {' '.join(f'when {at} then {FREQUENCY_KINDS[key]}' for at, key in rare)} end"
    key = f"case {level} {' '.join(f'when {at} then l.a_{key}' for at, key in rare)} end"
    name = f"f_{field.name}"
    return f"left join {tables.frequencies} {name} on {name}.kind = {kind} and {name}.key = {key}"


INDEXES: tuple[tuple[str, ...], ...] = (
    ("id_key",), ("bag_key", "division"), ("bag_key", "born"), ("division", "born"), ("surname_key", "born"),
    ("given_key", "born"), ("phone_key",), ("head_key", "born"), ("household_no",),
)  # fmt: skip
"""By which a single person's pairs are found; each but the division's where its first column is not 0."""

__all__ = [
    "COLUMNS",
    "FOR_PERSONS",
    "FOR_REGISTER",
    "INDEXES",
    "LEVELS",
    "WEIGHTS",
    "Tables",
    "of_persons",
    "of_register",
    "refresh_frequencies",
]
