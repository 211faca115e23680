"""Facts as they arrive, by the consumer's own road: decisions become statuses, payouts become income, each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.registry.app import EARS, HOLDINGS, check
from shared import bus
from shared.db import transaction
from shared.events import TOPICS
from shared.events.assessment import CaseDecided
from shared.events.cooperative import PayoutPosted
from shared.events.registry import CircumstancesRecorded, DivisionRecorded, HouseholdRecorded
from shared.hearing import Outcome, Record, take_in
from shared.recovery import republish
from shared.values import Scope, new_id
from tests.registry.ground import NEXT_VILLAGE, NOW, VILLAGE, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import household
from tests.shared.marks import around

PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}
EXIT_ON = date(2019, 8, 31)


async def home_of(ground: Ground, serial: int = 1) -> UUID:
    answer = await ground.post("/households", json=household_body(serial=serial, order=serial * 20))
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def decided(household: UUID, **more: Any) -> CaseDecided:
    given: dict[str, Any] = {
        "decision": new_id(),
        "case": new_id(),
        "kind": "exit",
        "household": household,
        "division": VILLAGE.text,
        "version_judged": 1,
        "outcome": "exit_approved",
        "effective_on": EXIT_ON,
        "document_number": "舟扶领〔2019〕7号",
    }
    return CaseDecided(**(given | more))


def paid(household: UUID, fen: int = 63_120, **more: Any) -> PayoutPosted:
    given: dict[str, Any] = {
        "payout": new_id(),
        "kind": "surplus_dividend",
        "household": household,
        "division": VILLAGE.text,
        "fen": fen,
        "paid_on": date(2019, 9, 20),
        "book": new_id(),
        "entry_number": "2019-09-0001",
    }
    return PayoutPosted(**(given | more))


def record(
    fact: CaseDecided | PayoutPosted,
    position: int,
    event_id: UUID | None = None,
    epoch: int | None = None,
    said_at: datetime = NOW,
) -> Record:
    """As it comes from the broker."""
    key = str(fact.case if isinstance(fact, CaseDecided) else fact.household)
    envelope = bus.Envelope(
        event_id=event_id or new_id(),
        source="/elsewhere",
        type=fact.TYPE,
        key=key,
        said_at=said_at,
        version=None,
        epoch=epoch,
        traceparent=None,
    )
    return Record(fact.TOPIC, 0, position, key.encode(), fact.model_dump_json().encode(), bus.encode(envelope), 0)


async def hear(ground: Ground, records: Sequence[Record]) -> Outcome:
    return await take_in(ground.engine, EARS, records, {}, PARTITIONS)


async def said(ground: Ground, kind: type[Any]) -> list[Any]:
    rows = await ground.rows(
        "select convert_from(payload, 'UTF8') as p from outbox where type = $1 order by id", kind.TYPE
    )
    return [kind.model_validate_json(row["p"]) for row in rows]


async def statuses(ground: Ground) -> list[tuple[Any, ...]]:
    rows = await ground.rows(
        "select kind, lower(during) as since, upper(during) as until, opened_by, ended_by from status"
        " where known_to = 'infinity' order by lower(during), kind"
    )
    return [tuple(row.values()) for row in rows]


async def test_an_approved_exit_ends_poor_and_begins_lifted_once(ground: Ground) -> None:
    home = await home_of(ground)
    fact = decided(home)
    await hear(ground, [record(fact, 0)])
    expected = [
        ("poor", date(2014, 3, 1), EXIT_ON, None, fact.decision),
        ("lifted", EXIT_ON, None, fact.decision, None),
    ]
    assert await statuses(ground) == expected
    heard_back = (await said(ground, HouseholdRecorded))[-1]
    assert (heard_back.version, heard_back.decisions) == (2, (fact.decision,))
    assert (await said(ground, CircumstancesRecorded))[-1].version == 2
    await hear(ground, [record(fact, 1), record(fact, 2)])
    assert await statuses(ground) == expected, "another event id, the same decision: its own key holds"
    assert await ground.value("select count(*) from decision") == 1
    assert await ground.value("select count(*) from parked_fact") == 0, "heard before is no contradiction"
    assert len(await said(ground, HouseholdRecorded)) == 2


async def test_a_refused_exit_changes_no_status_and_is_heard_back(ground: Ground) -> None:
    home = await home_of(ground)
    before = await statuses(ground)
    fact = decided(home, outcome="exit_refused")
    await hear(ground, [record(fact, 0)])
    assert await statuses(ground) == before
    assert (await said(ground, HouseholdRecorded))[-1].decisions == (fact.decision,)


async def test_a_decision_answers_what_a_file_claimed_before(ground: Ground) -> None:
    """A file's 脱贫户 was a doubt (T7); the decision makes it so, and nothing is left to ask."""
    await ground.intake(file_of(household()))
    rows = household()
    rows[0] |= {"户类型": "脱贫户", "识别时间": "", "脱贫时间": "2018-12-31"}
    await ground.intake(file_of(rows))
    assert await ground.rows("select check_id, finding from doubt") == [{"check_id": "T7", "finding": None}]
    home = await ground.value("select id from household")
    await hear(ground, [record(decided(home, outcome="exit_refused"), 0)])
    assert await ground.value("select closed_at from doubt") is None, "a refused exit changes nothing"
    await hear(ground, [record(decided(home), 1)])
    (doubt,) = await ground.rows("select finding, closed_by, closed_at is not null as closed from doubt")
    assert doubt == {"finding": "decided", "closed_by": "assessment", "closed": True}


