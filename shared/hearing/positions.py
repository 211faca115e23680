"""Where a consumer stands: in the database beside the effects, and in Kafka.

Kafka's own offset is committed after the database. So an offset ahead of the database's position can only mean that
the database went back (a restored backup), and the facts in between are heard again. No offset at all means a new
group, and a position in another cluster (the broker's disk was wiped since) says nothing about this one: both start at
the beginning. All of it heals without an operator (ADR 0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.db import Transaction

Place = tuple[str, int]

HOLD = """
select topic, partition, next_position, cluster from heard_position
 where consumer = $1 and (topic, partition) in (select * from unnest($2::text[], $3::int[]))
 order by topic, partition for update
"""
MAKE = """
insert into heard_position (consumer, topic, partition, next_position, cluster)
select $1, place.topic, place.partition, 0, $4 from unnest($2::text[], $3::int[]) as place(topic, partition)
 order by 2, 3 on conflict do nothing
"""
MOVE = """
update heard_position as here set next_position = 0, cluster = $4
  from unnest($2::text[], $3::int[]) as place(topic, partition)
 where here.consumer = $1 and here.topic = place.topic and here.partition = place.partition and here.cluster <> $4
"""
ADVANCE = """
update heard_position as here set next_position = there.next_position, moved_at = clock_timestamp()
  from unnest($2::text[], $3::int[], $4::bigint[]) as there(topic, partition, next_position)
 where here.consumer = $1 and here.topic = there.topic and here.partition = there.partition
"""


class WentBack(Exception):
    """位置倒退: the database stands before what this process has heard: restored, or written by another."""


def _columns(places: Iterable[Place]) -> tuple[list[str], list[int]]:
    ordered = sorted(places)
    return [topic for topic, _ in ordered], [partition for _, partition in ordered]


async def settle(
    tx: Transaction, consumer: str, cluster: str, committed: Mapping[Place, int | None]
) -> dict[Place, int]:
    """Where to go back to, for the partitions just given to us, by what Kafka remembers of them; 0 is the beginning."""
    topics, partitions = _columns(committed)
    rows = await tx.driver.fetch(HOLD, consumer, topics, partitions)
    here = {(row["topic"], row["partition"]): row["next_position"] for row in rows if row["cluster"] == cluster}
    back = {}
    for place, offset in committed.items():
        if offset is not None and here.get(place, 0) < offset:
            back[place] = here.get(place, 0)
    await tx.driver.execute(MOVE, consumer, topics, partitions, cluster)
    await tx.driver.execute(MAKE, consumer, topics, partitions, cluster)
    return back


async def hold(tx: Transaction, consumer: str, expected: Mapping[Place, int | None]) -> None:
    """Lock a batch's partitions against any other process still at work on them, and see that none went back."""
    rows = await tx.driver.fetch(HOLD, consumer, *_columns(expected))
    kept = {(row["topic"], row["partition"]): row["next_position"] for row in rows}
    for place, position in expected.items():
        if place not in kept or (position is not None and kept[place] < position):
            raise WentBack(f"{place[0]}/{place[1]}: {kept.get(place)} instead of {position}")


async def advance(tx: Transaction, consumer: str, reached: Mapping[Place, int]) -> None:
    """Remember how far the effects of this transaction go."""
    topics, partitions = _columns(reached)
    places = zip(topics, partitions, strict=True)
    await tx.driver.execute(ADVANCE, consumer, topics, partitions, [reached[place] for place in places])
