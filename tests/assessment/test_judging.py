"""Judging on hearing and by division, on the real database: what is kept, what is told, what changed and why."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from services.assessment import app
from services.assessment.actions import judging
from services.assessment.actions.explaining import Explained, JudgementMissing, explain_judgement
from services.assessment.actions.judging import judgements_again
from services.assessment.actions.runs import RunAhead, RunBehind, ask_for_run
from services.assessment.domain.catalogue import BeyondCatalogue
from services.assessment.store.heard import drop_subjects
from shared.auth import Officer, Role
from shared.db import create_engine, transaction
from shared.errors import ScopeRefused
from shared.events.assessment import HouseholdJudged
from shared.jobs import Job
from shared.values import DivisionCode, Scope, new_id
from tests.assessment.make import (
    COUNTY,
    ELSEWHERE,
    LINE_FEN,
    NEIGHBOUR,
    VILLAGE,
    Office,
    heard,
    make_divisions,
    make_household,
    make_income,
    make_listed,
    make_living,
    make_member,
)

REVIEWER = Officer("wang", "王强", frozenset({Role.REVIEWER}), (COUNTY,))


async def explained(office: Office, household: UUID, version: int | None = None) -> Explained:
    async with office.desk() as tx:
        return await explain_judgement(tx, household, version)


async def run(office: Office, division: DivisionCode = COUNTY, on: date | None = None) -> Job:
    async with office.desk(REVIEWER.scope) as tx:
        job = await ask_for_run(tx, REVIEWER, division, on, office.now)
    await office.work()
    return job


def verdicts(one: HouseholdJudged) -> dict[str, str]:
    return {part.pack: part.verdict for part in one.packs}


async def test_a_household_heard_is_judged_kept_and_told(office: Office) -> None:
    facts = make_household(net_fen=LINE_FEN)
    await office.hear(facts)
    [told] = await office.said(HouseholdJudged)
    assert (told.household, told.version, told.household_version) == (facts.household, 1, 1)
    assert (told.division, told.judged_on) == (VILLAGE.text, date(2019, 8, 20))
    [exit_part, risk_part] = told.packs
    assert (exit_part.verdict, exit_part.failed, exit_part.unknown) == ("unmet", ("income",), ())
    assert (risk_part.verdict, risk_part.failed, risk_part.score) == ("none", ("near_line",), 2)
    kept = await explained(office, facts.household)
    assert kept.id == told.judgement
    assert [part.finding.verdict for part in kept.packs] == ["unmet", "none"]


async def test_the_line_itself_is_not_above_the_line(office: Office) -> None:
    on, above = make_household(net_fen=LINE_FEN), make_household(net_fen=LINE_FEN + 1)
    await office.hear(on, above)
    said = {one.household: verdicts(one)["exit"] for one in await office.said(HouseholdJudged)}
    assert said == {on.household: "unmet", above.household: "met"}


async def test_the_same_fact_again_changes_and_tells_nothing(office: Office) -> None:
    facts = make_household()
    await office.hear(facts)
    await office.hear(facts)
    await office.hear(facts, facts)
    assert len(await office.said(HouseholdJudged)) == 1
    [count] = await office.rows("select count(*) from judgement")
    assert count[0] == 1


async def test_an_older_version_is_kept_but_does_not_overtake(office: Office) -> None:
    newer = make_household(version=3)
    older = make_household(household=newer.household, version=2, net_fen=0)
    await office.hear(newer)
    await office.hear(older)
    assert [one.household_version for one in await office.said(HouseholdJudged)] == [3]
    now, then = await explained(office, newer.household), await explained(office, newer.household, 2)
    assert (now.household_version, now.packs[0].finding.verdict) == (3, "met")
    assert (then.id, then.household_version, then.packs[0].finding.verdict) == (None, 2, "unmet")


async def test_two_versions_in_one_batch_are_both_kept_and_the_newest_judged(office: Office) -> None:
    first = make_household(net_fen=0)
    second = make_household(household=first.household, version=2)
    await office.hear(first, second)
    assert [one.household_version for one in await office.said(HouseholdJudged)] == [2]
    rows = await office.rows("select version from circumstance order by version")
    assert [row["version"] for row in rows] == [1, 2]


async def test_a_version_never_heard_is_missing(office: Office) -> None:
    facts = make_household()
    await office.hear(facts)
    for household, version in ((new_id(), None), (facts.household, 9)):
        with pytest.raises(JudgementMissing):
            await explained(office, household, version)


async def test_each_version_has_its_judgement_and_the_payout_is_named_as_the_cause(office: Office) -> None:
    poor = make_household(net_fen=LINE_FEN)
    paid = make_household(
        household=poor.household,
        version=2,
        members=poor.members,
        income=(*poor.income, make_income(63_120, "C", paid_on="2019-09-20")),
    )
    await office.hear(poor)
    office.now += timedelta(days=31)
    await office.hear(paid)
    first, second = await office.said(HouseholdJudged)
    assert (first.version, second.version) == (1, 2)
    assert second.packs[0].previous == "unmet"
    now = await explained(office, poor.household)
    [change] = now.packs[0].changes
    [cause] = change.causes
    assert (change.code, change.before, change.after) == ("income", "unmet", "met")
    assert (cause.kind, cause.fen, cause.on) == ("payout", 63_120, date(2019, 9, 20))
    assert "631.20元" in cause.zh
    assert "631.20 yuan" in cause.en
    then = await explained(office, poor.household, 1)
    assert (then.packs[0].finding.verdict, then.packs[0].changes) == ("unmet", ())


async def test_a_payment_taken_back_is_named_too(office: Office) -> None:
    paid = make_income(63_120, "C", paid_on="2019-09-20")
    back = make_income(-63_120, "C", paid_on="2019-10-08")
    poor = make_household(net_fen=LINE_FEN, income=(make_income(LINE_FEN), paid))
    office.now += timedelta(days=31)
    await office.hear(poor)
    office.now += timedelta(days=20)
    reversed_ = make_household(household=poor.household, version=2, members=poor.members, income=(*poor.income, back))
    await office.hear(reversed_)
    now = await explained(office, poor.household)
    [change] = now.packs[0].changes
    assert (change.before, change.after, [one.fen for one in change.causes]) == ("met", "unmet", [-63_120])


async def test_a_birthday_between_two_runs_is_named_as_the_cause(office: Office) -> None:
    child = make_member("son", "2003-10-01", schooling="not_student", education="primary", labour="none")
    facts = make_household(members=(make_member(), child), net_fen=2 * LINE_FEN + 1)
    await office.hear(facts)
    before = await explained(office, facts.household)
    assert before.packs[0].finding.failed(before.packs[0].pack) == ("school",)
    office.now += timedelta(days=56)  # 15 October
    await run(office)
    now = await explained(office, facts.household)
    [change] = now.packs[0].changes
    [cause] = change.causes
    assert (change.code, change.before, change.after, cause.kind) == ("school", "unmet", "met", "birthday")
    assert (cause.zh, cause.en) == ("长子，16岁：年满16岁", "eldest son, aged 16: reached 16")


async def test_a_fact_told_anew_is_named_with_its_old_and_new_value(office: Office) -> None:
    member = make_member()
    facts = make_household(members=(member,), living=make_living(water_safe="refused"))
    better = make_household(household=facts.household, version=2, members=(member,))
    await office.hear(facts)
    await office.hear(better)
    now = await explained(office, facts.household)
    [change] = now.packs[0].changes
    assert (change.code, change.before, change.after) == ("water", "unknown", "met")
    assert [(one.kind, one.field, one.before, one.after) for one in change.causes] == [
        ("living", "water_safe", "拒绝回答", "是")
    ]


async def test_a_household_that_left_poverty_is_not_judged_for_exit_any_more(office: Office) -> None:
    facts = make_household()
    spans = [
        {"kind": "poor", "since": "2014-01-01", "until": "2019-08-31"},
        {"kind": "lifted", "since": "2019-08-31"},
    ]
    await office.hear(facts)
    office.now += timedelta(days=11)
    await office.hear(make_household(household=facts.household, version=2, members=facts.members, statuses=spans))
    told = (await office.said(HouseholdJudged))[-1]
    assert verdicts(told) == {"exit": "not_applicable", "risk": "none"}
    assert (told.packs[0].failed, told.packs[0].unknown) == ((), ())
    now = await explained(office, facts.household)
    assert now.packs[0].reasons == ()
    assert "脱贫户" in "".join(cause.zh for cause in now.packs[0].applicability)


async def test_a_run_judges_all_and_writes_only_what_is_news(office: Office) -> None:
    stays = make_household()
    turns = make_household(members=(make_member(), make_member("son", "2003-10-01", education="primary")))
    far = make_household(division=ELSEWHERE)
    await office.hear(stays, turns, far)
    office.now += timedelta(days=56)
    job = await run(office)
    [record] = await office.rows("select * from run")
    assert (record["judged"], record["changed"], record["outcome"]) == (2, 1, "done")
    assert record["ended_at"] == office.now
    told = (await office.said(HouseholdJudged))[3:]
    assert [(one.household, one.judged_on) for one in told] == [(turns.household, date(2019, 10, 15))]
    [kept] = await office.rows("select run from judgement where judged_on = '2019-10-15'")
    assert kept["run"] == job.id
    again = await run(office)
    [record] = await office.rows("select judged, changed from run where id = $1", again.id)
    assert (record["judged"], record["changed"]) == (2, 0)


async def test_a_run_goes_on_where_it_stood_chunk_by_chunk(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.hear(*(make_household() for _ in range(7)))
    monkeypatch.setattr(judging, "CHUNK", 3)
    office.now += timedelta(days=200)
    await run(office)
    [record] = await office.rows("select judged, changed from run")
    assert (record["judged"], record["changed"]) == (7, 7)
    [count] = await office.rows("select count(distinct household) from judgement where run is not null")
    assert count[0] == 7


async def test_a_run_ahead_or_behind_or_outside_is_refused(office: Office) -> None:
    await office.hear(make_household())
    async with office.desk(REVIEWER.scope) as tx:
        with pytest.raises(RunAhead):
            await ask_for_run(tx, REVIEWER, COUNTY, date(2019, 8, 21), office.now)
        with pytest.raises(RunBehind):
            await ask_for_run(tx, REVIEWER, COUNTY, date(2019, 8, 19), office.now)
        with pytest.raises(ScopeRefused):
            await ask_for_run(tx, REVIEWER, ELSEWHERE, None, office.now)
        with pytest.raises(ScopeRefused):
            await ask_for_run(tx, REVIEWER, DivisionCode.parse("62"), None, office.now)


async def test_a_household_that_moves_takes_all_its_judgements_along(office: Office) -> None:
    facts = make_household()
    await office.hear(facts)
    await office.hear(make_household(household=facts.household, version=2, division=NEIGHBOUR))
    seen = []
    for place in (VILLAGE, NEIGHBOUR):
        async with office.door(Scope.of([place])) as tx:
            for table in ("subject", "circumstance", "judgement", "finding"):
                seen.append(await tx.driver.fetchval(f"select count(*) from {table}"))
    assert seen == [0, 0, 0, 0, 1, 2, 2, 4]


async def test_what_the_catalogue_does_not_allow_is_refused_and_nothing_is_kept(office: Office) -> None:
    with pytest.raises(BeyondCatalogue):
        await office.hear(make_household(net_fen=10**13))
    assert await office.said(HouseholdJudged) == []
    assert (await office.rows("select count(*) from circumstance"))[0][0] == 0


async def test_a_judgement_explains_itself_after_its_rules_have_changed(office: Office) -> None:
    facts = make_household(net_fen=LINE_FEN)
    await office.hear(facts)
    await office.rows("update parameter set value = '1', basis_zh = '改', entered_by = 'x' where key = 'poverty_line'")
    try:
        kept = await explained(office, facts.household)
    finally:
        owner = create_engine(office.database.owner)
        async with transaction(owner, Scope.everything()) as tx:
            await tx.driver.execute("delete from parameter where key = 'poverty_line'")
            await app.load(tx)
        await owner.dispose()
    [income] = [one for one in kept.packs[0].reasons if one.code == "income"]
    assert income.limit == ("3218.00", "3218.00")
    assert "3218元" in income.zh


async def test_everything_can_be_said_again_above_an_epoch(office: Office) -> None:
    facts = [make_household(), make_household(net_fen=0)]
    await office.hear(*facts)
    first = await office.said(HouseholdJudged)
    async with office.door() as tx:
        again = [said async for chunk in judgements_again(tx, 10**12) for said in chunk]
    standing = {one.household: one for one in first}
    assert {one.key for one in again} == set(standing)
    for said in again:
        assert isinstance(said.fact, HouseholdJudged)
        assert said.fact.version == 10**12
        assert said.fact.model_copy(update={"version": 1}) == standing[said.fact.household]
    await office.hear(make_household(household=facts[0].household, version=2))
    assert (await office.said(HouseholdJudged))[-1].version == 10**12 + 1


async def test_a_household_that_comes_back_is_judged_above_all_that_was_told_of_it(office: Office) -> None:
    """Its speaker had lost it and found it again; its judgements are primary records and stayed."""
    facts = make_household()
    await office.hear(facts)
    async with office.door() as tx:
        assert [said async for chunk in judgements_again(tx, 10**12) for said in chunk]
        await drop_subjects(tx, [facts.household])
    await office.hear(facts.model_copy(update={"version": 10**13}))
    versions = [row["version"] for row in await office.rows("select version from judgement order by version")]
    assert versions[0] == 1
    assert len(versions) == 2
    assert versions[1] > 10**12
    assert [one.version for one in await office.said(HouseholdJudged)] == versions


async def test_divisions_and_households_keep_the_highest_version(office: Office) -> None:
    facts = make_household()
    await office.hear(*make_divisions(), make_listed(facts, group="五组", version=2))
    await office.hear(make_listed(facts, version=1))
    [row] = await office.rows('select "group", version from household')
    assert (row["group"], row["version"]) == ("五组", 2)
    assert (await office.rows("select count(*) from division"))[0][0] == 7
    await office.hear(heard(make_divisions()[0].model_copy(update={"version": 0, "name": "旧名"}), office.now))
    [name] = await office.rows("select name from division where code = 620000000000")
    assert name["name"] == "甘肃省"