async def test_a_form_or_a_file_that_repeats_a_status_does_not_shorten_its_past(ground: Ground) -> None:
    """On the days it takes away the household would not have been poor, though nobody decided so: the register's day
    stays; an officer is told, of a file a doubt asks. An earlier day corrects the register."""
    await ground.intake(file_of(household()))
    home, before = await ground.value("select id from household"), await statuses(ground)
    form = {"observed_on": "2019-08-22", "statuses": [{"kind": "poor", "since": "2019-08-22"}]}
    refused = await ground.ask("PATCH", f"/households/{home}", json=form, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "status.needs_decision")
    assert "自2014-03-01起" in refused.json()["detail"]
    assert "since 2014-03-01" in refused.json()["detail_en"]
    rows = household()
    rows[0]["识别时间"] = "2019-08-20"
    await ground.intake(file_of(rows))
    assert await statuses(ground) == before
    (doubt,) = await ground.rows("select check_id, detail_zh from doubt where closed_at is null")
    assert doubt["check_id"] == "T7"
    assert "自2014-03-01起" in doubt["detail_zh"]
    rows[0]["识别时间"] = "2013-12-01"
    await ground.intake(file_of(rows))
    assert await statuses(ground) == [("poor", date(2013, 12, 1), None, None, None)]
    assert await ground.value("select finding from doubt") == "no_longer_found"


async def test_of_a_decided_status_a_form_may_say_another_day_and_nothing_moves(ground: Ground) -> None:
    """The decision settled the day: a later one is neither taken over nor a contradiction to be asked about."""
    await ground.intake(file_of(household()))
    home = await ground.value("select id from household")
    fact = decided(home, effective_on=date(2019, 8, 1))
    await hear(ground, [record(fact, 0)])
    before = await statuses(ground)
    rows = household()
    rows[0] |= {"户类型": "脱贫户", "识别时间": "", "脱贫时间": "2019-08-19"}
    await ground.intake(file_of(rows))
    assert await statuses(ground) == before
    assert await ground.value("select count(*) from doubt where closed_at is null") == 0


