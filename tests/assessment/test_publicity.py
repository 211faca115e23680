"""Publicities over the real database: frozen at opening, counted from the hanging, ended when due; objections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.assessment.actions import publicity
from services.assessment.domain.cases import ObjectionClosed, ObjectionMisdated
from services.assessment.domain.publicity import PublicityOver
from shared.db import transaction
from shared.errors import Problem
from shared.events.assessment import CaseAdvanced, CaseReturned, PublicityEnded, PublicityOpened
from shared.hearing import NotYet
from shared.values import Scope, new_id
from stack.provision import Database
from tests.assessment.town import (
    CLERK,
    MEETING,
    NEIGHBOUR,
    OTHER_TOWN,
    REVIEWER,
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


async def publicity_row(town: TownHall) -> asyncpg.Record:
    [row] = await town.rows("select * from publicity order by id desc limit 1")
    return row


async def test_a_list_is_frozen_when_it_opens(town: TownHall) -> None:
    ids = await town.agreed(2)
    opened, outcomes = await town.publish(*ids)
    assert opened is not None
    assert [must(one).state for one in outcomes] == ["in_publicity"] * 2
    await town.rows("update household set masked_head = '改*', headcount = 9, \"group\" = '九组'")
    items = await town.rows("select masked_head, group_name, category, headcount from publicity_item")
    assert {tuple(row) for row in items} == {("王*明", "二组", "poor", 1)}
    [said] = await town.said(PublicityOpened)
    assert (said.publicity, said.days, said.village) == (opened.id, 7, VILLAGE.text)
    assert {item.case for item in said.items} == set(ids)
    assert "王小明" not in said.model_dump_json()


async def test_only_fit_cases_hang_and_the_others_are_told_why(town: TownHall) -> None:
    [agreed] = await town.agreed()
    listed = must((await town.open(await town.household()))[0]).id
    [moved] = await town.agreed()
    [row] = await town.rows("select household from case_file where id = $1", moved)
    await town.rows("update household set division = $1 where id = $2", NEIGHBOUR.value, row["household"])
    opened, outcomes = await town.publish(listed, agreed, moved, new_id(), agreed)
    assert opened is not None
    assert [item.case for item in opened.items] == [agreed]
    assert must(outcomes[1]).publicity == opened.id
    codes = [code_of(outcomes[place]) for place in (0, 2, 3)]
    assert codes == ["step.out_of_turn", "case.household_elsewhere", "case.missing"]


async def test_nobody_fit_means_no_list(town: TownHall) -> None:
    listed = must((await town.open(await town.household()))[0]).id
    opened, [outcome] = await town.publish(listed)
    assert opened is None
    assert code_of(outcome) == "step.out_of_turn"
    assert await town.rows("select 1 from publicity") == []
    assert await town.said(PublicityOpened) == []


async def test_a_list_is_of_one_village(town: TownHall) -> None:
    [case_id] = await town.agreed()
    opened, [outcome] = await town.publish(case_id, village=NEIGHBOUR)
    assert opened is None
    assert code_of(outcome) == "case.household_elsewhere"


async def test_an_unposted_list_never_ends(town: TownHall) -> None:
    ids = await town.agreed()
    await town.publish(*ids)
    await town.days_pass(60)
    assert await town.state_of(ids[0]) == "in_publicity"
    assert await town.said(PublicityEnded) == []


async def test_posted_on_23_august_it_is_approvable_from_the_31st(town: TownHall) -> None:
    town.now = datetime(2019, 8, 23, 1, tzinfo=UTC)
    ids = await town.agreed()
    opened, _ = await town.publish(*ids)
    assert opened is not None
    await town.hear_posted(opened)
    row = await publicity_row(town)
    assert (str(row["first_day"]), str(row["last_day"])) == ("2019-08-24", "2019-08-30")
    town.now = datetime(2019, 8, 30, 15, 59, 59, tzinfo=UTC)
    await town.days_pass(0)
    assert await town.state_of(ids[0]) == "in_publicity"
    assert code_of((await town.approve(*ids))[0]) == "step.out_of_turn"
    town.now = datetime(2019, 8, 30, 16, tzinfo=UTC)
    await town.days_pass(0)
    assert await town.state_of(ids[0]) == "publicity_passed"
    [ended] = await town.said(PublicityEnded)
    assert (ended.reason, str(ended.ended_on)) == ("days_passed", "2019-08-31")
    assert must((await town.approve(*ids))[0]).state == "approved"


async def test_the_days_are_counted_here_and_not_by_the_poster(town: TownHall) -> None:
    """A poster that miscounts cannot shorten the days: its own are ignored (`hear_posted` says the year 2000)."""
    await town.hung()
    row = await publicity_row(town)
    assert (str(row["first_day"]), str(row["last_day"])) == ("2019-08-22", "2019-08-28")


async def test_posted_heard_again_changes_nothing(town: TownHall) -> None:
    opened, _ = await town.hung()
    before = await publicity_row(town)
    await town.hear_posted(opened, town.now + timedelta(days=3))
    assert await publicity_row(town) == before


async def test_a_posting_of_an_unknown_list_waits(town: TownHall) -> None:
    opened, _ = await town.hung()
    await town.rows("delete from publicity_item")
    await town.rows("update case_file set publicity = null")
    await town.rows("delete from publicity")
    with pytest.raises(NotYet):
        await town.hear_posted(opened)


async def test_two_loops_end_it_once(town: TownHall) -> None:
    _, ids = await town.hung(3)
    town.now += timedelta(days=8)
    await asyncio.gather(*(town.loop.turn(town.end_verb) for _ in range(3)))
    assert len(await town.said(PublicityEnded)) == 1
    advanced = await town.said(CaseAdvanced)
    assert sorted(fact.case for fact in advanced if fact.state == "publicity_passed") == sorted(ids)


async def test_an_end_cut_off_midway_is_done_again(town: TownHall) -> None:
    opened, ids = await town.hung()
    town.now += timedelta(days=8)
    with pytest.raises(KeyboardInterrupt):
        await _end_and_die(town, opened.id)
    assert await town.state_of(ids[0]) == "in_publicity"
    assert await town.said(PublicityEnded) == []
    await town.days_pass(0)
    assert await town.state_of(ids[0]) == "publicity_passed"


async def _end_and_die(town: TownHall, publicity_id: UUID) -> None:
    async with transaction(town.worker, Scope.everything(), caller="x") as tx:
        await publicity.end_publicities(tx, [str(publicity_id)], town.now)
        raise KeyboardInterrupt


async def test_woken_too_early_nothing_ends(town: TownHall) -> None:
    opened, ids = await town.hung()
    with pytest.raises(Problem) as refusal:
        await _end_now(town, opened.id)
    assert refusal.value.code == "publicity.running"
    assert await town.state_of(ids[0]) == "in_publicity"


async def _end_now(town: TownHall, publicity_id: UUID) -> None:
    async with transaction(town.worker, Scope.everything(), caller="x") as tx:
        await publicity.end_publicities(tx, [str(publicity_id)], town.now)


@pytest.mark.parametrize(
    "change",
    [
        "update publicity set state = 'ended', ended_on = last_day",
        "update publicity set state = 'ended', ended_on = null",
        "update publicity set posted_at = null",
        "update case_file set state = 'approved'",
        "update case_file set decision = gen_random_uuid()",
        "update objection set finding = 'upheld'",
    ],
)
async def test_the_database_holds_the_shape_of_things(town: TownHall, change: str) -> None:
    """Even a superuser cannot write a list that ended on its last day, or a decision without its document."""
    _, [case_id] = await town.hung()
    await town.object(case_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await town.rows(change)


# Withdrawal


async def withdraw(town: TownHall, publicity_id: UUID, by: Any = CLERK) -> None:
    async with town.door_of(by) as tx:
        await publicity.withdraw_list(tx, by, publicity_id, "名单有误", town.now)


async def test_a_withdrawn_list_lets_its_cases_go_back_and_hang_anew(town: TownHall) -> None:
    opened, ids = await town.hung(2)
    await withdraw(town, opened.id)
    assert [await town.state_of(one) for one in ids] == ["agreed"] * 2
    [said] = await town.said(PublicityEnded)
    assert said.reason == "withdrawn"
    await town.days_pass(30)
    assert [await town.state_of(one) for one in ids] == ["agreed"] * 2
    with pytest.raises(PublicityOver):
        await withdraw(town, opened.id)
    again, outcomes = await town.publish(*ids)
    assert again is not None
    assert [must(one).state for one in outcomes] == ["in_publicity"] * 2


async def test_posted_after_its_withdrawal_it_stays_withdrawn(town: TownHall) -> None:
    ids = await town.agreed()
    opened, _ = await town.publish(*ids)
    assert opened is not None
    await withdraw(town, opened.id)
    await town.hear_posted(opened)
    await town.days_pass(30)
    row = await publicity_row(town)
    assert (row["state"], row["posted_at"] is None) == ("withdrawn", False)
    assert await town.state_of(ids[0]) == "agreed"


async def test_others_cannot_withdraw_it(town: TownHall) -> None:
    opened, ids = await town.hung()
    with pytest.raises(Problem) as unseen:
        await withdraw(town, opened.id, officer("lin", "clerk", at=OTHER_TOWN))
    assert unseen.value.code == "publicity.missing"
    with pytest.raises(Problem) as unfit:
        await withdraw(town, opened.id, officer("audit", "auditor"))
    assert unfit.value.code == "step.not_yours"
    assert await town.state_of(ids[0]) == "in_publicity"


# Objections


async def test_an_objection_holds_one_case_alone(town: TownHall) -> None:
    _, [held, free] = await town.hung(2)
    objection = await town.object(held)
    await town.days_pass(8)
    assert await town.state_of(held) == "in_publicity"
    assert await town.state_of(free) == "publicity_passed"
    assert must((await town.approve(free))[0]).state == "approved"
    assert code_of((await town.approve(held))[0]) == "step.out_of_turn"
    case = await town.close_objection(objection, "rejected")
    assert case.state == "publicity_passed"
    assert must((await town.approve(held))[0]).state == "approved"


async def test_two_objections_must_both_be_closed(town: TownHall) -> None:
    _, [held] = await town.hung()
    first, second = await town.object(held), await town.object(held)
    await town.days_pass(8)
    assert (await town.close_objection(first, "rejected")).state == "in_publicity"
    assert (await town.close_objection(second, "rejected")).state == "publicity_passed"


async def test_rejected_before_the_days_are_over_it_hangs_on(town: TownHall) -> None:
    _, [held] = await town.hung()
    objection = await town.object(held)
    assert (await town.close_objection(objection, "rejected")).state == "in_publicity"
    await town.days_pass(8)
    assert await town.state_of(held) == "publicity_passed"


async def test_one_that_came_in_after_the_days_blocks_the_decision(town: TownHall) -> None:
    _, [case_id] = await town.hung()
    await town.days_pass(8)
    objection = await town.object(case_id)
    assert code_of((await town.approve(case_id))[0]) == "case.objection_open"
    await town.close_objection(objection, "rejected")
    assert must((await town.approve(case_id))[0]).state == "approved"


async def test_an_upheld_one_returns_the_case_to_the_meeting(town: TownHall) -> None:
    _, [case_id, other] = await town.hung(2)
    objection = await town.object(case_id)
    case = await town.close_objection(objection, "upheld")
    assert (case.state, case.round, case.publicity) == ("listed", 2, None)
    [said] = await town.said(CaseReturned)
    assert (said.reason, said.state) == ("objection_upheld", "listed")
    await town.days_pass(8)
    assert await town.state_of(case_id) == "listed"
    assert await town.state_of(other) == "publicity_passed"


async def test_a_second_open_one_blocks_the_new_meeting(town: TownHall) -> None:
    _, [case_id] = await town.hung()
    first, second = await town.object(case_id), await town.object(case_id)
    await town.close_objection(first, "upheld")
    [outcome] = await town.step("meeting", MEETING, case_id)
    assert code_of(outcome) == "case.objection_open"
    assert (await town.close_objection(second, "rejected")).state == "listed"
    assert must((await town.step("meeting", MEETING, case_id))[0]).state == "reviewed"


async def test_a_finding_is_given_once_even_at_once(town: TownHall) -> None:
    _, [case_id] = await town.hung()
    objection = await town.object(case_id)
    answers = await asyncio.gather(
        town.close_objection(objection, "rejected"),
        town.close_objection(objection, "upheld", by=CLERK),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, ObjectionClosed) for one in answers) == [False, True]
    closings = "select count(*) as n from case_step where step in ('objection_upheld', 'objection_rejected')"
    [row] = await town.rows(closings)
    assert row["n"] == 1


async def test_closing_and_ending_at_once_never_leave_a_case_behind(town: TownHall) -> None:
    """Whichever takes the case's lock first, the case goes on exactly once."""
    for _ in range(5):
        _, [case_id] = await town.hung()
        objection = await town.object(case_id)
        town.now += timedelta(days=8)
        await asyncio.gather(town.close_objection(objection, "rejected"), town.loop.turn(town.end_verb))
        assert await town.state_of(case_id) == "publicity_passed"
        town.now -= timedelta(days=8)


