"""Cases over the real database and over HTTP: opened in bulk, walked, decided by a second person, marked, explained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.assessment.actions import cases
from services.assessment.procedures import EXIT
from shared.db import transaction
from shared.errors import ScopeRefused
from shared.events.assessment import CaseAdvanced, CaseDecided, CaseOpened, CaseReturned
from shared.values import Scope, new_id
from stack.provision import Database
from tests.assessment.make import make_household, make_listed
from tests.assessment.town import (
    APPROVER,
    CLERK,
    MEETING,
    NEIGHBOUR,
    OTHER_TOWN,
    REVIEWER,
    SIGNED,
    TOWN,
    VERIFIED,
    VILLAGE,
    Counter,
    TownHall,
    code_of,
    must,
    officer,
)


@pytest.fixture
async def town(database: Callable[[str], Database], wipe: Callable[[Database], None]) -> AsyncIterator[TownHall]:
    own = database("assessment")
    wipe(own)
    made = TownHall.of(own)
    yield made
    await made.close()


@pytest.fixture
async def counter(town: TownHall, tmp_path: Path) -> AsyncIterator[Counter]:
    async with town.counter(tmp_path) as made:
        yield made


async def test_cases_open_in_bulk_with_a_result_each(town: TownHall) -> None:
    fit, unfit = await town.household(), await town.household("unmet")
    unknown = await town.household("unknown")
    elsewhere = await town.household(village=NEIGHBOUR)
    lifted = await town.household(status="lifted")
    stranger = new_id()
    outcomes = await town.open(fit, unfit, unknown, elsewhere, lifted, stranger, fit)
    assert must(outcomes[0]).state == "listed"
    assert [code_of(one) for one in outcomes[1:]] == [
        "case.verdict_not_met",
        "case.verdict_not_met",
        "case.household_elsewhere",
        "case.household_elsewhere",
        "case.not_judged",
    ]
    [said] = await town.said(CaseOpened)
    assert said.household == fit


async def test_a_household_has_one_open_case(town: TownHall) -> None:
    household = await town.household()
    first = must((await town.open(household))[0])
    [again] = await town.open(household)
    assert code_of(again) == "case.already_open"
    assert str(first.id) in str(again.problem)
    with pytest.raises(asyncpg.UniqueViolationError):
        await town.rows(
            "insert into case_file (id, kind, household, division, judgement, judged_version, verdict, state, round,"
            " round_since, opened_on, opened_by, version) select $1, kind, household, division, judgement,"
            " judged_version, verdict, state, round, round_since, opened_on, opened_by, version from case_file",
            new_id(),
        )


async def test_two_clerks_at_once_open_one_case(town: TownHall) -> None:
    households = [await town.household() for _ in range(5)]
    both = await asyncio.gather(town.open(*households), town.open(*households))
    opened = [one for outcomes in both for one in outcomes if one.case is not None]
    assert len(opened) == 5
    assert len(await town.rows("select 1 from case_file")) == 5


async def test_the_judgement_is_frozen_with_the_case(town: TownHall) -> None:
    household = await town.household()
    case = must((await town.open(household))[0])
    newer = await town.judged(household, "met")
    [row] = await town.rows("select judgement, judged_version from case_file where id = $1", case.id)
    assert row["judgement"] == case.judged.id != newer
    assert row["judged_version"] == 1


async def test_the_whole_way_to_the_mark(town: TownHall) -> None:
    _, [first, second] = await town.hung(2)
    await town.days_pass(8)
    outcomes = await town.approve(first, second)
    assert [must(one).state for one in outcomes] == ["approved", "approved"]
    decided = await town.said(CaseDecided)
    assert {fact.case for fact in decided} == {first, second}
    fact = next(one for one in decided if one.case == first)
    assert (fact.outcome, fact.version_judged, fact.document_number) == ("exit_approved", 1, "镇发〔2019〕31号")
    await town.hear_decisions(fact.household, new_id())
    assert await town.state_of(first) == "approved"
    await town.hear_decisions(fact.household, new_id(), fact.decision, version=1_800_000_000_000)
    assert await town.state_of(first) == "marked"
    assert await town.state_of(second) == "approved"
    await town.hear_decisions(fact.household, fact.decision, version=5)
    steps = await town.rows("select step, taken_by from case_step where case_id = $1 order by sequence", first)
    assert [row["step"] for row in steps] == [
        "open", "meeting", "verify", "consent", "publish", "publicity_ended", "approve", "mark",
    ]  # fmt: skip


async def test_a_decision_that_the_register_cannot_apply_goes_back_to_the_town(town: TownHall) -> None:
    """No dead end: all that was done before stands, and the town decides again, by whom it likes."""
    _, [case] = await town.hung(1)
    await town.days_pass(8)
    must((await town.approve(case))[0])
    [first] = await town.said(CaseDecided)
    await town.hear_refused(first.household, new_id(), "decision.too_early")
    assert await town.state_of(case) == "approved", "another decision's fate is not ours"
    await town.hear_refused(first.household, first.decision, "decision.too_early", version=3)
    assert await town.state_of(case) == "publicity_passed"
    [row] = await town.rows("select decision, document_number, publicity, round from case_file where id = $1", case)
    assert (row["decision"], row["document_number"], row["round"]) == (None, None, 1)
    assert row["publicity"] is not None, "the list that hung its days is still this case's"
    returned = (await town.said(CaseReturned))[-1]
    assert (returned.case, returned.reason, returned.state) == (case, "register_refused", "publicity_passed")
    await town.hear_refused(first.household, first.decision, "decision.too_early", version=4)
    trail = await town.rows("select step, evidence::text from case_step where case_id = $1 order by sequence", case)
    assert [one["step"] for one in trail][-2:] == ["approve", "register_refused"]
    assert str(first.decision) in trail[-1]["evidence"]
    assert "decision.too_early" in trail[-1]["evidence"]
    assert must((await town.approve(case))[0]).state == "approved"
    second = (await town.said(CaseDecided))[-1]
    assert second.decision != first.decision
    await town.hear_decisions(first.household, second.decision, version=5)
    assert await town.state_of(case) == "marked"


async def test_bulk_steps_have_a_result_each_and_refusals_change_nothing_of_others(town: TownHall) -> None:
    ids = [must(one).id for one in await town.open(*[await town.household() for _ in range(3)])]
    await town.step("meeting", MEETING, ids[0])
    outcomes = await town.step("meeting", MEETING, *ids, new_id())
    assert code_of(outcomes[0]) == "step.out_of_turn"
    assert [must(one).state for one in outcomes[1:3]] == ["reviewed", "reviewed"]
    assert code_of(outcomes[3]) == "case.missing"
    assert [await town.state_of(one) for one in ids] == ["reviewed"] * 3
    advanced = await town.said(CaseAdvanced)
    assert [(fact.case, fact.state) for fact in advanced] == [(one, "reviewed") for one in ids]


async def test_a_case_twice_in_one_bulk_is_walked_once(town: TownHall) -> None:
    [case] = await town.open(await town.household())
    outcomes = await town.step("meeting", MEETING, must(case).id, must(case).id)
    assert must(outcomes[0]).state == "reviewed"
    assert code_of(outcomes[1]) == "step.out_of_turn"
    assert len(await town.rows("select 1 from case_step")) == 2


async def test_each_case_of_a_bulk_may_bring_its_own_evidence(town: TownHall) -> None:
    ids = [must(one).id for one in await town.open(await town.household(), await town.household())]
    asked = [cases.Asked(ids[0], {"for": 11}), cases.Asked(ids[1], {"for": 10, "against": 10})]
    async with town.door_of(CLERK) as tx:
        outcomes = await cases.take_steps(tx, CLERK, "meeting", asked, MEETING, town.now)
    assert [must(one).state for one in outcomes] == ["reviewed", "listed"]


async def test_who_recorded_a_step_may_not_approve(town: TownHall) -> None:
    both = officer("shuang", "clerk", "approver")
    [household] = [await town.household()]
    case_id = must((await town.open(household))[0]).id
    for step, evidence in (("meeting", MEETING), ("verify", VERIFIED)):
        must((await town.step(step, evidence, case_id))[0])
    must((await town.step("consent", SIGNED, case_id, by=both))[0])
    opened, _ = await town.publish(case_id)
    assert opened is not None
    await town.hear_posted(opened)
    await town.days_pass(8)
    assert code_of((await town.approve(case_id, by=both))[0]) == "duties.separate"
    assert must((await town.approve(case_id))[0]).state == "approved"


async def test_a_village_approver_may_not_decide_for_the_town(town: TownHall) -> None:
    _, [case_id] = await town.hung()
    await town.days_pass(8)
    assert code_of((await town.approve(case_id, by=officer("cun", "approver", at=VILLAGE)))[0]) == "step.not_yours"


async def test_a_newer_failing_judgement_blocks_until_a_person_says_why(town: TownHall) -> None:
    _, [case_id] = await town.hung()
    await town.days_pass(8)
    [row] = await town.rows("select household from case_file")
    newer = await town.judged(row["household"], "unmet")
    assert code_of((await town.approve(case_id))[0]) == "case.newer_judgement"
    why = {"judgement": str(newer), "why": "住院费用已报销，复核后仍达标"}
    must((await town.step("explain", why, case_id, by=REVIEWER))[0])
    newest = await town.judged(row["household"], "unknown")
    assert code_of((await town.approve(case_id))[0]) == "case.newer_judgement"
    stale = await town.step("explain", why, case_id, by=REVIEWER)
    assert code_of(stale[0]) == "case.nothing_to_explain"
    must((await town.step("explain", {**why, "judgement": str(newest)}, case_id, by=REVIEWER))[0])
    assert must((await town.approve(case_id))[0]).state == "approved"


async def test_a_judgement_that_cannot_be_seen_is_not_taken_for_a_good_one(town: TownHall) -> None:
    """The household moved to another town: its newest judgement lies there, and nobody here may approve blindly."""
    _, [case_id] = await town.hung()
    await town.days_pass(8)
    for table in ("subject", "judgement", "finding", "circumstance", "household"):
        await town.rows(f"update {table} set division = $1", OTHER_TOWN.value + 201)
    assert code_of((await town.approve(case_id))[0]) == "case.not_judged"


@pytest.mark.parametrize("change", ["moved next door", "poor no more"])
async def test_who_no_longer_is_of_this_village_and_status_is_not_approved(town: TownHall, change: str) -> None:
    """The neighbours never read its name, or there is nothing to end: refused whatever is explained, and it may end."""
    _, [case_id] = await town.hung()
    await town.days_pass(8)
    [row] = await town.rows("select household from case_file")
    division, status = (NEIGHBOUR, "poor") if change == "moved next door" else (VILLAGE, "lifted")
    facts = make_household(household=row["household"], version=2, division=division, status=status)
    await town.hear(make_listed(facts, f"{VILLAGE.text}0001"), facts)
    [newest] = await town.rows("select judgement from subject")
    await town.step("explain", {"judgement": str(newest["judgement"]), "why": "已核实"}, case_id, by=REVIEWER)
    assert code_of((await town.approve(case_id))[0]) == "case.household_elsewhere"
    paper = {"document_number": "镇发〔2019〕32号", "effective_on": town.today, "why": "已迁出或身份已变"}
    assert must((await town.step("refuse", paper, case_id, by=APPROVER))[0]).state == "refused"


async def test_neighbours_see_no_case_and_take_no_step(town: TownHall) -> None:
    [case_id] = await town.agreed()
    stranger = officer("lin", "clerk", "reviewer", "approver", at=OTHER_TOWN)
    assert code_of((await town.step("refusal", {"refused_on": town.today, "why": "x"}, case_id, by=stranger))[0]) == (
        "case.missing"
    )
    with pytest.raises(ScopeRefused):
        await town.open(await town.household(), by=stranger)
    with pytest.raises(ScopeRefused):
        await town.publish(case_id, by=stranger)
    assert await town.state_of(case_id) == "agreed"


async def test_a_parameter_that_is_missing_is_named(make_database: Callable[[str], Database]) -> None:
    town = TownHall.of(make_database("assessment"))
    await town.rows("delete from parameter where key = 'exit.meeting_quorum'")
    [case] = await town.open(await town.household())
    [outcome] = await town.step("meeting", MEETING, must(case).id)
    await town.close()
    assert code_of(outcome) == "step.number_missing"
    assert "exit.meeting_quorum" in str(outcome.problem)


async def test_the_nearest_division_decides_the_quorum(town: TownHall) -> None:
    await town.rows(
        "insert into parameter (key, division, valid_from, value, unit, basis_zh, basis_en, entered_by, approved_by)"
        " values ('exit.meeting_quorum', $1, '2018-01-01', '9/10', 'share', '本镇办法', 'town rule', 'a', 'b')",
        TOWN.value,
    )
    [case] = await town.open(await town.household())
    [outcome] = await town.step("meeting", MEETING, must(case).id)
    assert code_of(outcome) == "meeting.no_quorum"
    await town.rows("delete from parameter where key = 'exit.meeting_quorum' and division = $1", TOWN.value)


async def test_a_trail_is_never_changed(town: TownHall) -> None:
    [case_id] = await town.agreed()
    for login in (town.api, town.worker):
        for statement in (
            "update case_step set taken_by = 'x'",
            "delete from case_step",
            "delete from case_file",
            "update publicity_item set headcount = 1",
            "delete from objection",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await _run(login, statement)
    assert len(await town.rows("select 1 from case_step where case_id = $1", case_id)) == 4


async def _run(engine: Any, statement: str) -> None:
    async with transaction(engine, Scope.everything(), caller="x") as tx:
        await tx.driver.execute(statement)


async def test_steps_at_once_take_turns(town: TownHall) -> None:
    [case_id] = await town.agreed()
    away = {"refused_on": town.today, "why": "不同意"}
    outcomes = await asyncio.gather(*(town.step("refusal", away, case_id) for _ in range(3)))
    assert sorted(one[0].problem is None for one in outcomes) == [False, False, True]
    assert len(await town.rows("select 1 from case_step where case_id = $1 and step = 'refusal'", case_id)) == 1


async def test_republishing_says_every_decision_again_under_its_id(town: TownHall) -> None:
    _, ids = await town.hung(3)
    await town.days_pass(8)
    await town.approve(*ids)
    first = {fact.model_dump_json() for fact in await town.said(CaseDecided)}
    async with transaction(town.worker, Scope.everything(), caller="x") as tx:
        again = [one async for chunk in cases.cases_again(tx, 1) for one in chunk]
    assert {one.fact.model_dump_json() for one in again} == first
    assert {one.key for one in again} == set(ids)


# Over HTTP


async def test_the_auditor_reads_why_a_household_was_taken_off_the_list(town: TownHall, counter: Counter) -> None:
    opened, [case_id] = await town.hung()
    objection = await town.object(case_id)
    await town.close_objection(objection, "rejected")
    await town.days_pass(8)
    await town.hear_taken_down(opened)
    must((await town.approve(case_id))[0])
    answer = await counter.get(f"/cases/{case_id}", by=officer("audit", "auditor"))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state_zh"], told["judged_version"]) == ("已批准，待系统标注", 1)
    judged = told["judged"]
    assert (judged["id"], judged["household_version"]) == (told["judgement"], 1)
    exit_pack = next(one for one in judged["packs"] if one["pack"] == "exit")
    assert (exit_pack["verdict"], len(exit_pack["pack_hash"])) == ("met", 64)
    income = next(one for one in exit_pack["reasons"] if one["code"] == "income")
    assert income["laws"][0]["text"]["zh"]
    assert exit_pack["parameters"][0]["basis"]["zh"]
    assert told["decision"]["document_number"] == "镇发〔2019〕31号"
    steps = {line["step"]: line for line in told["trail"]}
    assert steps["meeting"]["evidence"] == MEETING
    assert {number["basis_zh"] for number in steps["meeting"]["numbers"]}
    assert steps["publish"]["numbers"][0]["key"] == "exit.publicity_days"
    assert (steps["open"]["by"], steps["approve"]["by"]) == ("chen", "fang")
    [notice] = told["notices"]
    assert (notice["first_day"], notice["last_day"]) == ("2019-08-22", "2019-08-28")
    assert notice["taken_down_at"] is not None
    assert (notice["content_hash"], notice["masked_head"]) == ("c" * 64, "王*明")
    [raised] = told["objections"]
    assert (raised["finding"], raised["by"]) == ("rejected", "赵*")
    named = await counter.get(f"/cases/{case_id}", by=officer("audit", "auditor"), purpose="信访核查")
    assert named.json()["objections"][0]["by"] == "赵某"
    logs = await town.rows("select caller, purpose, ids from access_log order by id")
    assert [(log["caller"], log["purpose"]) for log in logs] == [("audit", "案件办理"), ("audit", "信访核查")]
    assert all(str(case_id) in [str(one) for one in log["ids"]] for log in logs)


async def test_a_step_needs_the_version_that_was_seen(town: TownHall, counter: Counter) -> None:
    [case] = await town.open(await town.household())
    path = f"/cases/{must(case).id}/steps"
    body = {"step": "meeting", "evidence": MEETING}
    assert (await counter.post(path, body)).status_code == 428
    assert (await counter.post(path, body, If_Match='"7"')).status_code == 412
    answer = await counter.post(path, body, If_Match='"1"')
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["state"] == "reviewed"


async def test_the_same_key_walks_once(town: TownHall, counter: Counter) -> None:
    households = [str(await town.household()) for _ in range(2)]
    body = {"village": VILLAGE.text, "households": households}
    first = await counter.post("/cases", body, key="open-cases-1")
    again = await counter.post("/cases", body, key="open-cases-1")
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["done"] == 2
    assert len(await town.rows("select 1 from case_file")) == 2


async def test_a_refusal_over_http_is_told_in_both_languages(town: TownHall, counter: Counter) -> None:
    [case] = await town.open(await town.household())
    path = f"/cases/{must(case).id}/steps"
    wrong = await counter.post(path, {"step": "meeting", "evidence": {"due": -1}}, If_Match='"1"')
    assert wrong.status_code == 422
    told = wrong.json()
    assert told["code"] == "step.evidence"
    assert {error["pointer"] for error in told["errors"]} >= {"/evidence/due", "/evidence/held_on"}
    body = {"step": "verify", "evidence": VERIFIED, "cases": [{"case": str(must(case).id), "version": 1}]}
    [result] = (await counter.post("/cases/steps", body)).json()["results"]
    assert (result["refusal"]["code"], result["refusal"]["status"]) == ("step.out_of_turn", 409)
    assert "已列入" in result["refusal"]["detail"]


@pytest.mark.parametrize("value", [True, 1.0, [30], {"a": 1}])
async def test_a_count_is_a_whole_number_and_nothing_else(town: TownHall, counter: Counter, value: object) -> None:
    [case] = await town.open(await town.household())
    body = {"step": "meeting", "evidence": {**MEETING, "due": value}}
    answer = await counter.post(f"/cases/{must(case).id}/steps", body, If_Match='"1"')
    assert answer.status_code == 422
    body = {"step": "meeting", "evidence": MEETING, "remark": "反\u202e写"}
    assert (await counter.post(f"/cases/{must(case).id}/steps", body, If_Match='"1"')).status_code == 422


async def test_candidates_are_the_met_without_an_open_case(town: TownHall, counter: Counter) -> None:
    free, busy = await town.household(), await town.household()
    await town.household("unmet")
    await town.open(busy)
    answer = await counter.get("/cases/candidates", village=VILLAGE.text)
    assert [UUID(one["household"]) for one in answer.json()["items"]] == [free]
    assert (await counter.get("/cases/candidates", village=NEIGHBOUR.text)).json()["items"] == []


async def test_lists_and_counts_keep_to_the_scope(town: TownHall, counter: Counter) -> None:
    ids = await town.agreed(3)
    page = (await counter.get("/cases", limit=2)).json()
    rest = (await counter.get("/cases", limit=2, cursor=page["next"])).json()
    assert [UUID(line["id"]) for line in (*page["items"], *rest["items"])] == sorted(ids)
    assert page["items"][0]["masked_head"] == "王*明"
    assert (await counter.get("/cases", state="marked")).json()["items"] == []
    assert (await counter.get("/cases/counts")).json() == [{"state": "agreed", "cases": 3}]
    stranger = officer("lin", "clerk", at=OTHER_TOWN)
    assert (await counter.get("/cases", by=stranger)).json()["items"] == []
    assert (await counter.get("/cases/counts", by=stranger)).json() == []
    assert (await counter.get(f"/cases/{ids[0]}", by=stranger)).status_code == 404


@pytest.mark.parametrize("role", ["accountant", "operator", "system"])
async def test_other_roles_are_refused_at_the_door(counter: Counter, role: str) -> None:
    assert (await counter.get("/cases", by=officer("x", role))).status_code == 403
    body = {"village": VILLAGE.text, "households": [str(new_id())]}
    assert (await counter.post("/cases", body, by=officer("x", role))).status_code == 403
    assert (await counter.post("/cases", body, by=officer("x", "auditor"))).status_code == 403


async def test_the_procedure_describes_itself(counter: Counter) -> None:
    told = (await counter.get("/procedures/exit")).json()
    assert [state["code"] for state in told["states"]] == [state.code for state in EXIT.states]
    meeting = next(step for step in told["steps"] if step["code"] == "meeting")
    assert [entry["name"] for entry in meeting["entries"]] == list(MEETING)
    assert (await counter.get("/procedures/entry")).status_code == 404


async def test_a_bulk_over_http_approves_a_village(town: TownHall, counter: Counter) -> None:
    _, ids = await town.hung(4)
    await town.object(ids[3])
    await town.days_pass(8)
    body = {
        "step": "approve",
        "evidence": {"document_number": "镇发〔2019〕31号", "effective_on": town.today},
        "cases": [{"case": str(one)} for one in ids],
    }
    counter.move_the_clock()
    answer = (await counter.post("/cases/steps", body, by=APPROVER)).json()
    assert (answer["done"], answer["refused"]) == (3, 1)
    assert answer["results"][3]["refusal"]["code"] == "step.out_of_turn"
