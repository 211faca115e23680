"""Whatever a household is: what was written of it in clear is read again as the same, cell by cell."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.domain import Household, IncomeRow, Living, Membership, Person, StatusSpan
from services.registry.domain.codes import STATUS
from services.registry.domain.exports import Asked, Drawn, FileFormat, Line, Paper, Shape, columns_of, lines_of
from services.registry.domain.fields import BY_NAME, COMPONENT_OF, FIELDS, Field, Kind, Level
from services.registry.domain.masking import is_hidden
from services.registry.forms import Reading, read_file
from services.registry.forms.binding import Binding, bind
from shared.values import DivisionCode, HouseholdNumber, Period, Scope
from tests.registry.ground import VILLAGE
from tests.registry.sheets import VISITED, citizen_id

CLEAR = Asked(Shape.PERSONS, in_clear=True)
NAMES = ("李秀英", "=1+1", "+王", "-赵·四", "@钱", "𠮷田", "O'Neil", "'撇", "欧阳 娜娜", "1", "孙,李", '周"吴')
TEXTS = ("二组", "=HYPERLINK(1)", "-3", "+1", "@甲", "甘肃省兰州市，城关区", "a,b", '"引"', "0012")


def value_of(field: Field, draw: random.Random) -> Any:
    """Something that this field may hold, or nothing."""
    if draw.random() < 0.3 and not field.required:
        return None
    names = () if field.codes is None else field.codes.names
    make: dict[Kind, Callable[[], Any]] = {
        Kind.CODES: lambda: tuple(sorted(draw.sample(names, draw.randint(1, 2)), key=names.index)),
        Kind.CODE: lambda: draw.choice(names),
        Kind.YES_NO: lambda: draw.choice(("yes", "no", "refused")),
        Kind.PRESENCE: lambda: draw.random() < 0.5,
        Kind.DATE: lambda: date(1950, 1, 1) + timedelta(days=draw.randrange(25_000)),
        Kind.WHOLE: lambda: draw.randint(field.minimum or 0, 12 if field.maximum is None else field.maximum),
        Kind.AREA: lambda: Decimal(draw.randrange(500_000)).scaleb(-2),
        Kind.MONEY: lambda: draw.choice((0, 1, 99, 120_050, draw.randrange(10**12))),
        Kind.DIGITS: lambda: f"{draw.randrange(10**12):012d}",
        Kind.NAME: lambda: draw.choice(NAMES),
        Kind.PHONE: lambda: f"1{draw.randrange(10**10):010d}",
        Kind.CITIZEN_ID: lambda: _number(draw),
        Kind.CARD: lambda: _number(draw) + "43",
    }
    return make.get(field.kind, lambda: draw.choice(TEXTS))()


def _number(draw: random.Random) -> str:
    day = date(1950, 1, 1) + timedelta(days=draw.randrange(25_000))
    return citizen_id(day.strftime("%Y%m%d"), draw.randrange(1000))


def person_of(draw: random.Random, name: str) -> Person:
    own = [one for one in FIELDS if one.level is Level.PERSON and one.table == "person"]
    told = {one.name: value_of(one, draw) for one in own} | {"name": name}
    return Person(id=uuid4(), pseudonym=uuid4(), **told)


def household_of(draw: random.Random, serial: int) -> Household:
    """Whatever a register may hold: several statuses, ended ones, two income years, paid amounts."""
    living = {one.name: value_of(one, draw) for one in FIELDS if hasattr(Living(), one.name)}
    living["other_causes"] = living["other_causes"] or ()
    kinds: list[Any] = draw.sample([one for one in STATUS.names if one != "lifted"], draw.randint(0, 3))
    spans = [StatusSpan(kind, date(2014, 1, 1) + timedelta(days=draw.randrange(1500))) for kind in kinds]
    if "poor" not in kinds and draw.random() < 0.4:
        spans += [StatusSpan("poor", date(2013, 1, 1), date(2018, 1, 1)), StatusSpan("lifted", date(2018, 1, 1))]
    named = iter(draw.sample(NAMES, draw.randint(1, 5)))
    members = [Membership(person_of(draw, next(named)), "head", date(2014, 1, 1))]
    members += [Membership(person_of(draw, name), draw.choice(("son", "spouse", "other")), VISITED) for name in named]
    return Household(
        id=uuid4(),
        number=HouseholdNumber(f"{VILLAGE.text}{serial:04d}"),
        division=DivisionCode.parse(VILLAGE.text),
        version=1,
        group=value_of(BY_NAME["group"], draw),
        registered_on=date(2013, 12, 1),
        statuses=tuple(spans),
        living=Living(**living),
        memberships=tuple(members),
        income=tuple(income_of(draw)),
    )


def income_of(draw: random.Random) -> list[IncomeRow]:
    early, late = (Period(date(year, 10, 1), date(year + 1, 9, 30)) for year in (2017, 2018))
    items = draw.sample(sorted(COMPONENT_OF), draw.randint(0, 6))
    rows = [IncomeRow(late, COMPONENT_OF[one], one, "declared", one, draw.randrange(1, 10**9)) for one in items]
    if rows:
        rows.append(IncomeRow(early, "A", "wage_work", "declared", "wage_work", 5))
    return [*rows, IncomeRow(late, "C", "property_dividend", "payout", "p1", 7, VISITED)]


def written(households: list[Household], asked: Asked) -> list[Line]:
    columns = columns_of(asked)
    return [line for one in households for line in lines_of(Drawn(one, "河口村"), columns, asked)]


def bound(folder: Path, kind: FileFormat, households: list[Household], asked: Asked = CLEAR) -> Path:
    paper = Paper(uuid4(), "李", "li", datetime(2019, 8, 25, tzinfo=UTC), "区划", True, "核对", len(households))
    out = folder / f"登记表.{kind}"
    bind(Binding(kind, columns_of(asked), paper), [written(households, asked)], out)
    return out


def again(path: Path) -> Reading:
    return read_file(path, checks=(), scope=Scope.everything(), on=VISITED)


@pytest.mark.parametrize("kind", [FileFormat.CSV, FileFormat.XLSX])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_it_is_read_as_it_was_written(tmp_path: Path, kind: FileFormat, seed: int) -> None:
    draw = random.Random(seed)
    households = [household_of(draw, serial) for serial in range(1, 13)]
    reading = again(bound(tmp_path, kind, households))
    assert reading.refusals.is_empty(), reading.refusals.select("row", "column", "zh").rows()
    assert (reading.rows, reading.ignored) == (sum(len(one.members) for one in households), ())
    persons = iter(reading.persons.to_dicts())
    for noun, row in zip(households, reading.households.to_dicts(), strict=True):
        of_living = [one for one in FIELDS if hasattr(noun.living, one.name)]
        assert {one.name: got(row[one.name]) for one in of_living} == {
            one.name: getattr(noun.living, one.name) for one in of_living
        }
        assert (row["number"], row["group"], row["source_values"]) == (noun.number.text, noun.group, None)
        for member in noun.members:
            read = next(persons)
            own = [one.name for one in FIELDS if one.level is Level.PERSON and one.table == "person"]
            assert {name: read[name] for name in own} == {name: getattr(member.person, name) for name in own}
            assert (read["relation"], read["source_values"]) == (member.relation, None)
    said = {
        (noun.number.text, span.kind, span.since) for noun in households for span in noun.statuses if not span.until
    }
    assert set(reading.statuses.select("number", "kind", "since").rows()) == said
    declared = {(noun.number.text, row.item, row.year.first, row.fen) for noun in households for row in late(noun)}
    assert set(reading.incomes.select("number", "item", "year_from", "fen").rows()) == declared


def got(value: Any) -> Any:
    """Lists of codes as the noun has them."""
    return tuple(value) if isinstance(value, list) else value


def late(noun: Household) -> list[IncomeRow]:
    return [row for row in noun.income if row.source == "declared" and row.year.first.year == 2018]


def test_every_field_that_is_stored_stands_in_the_form(tmp_path: Path) -> None:
    """In clear all of them, masked those that are not hidden; a masked list has no column of the form's numbers."""
    stored = {one.name for one in FIELDS if one.table is not None}
    assert {one.name for one in columns_of(CLEAR)} == stored | {"village_name"}
    masked = columns_of(Asked(Shape.PERSONS))
    assert {one.name for one in masked} == {name for name in stored if not is_hidden(BY_NAME[name])} | {"village_name"}
    for asked in (Asked(Shape.PERSONS), Asked(Shape.HOUSEHOLDS, in_clear=True), Asked(Shape.PERSONS, True, True)):
        assert BY_NAME["number"].zh not in {one.heading for one in columns_of(asked)}


def test_amounts_are_never_rounded(tmp_path: Path) -> None:
    """To the fen, however large, and below nothing too."""
    noun = household_of(random.Random(1), 1)
    amounts = (860_914_148_039, -120_050, 0, 1)
    names = ("declared_net_fen", "declared_per_capita_fen", "declared_a_fen", "disaster_loss_fen")
    living = Living(**dict(zip(names, amounts, strict=True)))  # type: ignore[arg-type]
    for kind in (FileFormat.CSV, FileFormat.XLSX):
        reading = again(bound(tmp_path, kind, [Household(**_fields(noun) | {"living": living})]))
        assert reading.refusals.is_empty(), reading.refusals["zh"].to_list()
        assert tuple(reading.households.select(names).row(0)) == amounts


def _fields(noun: Household) -> dict[str, Any]:
    return {name: getattr(noun, name) for name in Household.__slots__}
