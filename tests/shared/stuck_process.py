"""A worker whose event loop gets stuck: `python -m tests.shared.stuck_process URL BOOTSTRAP`."""

import asyncio
import sys
import time

from shared.db import create_engine
from shared.outbox import Relay, connector
from shared.worker import Limits, Worker
from tests.shared.sides import QUICK


class Stuck:
    """Computes on the event loop, which nobody may."""

    name = "stuck"

    async def run(self, stopping: asyncio.Event) -> None:
        time.sleep(3600)  # noqa: ASYNC251 - the mistake itself


async def main() -> None:
    url, bootstrap = sys.argv[1:3]
    relay = Relay(connector(url, "test-relay"), bootstrap, "/test", pace=QUICK)
    await Worker(create_engine(url, pool_size=1), relay, [Stuck()], limits=Limits(tick=0.5)).run()


if __name__ == "__main__":
    asyncio.run(main())
