"""The invented county: the same by the same seed, sound but for what was planted, and answered truly."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.registry.domain.fields import BY_NAME, COMPONENT_OF, by_header
from services.registry.forms import Reading, read_file
from shared.values import CitizenId, Money, Scope, ValueWrong
from stack.plain_judge import judge, net_income_fen
from stack.problems import StackProblem
from stack.sample import SEED, _Maker, write_sample
from stack.sample.form import COLUMNS, TITLE
from stack.sample.nouns import JUDGED_AGAIN, LINE_FEN, VISITED
from stack.sample.plan import Shortfalls, make_plan
from stack.sample.truth import facts_of
from tests.registry.sheets import CHECKS

COUNTY, HOUSEHOLDS = "623023", 700


@dataclass(frozen=True)
class Sample:
    folder: Path
    answers: dict[str, Any]
    reading: Reading


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(COUNTY, HOUSEHOLDS, folder)
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    book = folder / "register.xlsx"
    return Sample(folder, answers, read_file(book, checks=CHECKS, scope=Scope.everything(), on=VISITED))


def lines(sample: Sample) -> Iterator[dict[str, str]]:
    """The text table's rows, by field name, with their number in the file."""
    with (sample.folder / "register.csv").open(encoding="utf-8-sig", newline="") as stream:
        for number, cells in enumerate(csv.reader(stream), start=1):
            if number > 2:
                yield dict(zip(COLUMNS, cells, strict=True)) | {"row": str(number)}


