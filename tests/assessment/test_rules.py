"""The packs against two others who know the law: the database, by the SQL a pack prints, and a judge in plain Python.

100,000 hostile households, five judging days (a leap day and a year's end among them). Nothing may differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.assessment.domain.catalogue import RELATIONS, Batch, Kind, gather
from services.assessment.domain.evaluator import Bound
from services.assessment.domain.numbers import resolve
from services.assessment.domain.packs import Pack, load
from services.assessment.domain.second_opinion import sql
from services.assessment.rules import PACKS, pack, packs
from shared.events.registry import CircumstancesRecorded
from shared.parameters import Parameters, read_parameters
from shared.values import DivisionCode
from stack.plain_judge import (
    DISASTER_LOSS_FROM_FEN,
    MONITORING_LINE_FEN,
    POVERTY_LINE_YUAN,
    PlainJudgement,
    headcount,
    judge,
    net_income_fen,
)
from stack.provision import Database
from tests.assessment import hostile

PARAMETERS = Parameters(
    read_parameters(Path(__file__).parents[2] / "services/assessment/migrations/data/parameters.csv")
)
VILLAGE = DivisionCode.parse(hostile.VILLAGE)
DAYS = (date(2019, 8, 20), date(2019, 10, 15), date(2020, 2, 29), date(2016, 3, 1), date(2018, 12, 31))
A_DAY = 20_000
TYPES = {
    Kind.FLAG: "text",
    Kind.CODE: "text",
    Kind.WORD: "text",
    Kind.TRUTH: "boolean",
    Kind.DATE: "date",
    Kind.WHOLE: "int",
    Kind.FEN: "bigint",
}
# What each of the three says of a household: verdict, failed codes, unknown codes.
Said = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Population:
    """Households for one day, and what the plain judge says of each."""

    on: date
    facts: list[CircumstancesRecorded]
    batch: Batch
    plain: list[PlainJudgement]

    def plainly(self, name: str) -> list[Said]:
        return [(getattr(one, name), tuple(one.failed(name)), tuple(one.unknown(name))) for one in self.plain]

    def bound(self, rules: Pack) -> Bound:
        return resolve(rules, PARAMETERS, VILLAGE, self.on).bound


@pytest.fixture(scope="module")
def populations() -> list[Population]:
    made = []
    for seed, on in enumerate(DAYS):
        facts = hostile.households(seed, A_DAY, on)
        made.append(Population(on, facts, gather(facts), [judge(one, on) for one in facts]))
    return made


def evaluated(rules: Pack, batch: Batch, bound: Bound) -> list[Said]:
    outcome = rules.evaluate(batch, bound)
    codes: dict[int, tuple[str, ...]] = {}

    def named(mask: int) -> tuple[str, ...]:
        if mask not in codes:
            codes[mask] = tuple(one.code for one in rules.criteria if mask & one.bit)
        return codes[mask]

    masks = zip(outcome.verdict.tolist(), outcome.fail.tolist(), outcome.unknown.tolist(), strict=True)
    return [(rules.verdicts[verdict], named(fail), named(unknown)) for verdict, fail, unknown in masks]


def differences(left: list[Said], right: list[Said]) -> list[int]:
    assert len(left) == len(right)
    return [place for place, (one, other) in enumerate(zip(left, right, strict=True)) if one != other]


@pytest.mark.parametrize("name", PACKS)
def test_the_evaluator_agrees_with_the_plain_judge(populations: list[Population], name: str) -> None:
    rules = pack(name)
    for people in populations:
        assert differences(evaluated(rules, people.batch, people.bound(rules)), people.plainly(name)) == []


async def load_tables(connection: asyncpg.Connection, facts: list[CircumstancesRecorded]) -> None:
    for relation in RELATIONS.values():
        columns = ", ".join(f"{column.name} {TYPES[column.kind]}" for column in relation.columns)
        await connection.execute(
            f"drop table if exists {relation.name}; create table {relation.name}(hid int, {columns})"
        )
        names = tuple(column.name for column in relation.columns)
        rows = hostile.as_rows(facts, relation.name, names)
        await connection.copy_records_to_table(relation.name, records=rows, columns=("hid", *names))
        await connection.execute(f"analyze {relation.name}")


async def test_the_database_agrees_with_the_plain_judge(
    populations: list[Population], make_database: Callable[[], Database]
) -> None:
    connection = await asyncpg.connect(make_database().owner, ssl=False)
    try:
        await connection.execute("create schema asked; set search_path = asked")
        for people in populations:
            await load_tables(connection, people.facts)
            for rules in packs():
                rows = await connection.fetch(sql(rules, people.bound(rules), "asked"))
                assert differences([said_by_database(rules, row) for row in rows], people.plainly(rules.id)) == []
    finally:
        await connection.close()


def said_by_database(rules: Pack, row: Any) -> Said:
    if not row["applies"]:
        return row["verdict"], (), ()
    answers = {one.code: row[f"c_{one.code}"] for one in rules.criteria}
    failed, unknown = (tuple(code for code, answer in answers.items() if answer is what) for what in (False, None))
    return row["verdict"], failed, unknown


def test_every_criterion_passes_fails_and_is_unknown_a_thousand_times(populations: list[Population]) -> None:
    seen: Counter[tuple[str, str, bool | None]] = Counter()
    verdicts: Counter[tuple[str, str]] = Counter()
    for one in (one for people in populations for one in people.plain):
        verdicts.update([("exit", one.exit), ("risk", one.risk)])
        for name, answers in (("exit", one.exit_criteria), ("risk", one.risk_criteria)):
            seen.update((name, code, answer) for code, answer in answers.items())
    wanted = [
        (rules.id, one.code, answer) for rules in packs() for one in rules.criteria for answer in (True, False, None)
    ]
    assert {key: seen[key] for key in wanted if seen[key] < 1_000} == {}
    assert {said: verdicts[said] for said in said_verdicts() if verdicts[said] < 1_000} == {}


def said_verdicts() -> Iterator[tuple[str, str]]:
    return ((rules.id, verdict) for rules in packs() for verdict in rules.verdicts)


Border = tuple[str, int]
STEPS = (-1, 0, 1)
AGES, BACK = (6, 7, 16, 60), {"job lost": 180, "disaster": 365}


def fen_borders(people: Population) -> Iterator[Border]:
    """How far each household's amounts lie from what they are measured against, in fen."""
    line, monitoring = POVERTY_LINE_YUAN[people.on.year] * 100, MONITORING_LINE_FEN[people.on.year]
    for one in people.facts:
        living, net, n = one.living, net_income_fen(one, people.on), headcount(one.members)
        if net is not None and n:
            yield from (("poverty line", net - n * line), ("monitoring line", net - n * monitoring))
        if living.disaster_loss_fen is not None and living.disaster_on is not None:
            yield "disaster loss", living.disaster_loss_fen - DISASTER_LOSS_FROM_FEN
        if net is not None and living.self_paid_medical_fen and living.insurance_paid_fen is not None:
            yield "rigid spend", living.self_paid_medical_fen - living.insurance_paid_fen - 30 * net // 100


