"""How many of each value, place by place, today and on a day that is gone; and what is not told to whom."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground
from tests.registry.make import household_body

COUNTY, TOWN = "623023", VILLAGE.text[:9]
OTHER_TOWN = "623023101200"


async def counted(ground: Ground, division: str = COUNTY, **asked: Any) -> dict[str, Any]:
    who = {name: asked.pop(name) for name in ("role", "divisions") if name in asked}
    answer = await ground.get("/reports/counts", params={"division": division, **asked}, **who)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def some(place: dict[str, Any]) -> dict[str, int]:
    return {value: count for value, count in place["counts"].items() if count}


async def settle(ground: Ground) -> list[dict[str, Any]]:
    """Three households in two villages of a town."""
    bodies = [household_body(1, 2), household_body(2, 10), household_body(3, 20) | {"division": NEXT_VILLAGE.text}]
    bodies[1]["living"]["main_cause"] = "disability"
    bodies[1]["statuses"].append({"kind": "minimum_living", "since": "2016-01-01"})
    bodies[2]["members"][0] |= {"health": None, "education": "primary", "ethnicity": "mongol"}
    answers = [await ground.post("/households", json=body) for body in bodies]
    assert [one.status_code for one in answers] == [201] * 3, [one.text for one in answers]
    return [one.json() for one in answers]


async def test_each_place_and_the_next_beneath(ground: Ground) -> None:
    """Each sum is that of the rows beneath it; a village of its own has none beneath."""
    await settle(ground)
    found = await counted(ground, by="cause")
    assert (found["of"], found["all"]["total"], some(found["all"])) == (
        "households",
        3,
        {"illness": 2, "disability": 1},
    )
    assert [(one["division"][:9], one["total"]) for one in found["places"]] == [(TOWN, 3)]
    town = await counted(ground, TOWN, by="cause")
    assert [(one["division"], some(one)) for one in town["places"]] == [
        (VILLAGE.text, {"illness": 1, "disability": 1}),
        (NEXT_VILLAGE.text, {"illness": 1}),
    ]
    assert town["places"][0]["name"]
    village = await counted(ground, VILLAGE.text, by="division")
    assert (village["of"], village["all"]["total"], village["places"]) == ("persons", 4, [])
    assert some((await counted(ground, by="status"))["all"]) == {"poor": 3, "minimum_living": 1}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("age", {"7-15": 3, "16-59": 3}),
        ("ethnicity", {"mongol": 1, "unknown": 5}),
        ("education", {"primary": 1, "unknown": 5}),
        ("labour", {"none": 3, "unknown": 3}),
        ("health", {"serious": 2, "healthy": 3, "unknown": 1}),
    ],
)
async def test_people_by_what_they_are(ground: Ground, by: str, expected: dict[str, int]) -> None:
    """The same today and as of today: what the past says of today is what stands."""
    await settle(ground)
    found = await counted(ground, by=by)
    assert some(found["all"]) == expected
    assert sum(expected.values()) == found["all"]["total"] == 6
    then = await counted(ground, by=by, as_of="2019-08-25")
    assert (then["all"], then["places"]) == (found["all"], found["places"])


async def test_of_a_day_that_is_gone(ground: Ground) -> None:
    """Who lay there then, as was known then; what was seen later only is not known of the day."""
    [first, *_] = await settle(ground)
    head, son = ({"id": one["person"]["id"], "relation": one["relation"]} for one in first["members"])
    change = {"observed_on": "2019-08-22", "members": [head | {"health": "healthy"}, son]}
    answer = await ground.ask("PATCH", f"/households/{first['id']}", json=change, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    assert some((await counted(ground, by="health"))["all"]) == {"serious": 1, "healthy": 4, "unknown": 1}
    assert some((await counted(ground, by="health", as_of="2019-08-21"))["all"]) == {
        "serious": 2, "healthy": 3, "unknown": 1,
    }  # fmt: skip
    early = await counted(ground, by="health", as_of="2015-01-01")
    assert (early["all"]["total"], some(early["all"])) == (0, {})
    cause = await counted(ground, by="cause", as_of="2015-01-01")
    assert (cause["all"]["total"], some(cause["all"])) == (3, {"unknown": 3})
    assert some((await counted(ground, by="status", as_of="2015-01-01"))["all"]) == {"poor": 3}


async def test_small_counts_are_told_to_those_alone_who_may_see_the_rows(ground: Ground) -> None:
    """By what a masked list hides; by what it shows everybody is told. Nobody asks beyond his own places."""
    await settle(ground)
    clerk = await counted(ground, by="health")
    assert (clerk["least"], some(clerk["all"])) == (None, {"serious": 2, "healthy": 3, "unknown": 1})
    hidden = await counted(ground, by="health", role="accountant")
    assert hidden["least"] == 5
    assert {value for value, count in hidden["all"]["counts"].items() if count is None} == {
        "serious", "healthy", "unknown",
    }  # fmt: skip
    assert all(one["counts"]["serious"] is None for one in hidden["places"])
    assert some((await counted(ground, by="labour", role="accountant"))["all"]) == {"none": 3, "unknown": 3}
    wide = await ground.get("/reports/counts", params={"division": "62", "by": "health"}, role="accountant")
    assert (wide.status_code, wide.json()["code"]) == (422, "counts.too_wide")


async def test_the_same_as_csv(ground: Ground) -> None:
    await settle(ground)
    asked = {"division": TOWN, "by": "health", "format": "csv"}
    for role, of_all in (("clerk", "2"), ("operator", "*")):
        answer = await ground.get("/reports/counts", params=asked, role=role)
        assert answer.headers["content-type"].startswith("text/csv")
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        at = lines[0].index("患有大病")
        assert lines[0][:3] == ["区划代码", "区划", "合计人数"]
        assert [line[0] for line in lines[1:4]] == [f"{TOWN}000", VILLAGE.text, NEXT_VILLAGE.text]
        assert (lines[1][2], lines[1][at]) == ("6", of_all)
        assert lines[4][0] == "注：按2019-08-25的情况"


async def test_only_what_lies_in_scope_is_counted(ground: Ground) -> None:
    await settle(ground)
    found = await counted(ground, by="division", divisions=[NEXT_VILLAGE.text])
    assert (found["all"]["total"], len(found["places"])) == (2, 1)
    assert (await counted(ground, by="division", divisions=["522630"]))["all"]["total"] == 0
