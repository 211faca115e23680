"""A worker that dies while it hangs a notice: it writes the page, says so, and waits to be killed with all it holds."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from services.notify import actions
from services.notify.domain import Board
from services.notify.partners import PublicPage
from shared.clock import Clock
from shared.db import Transaction, create_engine
from shared.due import DueLoop, Verb


class Doomed(PublicPage):
    """The page of a process that gets no further."""

    async def hang(self, tx: Transaction, board: Board) -> None:
        await super().hang(tx, board)
        sys.stdout.write("written\n")
        sys.stdout.flush()
        await asyncio.sleep(600)


async def main(url: str, now: datetime) -> None:
    engine = create_engine(url, pool_size=2, application="doomed")
    verb = Verb(actions.POST, lambda tx, ids, at: actions.post_notices(tx, Doomed(), ids, at))
    await DueLoop(engine, Clock(machine=lambda: now), [verb]).turn(verb)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
