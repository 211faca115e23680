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
    Stratum,
)
from services.registry.likeness.pack import Pack, pack
from services.registry.likeness.scoring import LEAST_PEOPLE, LEAST_TOTAL

LEVELS = tuple(f"{field.name}_level" for field in FIELDS)
WEIGHTS = ("start_weight", *(f"{field.name}_weight" for field in FIELDS))
COLUMNS = ("lo", "hi", "stratum", *LEVELS, *WEIGHTS, "score")
"""lo and hi are inside keys of persons, the lower first; levels and stratum smallint, weights and score float8."""


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
homes as (
  select p.lo, p.hi, a.household_no as one, b.household_no as two
  from pair p join {tables.keys} a on a.person_no = p.lo join {tables.keys} b on b.person_no = p.hi
  where a.household_no <> b.household_no and a.household_no <> 0 and b.household_no <> 0),
kin as (
  select h.lo, h.hi, count(distinct m.bag_key) as shared
  from homes h join {tables.keys} m on m.household_no = h.one and m.person_no <> h.lo and m.bag_key <> 0
  join {tables.keys} n on n.household_no = h.two and n.person_no <> h.hi and n.bag_key = m.bag_key
  group by h.lo, h.hi),
side as (
  select p.lo, p.hi, p.fit, coalesce(kin.shared, 0) as shared, {_side("a")}, {_side("b")}
  from pair p join {tables.keys} a on a.person_no = p.lo join {tables.keys} b on b.person_no = p.hi
  left join kin on kin.lo = p.lo and kin.hi = p.hi),
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


def _rule(rule: Rule, tables: Tables, whole: bool) -> str:
    """`a` is the one that is asked about, `b` anybody."""
    conditions = [f"{left.sql} = {right.sql}" for left, right in rule.on]
    conditions += [f"a.{name} <> 0" for name in rule.known] + [f"b.{name} <> 0" for name in rule.known]
    if rule.where is not None:
        conditions.append(rule.where.sql)
    if rule.name == "telephone":
        conditions.append(
            f"not exists (select from {tables.frequencies} f where f.kind = {FREQUENCY_KINDS['phone_key']}"
            f" and f.key = a.phone_key and f.people > {PHONE_CAP})"
        )
    conditions.append(f"a.person_no {'<' if whole else '<>'} b.person_no")
    return _ordered("0::smallint") + f" from k a join {tables.keys} b on {' and '.join(conditions)}"


def _repairs(tables: Tables, whole: bool) -> list[str]:
    """A number that fails looks for the valid, a valid one for those that fail, and two that fail for a common one."""
    kind = "greatest(p.kind, q.kind)"
    probed = f"{_ordered('p.kind')} from k a join {tables.probes} p on p.person_no = a.person_no"
    asked = [
        f"{probed} join {tables.keys} b on b.id_key = p.key and b.person_no <> a.person_no",
        f"{_ordered(kind)} from k a join {tables.probes} p on p.person_no = a.person_no"
        f" join {tables.probes} q on q.key = p.key and q.person_no {'>' if whole else '<>'} p.person_no"
        f" join {tables.keys} b on b.person_no = q.person_no",
    ]
    if not whole:
        asked.append(
            f"{_ordered('p.kind')} from k a join {tables.probes} p on p.key = a.id_key and a.id_key <> 0"
            f" and p.person_no <> a.person_no join {tables.keys} b on b.person_no = p.person_no"
        )
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
    arms = " ".join(f"when {at} then {value!r}::float8" for at, value in enumerate(values))
    return f"case {place} {arms} end"


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
    arms = " ".join(
        f"when {at} then -ln({share} * {cluster[at]!r}::float8) / ln(2::float8)" for at in Stratum if cluster[at] > 0
    )
    return f"(case l.stratum {arms} else 0 end)"


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

__all__ = ["COLUMNS", "INDEXES", "LEVELS", "WEIGHTS", "Tables", "of_persons", "of_register", "refresh_frequencies"]
