"""A wiped broker, backups of yesterday, altered rows: the whole stack comes back to `verify` 0, or says why not."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from stack.demo.story import FIRST_DAY
from tests.journeys.conftest import BEFORE_PAYMENT, TOLD, is_sound
from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import Rehearsal, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PAID = "select count(*), sum(fen) from income where source = 'payout' and known_to = 'infinity'"
JUDGED = "assessment verdict"  # a later day is judged by later facts: birthdays have come since


def paid(one: Rehearsal) -> tuple[int, int]:
    """Dividends that registry counts as income: rows, fen."""
    [row] = one.rows("registry", PAID)
    return row[0], int(row[1] or 0)


def is_verified(one: Rehearsal) -> bool:
    told = one.verified()
    assert told["compared"]["cooperative.payout in registry"]["rows"] >= 0
    assert told["not_compared"] == []
    return bool(told["equal"])


def unjudged(digest: Digest) -> Digest:
    return Digest(tuple(line for line in digest.lines if not line.startswith(JUDGED)))


def test_the_digest_holds_every_noun_and_notices_one_row(told: Rehearsal, moments: dict[str, Digest]) -> None:
    counts, expected = moments[TOLD].counts(), told.story.comparison.expected
    assert counts["registry household"] == counts["assessment household"] == expected["households_stored"]
    assert counts["assessment verdict"] == 2 * expected["households_stored"]
    assert counts["cooperative payout"] == counts["cooperative member"] == len(expected["members"])
    assert counts["registry decision"] == counts["assessment case"] == len(expected["exits"])
    assert moments[TOLD].differences(digest_of(told)) == []
    doubled = Digest((*moments[TOLD].lines, moments[TOLD].lines[-1]))
    assert moments[TOLD].differences(doubled)[0] == "0 lines gone, 1 new"
    grown = moments[BEFORE_PAYMENT].differences(moments[TOLD])
    assert not grown[0].startswith("0 lines gone, 0 new")


def test_a_wiped_broker_and_what_was_lost_with_it(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """Sent, acknowledged, not heard, and gone with the disk: said again."""
    deaf = told.states()["cooperative-worker"]["pid"]
    os.kill(deaf, signal.SIGSTOP)
    say_something(told)
    until(lambda: told.rows("registry", "select count(*) from outbox")[0][0] == 0, "all is sent")
    os.kill(deaf, signal.SIGKILL)
    told.stop()
    shutil.rmtree(told.home.folder / "kafka")
    told.start()
    told.quiet()
    lost = told.verified()
    assert not lost["equal"]
    assert lost["compared"]["registry.household in cooperative"]["differences"] == 1
    told.way_back()
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def say_something(one: Rehearsal) -> None:
    """One household amended and amended back: two new versions, the same circumstances."""
    clerk, number = one.story.cast.clerk, one.story.comparison.expected["members"][0]["number"]
    path = f"/registry/v1/households/{one.story.numbers[number]}"
    household = clerk.get(path)
    before = household["living"]["road"]
    for road in ("gravel" if before == "earth" else "earth", before):
        body = {"observed_on": FIRST_DAY.isoformat(), "living": {"road": road}}
        household = clerk.patch(path, body, headers={"if-match": f'"{household["version"]}"'})


def test_everything_restored_to_before_the_payment_and_to_after_it(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """The broker remembers facts of a time that no database knows any more; they are let go."""
    after = paid(told)
    assert after == (len(told.story.comparison.expected["members"]), told.story.comparison.expected["payout_fen"])
    told.restore(BEFORE_PAYMENT)
    told.way_back()
    assert is_verified(told)
    assert paid(told) == (0, 0)
    assert unjudged(moments[BEFORE_PAYMENT]).differences(unjudged(digest_of(told))) == []
    told.restore(TOLD)
    told.way_back()
    assert is_verified(told)
    assert paid(told) == after
    assert moments[TOLD].differences(digest_of(told)) == []


def test_one_listener_restored_hears_the_lost_time_again(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """Registry alone is a day old: the payments come back from the broker, its own versions by saying them again."""
    after = paid(told)
    told.restore(BEFORE_PAYMENT, only="registry")
    told.way_back()
    assert is_verified(told)
    assert paid(told) == after
    assert moments[TOLD].differences(digest_of(told)) == []


def test_a_mere_listener_restored_needs_nothing(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """Notify alone is a day old and has said nothing since: it hears the lost time again, nobody says it anew."""
    told.restore(BEFORE_PAYMENT, only="notify")
    told.quiet()
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def test_one_speaker_restored_takes_back_what_it_lost(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """Cooperative alone is a day old: what it does not know any more is no income; a newer backup brings it back."""
    after = paid(told)
    told.restore(BEFORE_PAYMENT, only="cooperative")
    told.quiet()
    ahead = told.verified()
    assert ahead["compared"]["cooperative.payout in registry"]["differences"] == after[0]
    told.way_back()
    assert is_verified(told)
    assert paid(told) == (0, 0)
    told.restore(TOLD, only="cooperative")
    told.way_back()
    assert is_verified(told)
    assert paid(told) == after
    assert moments[TOLD].differences(digest_of(told)) == []


def test_verify_tells_one_fen_and_one_household(told: Rehearsal, moments: dict[str, Digest]) -> None:
    assert is_sound(told, moments[TOLD])
    number = "select reference from income where source = 'payout' and known_to = 'infinity' order by 1 limit 1"
    [[payout]] = told.rows("registry", number)
    told.execute("registry", f"update income set fen = fen + 1 where reference = '{payout}'")
    try:
        words = told.tuopin("verify", fails=True).stdout
        assert f"  {payout}: speaker has " in words
        assert "cooperative.payout in registry" in words
        assert "1 differ" in words
        assert not is_sound(told, None)
    finally:
        told.execute("registry", f"update income set fen = fen - 1 where reference = '{payout}'")
    assert is_verified(told)
    [[household]] = told.rows("assessment", "select id::text from household order by 1 limit 1")
    told.execute("assessment", f"create table aside as table household; delete from household where id = '{household}'")
    try:
        words = told.tuopin("verify", fails=True).stdout
        assert f"  {household}: speaker has " in words
        assert "listener lacks it" in words
    finally:
        told.execute(
            "assessment",
            f"insert into household select * from aside where id = '{household}'; drop table aside",
        )
    assert is_verified(told)
    told.execute(
        "cooperative", "update balance set cr = cr + 1 where account_id = (select max(account_id) from balance)"
    )
    try:
        assert "NOT verified" in told.tuopin("verify", fails=True).stdout
        assert told.verified()["broken"]
    finally:
        told.execute(
            "cooperative", "update balance set cr = cr - 1 where account_id = (select max(account_id) from balance)"
        )
    assert is_verified(told)
