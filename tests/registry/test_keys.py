"""A new key in the ring: what the old one sealed and indexed is still read and found, and nobody stands twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from shared.crypto import with_new_key
from tests.registry.ground import Ground, file_of
from tests.registry.sheets import household


async def with_newer_keys(ground: Ground, folder: Path) -> Ground:
    """The same register after its ring was given new keys to seal and to index with, and its processes started anew."""
    ring = ground.settings.key_ring_file
    newer = json.loads(await asyncio.to_thread(ring.read_text))
    for purpose in ("seal", "index"):
        newer = with_new_key(newer, purpose, "second")
    await asyncio.to_thread(ring.write_text, json.dumps(newer))
    return Ground.of(ground.database, folder, beside=ground)


async def test_after_a_new_key_everybody_is_found_and_nobody_stands_twice(ground: Ground, tmp_path: Path) -> None:
    rows = household()
    rows[0]["联系电话"] = "13812345678"
    await ground.intake(file_of(rows))
    await asyncio.to_thread((tmp_path / "later").mkdir)
    later = await with_newer_keys(ground, tmp_path / "later")
    async with later.running():
        asked = {"id_number": rows[0]["证件号码"], "purpose": "核对身份", "in_clear": True}
        found = (await later.post("/people/search", json=asked)).json()["found"]
        assert [one["person"]["id_number"] for one in found] == [rows[0]["证件号码"]]
        assert found[0]["person"]["phone"] == "13812345678"
        again = await later.intake(file_of(rows))
        assert (again["rows_new"], again["rows_refused"], again["doubts"]) == (0, 0, 0), again
        assert await later.value("select count(*) from person") == 3
        assert await later.value("select count(*) from person where id_provisional") == 0
        held = "select count(*) from membership where known_to = 'infinity' and upper_inf(during)"
        assert await later.value(held) == 3
        before = await later.digest()
        third = await later.intake(file_of(rows))
        assert third["rows_unchanged"] == 3, third
        assert await later.digest() == before
        found = (await later.post("/people/search", json=asked)).json()["found"]
        assert [one["person"]["id_number"] for one in found] == [rows[0]["证件号码"]]
    await later.close()