async def test_over_http_who_objects_is_kept_and_masked_in_lists(town: TownHall, counter: Counter) -> None:
    _, [case_id] = await town.hung()
    body = {"by": "欧阳娜娜", "text": "该户有商铺", "received_on": "2019-08-21"}
    answer = await counter.post(f"/cases/{case_id}/objections", body)
    assert answer.status_code == 200
    raised = answer.json()["objection"]
    assert (raised["by"], answer.json()["case"]["state"]) == ("欧阳娜娜", "in_publicity")
    listed = (await counter.get("/objections", only_open=True)).json()["items"]
    assert [(one["by"], one["text"]) for one in listed] == [("欧**娜", "该户有商铺")]
    early = await counter.post(f"/cases/{case_id}/objections", {**body, "received_on": "2019-08-01"})
    assert (early.status_code, early.json()["code"]) == (422, ObjectionMisdated.code)
    path = f"/objections/{raised['id']}/finding"
    closed = await counter.post(path, {"finding": "upheld", "text": "属实"}, by=REVIEWER)
    assert closed.json()["case"]["state"] == "listed"
    assert (await counter.post(path, {"finding": "rejected", "text": "x"}, by=REVIEWER)).status_code == 409
    assert (await counter.get("/objections", only_open=True)).json()["items"] == []
    assert "欧阳娜娜" not in (await _everything_said(town))


