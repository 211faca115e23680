"""Keys follow what is written: the worker opens what was sealed, makes the keys of many, and forgets the texts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registry.store import likeness as store
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.due import Wake


def keying(keys: KeyRing) -> Wake:
    """The worker's verb, with the ring that opens identity numbers."""

    async def wake(tx: Transaction, nouns: list[str], now: datetime) -> None:
        at_hand = await store.put_off(tx, [UUID(noun) for noun in nouns], now)
        await key_persons(tx, keys, await store.take_persons(tx, at_hand))

    return wake


async def key_persons(tx: Transaction, keys: KeyRing, persons: Sequence[int]) -> None:
    """All keys of these persons anew; who belongs to nobody any more keeps his, who was superseded has none."""
    sources = await store.sources_of(tx, persons)
    made, probes = await asyncio.to_thread(_made, keys, sources)
    numbers = dict(zip(made["person_no"], made["bag_key"], strict=True))
    unmet = sorted({head for head in made["head_no"] if head and head not in numbers})
    numbers |= await store.head_keys(tx, unmet)
    made["head_key"] = [numbers.get(head, 0) for head in made["head_no"]]
    await store.write_keys(tx, persons, made, probes)


def _made(keys: KeyRing, sources: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    # The frames' library and the tables of pinyin cost memory: they are loaded when keys are first made.
    import polars as pl

    from services.registry.likeness import keys_frame

    opened = [
        None
        if row["id_number_sealed"] is None
        else keys.unseal("person", "id_number", row["id"], row["id_number_sealed"])
        for row in sources
    ]
    given: dict[str, Any] = {name: [row[name] for row in sources] for name in ("name", "sex")}
    indexes = {name: [row[name] for row in sources] for name in ("id_number_index", "phone_index")}
    schema = dict.fromkeys(("name", "sex", "id_number", "phone", "id_number_index", "phone_index"), pl.String)
    frame = pl.DataFrame(
        given
        | {"id_number": opened, "phone": [None] * len(sources)}
        | indexes
        | {"birth_on": [row["birth_on"] for row in sources]},
        schema=schema | {"birth_on": pl.Date},
    )
    made, probes = keys_frame(frame, keys.blind_index)
    persons = [row["no"] for row in sources]
    places = {name: [row[name] for row in sources] for name in ("household_no", "division", "name", "head_no")}
    at = probes["row"].to_list()
    return (
        {"person_no": persons, **places, **made.to_dict(as_series=False)},
        {"person_no": [persons[row] for row in at]} | {name: probes[name].to_list() for name in ("key", "kind")},
    )
