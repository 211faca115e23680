"""Create, hang, take down: over the real database, by the due-loop, at the days that count."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.notify import actions, store
from services.notify.domain import Board, Division, Notice, board_of, content_hash, take_down
from services.notify.partners import PublicPage
from shared.db import Transaction
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.hearing import NotYet
from shared.values import DivisionCode, new_id
from tests.notify.make import NEIGHBOUR, POSTED, VILLAGE, PostOffice, divisions, ended, heard, item, opened

ROOT = Path(__file__).parents[2]


async def test_a_publicity_becomes_one_notice_and_hangs(office: PostOffice) -> None:
    fact = await office.hang()
    assert await office.state_of(fact.publicity) == "posted"
    assert [type(one) for one in await office.said()] == [NoticePosted]
    [said] = await office.said()
    assert isinstance(said, NoticePosted)
    assert (said.publicity, said.posted_at) == (fact.publicity, POSTED)
    assert (said.first_day, said.last_day) == (date(2019, 8, 24), date(2019, 8, 30))
    assert len(await office.rows("select 1 from public_notice where board is not null")) == 1


async def test_heard_twice_and_again_after_hanging_it_hangs_once(office: PostOffice) -> None:
    fact = opened()
    await office.hear(*divisions(), heard(fact), heard(fact))
    await office.do_what_is_due()
    await office.hear(heard(fact))
    await office.days_pass(1)
    assert len(await office.rows("select 1 from notice")) == 1
    assert [type(one) for one in await office.said()] == [NoticePosted]


async def test_it_hangs_through_its_last_day_and_comes_down_with_midnight(office: PostOffice) -> None:
    fact = await office.hang()
    office.now = datetime(2019, 8, 30, 15, 59, tzinfo=UTC)  # a minute before midnight in Shanghai
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "posted"
    office.now = datetime(2019, 8, 30, 16, 0, tzinfo=UTC)
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "taken_down"
    down = (await office.said())[-1]
    assert isinstance(down, NoticeTakenDown)
    assert down.taken_down_at == office.now
    assert [row["board"] for row in await office.rows("select board from public_notice")] == [None]


async def test_days_count_from_the_hanging_and_not_from_the_wish(office: PostOffice) -> None:
    """The due-loop was dead for three days: assessment learns the later days."""
    fact = opened()
    await office.hear(*divisions(), heard(fact, POSTED))
    office.now = POSTED + timedelta(days=3)
    await office.do_what_is_due()
    [said] = await office.said()
    assert isinstance(said, NoticePosted)
    assert (said.first_day, said.last_day) == (date(2019, 8, 27), date(2019, 9, 2))


async def test_withdrawn_before_it_hung_it_never_hangs(office: PostOffice) -> None:
    fact = opened()
    await office.hear(*divisions(), heard(fact))
    await office.hear(heard(ended(fact.publicity)))
    await office.days_pass(1)
    assert await office.state_of(fact.publicity) == "cancelled"
    assert await office.said() == []
    assert await office.rows("select 1 from public_notice") == []


async def test_withdrawn_while_it_hangs_it_comes_down_at_once(office: PostOffice) -> None:
    fact = await office.hang()
    office.now = POSTED + timedelta(days=2)
    await office.hear(heard(ended(fact.publicity), office.now))
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "taken_down"


async def test_the_evidence_is_the_hash_of_what_hung(office: PostOffice) -> None:
    fact = await office.hang(item("欧阳·*", None, headcount=1), item("𠮷*", "三组"))
    await office.days_pass(9)
    posted, down = await office.said()
    assert isinstance(posted, NoticePosted)
    assert isinstance(down, NoticeTakenDown)
    assert posted.content_hash == down.content_hash
    [row] = await office.rows("select id, board::text as board from notice where publicity = $1", fact.publicity)
    assert content_hash(board_of(row["id"], json.loads(row["board"]))) == posted.content_hash
    altered = json.loads(row["board"])
    altered["rows"][0]["headcount"] += 1
    assert content_hash(board_of(row["id"], altered)) != posted.content_hash


@pytest.mark.parametrize(
    ("wrong", "unfit"),
    [
        (item("王小明"), "name_not_masked"),
        (item("王*明522630199001011234"), "number_in_text"),
        (item("王*明", "二组１３８００１３８０００"), "number_in_text"),
        (item("王*明", "二\u202e组"), "hidden_character"),
        (item("王*" + "明" * 60), "too_long"),
        (item(category="serious_illness"), "category_unknown"),
    ],
)
async def test_what_a_village_may_not_see_is_never_hung(office: PostOffice, wrong: object, unfit: str) -> None:
    fact = await office.hang(item(), wrong)  # type: ignore[arg-type]
    [row] = await office.rows("select state, unfit from notice where publicity = $1", fact.publicity)
    assert (row["state"], row["unfit"]) == ("refused", unfit)
    assert await office.said() == []
    assert await office.rows("select 1 from public_notice") == []


async def test_one_unfit_notice_does_not_hold_the_others(office: PostOffice) -> None:
    bad, good = opened(item("王小明")), opened(village=NEIGHBOUR)
    await office.hear(*divisions(), heard(bad), heard(good))
    await office.do_what_is_due()
    assert await office.state_of(bad.publicity) == "refused"
    assert await office.state_of(good.publicity) == "posted"


async def test_a_village_without_a_name_waits_and_holds_nobody(office: PostOffice) -> None:
    unknown = DivisionCode.parse("522630101203")
    late, good = opened(village=unknown), opened()
    await office.hear(*divisions(), heard(late), heard(good))
    await office.do_what_is_due()
    assert await office.state_of(good.publicity) == "posted"
    assert await office.state_of(late.publicity) == "created"
    [row] = await office.rows("select attempts, error from due where verb = 'post_notice'")
    assert row["attempts"] == 1
    assert "TryAgain" in row["error"]
    async with office.door() as tx:
        await actions.record_divisions(tx, [Division(unknown, "新村", 1)])
        await tx.driver.execute("update due set retry_at = null")
    await office.do_what_is_due()
    assert await office.state_of(late.publicity) == "posted"


async def test_two_loops_hang_it_once(office: PostOffice) -> None:
    facts = [opened(village=VILLAGE if number % 2 else NEIGHBOUR) for number in range(20)]
    await office.hear(*divisions(), *(heard(fact) for fact in facts))
    await asyncio.gather(*(office.do_what_is_due() for _ in range(2)))
    await office.do_what_is_due()
    said = [one.publicity for one in await office.said() if isinstance(one, NoticePosted)]
    assert sorted(said) == sorted(fact.publicity for fact in facts)


class Cut(PublicPage):
    """A page whose process dies right after it has written."""

    async def hang(self, tx: Transaction, board: Board) -> None:
        await super().hang(tx, board)
        raise KeyboardInterrupt


async def post_all(office: PostOffice, page: PublicPage) -> None:
    ids = [str(row["id"]) for row in await office.rows("select id from notice")]
    async with office.door() as tx:
        await actions.post_notices(tx, page, ids, office.now)


async def test_a_verb_cut_off_midway_leaves_nothing_and_is_done_again(office: PostOffice) -> None:
    """What kill -9 does: the transaction is gone, the due row is still there, nothing hangs without its fact."""
    fact = opened()
    await office.hear(*divisions(), heard(fact))
    with pytest.raises(KeyboardInterrupt):
        await post_all(office, Cut())
    assert await office.rows("select 1 from public_notice") == []
    assert await office.said() == []
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "posted"
    assert len(await office.said()) == 1


async def test_nothing_is_posted_without_being_due(office: PostOffice) -> None:
    fact = opened()
    await office.hear(*divisions(), heard(fact, POSTED + timedelta(hours=1)))
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "created"


async def test_what_hung_is_said_again_under_the_same_ids(office: PostOffice) -> None:
    gone = await office.hang()
    await office.days_pass(9)
    hangs = await office.hang(village=NEIGHBOUR)
    never = opened(item("王小明"))
    await office.hear(heard(never))
    await office.do_what_is_due()
    first = await office.said()
    async with office.door() as tx:
        again = [one.fact async for chunk in actions.notices_again(tx, 1) for one in chunk]
    assert sorted(one.model_dump_json() for one in again) == sorted(one.model_dump_json() for one in first)
    assert {fact.publicity for fact in again if isinstance(fact, NoticePosted)} == {gone.publicity, hangs.publicity}


async def save(office: PostOffice, changed: Notice) -> None:
    async with office.door() as tx:
        await store.save_notice(tx, changed)


async def test_a_stale_copy_is_never_saved(office: PostOffice) -> None:
    """Whoever loads without the lock and saves later is refused by the version, not merged."""
    fact = await office.hang()
    async with office.door() as tx:
        [notice] = await store.lock_notices_of(tx, [fact.publicity])
    await office.days_pass(9)
    with pytest.raises(AssertionError):
        await save(office, take_down(notice, office.now)[0])


async def test_the_highest_version_of_a_name_wins(office: PostOffice) -> None:
    for name, version in (("新名", 7), ("旧名", 3)):
        async with office.door() as tx:
            await actions.record_divisions(tx, [Division(VILLAGE, name, version)])
    [row] = await office.rows("select name, version from division where code = $1", VILLAGE.value)
    assert (row["name"], row["version"]) == ("新名", 7)


async def test_an_end_before_its_beginning_waits(office: PostOffice) -> None:
    with pytest.raises(NotYet):
        await office.hear(heard(ended(new_id())))


async def test_ids_of_notices_are_their_own(office: PostOffice) -> None:
    fact = await office.hang()
    [row] = await office.rows("select id, publicity from notice")
    assert row["publicity"] == fact.publicity
    assert UUID(str(row["id"])) != fact.publicity


async def test_killed_while_it_hangs_nothing_is_half_done_and_it_is_done_again(office: PostOffice) -> None:
    """kill -9 of a real process that has written the page and holds its locks: the next loop takes over at once."""
    fact = opened()
    await office.hear(*divisions(), heard(fact))
    arguments = [sys.executable, "-m", "tests.notify.hanging_process", office.database.worker, office.now.isoformat()]
    doomed = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert doomed.stdout is not None
    assert await asyncio.wait_for(doomed.stdout.readline(), 30) == b"written\n"
    await office.do_what_is_due()
    assert await office.state_of(fact.publicity) == "created", "while it lives its work is its own"
    doomed.kill()
    await doomed.wait()
    assert await office.rows("select 1 from public_notice") == []
    for _ in range(50):
        if await office.do_what_is_due():
            break
        await asyncio.sleep(0.1)
    assert await office.state_of(fact.publicity) == "posted"
    assert [type(one) for one in await office.said()] == [NoticePosted]
    assert len(await office.rows("select 1 from public_notice")) == 1
