"""The last scene, name after name: a doubt is looked into and closed, a household parts, and the past still answers.

It comes after everything was compared: from here on the register is another than the one that the answers know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from stack.demo.stage import clock_of
from stack.demo.story import LAST_DAY, Figures, Story, read_verdicts, verify_all

PARTED = LAST_DAY + timedelta(days=1)
RECORDED = LAST_DAY + timedelta(days=2)
DOUBTS, HOUSEHOLDS = "/registry/v1/doubts", "/registry/v1/households"


async def live_on(story: Story) -> Figures:
    """A doubt closed by two people, a household parted by a previewed verb, and two questions about the past."""
    await story.until(RECORDED)
    before = clock_of(story.home).now().isoformat()
    closed = await close_a_doubt(story)
    parted = await part(story, before)
    await verify_all(story)
    story.happened(RECORDED, f"分户 a household parts: {parted['before']} = {parted['stay']} + {parted['leave']}")
    return closed | {
        "households that the preview names": parted["previewed"],
        "they lived together": parted["before"],
        "who stays": parted["stay"],
        "who leaves": parted["leave"],
        f"as of {LAST_DAY}, all in one": parted["as of the day before"],
        f"as of {PARTED}, as it was believed before it was recorded": parted["as it was believed"],
    }


async def close_a_doubt(story: Story) -> Figures:
    """Given out, looked into, confirmed by a second person; the household is what it was."""
    wanted = story.script.looked_into
    waiting = await story.every(DOUBTS, division=story.county)
    [doubt] = [one for one in waiting if (one["row"], one["check_id"]) == (wanted["row"], wanted["check"])]
    household = f"{HOUSEHOLDS}/{doubt['household']}"
    before = await story.get(household)
    for who, verb, body in (
        (story.cast.auditor, "assign", {"assignee": story.cast.clerk.sub}),
        (story.cast.clerk, "finding", {"finding": "kept", "reason": "入户核对户口簿与证件，表内所填属实"}),
        (story.cast.auditor, "confirm", {"agreed": True}),
    ):
        seen = {"if-match": f'"{doubt["version"]}"'}
        doubt = await asyncio.to_thread(who.post, f"{DOUBTS}/{doubt['id']}/{verb}", body, headers=seen)
    await story.quiet()
    closed = await story.every(DOUBTS, division=story.county, state="closed")
    left = await story.every(DOUBTS, division=story.county)
    story.comparison.see(
        "a doubt closed",
        {
            "closed": [{"row": one["row"], "check": one["check_id"]} for one in closed],
            "left": len(left),
            "household untouched": await story.get(household) == before,
        },
    )
    return {
        f"doubt {doubt['check_id']} in row {doubt['row']}": f"{doubt['finding']}, {doubt['state']}",
        "doubts left": len(left),
    }


async def part(story: Story, before: str) -> dict[str, Any]:
    """Previewed, done, judged; then asked about the day before, and about what was believed before."""
    parting = story.script.parting
    path = f"{HOUSEHOLDS}/{story.numbers[parting['number']]}"
    old = await story.get(path)
    body = _who_leaves(old, parting) | {"on": PARTED.isoformat(), "number": parting["new_number"]}
    split = await _split(story, path, old, body | {"preview": True})
    previewed = [one["household"]["number"] for one in split["households"]]
    nothing_yet = await story.get(path) == old
    split = await _split(story, path, old, body)
    await story.quiet()
    then, believed = {"as_of": LAST_DAY.isoformat()}, {"as_of": PARTED.isoformat(), "known_at": before}
    verdicts = await read_verdicts(story)
    told = {
        "previewed": len(previewed),
        "nothing changed by the preview": nothing_yet,
        "before": _living(old),
        "stay": _living(await story.get(path)),
        "leave": _living(await story.get(f"{HOUSEHOLDS}/by-number/{parting['new_number']}")),
        "as of the day before": _living(await story.get(path, **then)),
        "as it was believed": _living(await story.get(path, **believed)),
        "judged": sorted(number for number in previewed if number in verdicts),
        "judged in all": len(verdicts),
    }
    story.comparison.see("a household parted", told)
    return told


def _who_leaves(old: dict[str, Any], parting: Any) -> dict[str, Any]:
    """By their relations in the old household: who leads the new one, and what the others are to him."""
    becomes = {
        one["person"]["id"]: parting["relations"][one["relation"]]
        for one in old["members"]
        if one["relation"] in parting["relations"]
    }
    [head] = [person for person, relation in becomes.items() if relation == "head"]
    return {"head": head, "relations": {person: relation for person, relation in becomes.items() if person != head}}


async def _split(story: Story, path: str, old: dict[str, Any], body: dict[str, Any]) -> Any:
    seen = {"if-match": f'"{old["version"]}"'}
    return await asyncio.to_thread(story.cast.clerk.post, f"{path}/split", body, headers=seen)


def _living(household: dict[str, Any]) -> int:
    """How many live there, with one head and no more."""
    relations = Counter(one["relation"] for one in household["members"] if one["until"] is None)
    return relations.total() if relations["head"] == 1 else -1