def test_the_same_seed_makes_the_same_files(sample: Sample, tmp_path: Path) -> None:
    write_sample(COUNTY, HOUSEHOLDS, tmp_path / "again")
    write_sample(COUNTY, HOUSEHOLDS, tmp_path / "other", seed=1)
    for name in ("register.csv", "answers.json"):
        assert (tmp_path / "again" / name).read_bytes() == (sample.folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (sample.folder / name).read_bytes()


def test_workbook_and_text_table_say_the_same(sample: Sample) -> None:
    text = read_file(sample.folder / "register.csv", checks=CHECKS, scope=Scope.everything(), on=VISITED)
    assert text.persons.equals(sample.reading.persons)
    assert text.refusals.equals(sample.reading.refusals)


def test_the_file_is_the_national_form_under_a_title(sample: Sample) -> None:
    assert sample.reading.header.row == 2
    assert sample.reading.ignored == ()
    assert set(sample.reading.fields) == set(COLUMNS)
    assert (sample.folder / "register.csv").read_text(encoding="utf-8-sig").startswith(TITLE)
    assert len(by_header()) > len(COLUMNS)


def test_exactly_the_planted_rows_go_back_for_the_planted_reason(sample: Sample) -> None:
    answers, reading = sample.answers, sample.reading
    assert {(one["row"], one["code"]) for one in answers["refused"]} == set(
        reading.refusals.select("row", "code").iter_rows()
    )
    assert (answers["rows"], answers["rows_refused"]) == (reading.rows, reading.rows_refused)
    assert answers["rows"] == answers["persons_stored"] + answers["rows_refused"]
    assert (answers["households_stored"], answers["persons_stored"]) == (
        reading.households.height,
        reading.persons.height,
    )


def test_exactly_the_doubts_are_found_that_were_planted_or_that_a_plain_reader_asks(sample: Sample) -> None:
    doubts = sample.reading.doubts
    assert Counter(doubts["check"].to_list()) == sample.answers["doubts"]
    expected = Counter((one["row"], one["check"]) for one in sample.answers["doubted"])
    assert Counter(doubts.select("row", "check").iter_rows()) == expected
    planted = {one["row"] for one in sample.answers["faults"] if not one["refuses"]}
    assert planted <= {row for row, _ in expected}


def test_at_least_twelve_kinds_of_fault_and_about_one_row_in_a_hundred(sample: Sample) -> None:
    assert len({one["kind"] for one in sample.answers["faults"]}) >= 12
    plan = make_plan(COUNTY, 20_000, Random(1))
    faulty = sum(seat.fault is not None for seat in plan.seats)
    assert 0.008 <= faulty / (20_000 * 3.4) <= 0.012


def test_refusing_faults_are_never_among_the_poor(sample: Sample) -> None:
    poor = {one["number"] for one in sample.answers["members"]}
    assert poor <= sample.answers["before"].keys()
    assert not poor & {one["number"] for one in sample.answers["refused"]}
    stored_poor = sample.reading.statuses.filter(sample.reading.statuses["kind"] == "poor")
    assert set(stored_poor["number"]) == poor


def test_a_full_county_has_4436_poor_households_who_share_2_800_000_yuan() -> None:
    plan = make_plan(COUNTY, 20_000, Random(20190820))
    dividends = [seat.dividend_fen for seat in plan.seats if seat.status == "poor"]
    assert Counter(dividends) == {63_120: 4_116, 63_119: 320}
    assert dividends == sorted(dividends, reverse=True), "the larger shares go to the lowest member numbers"
    assert sum(dividends) == plan.payout_fen == 280_000_000
    assert plan.members == sorted(plan.members)
    kinds = Counter(seat.shortfall for seat in plan.seats)
    assert kinds["exactly_on"] == 20
    assert kinds["exactly_on"] + kinds["below_dividend"] >= 50
    assert (kinds["same_as_dividend"], kinds["one_fen_more"]) == (20, 20)
    assert kinds["above"] >= 50
    assert sum(seat.birthday is not None or seat.turns_sixty for seat in plan.seats) >= 5


def shortfalls(sample: Sample) -> dict[str, int]:
    """S = line × n − net of every stored household, computed here from the cells of the text table."""
    net: Counter[str] = Counter()
    present: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for row in lines(sample):
        present[row["number"]] += row["present"] == "在户"
        for item, component in COMPONENT_OF.items():
            if row[item] and (row["number"], item) not in seen and row["number"] in sample.answers["before"]:
                seen.add((row["number"], item))
                net[row["number"]] += Money.parse(row[item]).fen * (-1 if component == "E" else 1)
    return {number: LINE_FEN * present[number] - net[number] for number in sample.answers["before"]}


def test_planted_shortfalls_change_or_stay_as_the_line_says(sample: Sample) -> None:
    short = shortfalls(sample)
    changed = {one["number"]: one for one in sample.answers["changed"] if one["pack"] == "exit"}
    dividends = {one["number"]: one["fen"] for one in sample.answers["members"]}
    before, after = sample.answers["before"], sample.answers["after"]
    least = Shortfalls().scaled(HOUSEHOLDS / 20_000)
    groups: Counter[str] = Counter()
    for number, fen in dividends.items():
        gap = short[number]
        if gap < 0:
            groups["above"] += before[number]["exit"] in ("met", "not_applicable") and number not in changed
        elif gap < fen:
            groups["crosses"] += changed.get(number, {}).get("cause") == "payout" and after[number]["exit"] == "met"
            groups["exactly_on"] += gap == 0
        else:
            assert after[number]["exit"] == "unmet"
            groups["same"] += gap == fen
            groups["one_more"] += gap == fen + 1
    assert groups["above"] >= least.above
    assert groups["crosses"] >= least.exactly_on + least.below_dividend
    assert groups["exactly_on"] >= least.exactly_on
    assert groups["same"] >= least.same_as_dividend
    assert groups["one_more"] >= least.one_fen_more


def test_whom_a_dividend_is_to_lift_or_not_fails_the_line_alone_or_nothing() -> None:
    """Of a full county, by the plain judge: S = line × n − net to the fen, and what he finds on both days."""
    random = Random(SEED)
    plan = make_plan(COUNTY, 20_000, random)
    maker = _Maker(random, plan)
    groups: Counter[str] = Counter()
    for seat in plan.seats:
        if seat.shortfall is None:
            continue
        home, own = maker._drawn(seat), seat.dividend_fen
        facts, paid = facts_of(home), facts_of(home, dividend_fen=own)
        net = net_income_fen(facts, VISITED)
        assert net is not None
        gap = LINE_FEN * home.present - net
        before, after = judge(facts, VISITED), judge(paid, JUDGED_AGAIN)
        assert before.failed("exit") == (["income"] if gap >= 0 else []), seat
        assert after.failed("exit") == (["income"] if gap >= own else []), seat
        assert (before.unknown("exit"), after.unknown("exit")) == ([], [])
        named = {"above": gap < 0, "on the line": gap == 0, "lifted": 0 <= gap < own}
        named |= {"to the line": gap == own, "a fen short": gap == own + 1}
        groups.update(name for name, holds in named.items() if holds)
    assert groups["above"] >= 50
    assert groups["lifted"] >= 50
    assert (groups["on the line"], groups["to the line"], groups["a fen short"]) == (20, 20, 20)


def test_net_incomes_are_those_of_the_file(sample: Sample) -> None:
    persons = sample.reading.persons.group_by("number").agg(present=sample.reading.persons["present"].first())
    assert persons.height == len(sample.answers["net_fen"])
    short = shortfalls(sample)
    present = Counter(number for number, here in sample.reading.persons.select("number", "present").iter_rows() if here)
    assert {number: LINE_FEN * present[number] - gap for number, gap in short.items()} == sample.answers["net_fen"]


def test_birthdays_inside_the_span_change_verdicts(sample: Sample) -> None:
    by_birthday = [one for one in sample.answers["changed"] if one["cause"] == "birthday"]
    assert len({one["number"] for one in by_birthday}) >= 5
    assert {(one["pack"], one["before"], one["after"]) for one in by_birthday} >= {
        ("exit", "met", "unmet"), ("exit", "unmet", "met"), ("risk", "none", "attention"),
    }  # fmt: skip
    born = sample.reading.persons.select("number", "birth_on").rows()
    for number, born_on in born:
        day = date(2019, born_on.month, min(born_on.day, 28))
        if VISITED < day <= JUDGED_AGAIN:
            assert number in {one["number"] for one in by_birthday}, "a birthday that nobody planted"


def test_the_village_that_exits_is_ready_to(sample: Sample) -> None:
    answers = sample.answers
    assert len(answers["exits"]) >= 2
    for number in answers["exits"]:
        assert number.startswith(answers["exit_village"])
        assert answers["before"][number]["exit"] == "not_applicable"
    staying = [one["number"] for one in answers["members"] if one["number"] not in answers["exits"]]
    assert all(answers["before"][number]["exit"] != "not_applicable" for number in staying)


def test_people_are_nobody(sample: Sample) -> None:
    numbers = [number for number in sample.reading.persons["id_number"].to_list() if number is not None]
    assert {number[:6] for number in numbers} == {"629999"}
    valid = 0
    for number in numbers:
        try:
            valid += CitizenId.parse(number).area == "629999"
        except ValueWrong:
            continue
    wrong = sample.answers["doubts"]["I2"] + sample.answers["doubts"]["I3"]
    assert valid == len(numbers) - wrong
    assert {phone[:4] for phone in sample.reading.persons["phone"].drop_nulls()} == {"1990"}


def test_lives_are_plausible(sample: Sample) -> None:
    persons = sample.reading.persons
    ages = [VISITED.year - born.year for born in persons["birth_on"]]
    assert max(ages) < 105
    assert 2.5 < persons.height / sample.reading.households.height < 5
    kin = persons.select("number", "relation", "birth_on").rows()
    parents = {number: born for number, relation, born in kin if relation == "head"}
    for number, relation, born in kin:
        if relation == "son":
            assert born.year - parents[number].year >= 16
        if relation in ("father", "mother"):
            assert parents[number].year - born.year >= 16
    assert len({BY_NAME["schooling"].name, *persons["schooling"].unique()}) > 8


def test_too_few_households_or_no_county_is_said_plainly() -> None:
    with pytest.raises(StackProblem):
        make_plan(COUNTY, 10, Random(1))
    with pytest.raises(StackProblem):
        make_plan("999999", 1000, Random(1))
