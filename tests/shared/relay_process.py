"""A relay as a process of its own, so that a test can kill it: `python -m tests.shared.relay_process URL BOOTSTRAP`."""

import asyncio
import sys

from shared.outbox import Relay, connector
from tests.shared.sides import QUICK


async def main() -> None:
    url, bootstrap = sys.argv[1:3]
    await Relay(connector(url, "test-relay"), bootstrap, "/test", pace=QUICK).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
