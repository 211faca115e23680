"""What notify can do: create a notice, hang it, take it down. One function a verb: load, decide, save, announce."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from services.notify import store
from services.notify.domain import (
    Division,
    Notice,
    NoticeItem,
    NoticeState,
    cancel,
    comes_down_at,
    days_of,
    hang,
    posted_fact,
    refuse,
    take_down,
    taken_down_fact,
)
from services.notify.notices import NOTICES
from services.notify.partners import Never, PublicPage, TryAgain
from shared import due
from shared.db import Transaction
from shared.events.assessment import PublicityEnded, PublicityOpened
from shared.hearing import Heard, NotYet, Withdrawal
from shared.log import get_logger
from shared.outbox import Said, announce
from shared.values import DivisionCode, new_id

log = get_logger(__name__)

POST = "post_notice"
TAKE_DOWN = "take_down_notice"


async def record_divisions(tx: Transaction, divisions: Sequence[Division]) -> None:
    """Keep the names that stand over notices."""
    await store.record_divisions(tx, divisions)


async def create_notices(tx: Transaction, opened: Sequence[Heard[PublicityOpened]]) -> None:
    """One notice a publicity, however often it is heard; the due-loop hangs it."""
    notices = {one.fact.publicity: _created(one.fact, one.said_at) for one in opened}
    created = await store.create_notices(tx, list(notices.values()))
    moments = {notice.id: notice.created_at for notice in notices.values()}
    await due.schedule_many(tx, POST, [(notice_id, moments[notice_id]) for notice_id in created])


def _created(fact: PublicityOpened, at: datetime) -> Notice:
    items = tuple(NoticeItem(item.masked_head, item.group, item.category, item.headcount) for item in fact.items)
    return Notice(
        id=new_id(),
        publicity=fact.publicity,
        kind=fact.kind,
        village=DivisionCode.parse(fact.village),
        days=fact.days,
        objections_to=fact.objections_to,
        items=items,
        asked_on=fact.opened_on,
        created_at=at,
    )


async def end_notices(tx: Transaction, ended: Sequence[Heard[PublicityEnded]]) -> None:
    """The publicity is over: what never hung is cancelled, what hangs comes down at once."""
    moments = {one.fact.publicity: one.said_at for one in ended}
    found = await store.lock_notices_of(tx, moments)
    if len(found) < len(moments):
        raise NotYet("publicity not heard yet")
    for notice in found:
        await _end(tx, notice, moments[notice.publicity])


async def _end(tx: Transaction, notice: Notice, at: datetime) -> None:
    if notice.state is NoticeState.CREATED:
        await store.save_notice(tx, cancel(notice))
        await due.call_off(tx, POST, notice.id)
    elif notice.state is NoticeState.POSTED:
        await due.schedule(tx, TAKE_DOWN, notice.id, at)


async def drop_notices(tx: Transaction, withdrawal: Withdrawal) -> None:
    """Assessment came back from an older backup and no longer knows these publicities: nothing of them may hang on."""
    unnamed = await withdrawal.unnamed(tx, await store.publicities_in_hand(tx))
    for notice in await store.lock_notices_of(tx, [UUID(one) for one in unnamed]):
        log.warning("publicity unknown to its speaker", notice=str(notice.id))
        await _end(tx, notice, notice.created_at)


async def post_notices(tx: Transaction, page: PublicPage, ids: Sequence[str], now: datetime) -> None:
    """Hang what is due. Its days are counted from this moment, and assessment is told so."""
    for notice in await store.lock_notices(tx, [UUID(one) for one in ids]):
        if notice.state is NoticeState.CREATED:
            await _post(tx, page, notice, now)


async def _post(tx: Transaction, page: PublicPage, notice: Notice, now: datetime) -> None:
    kind = NOTICES[notice.kind]
    names = await store.division_names(tx, notice.village)
    if names is None:
        raise TryAgain(f"name of {notice.village} not heard yet")
    try:
        page.accept(notice, kind.categories["zh"])
    except Never as never:
        log.error("notice is not fit to be hung", notice=str(notice.id), unfit=never.unfit.value)
        await store.save_notice(tx, refuse(notice, never.unfit))
        return
    wording = kind.wording(notice, names, days_of(notice, now))
    hung, board, facts = hang(notice, wording, kind.text_version, now)
    await store.save_notice(tx, hung, board)
    await page.hang(tx, board)
    await due.schedule(tx, TAKE_DOWN, hung.id, comes_down_at(hung))
    await announce(tx, hung.publicity, *facts, at=now)


async def take_down_notices(tx: Transaction, page: PublicPage, ids: Sequence[str], now: datetime) -> None:
    """Take down what is due: its last day is over, or its publicity has ended."""
    for notice in await store.lock_notices(tx, [UUID(one) for one in ids]):
        if notice.state is NoticeState.POSTED:
            down, facts = take_down(notice, now)
            await store.save_notice(tx, down)
            await page.take_down(tx, down)
            await announce(tx, down.publicity, *facts, at=now)


async def notices_again(tx: Transaction, epoch: int) -> AsyncIterator[list[Said]]:
    """Say again what hung and what came down, under the same ids."""
    async for chunk in store.hung_notices(tx):
        said = [Said(notice.publicity, posted_fact(notice)) for notice in chunk]
        down = [notice for notice in chunk if notice.state is NoticeState.TAKEN_DOWN]
        yield said + [Said(notice.publicity, taken_down_fact(notice)) for notice in down]
