"""What leaves as a file: masked or in clear, of today or of a day that is gone; handed in again it changes nothing."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import openpyxl
import polars as pl
import pytest

from services.registry.actions import exports as actions
from services.registry.domain.search import Sought
from services.registry.reports import search
from shared.clock import today
from shared.db import transaction
from shared.values import Scope
from tests.registry.ground import COUNTY, NEXT_VILLAGE, NOW, VILLAGE, Ground, file_of, scope_of
from tests.registry.make import household_body
from tests.registry.sheets import citizen_id, household
from tests.registry.test_intake_killed import temporary, working

SEEN: dict[str, Any] = {"in_clear": True, "purpose": "入户核查"}


async def export(ground: Ground, *, division: str = VILLAGE.text, **said: Any) -> UUID:
    """Ask for one, and let the worker make it."""
    who = {name: said.pop(name) for name in ("role", "divisions", "sub", "params") if name in said}
    sought = {"division": division} | said.pop("sought", {})
    answer = await ground.post("/exports", json={"sought": sought, **said}, **who)
    assert answer.status_code == 202, answer.text
    await ground.run_jobs()
    return UUID(answer.json()["id"])


async def record(ground: Ground, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """As an officer does it."""
    answers = [await ground.post("/households", json=body) for body in bodies]
    assert [one.status_code for one in answers] == [201] * len(bodies), [one.text for one in answers]
    return [one.json() for one in answers]


async def content(ground: Ground, job: UUID, **who: Any) -> bytes:
    answer = await ground.get(f"/exports/{job}/file", **who)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    return answer.content


def refusal(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and code; a file that is answered instead has none."""
    is_problem = answer.headers["content-type"].startswith("application/problem+json")
    return answer.status_code, answer.json()["code"] if is_problem else None


async def lines(ground: Ground, **said: Any) -> list[dict[str, str]]:
    """A csv export by its headings, without its notes."""
    who = {"divisions": said["divisions"]} if "divisions" in said else {}
    job = await export(ground, format="csv", **said)
    frame = pl.read_csv(io.BytesIO(await content(ground, job, **who)), infer_schema=False)
    rows = frame.fill_null("").to_dicts()
    return [row for row in rows if not str(next(iter(row.values()))).startswith("注：")]


async def test_what_was_exported_in_clear_comes_back_unchanged(ground: Ground) -> None:
    """The whole village, as an officer recorded it, as a file recorded it, with texts that look like formulas. What is
    asked about a household that no file has named before is asked now: doubts alone may be more.
    """
    first, second = household(order=1), household(f"{VILLAGE.text}0002", order=5)
    first[0] |= {"户类型": "监测对象、最低生活保障户", "监测对象识别时间": "2018-03-01", "低保起始时间": "2017-01-01"}
    await ground.intake(file_of(first, second))
    body = household_body(serial=7, order=40, group="=cmd|' /C calc'!A0")
    body["statuses"] += [{"kind": "minimum_living", "since": "2015-01-01"}]
    body["members"][1] |= {"name": "+王·小明", "id_number": None, "health": None}
    ordinary = household_body(serial=8, order=50, statuses=[{"kind": "ordinary", "since": "2016-05-04"}])
    for one in (body, ordinary):
        made = await ground.post("/households", json=one)
        assert made.status_code == 201, made.text
    before = await ground.digest()
    job = await export(ground, format="xlsx", **SEEN)
    found = await ground.intake(await content(ground, job), filename="登记表.xlsx")
    assert (found["rows"], found["rows_unchanged"], found["rows_refused"]) == (10, 10, 0), found
    assert await ground.digest() | {"doubt": ""} == before | {"doubt": ""}


