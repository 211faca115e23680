"""A consumer as a process of its own that dies between the database's commit and Kafka's, after some batches.

`python -m tests.shared.consumer_process URL BOOTSTRAP RUN INSTANCE`
"""

import asyncio
import os
import sys
from typing import Any

from shared.db import create_engine
from shared.hearing import Consumer
from tests.shared.sides import consumer, ears, language_of


class Crashing(Consumer):
    """Dies between both commits."""

    batches_left = 2

    async def _commit(self, client: Any, reached: Any) -> None:
        self.batches_left -= 1
        if self.batches_left < 0:
            os._exit(9)
        await super()._commit(client, reached)


async def main() -> None:
    url, bootstrap, run, instance = sys.argv[1:5]
    engine = create_engine(url, pool_size=3)
    hearing = consumer(engine, bootstrap, ears(language_of(run, 3)), instance)
    hearing.__class__ = Crashing
    await hearing.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
