"""The cases of each pack, and that every criterion has numbers, law and cases of each outcome."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from services.assessment.domain.catalogue import gather
from services.assessment.domain.judging import judge_one
from services.assessment.domain.numbers import resolve
from services.assessment.domain.reasons import explain
from services.assessment.rules import PACKS, pack, packs
from shared.parameters import Parameters, read_parameters
from shared.values import DivisionCode
from stack.plain_judge import judge
from tests.assessment.casebook import ALL, Case, cases

PARAMETERS = Parameters(
    read_parameters(Path(__file__).parents[2] / "services/assessment/migrations/data/parameters.csv")
)


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.pack}-{case.name}")
def test_case(case: Case) -> None:
    rules, facts = pack(case.pack), case.household()
    numbers = resolve(rules, PARAMETERS, case.place, case.on)
    finding = judge_one(rules, numbers, gather([facts]))
    found = {"verdict": finding.verdict, "score": finding.score}
    reasons = {}
    if finding.verdict != "not_applicable":
        reasons = {one.code: one for one in explain(rules, facts, numbers, finding.kept)}
        found |= {code: one.state for code, one in reasons.items()}
    assert {name: found.get(name) for name in case.expected} == case.expected
    assert {code: text in reasons[code].zh for code, text in case.says.items()} == dict.fromkeys(case.says, True)


@pytest.mark.parametrize(
    "case", [one for one in ALL if 2014 <= one.on.year <= 2020], ids=lambda case: f"{case.pack}-{case.name}"
)
def test_the_plain_judge_says_the_same_of_each_case(case: Case) -> None:
    plain = judge(case.household(), case.on)
    answers = plain.exit_criteria if case.pack == "exit" else plain.risk_criteria
    states = {code: {True: "met", False: "unmet", None: "unknown"}[answer] for code, answer in answers.items()}
    states["verdict"] = plain.exit if case.pack == "exit" else plain.risk
    assert {name: states[name] for name in case.expected if name != "score"} == {
        name: value for name, value in case.expected.items() if name != "score"
    }


@pytest.mark.parametrize("name", PACKS)
def test_every_criterion_has_cases_for_each_outcome(name: str) -> None:
    seen = Counter((code, case.expected.get(code)) for case in cases(name) for code in case.covers)
    wanted = [(one.code, state) for one in pack(name).criteria for state in ("met", "unmet", "unknown")]
    assert [key for key in wanted if not seen[key]] == []
    covered = {code for case in cases(name) for code in case.covers}
    assert covered == {one.code for one in pack(name).criteria}


@pytest.mark.parametrize("name", PACKS)
def test_every_verdict_has_a_case(name: str) -> None:
    assert {case.expected.get("verdict") for case in cases(name)} >= set(pack(name).verdicts)


@pytest.mark.parametrize("name", PACKS)
def test_every_number_and_law_of_a_pack_has_dated_rows(name: str) -> None:
    assert [key for key in pack(name).keys if key not in PARAMETERS.keys] == []
    village = DivisionCode.parse("623023101201")
    on = cases(name)[0].on
    assert [key for key in pack(name).keys if PARAMETERS.find(key, village, on) is None] == []


def test_no_parameter_is_without_a_reader() -> None:
    used = {key for one in packs() for key in one.keys}
    assert {key for key in PARAMETERS.keys if not key.startswith("payout_component.")} == used