async def test_masked_it_tells_nobody_and_is_no_form(ground: Ground) -> None:
    """Neither name nor number nor birth, health or income; and whoever hands it in changes nothing."""
    await ground.post("/households", json=household_body())
    [head, son] = await lines(ground)
    assert (head["所在户编号"], head["姓名"], head["与户主关系"]) == (f"{VILLAGE.text}0001", "李*英", "户主")
    assert head["证件号码"] == f"629999********{citizen_id('19800305', 2)[-4:]}"
    assert {"出生日期", "健康状况", "务工收入（元）", "主要致贫原因", "务工月收入（元）"}.isdisjoint(head)
    assert (son["住房安全等级"], head["住房安全等级"], son["行政村"] != "") == ("", "A级", True)
    before = await ground.digest()
    for shape in ("persons", "households"):
        job = await export(ground, shape=shape)
        file = await content(ground, job)
        book = openpyxl.load_workbook(io.BytesIO(file))
        said = " ".join(str(cell.value) for page in book for row in page for cell in row)
        assert "李秀英" not in said
        assert citizen_id("19800305", 2) not in said
        again = await ground.upload(file, filename="登记表.xlsx")
        await ground.run_jobs()
        found = await ground.look(again)
        assert found["job"]["state"] == "failed" or found["rows_refused"] == found["rows"], found
    assert await ground.digest() == before


async def test_under_the_right_heading_a_masked_list_goes_back(ground: Ground) -> None:
    """Somebody mends the heading that keeps it from being a form: every starred cell is refused by name."""
    await ground.post("/households", json=household_body())
    before = await ground.digest()
    job = await export(ground, format="csv")
    file = (await content(ground, job)).decode("utf-8-sig").replace("所在户编号", "户编号").encode()
    again = await ground.upload(file)
    await ground.run_jobs()
    codes = {row["code"] for row in await ground.rows("select code from intake_refusal where job = $1", again)}
    assert "cell.masked" in codes
    assert (await ground.look(again))["rows_refused"] == 2
    assert await ground.digest() == before