async def _everything_said(town: TownHall) -> str:
    rows = await town.rows("select payload from outbox")
    return "".join(row["payload"].decode() for row in rows)


async def test_over_http_a_list_is_opened_read_and_withdrawn(town: TownHall, counter: Counter) -> None:
    ids = await town.agreed(2)
    body = {"village": VILLAGE.text, "cases": [str(one) for one in ids], "objections_to": "村委会 0855-5221234"}
    answer = await counter.post("/publicities", body)
    assert answer.status_code == 200
    opened = answer.json()["publicity"]
    assert (opened["days"], opened["state_zh"], answer.headers["etag"]) == (7, "待张贴", '"1"')
    assert "厅字〔2016〕16号" in opened["days_basis"]
    [line] = (await counter.get("/publicities")).json()["items"]
    assert (line["rows"], line["objections_open"]) == (2, 0)
    path = f"/publicities/{opened['id']}"
    assert len((await counter.get(path)).json()["items"]) == 2
    assert (await counter.get(path, by=officer("lin", "clerk", at=OTHER_TOWN))).status_code == 404
    assert (await counter.post(f"{path}/withdrawal", {"why": "有误"})).status_code == 428
    gone = await counter.post(f"{path}/withdrawal", {"why": "有误"}, If_Match='"1"')
    assert (gone.json()["state"], gone.json()["withdrawn_why"]) == ("withdrawn", "有误")
    for wrong in ("\u202e反", " ", ""):
        assert (await counter.post("/publicities", {**body, "objections_to": wrong})).status_code == 422


async def test_publicities_are_said_again_under_their_ids(town: TownHall) -> None:
    await town.hung(2)
    await town.days_pass(8)
    ids = await town.agreed()
    hanging, _ = await town.publish(*ids)
    assert hanging is not None
    said = [*await town.said(PublicityOpened), *await town.said(PublicityEnded)]
    first = sorted(fact.model_dump_json() for fact in said)
    async with transaction(town.worker, Scope.everything(), caller="x") as tx:
        again = [one async for chunk in publicity.publicities_again(tx, 1) for one in chunk]
    assert sorted(one.fact.model_dump_json() for one in again) == first
    assert len(first) == 3
