"""What changed and which fact caused it: only what the criterion reads, and the day only where the day did it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from services.assessment.domain.catalogue import gather
from services.assessment.domain.changes import Change, Side, applicability, changes
from services.assessment.domain.judging import judge_one
from services.assessment.domain.numbers import resolve
from services.assessment.domain.packs import load
from services.assessment.rules import pack
from shared.events.registry import CircumstancesRecorded
from shared.parameters import Parameters
from tests.assessment.make import LINE_FEN, VILLAGE, make_household, make_income, make_living, make_member
from tests.assessment.test_rules import PARAMETERS

AUGUST, OCTOBER = date(2019, 8, 20), date(2019, 10, 15)
HEAD = make_member()


def side(facts: CircumstancesRecorded, on: date, name: str = "exit", parameters: Parameters = PARAMETERS) -> Side:
    numbers = resolve(pack(name), parameters, VILLAGE, on)
    return Side(facts, numbers, judge_one(pack(name), numbers, gather([facts])))


def between(
    before: CircumstancesRecorded, after: CircumstancesRecorded, name: str = "exit", to: date = AUGUST
) -> list[Change]:
    return list(changes(pack(name), side(before, AUGUST, name), side(after, to, name)))


def told(found: Sequence[Change]) -> list[tuple[str, str, str, list[str]]]:
    return [(one.code, one.before, one.after, [cause.zh for cause in one.causes]) for one in found]


def household(**more: Any) -> CircumstancesRecorded:
    return make_household(**{"members": (HEAD,), **more})


def test_nothing_changed_nothing_told() -> None:
    assert between(household(), household(), to=OCTOBER) == []


def test_a_member_who_joins_or_leaves_is_named() -> None:
    child = make_member("daughter", "2011-03-01", "female", schooling="primary", labour="none")
    joined = between(household(), household(members=(HEAD, child)))
    assert told(joined) == [("income", "met", "unmet", ["长女，8岁：新增成员"])]
    left = between(household(members=(HEAD, child)), household())
    assert told(left) == [("income", "unmet", "met", ["长女，8岁：不再是成员"])]


def test_only_what_the_criterion_reads_is_named() -> None:
    sick = HEAD.model_copy(update={"medical_cover": "none", "health": "chronic", "education": "senior"})
    found = between(household(), household(members=(sick,), living=make_living(road="earth")))
    assert told(found) == [("medical", "met", "unmet", ["户主，39岁：基本医疗保险由城乡居民医保变为未参保"])]


def test_declared_income_and_the_declaration_itself_are_named() -> None:
    before = household(declared=(), income=())
    found = between(before, household())
    assert told(found) == [
        ("income", "unknown", "met", ["新增申报收入3218.01元（工资性收入，wage_work）", "收入申报年度有变化"])
    ]
    less = between(household(), household(net_fen=LINE_FEN))
    assert told(less) == [
        (
            "income",
            "met",
            "unmet",
            ["新增申报收入3218.00元（工资性收入，wage_work）", "不再计入申报收入3218.01元（工资性收入，wage_work）"],
        )
    ]


def test_a_payment_on_file_that_falls_due_between_two_days_is_named() -> None:
    facts = household(income=(make_income(LINE_FEN), make_income(1, "C", paid_on="2019-09-20")))
    [change] = between(facts, facts, to=OCTOBER)
    assert told([change]) == [
        ("income", "unmet", "met", ["到期计入兑付0.01元（财产性收入，property_dividend，2019-09-20兑付）"])
    ]
    assert (change.causes[0].kind, change.causes[0].fen) == ("payout", 1)


def test_a_birthday_that_does_not_matter_is_not_named() -> None:
    child = make_member("son", "2010-09-01", schooling="primary", labour="none")
    facts = household(members=(HEAD, child), net_fen=2 * LINE_FEN + 1)
    drops_out = household(
        members=(HEAD, child.model_copy(update={"schooling": "not_student", "education": "primary"})),
        net_fen=2 * LINE_FEN + 1,
    )
    found = between(facts, drops_out, to=OCTOBER)
    assert [one.code for one in found] == ["school"]
    assert {cause.kind for cause in found[0].causes} == {"member"}


def test_where_no_birthday_or_payment_did_it_the_day_itself_is_named() -> None:
    lost = household(members=(HEAD.model_copy(update={"job_lost_on": date(2019, 3, 1)}),))
    found = between(lost, lost, "risk", to=OCTOBER)
    assert told(found) == [("job_loss", "unmet", "met", ["研判日期由2019-08-20变为2019-10-15"])]
    assert [cause.kind for cause in found[0].causes] == ["day"]


def test_another_number_and_another_pack_are_named() -> None:
    facts = household()
    rows = [
        replace(row, value="321900") if row.key == "poverty_line" and row.value == "321800" else row
        for row in PARAMETERS
    ]
    before, after = side(facts, AUGUST), side(facts, AUGUST, parameters=Parameters(rows))
    assert told(changes(pack("exit"), before, after)) == [
        ("income", "met", "unmet", ["参数poverty_line由3218.00变为3219.00"])
    ]
    content = {**pack("exit").content, "criteria": [dict(one) for one in pack("exit").content["criteria"]]}
    content["criteria"][1]["when"] = "net > required + 1"
    stricter = load(content)
    found = Side(facts, before.numbers, judge_one(stricter, before.numbers, gather([facts])))
    assert told(changes(stricter, before, found)) == [("income", "met", "unmet", ["规则包已更换"])]


def test_why_a_pack_applies_or_does_not_is_told() -> None:
    spans = [
        {"kind": "poor", "since": "2014-01-01", "until": "2019-08-31"},
        {"kind": "lifted", "since": "2019-08-31"},
    ]
    before, after = side(household(), AUGUST), side(household(statuses=spans), OCTOBER)
    assert [cause.kind for cause in applicability(pack("exit"), before, after)][:2] == ["status", "status"]
    assert applicability(pack("exit"), before, before) == ()
    merged = side(make_household(household=before.facts.household, superseded_by=HEAD.pseudonym), AUGUST)
    assert "该户已并入他户或恢复" in [cause.zh for cause in applicability(pack("exit"), before, merged)]