async def test_a_decision_that_cannot_hold_is_answered_with_the_reason(ground: Ground) -> None:
    """Nothing waits for an operator: assessment hears it and the town decides again."""
    first, second = await home_of(ground, 1), await home_of(ground, 2)
    await hear(ground, [record(decided(first), 0)])
    before = [row for row in await statuses(ground) if row[3] or row[4]]
    again = decided(first)
    await hear(ground, [record(again, 1), record(decided(second), 2), record(again, 3)])
    assert await ground.value("select count(*) from parked_fact") == 0
    told = [one for one in await said(ground, HouseholdRecorded) if one.household == first]
    assert [(one.decision, one.reason) for one in told[-1].decisions_refused] == [(again.decision, "decision.not_poor")]
    assert len(told[-1].decisions) == 1
    assert len(told) == 3, "said once"
    assert [row for row in await statuses(ground) if row in before] == before
    kept = await ground.value("select refused_because from decision where id = $1", again.decision)
    assert kept == "decision.not_poor"
    await republish(ground.engine, HOLDINGS, at=NOW, epoch=5_000)
    told = [one for one in await said(ground, HouseholdRecorded) if one.household == first]
    assert [(one.decision, one.reason) for one in told[-1].decisions_refused] == [(again.decision, "decision.not_poor")]


async def test_what_is_not_on_record_yet_is_waited_for(ground: Ground) -> None:
    await hear(ground, [record(paid(new_id()), 0)])
    assert [row["retry_at"] is not None for row in await ground.rows("select retry_at from parked_fact")] == [True]


async def test_a_payout_is_one_income_row_of_its_year_once(ground: Ground) -> None:
    home = await home_of(ground)
    fact = paid(home)
    event = new_id()
    await hear(ground, [record(fact, 0, event), record(fact, 1, event), record(fact, 2)])
    (row,) = await ground.rows("select * from income where source = 'payout'")
    assert (row["component"], row["item"], row["fen"], row["paid_on"]) == (
        "C",
        "property_dividend",
        63_120,
        fact.paid_on,
    )
    assert (row["year_from"], row["year_to"]) == (date(2018, 10, 1), date(2019, 9, 30))
    latest = (await said(ground, CircumstancesRecorded))[-1]
    assert latest.version == 2
    assert [(one.source, one.fen) for one in latest.income] == [("declared", 900_000), ("payout", 63_120)]
    assert (await said(ground, HouseholdRecorded))[-1].version == 2


@pytest.mark.parametrize(
    ("paid_on", "year_to"), [(date(2019, 9, 30), date(2019, 9, 30)), (date(2019, 10, 1), date(2020, 9, 30))]
)
async def test_the_income_year_ends_on_the_thirtieth_of_september(ground: Ground, paid_on: date, year_to: date) -> None:
    await hear(ground, [record(paid(await home_of(ground), paid_on=paid_on), 0)])
    assert await ground.value("select year_to from income where source = 'payout'") == year_to


async def test_a_reversal_takes_back_in_the_year_of_what_it_reverses(ground: Ground) -> None:
    home = await home_of(ground)
    fact = paid(home)
    back = paid(home, fen=-63_120, reverses=fact.payout, paid_on=date(2019, 10, 9))
    await hear(ground, [record(fact, 0), record(back, 1)])
    rows = await ground.rows("select fen, year_to from income where source = 'payout' order by no")
    assert [tuple(row.values()) for row in rows] == [(63_120, date(2019, 9, 30)), (-63_120, date(2019, 9, 30))]
    unequal = paid(home, fen=-1, reverses=fact.payout)
    await hear(ground, [record(unequal, 2)])
    assert await ground.value("select reason from parked_fact") == "payout.unequal"