async def test_no_cell_is_live_and_the_file_says_who_and_when(ground: Ground) -> None:
    body = household_body(group="=1+1")
    for member, name in zip(body["members"], ("-2+3", "@SUM(A1)"), strict=True):
        member["name"] = name
    await ground.post("/households", json=body)
    jobs = {kind: await export(ground, format=kind, **SEEN) for kind in ("csv", "xlsx", "parquet")}
    text = (await content(ground, jobs["csv"])).decode("utf-8-sig")
    cells = [cell.strip('"') for line in text.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert {"'=1+1", "'-2+3", "'@SUM(A1)"} <= set(cells)
    last = text.splitlines()[-5:]
    assert last[0].startswith("注：导出人经办人（li），导出时间2019-08-25 12:")
    assert f"导出编号{jobs['csv']}" in last[0]
    assert "共2行；含个人信息全文" in last[1]
    assert last[2].startswith("注：事由入户核查")
    book = openpyxl.load_workbook(io.BytesIO(await content(ground, jobs["xlsx"])))
    told = [cell for page in book for row in page for cell in row]
    assert {cell.data_type for cell in told} <= {"s", "n"}
    assert f"导出编号{jobs['xlsx']}" in book["导出说明"]["A1"].value
    assert "导出人经办人" in book["登记表"].oddFooter.left.text
    assert (book.properties.creator, "入户核查" in book.properties.description) == ("经办人 (li)", True)
    file = io.BytesIO(await content(ground, jobs["parquet"]))
    assert "导出人经办人（li）" in pl.read_parquet_metadata(file)["tuopin.said"]
    assert pl.read_parquet(file)["name"].to_list() == ["-2+3", "@SUM(A1)"]


async def test_in_clear_needs_a_role_and_a_purpose_and_leaves_a_line(ground: Ground) -> None:
    made = (await ground.post("/households", json=household_body())).json()
    people = {made["id"], *(one["person"]["id"] for one in made["members"])}
    asked: dict[str, Any] = {"sought": {"division": VILLAGE.text}, "in_clear": True}
    missing = await ground.post("/exports", json=asked)
    assert refusal(missing) == (400, "purpose.missing")
    refused = await ground.post("/exports", json=asked | {"purpose": "入户核查"}, role="accountant")
    assert refusal(refused) == (403, "role.refused")
    masked = await export(ground, role="accountant", sub="kuaiji", purpose="发放核对")
    clear = await export(ground, **SEEN)
    rows = await ground.rows("select caller, purpose, noun, action, ids from access_log order by id")
    assert [(row["caller"], row["purpose"], row["noun"], row["action"]) for row in rows] == [
        ("kuaiji", "发放核对", "export", "export"),
        ("li", "入户核查", "household", "export in clear"),
        ("li", "入户核查", "export", "export"),
    ]
    assert (rows[0]["ids"], set(rows[1]["ids"]), rows[2]["ids"]) == ([str(masked)], people, [str(clear)])
    page = (await ground.get("/exports", role="auditor", sub="shenji")).json()["items"]
    assert [(one["job"]["id"], one["in_clear"], one["lines"], one["sought"]) for one in page] == [
        (str(clear), True, 2, f"区划{VILLAGE.text}"),
        (str(masked), False, 2, f"区划{VILLAGE.text}"),
    ]


async def test_who_stated_the_purpose_fetches_it_each_time_in_writing_until_its_days_end(ground: Ground) -> None:
    """A masked one may be fetched by whoever may see the list; of neither does anybody elsewhere know."""
    await record(ground, household_body())
    answer = await ground.post("/exports", json={"sought": {"division": VILLAGE.text}})
    job = UUID(answer.json()["id"])
    early = await ground.get(f"/exports/{job}/file")
    assert refusal(early) == (409, "export.not_ready")
    await ground.run_jobs()
    await content(ground, job, sub="wang", role="auditor")
    clear = await export(ground, **SEEN)
    await content(ground, clear)
    other = await ground.get(f"/exports/{clear}/file", sub="wang", role="auditor")
    assert refusal(other) == (403, "export.of_another")
    away = await ground.get(f"/exports/{job}/file", divisions=["522630"])
    assert refusal(away) == (404, "export.missing")
    rows = await ground.rows("select caller, ids from access_log where action = 'download' order by id")
    assert rows == [{"caller": "wang", "ids": [str(job)]}, {"caller": "li", "ids": [str(clear)]}]
    async with transaction(ground.engine, Scope.everything()) as tx:
        assert await actions.forget_files(tx, NOW + timedelta(days=7), 7) == 0
        assert await actions.forget_files(tx, NOW + timedelta(days=8), 7) == 2
    gone = await ground.get(f"/exports/{job}/file")
    assert refusal(gone) == (404, "export.forgotten")
    assert (await ground.get(f"/exports/{job}")).json()["lines"] == 2


async def test_it_holds_whom_the_asker_may_see_and_who_was_sought(ground: Ground) -> None:
    """Scope, status, cause, doubts; the same conditions that a search has."""
    await record(ground, household_body(1), household_body(5, 20) | {"number": f"{NEXT_VILLAGE.text}0001"} | NEXT)
    monitored = household_body(serial=9, order=60, statuses=[{"kind": "monitored", "since": "2018-01-01"}])
    monitored["living"] |= {"main_cause": "disability", "other_causes": ["capital"]}
    await record(ground, monitored)
    rows = await lines(ground, shape="households", division="623023", divisions=[NEXT_VILLAGE.text])
    assert [(row["所在户编号"], row["户主"], row["在册人数"]) for row in rows] == [
        (f"{NEXT_VILLAGE.text}0001", "李*英", "2")
    ]

    async def numbers(**said: Any) -> list[str]:
        async with transaction(ground.api_engine, scope_of(COUNTY)) as tx:
            sought = Sought(COUNTY, **said)
            found = await search.households_sought(tx, sought, today(NOW), after=None, limit=10)
            assert await search.count_households(tx, sought, today(NOW)) == len(found)
            return [one.number for one in found]

    poor, next_door, ninth = f"{VILLAGE.text}0001", f"{NEXT_VILLAGE.text}0001", f"{VILLAGE.text}0009"
    assert await numbers() == [poor, ninth, next_door]
    assert await numbers(status="monitored") == [ninth]
    assert await numbers(cause="illness") == [poor, next_door]
    assert await numbers(cause="capital") == await numbers(cause="disability", status="monitored") == [ninth]
    assert await numbers(cause="disability", status="poor") == []
    assert await numbers(doubt="I13") == []
    await ground.rows(DOUBT, NOW, ninth)
    assert await numbers(doubt="I13", cause="capital") == [ninth]
    assert ninth in await numbers(doubt="any")
    await ground.rows("update doubt set state = 'closed', closed_at = $1, finding = 'no_longer_found'", NOW)
    assert await numbers(doubt="I13") == await numbers(doubt="any") == []


NEXT = {"division": NEXT_VILLAGE.text}
DOUBT = """insert into doubt (household_no, division, check_id, severity, field, detail_zh, detail_en, opened_at,
  recorded_by) select no, division, 'I13', 'doubt', 'number', '疑', 'doubt', $1, 'test'
  from household where number = $2"""


async def test_of_a_day_that_is_gone(ground: Ground) -> None:
    """As it was true then and as it was believed at a moment; conditions that no image holds are refused."""
    body = household_body(observed_on="2019-03-01")
    [made] = await record(ground, body)
    known = (await ground.value("select max(known_from) from household")).isoformat()
    head, son = ({"id": one["person"]["id"], "relation": one["relation"]} for one in made["members"])
    change: dict[str, Any] = {"observed_on": "2019-08-01", "members": [head, son | {"name": "王大明"}]}
    change |= {"living": {"main_cause": "disability"}}
    answer = await ground.ask("PATCH", f"/households/{made['id']}", json=change, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text

    async def then(**more: str) -> list[str]:
        rows = await lines(ground, **SEEN, params={"as_of": "2019-05-01"} | more, sought={"cause": "illness"})
        return [row["姓名"] for row in rows]

    assert await then() == await then(known_at=known) == ["李秀英", "王小明"]
    assert [row["姓名"] for row in await lines(ground, **SEEN)] == ["李秀英", "王大明"]
    assert await then(as_of="2019-08-02") == []
    assert await then(as_of="2019-08-02", known_at=known) == ["李秀英", "王小明"]
    said = {"sought": {"division": VILLAGE.text, "doubt": "any"}}
    refused = await ground.post("/exports", json=said, params={"as_of": "2019-05-01"})
    assert refusal(refused) == (422, "search.not_in_the_past")


@pytest.mark.parametrize("point", ["export read", "export bound"])
async def test_killed_anywhere_the_next_worker_goes_on(ground: Ground, point: str) -> None:
    """kill -9: each line stands in the file once, nothing of it is left in clear on the disk."""
    ground.settings = ground.settings.model_copy(update={"export_chunk_households": 2})
    await record(ground, *(household_body(at, 5 * at) for at in range(1, 6)))
    asked: dict[str, Any] = {"sought": {"division": VILLAGE.text}, "format": "csv"}
    job = UUID((await ground.post("/exports", json=asked | SEEN)).json()["id"])
    async with working(ground, point) as (process, _):
        assert (await ground.get(f"/exports/{job}")).json()["job"]["state"] == "running"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert list(temporary(ground).rglob("*")) == []
    assert (await ground.get(f"/exports/{job}")).json()["job"]["done"] == (2 if point == "export read" else 5)
    for _ in range(100):
        await ground.run_jobs()
        if (await ground.get(f"/exports/{job}")).json()["lines"] is not None:
            break
        await asyncio.sleep(0.1)
    text = (await content(ground, job)).decode("utf-8-sig")
    assert [text.count(f"{VILLAGE.text}000{at},") for at in range(1, 6)] == [2] * 5
    assert await ground.rows("select kind from export_piece") == [{"kind": "file"}]


async def test_a_cancelled_one_leaves_nothing_behind(ground: Ground) -> None:
    await ground.post("/households", json=household_body())
    job = UUID((await ground.post("/exports", json={"sought": {"division": VILLAGE.text}})).json()["id"])
    await ground.rows(
        "insert into export_piece (job, kind, piece, sealed) values ($1, 'lines', 7, 'x')", job
    )  # as after a chunk
    await ground.rows("update job set state = 'running', cancel_asked = true, leased_until = now() where id = $1", job)
    await ground.run_jobs()
    shown = (await ground.get(f"/exports/{job}")).json()
    assert (shown["job"]["state"], shown["lines"]) == ("cancelled", None)
    assert await ground.rows("select kind from export_piece") == []