def day_borders(people: Population) -> Iterator[Border]:
    """How far each birthday, lost job and disaster lies from the day on which it begins or ceases to matter."""
    birthdays = {
        hostile.years_before(people.on, years) + timedelta(days=step): (f"aged {years}", step)
        for years in AGES
        for step in STEPS
    }
    for one in people.facts:
        for member in one.members:
            if member.birth_on in birthdays:
                yield birthdays[member.birth_on]
            if member.job_lost_on is not None:
                yield "job lost", (people.on - member.job_lost_on).days - BACK["job lost"]
        if one.living.disaster_on is not None:
            yield "disaster", (people.on - one.living.disaster_on).days - BACK["disaster"]


def test_borders_are_met_to_the_fen_and_to_the_day(populations: list[Population]) -> None:
    """Of every number that a rule measures by, a thousand households lie on it, and as many on each side of it."""
    seen: Counter[Border] = Counter()
    for people in populations:
        seen.update(fen_borders(people))
        seen.update(day_borders(people))
    wanted = [
        "poverty line",
        "monitoring line",
        "rigid spend",
        "disaster loss",
        *(f"aged {one}" for one in AGES),
        *BACK,
    ]
    assert {(name, step): seen[name, step] for name in wanted for step in STEPS if seen[name, step] < 1_000} == {}


def one_fen(people: Population, rules: Pack) -> tuple[Pack, Bound]:
    bound = people.bound(rules)
    return rules, replace(bound, numbers={**bound.numbers, "poverty_line": (bound.numbers["poverty_line"] or 0) + 1})


def one_day(people: Population, rules: Pack) -> tuple[Pack, Bound]:
    return rules, replace(people.bound(rules), asof=people.on + timedelta(days=1))


def equal_is_enough(people: Population, rules: Pack) -> tuple[Pack, Bound]:
    content = {**rules.content, "criteria": [dict(one) for one in rules.content["criteria"]]}
    for one in content["criteria"]:
        one["when"] = one["when"].replace("net > required", "net >= required")
    return load(content), people.bound(rules)


@pytest.mark.parametrize("plant", [one_fen, one_day, equal_is_enough])
def test_a_planted_error_of_one_fen_or_one_day_is_found(
    populations: list[Population], plant: Callable[[Population, Pack], tuple[Pack, Bound]]
) -> None:
    people = populations[0]
    wrong, bound = plant(people, pack("exit"))
    assert len(differences(evaluated(wrong, people.batch, bound), people.plainly("exit"))) >= 100


NUMBERS = [(name, key) for name in PACKS for key in pack(name).shape.parameters]


@pytest.mark.parametrize(("name", "key"), NUMBERS, ids=[f"{name}-{key}" for name, key in NUMBERS])
def test_no_number_of_a_pack_can_be_one_off_unnoticed(populations: list[Population], name: str, key: str) -> None:
    """One fen, one day, one year, one point more than the law says: the plain judge, who knows the law, differs."""
    people, rules = populations[0], pack(name)
    bound = people.bound(rules)
    number = bound.numbers[key]
    assert number is not None
    wrong = replace(bound, numbers={**bound.numbers, key: number + 1})
    assert len(differences(evaluated(rules, people.batch, wrong), people.plainly(name))) >= 50