async def test_a_form_after_decision_and_payout_undoes_neither(ground: Ground) -> None:
    home = await home_of(ground)
    await hear(ground, [record(decided(home), 0), record(paid(home), 1)])
    before = await statuses(ground)
    form = {
        "observed_on": "2019-08-22",
        "group": "九组",
        "statuses": [{"kind": "poor", "since": "2014-03-01"}],
        "income": [],
    }
    refused = await ground.ask("PATCH", f"/households/{home}", json=form, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "status.needs_decision")
    form["statuses"] = [{"kind": "lifted", "since": "2019-08-22"}]
    answer = await ground.ask("PATCH", f"/households/{home}", json=form, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    assert await statuses(ground) == before
    assert (
        await ground.value("select sum(fen)::bigint from income where source = 'payout' and known_to = 'infinity'")
        == 63_120
    )


async def test_a_household_moves_with_all_that_hangs_on_it(ground: Ground) -> None:
    """An officer of both villages moves it; who sees the old village alone finds nothing of it there any more."""
    home = await home_of(ground)
    await hear(ground, [record(decided(home), 0), record(paid(home), 1)])
    moved = {"observed_on": "2019-08-22", "division": NEXT_VILLAGE.text}
    answer = await ground.ask("PATCH", f"/households/{home}", json=moved, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    assert (await said(ground, HouseholdRecorded))[-1].division == NEXT_VILLAGE.text
    for table in ("household", "person", "membership", "status", "income", "decision"):
        places = await ground.rows(f"select distinct division from {table}")
        assert [row["division"] for row in places] == [NEXT_VILLAGE.value], table
    async with transaction(ground.engine, Scope.everything()) as tx:
        assert await check(tx) == []
    gone = await ground.get(f"/households/{home}", divisions=[VILLAGE.text])
    assert (gone.status_code, gone.json()["code"]) == (404, "household.missing")


# The way back


async def test_all_is_said_again_with_raised_versions(ground: Ground) -> None:
    home = await home_of(ground)
    await hear(ground, [record(decided(home), 0)])
    await ground.rows("delete from outbox")
    counts = await republish(ground.engine, HOLDINGS, at=NOW, epoch=5_000)
    assert counts == {"division": await ground.value("select count(*) from division"), "household": 2}
    (household,), (circumstances,) = await said(ground, HouseholdRecorded), await said(ground, CircumstancesRecorded)
    assert household.version == circumstances.version == 5_000
    assert await ground.value("select version from household") == 5_000, "the row says what the wire says"
    divisions = await said(ground, DivisionRecorded)
    assert min(one.version for one in divisions) >= 5_000
    await ground.rows("update division set version = 1")


async def test_a_restored_speakers_lost_payouts_and_decisions_are_let_go(ground: Ground) -> None:
    home = await home_of(ground)
    kept, lost, decision = paid(home), paid(home, fen=100), decided(home)
    await hear(ground, [record(kept, 0), record(lost, 1), record(decision, 2)])
    await hear(ground, around(PayoutPosted.TOPIC, PARTITIONS[PayoutPosted.TOPIC], 9, record(kept, 3, epoch=9)))
    await hear(ground, around(CaseDecided.TOPIC, PARTITIONS[CaseDecided.TOPIC], 9))
    held = await ground.rows("select reference from income where source = 'payout' and known_to = 'infinity'")
    assert [row["reference"] for row in held] == [str(kept.payout)]
    assert await statuses(ground) == [("poor", date(2014, 3, 1), None, None, None)]
    latest = (await said(ground, HouseholdRecorded))[-1]
    assert (latest.decisions, latest.version) == ((), await ground.value("select version from household"))
    await hear(ground, [record(decided(home, decision=decision.decision), 4)])
    assert len(await statuses(ground)) == 2, "decided again, it takes effect again"


async def test_verify_finds_what_no_guard_can_see(ground: Ground) -> None:
    home = await home_of(ground)
    await hear(ground, [record(decided(home), 0), record(paid(home), 1)])

    async def faults() -> list[str]:
        async with transaction(ground.engine, Scope.everything()) as tx:
            return await check(tx)

    assert await faults() == []
    await ground.rows("update income set division = division + 1")
    await ground.rows("update person set household_no = null where name = '王小明'")
    assert await faults() == [
        "1 persons whose household is not that of their membership",
        "2 income rows that lie elsewhere than their household",
    ]
