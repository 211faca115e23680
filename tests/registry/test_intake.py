"""A file becomes part of the register: counts, changes, refusals row by row, the same file twice, hostile files."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest

from services.registry import app as registry_app
from services.registry.actions import intake
from services.registry.actions.child import ENCODING
from services.registry.domain.facts import facts_of
from services.registry.domain.statuses import Said, claim_of, merge_statuses
from services.registry.store import uploads
from services.registry.store.households import load_household
from shared.clock import Clock
from shared.db import Transaction, transaction
from shared.errors import Problem
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded, IntakeFinished, StatusKind
from shared.jobs import Job, Step
from shared.values import Scope
from tests.registry import hostile
from tests.registry.ground import COUNTY, NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, Ground, file_of
from tests.registry.sheets import Row, household

SECOND, THIRD, FOURTH = (f"{VILLAGE.text}{serial:04d}" for serial in (2, 3, 4))


def counts_of(found: dict[str, Any]) -> dict[str, int]:
    names = ("rows", "rows_new", "rows_changed", "rows_unchanged", "rows_refused", "doubts")
    return {name: found[name] for name in names}


def counted(
    rows: int, new: int = 0, changed: int = 0, unchanged: int = 0, refused: int = 0, doubts: int = 0
) -> dict[str, int]:
    return {
        "rows": rows,
        "rows_new": new,
        "rows_changed": changed,
        "rows_unchanged": unchanged,
        "rows_refused": refused,
        "doubts": doubts,
    }


def four() -> list[list[Row]]:
    return [household(), household(SECOND, 3), household(THIRD, 5), household(FOURTH, 7)]


async def facts(ground: Ground, kind: type[Any]) -> list[Any]:
    rows = await ground.rows(
        "select convert_from(payload, 'UTF8') as text from outbox where type = $1 order by id", kind.TYPE
    )
    return [kind.model_validate_json(row["text"]) for row in rows]


async def test_a_trial_run_counts_and_records_nothing(ground: Ground) -> None:
    before = await ground.digest()
    found = await ground.intake(file_of(*four()), dry_run=True)
    assert counts_of(found) == counted(12, new=12)
    after = await ground.digest()
    assert after == before
    (finished,) = await facts(ground, IntakeFinished)
    assert (finished.rows, finished.rows_new, finished.dry_run, finished.outcome) == (12, 12, True, "done")


async def test_a_trial_run_may_be_recorded_with_the_same_counts(ground: Ground) -> None:
    tried = await ground.intake(file_of(*four()), dry_run=True)
    answer = await ground.post(f"/intakes/{tried['job']['id']}/apply")
    assert answer.status_code == 202
    await ground.run_jobs()
    applied = await ground.look(UUID(answer.json()["id"]))
    assert counts_of(applied) == counts_of(tried)
    assert await ground.value("select count(*) from person") == 12
    again = await ground.post(f"/intakes/{tried['job']['id']}/apply")
    assert (again.status_code, again.json()["code"]) == (409, "intake.taken_up"), "its file is done with"
    assert answer.json()["id"] in again.json()["detail"]


async def test_a_trial_run_is_recorded_once_whoever_asks(ground: Ground) -> None:
    """Two recordings would share its file. The second is told of the first, though that is a county's that he cannot
    see; of two at one moment one is taken."""
    village = [VILLAGE.text]
    tried = UUID(str(await ground.upload(file_of(*four()), dry_run=True, divisions=village)))
    await ground.run_jobs()
    path = f"/intakes/{tried}/apply"
    asked = await asyncio.gather(*(ground.post(path, divisions=[of]) for of in (COUNTY.text, *village)))
    taken, told = sorted(asked, key=lambda one: one.status_code)
    assert (taken.status_code, told.status_code, told.json().get("code")) == (202, 409, "intake.taken_up")
    assert taken.json()["id"] in told.json()["detail"]
    late = await ground.post(path, divisions=village)
    assert (late.status_code, late.json()["code"]) == (409, "intake.taken_up")
    await ground.run_jobs()
    assert await ground.value("select count(*) from person") == 12
    assert (await ground.post(path, divisions=[OTHER_COUNTY.text])).status_code == 404, "elsewhere it is not there"


@pytest.mark.parametrize("was_running", [False, True])
async def test_a_trial_run_whose_recording_was_cancelled_can_be_recorded_again(
    ground: Ground, *, was_running: bool
) -> None:
    """The first recording's end does not take the file away from the second."""
    tried = await ground.intake(file_of(*four()), dry_run=True)
    path = f"/intakes/{tried['job']['id']}/apply"
    first = (await ground.post(path)).json()["id"]
    if was_running:
        await ground.rows(
            "update job set state = 'running', leased_until = now() - interval '1 s' where id = $1", first
        )
    assert (await ground.post(f"/jobs/{first}/cancel")).status_code == 200
    await ground.run_jobs()
    assert (await ground.look(UUID(first)))["job"]["state"] == "cancelled"
    again = await ground.post(path)
    assert again.status_code == 202, again.text
    await ground.run_jobs()
    applied = await ground.look(UUID(again.json()["id"]))
    assert (applied["job"]["state"], counts_of(applied)) == ("done", counts_of(tried))
    assert await kept_files(ground) == ["answer"], "and then the file goes"


async def test_both_facts_of_each_household_leave_with_the_chunk(ground: Ground) -> None:
    await ground.intake(file_of(*four()))
    recorded, circumstances = await facts(ground, HouseholdRecorded), await facts(ground, CircumstancesRecorded)
    assert [one.version for one in recorded] == [1] * 4
    assert {one.household: one.version for one in recorded} == {one.household: one.version for one in circumstances}
    assert {one.masked_head for one in recorded} == {"李*英"}
    assert all(len(one.members) == one_.headcount == 3 for one, one_ in zip(circumstances, recorded, strict=True))


async def test_what_the_database_says_is_what_domain_would_say(ground: Ground) -> None:
    """Two roads build the same facts: set-wise SQL for files, the domain for a single household."""
    rows = four()
    rows[0][1]["务工时间"] = "13"
    rows[1][0]["住房面积"] = "86.5"
    rows[2][0]["其他致贫原因"] = "缺技术,缺资金"
    await ground.intake(file_of(*rows))
    said: dict[UUID, list[Any]] = {}
    for kind in (HouseholdRecorded, CircumstancesRecorded):
        for fact in await facts(ground, kind):
            said.setdefault(fact.household, []).append(fact)
    async with transaction(ground.engine, Scope.everything()) as tx:
        for household_id, both in said.items():
            record = await load_household(tx, household_id)
            assert both == facts_of(record.household)


async def test_extreme_cells_break_neither_a_chunk_nor_a_fact(ground: Ground) -> None:
    """What can be stored is stored, what cannot goes back; a listener can read every fact that leaves."""
    rows = [household(f"{VILLAGE.text}{serial:04d}", serial * 2) for serial in range(1, 9)]
    rows[0][1]["务工时间"] = "2147483647"
    rows[1][0]["住房面积"] = "9999999999.99"
    rows[2][0]["务工收入"] = "99999999999999"
    rows[3][0]["家庭人口数"] = "2147483647"
    rows[4][1]["姓名"] = "王" * 200
    rows[5][1]["姓名"] = "𠮷王·阿卜杜拉\u0001"
    rows[6][0]["村民小组"] = '二组,"引号"\n换行'
    rows[7][1]["务工月收入"] = "99999999999999999999"
    found = await ground.intake(file_of(*rows))
    assert found["job"]["state"] == "done", found
    assert found["rows"] == 24 == found["rows_new"] + found["rows_refused"]
    assert found["rows_new"] > 0
    said = await facts(ground, CircumstancesRecorded)
    assert len(said) == found["rows_new"] // 3


async def test_the_same_file_twice_changes_nothing(ground: Ground) -> None:
    rows = four()
    rows[1][1]["证件号码"] = rows[1][1]["证件号码"][:17] + ("0" if rows[1][1]["证件号码"][17] != "0" else "1")
    first = await ground.intake(file_of(*rows))
    before = await ground.digest()
    second = await ground.intake(file_of(*rows))
    assert counts_of(first) == counted(12, new=12, doubts=first["doubts"])
    assert counts_of(second) == counted(12, unchanged=12, doubts=first["doubts"])
    assert first["doubts"] > 0
    assert await ground.digest() == before
    assert len(await facts(ground, IntakeFinished)) == 2


async def test_a_changed_person_is_a_new_version_with_batch_and_row(ground: Ground) -> None:
    rows = four()
    await ground.intake(file_of(*rows))
    rows[2][1] |= {"务工时间": "9"}
    found = await ground.intake(file_of(*rows))
    assert counts_of(found) == counted(12, changed=1, unchanged=11)
    (kept,) = await ground.rows("select * from person_history")
    (now,) = await ground.rows("select * from person where no = $1", kept["no"])
    assert (kept["work_months"], now["work_months"]) == (6, 9)
    assert (kept["version"], now["version"]) == (1, 2)
    assert kept["known_to"] == now["known_from"]
    assert (str(now["batch"]), now["batch_row"]) == (found["job"]["id"], 9)
    versions = await ground.rows("select number, version from household order by number")
    assert [row["version"] for row in versions] == [1, 1, 2, 1]
    assert (await facts(ground, CircumstancesRecorded))[-1].version == 2


async def test_incomes_statuses_and_members_follow_the_form(ground: Ground) -> None:
    rows = [household()]
    await ground.intake(file_of(*rows))
    rows[0][0] |= {"务工收入": "12000.00", "工资性收入": "12000.00", "家庭纯收入": "15000.50", "人均纯收入": "7500.25"}
    rows[0][0] |= {
        "户类型": "贫困户；低保户",
        "识别时间": "2013-12-01",
        "低保起始时间": "2019-01-01",
        "家庭人口数": "2",
    }
    del rows[0][2]
    found = await ground.intake(file_of(*rows))
    assert counts_of(found)["rows_changed"] == 1, "the head's row stands for her household"
    held = await ground.rows(
        "select kind, lower(during) as since, upper(during) as until from status where known_to = 'infinity' order by 2"
    )
    assert [(row["kind"], str(row["since"]), row["until"] and str(row["until"])) for row in held] == [
        ("poor", "2013-12-01", None),
        ("minimum_living", "2019-01-01", None),
    ]
    wages = await ground.rows("select fen, known_to::text as known_to from income where item = 'wage_work' order by no")
    assert [(row["fen"], row["known_to"] == "infinity") for row in wages] == [(900_000, False), (1_200_000, True)]
    assert await ground.value("select count(*) from person where household_no is null") == 1
    assert await ground.value("select count(*) from membership where known_to = 'infinity' and upper_inf(during)") == 2


TYPES = {
    "poor": ("贫困户", "识别时间"),
    "lifted": ("脱贫户", "脱贫时间"),
    "monitored": ("监测户", "监测对象识别时间"),
    "minimum_living": ("低保户", "低保起始时间"),
    "ordinary": ("一般农户", "建档日期"),
}
KINDS: tuple[StatusKind, ...] = ("poor", "lifted", "monitored", "minimum_living", "ordinary")


def of_statuses(rows: list[Row], said: Said) -> list[Row]:
    """The household with these statuses on its first row."""
    rows[0] |= dict.fromkeys((since for _, since in TYPES.values()), "") | {"户类型": ""}
    rows[0]["户类型"] = "；".join(TYPES[kind][0] for kind, _ in said)
    rows[0] |= {TYPES[kind][1]: since.isoformat() for kind, since in said}
    return rows


async def kinds_held(ground: Ground) -> list[tuple[str, str | None]]:
    rows = await ground.rows(
        "select kind, upper(during)::text as until from status where known_to = 'infinity' order by kind"
    )
    return [(row["kind"], row["until"]) for row in rows]


async def test_a_file_lifts_nobody_out_of_poverty(ground: Ground) -> None:
    """The rest of the row is stored, the register's status stays, and a doubt asks; the same file again is nothing."""
    await ground.intake(file_of(household()))
    rows = of_statuses(household(), (("lifted", date(2018, 12, 31)),))
    rows[0]["住房安全等级"] = "C级"
    tried = await ground.intake(file_of(rows), dry_run=True)
    assert counts_of(tried) == counted(3, changed=1, unchanged=2, doubts=1), "the trial run shows it"
    assert await ground.value("select count(*) from doubt") == 0
    first = await ground.intake(file_of(rows))
    assert counts_of(first) == counts_of(tried)
    assert await kinds_held(ground) == [("poor", None)]
    assert await ground.value("select housing_level from household") == "C"
    (doubt,) = (await ground.get("/doubts", params={"division": VILLAGE.text})).json()["items"]
    assert (doubt["check_id"], doubt["field"], doubt["row"]) == ("T7", "statuses", 2)
    assert "脱贫户" in doubt["detail"]
    assert "only a decision" in doubt["detail_en"]
    before = await ground.digest()
    again = await ground.intake(file_of(rows))
    assert counts_of(again) == counted(3, unchanged=3, doubts=1)
    assert await ground.digest() == before
    latest = (await facts(ground, CircumstancesRecorded))[-1]
    assert [(one.kind, one.until) for one in latest.statuses] == [("poor", None)]


async def test_a_claim_that_nothing_else_goes_with_opens_its_doubt_and_no_version(ground: Ground) -> None:
    rows = household()
    await ground.intake(file_of(rows))
    said = await ground.value("select count(*) from outbox where topic <> $1", IntakeFinished.TOPIC)
    claimed = of_statuses(household(), (("ordinary", date(2014, 3, 1)),))
    assert counts_of(await ground.intake(file_of(claimed))) == counted(3, unchanged=3, doubts=1)
    assert await ground.value("select count(*) from doubt where check_id = 'T7' and closed_at is null") == 1
    assert await ground.value("select max(version) from household") == 1
    assert await ground.value("select count(*) from outbox where topic <> $1", IntakeFinished.TOPIC) == said
    short = [{name: row[name] for name in ("户编号", "姓名", "与户主关系", "证件号码")} for row in household()]
    short[1]["姓名"] = "王建军"
    await ground.intake(file_of(short))
    assert await ground.value("select count(*) from doubt where check_id = 'T7' and closed_at is null") == 1, (
        "a file that says nothing of statuses answers no question about them"
    )
    await ground.intake(file_of(rows))
    assert await ground.value("select finding from doubt where check_id = 'T7'") == "no_longer_found"


async def test_of_statuses_a_file_says_what_domain_would_say(ground: Ground) -> None:
    """Set-wise SQL for files, the domain for a single form: every pair of what is held and what is said next."""
    begun, visited = date(2014, 3, 1), date(2019, 8, 20)
    some = [kinds for size in (0, 1, 2) for kinds in combinations(KINDS, size) if set(kinds) != {"poor", "lifted"}]
    later: Said = (("poor", date(2019, 8, 21)),)
    pairs = [(held, said) for held in some for said in some]
    forms: list[tuple[Said, Said]] = [
        (tuple((kind, begun) for kind in held), tuple((kind, begun) for kind in said)) for held, said in pairs
    ]
    forms += [((("poor", begun),), later), ((("lifted", begun),), later), ((), later)]
    for kind in KINDS:
        forms += [(((kind, begun),), ((kind, other),)) for other in (date(2013, 12, 1), date(2014, 3, 2), visited)]
    numbers = [f"{VILLAGE.text}{serial:04d}" for serial in range(1, len(forms) + 1)]
    homes = [household(number, serial) for serial, number in enumerate(numbers, 1)]
    for turn in (0, 1):
        await ground.intake(file_of(*(of_statuses(home, form[turn]) for home, form in zip(homes, forms, strict=True))))
    held = await ground.rows(
        "select h.number, s.kind, lower(s.during) as since, upper(s.during) as until from status s"
        " join household h on h.no = s.household_no where s.known_to = 'infinity' order by 1, 2"
    )
    doubts = await ground.rows(
        "select h.number, d.detail_zh, d.detail_en from doubt d join household h on h.no = d.household_no"
        " where d.check_id = 'T7' and d.closed_at is null order by 1"
    )
    expected, claims = [], []
    for number, (first, second) in zip(numbers, forms, strict=True):
        before = merge_statuses((), first, visited)
        after = merge_statuses(before, second, visited) if second else before
        claim = claim_of(before, second, visited) if second else None
        expected += sorted((number, span.kind, span.since, span.until) for span in after)
        claims += [] if claim is None else [(number, claim.zh, claim.en)]
    assert [tuple(row.values()) for row in held] == expected
    assert [tuple(row.values()) for row in doubts] == claims
    assert len(claims) > 50


async def test_a_file_changes_only_the_columns_that_it_has(ground: Ground) -> None:
    await ground.intake(file_of(household()))
    needed = ("户编号", "姓名", "与户主关系", "证件号码", "健康状况")
    short = [{name: row[name] for name in needed} for row in household()]
    short[1]["健康状况"] = "长期慢性病"
    found = await ground.intake(file_of(short))
    assert counts_of(found) == counted(3, changed=1, unchanged=2)
    (now,) = await ground.rows("select * from person where health = 'chronic'")
    assert (now["work_months"], now["sex"]) == (6, "male")
    assert now["phone_index"] is None
    assert await ground.value("select housing_level from household") == "A"
    assert await ground.value("select count(*) from income where known_to = 'infinity'") == 4


async def test_a_new_head_is_one_statement_and_one_head_a_day(ground: Ground) -> None:
    rows = [household()]
    await ground.intake(file_of(*rows))
    about = {name: rows[0][0].pop(name) for name in list(rows[0][0]) if name not in rows[0][1]}
    rows[0][0]["与户主关系"], rows[0][1]["与户主关系"] = "配偶", "户主"
    rows[0][1] |= about
    later = {
        "filename": "r.csv",
        "dry_run": "false",
        "observed_on": "2019-08-22",
        "year_from": "2018-10-01",
        "year_to": "2019-09-30",
    }
    answer = await ground.post("/intakes", params=later, content=file_of(*rows), headers={"Content-Type": "text/csv"})
    await ground.run_jobs()
    assert counts_of(await ground.look(UUID(answer.json()["id"])))["rows_changed"] == 2
    held = await ground.rows(
        "select relation, lower(during)::text as since, upper(during)::text as until from membership"
        " where known_to = 'infinity' and relation = 'head' order by 2"
    )
    assert [(row["since"], row["until"]) for row in held] == [("2019-08-20", "2019-08-22"), ("2019-08-22", None)]


async def test_one_bad_member_sends_the_household_back_row_by_row(ground: Ground) -> None:
    rows = four()
    rows[1][2]["与户主关系"] = "户主"
    found = await ground.intake(file_of(*rows))
    assert counts_of(found) == counted(12, new=9, refused=3)
    assert await ground.value("select count(*) from household where number = $1", SECOND) == 0
    refused = (await ground.get(f"/intakes/{found['job']['id']}/refusals")).json()["items"]
    assert {one["row"] for one in refused} == {5, 6, 7}
    assert "I8" in {one["code"] for one in refused}
    book = await ground.get(f"/intakes/{found['job']['id']}/answer")
    sheet = openpyxl.load_workbook(io.BytesIO(book.content))["退回"]
    texts = [str(cell.value) for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert sum("王小明" in text for text in texts) == 1
    assert any("户主" in text and "退回原因" in text for text in texts)


async def test_a_village_clerk_cannot_record_the_next_village(ground: Ground) -> None:
    rows = [household(), household(f"{NEXT_VILLAGE.text}0001", 3)]
    job = await ground.upload(file_of(*rows), divisions=[VILLAGE.text])
    await ground.run_jobs()
    found = await ground.look(job)
    assert counts_of(found) == counted(6, new=3, refused=3)
    codes = {one["code"] for one in (await ground.get(f"/intakes/{job}/refusals")).json()["items"]}
    assert codes == {"scope.refused", "household.refused"} or codes == {"scope.refused"}
    assert await ground.value("select count(*) from household where division = $1", NEXT_VILLAGE.value) == 0


async def test_a_number_on_record_elsewhere_goes_back_without_a_word_of_it(ground: Ground) -> None:
    """The household's number stands in the next village: a clerk who may not see it is told so, and nothing else."""
    next_door = [household(f"{NEXT_VILLAGE.text}0001", 3)]
    await ground.intake(file_of(*next_door))
    mine = household(f"{NEXT_VILLAGE.text}0001", 9)
    for row in mine:
        row["行政村代码"] = VILLAGE.text
    job = await ground.upload(file_of(mine), divisions=[VILLAGE.text])
    await ground.run_jobs()
    found = await ground.look(job)
    assert found["rows_refused"] == 3, found
    codes = {one["code"] for one in (await ground.get(f"/intakes/{job}/refusals")).json()["items"]}
    assert codes <= {"household.out_of_scope", "household.refused", "scope.refused"}
    assert await ground.value("select max(version) from household") == 1


async def test_a_person_on_record_out_of_scope_goes_back(ground: Ground) -> None:
    await ground.intake(file_of(household(f"{NEXT_VILLAGE.text}0001", 3)))
    mine = household(SECOND, 9)
    mine[1]["证件号码"] = household(f"{NEXT_VILLAGE.text}0001", 3)[1]["证件号码"]
    job = await ground.upload(file_of(mine), divisions=[VILLAGE.text])
    await ground.run_jobs()
    refused = (await ground.get(f"/intakes/{job}/refusals")).json()["items"]
    assert {(one["row"], one["code"]) for one in refused} == {
        (2, "household.refused"),
        (3, "person.out_of_scope"),
        (4, "household.refused"),
    }


async def test_the_number_of_another_households_member_is_a_doubt_never_a_removal(ground: Ground) -> None:
    await ground.intake(file_of(household()))
    other = household(SECOND, 9)
    other[1]["证件号码"] = household()[1]["证件号码"]
    first = await ground.intake(file_of(other))
    assert counts_of(first)["rows_new"] == 3
    assert await ground.value("select count(*) from doubt where check_id = 'I1' and closed_at is null") == 1
    assert await ground.value("select count(*) from person where id_provisional") == 1
    assert await ground.value("select count(*) from membership where known_to = 'infinity' and upper_inf(during)") == 6
    before = await ground.digest()
    again = await ground.intake(file_of(other))
    assert counts_of(again)["rows_unchanged"] == 3
    assert await ground.digest() == before


async def test_an_older_form_does_not_replace_a_newer_one(ground: Ground) -> None:
    await ground.intake(file_of(household()))
    rows = household()
    rows[1]["务工时间"] = "2"
    given = {
        "filename": "alt.csv",
        "dry_run": "false",
        "observed_on": "2019-01-01",
        "year_from": "2018-10-01",
        "year_to": "2019-09-30",
    }
    answer = await ground.post("/intakes", params=given, content=file_of(rows), headers={"Content-Type": "text/csv"})
    await ground.run_jobs()
    refused = (await ground.get(f"/intakes/{answer.json()['id']}/refusals")).json()["items"]
    assert {one["code"] for one in refused} == {"observation.older", "household.refused"}


async def test_a_file_never_touches_payouts_or_decided_statuses(ground: Ground) -> None:
    rows = [household()]
    await ground.intake(file_of(*rows))
    await ground.rows(
        "insert into income (household_no, division, year_from, year_to, component, item, source, reference, fen,"
        " paid_on,"
        " known_from, recorded_by) select no, division, '2018-10-01', '2019-09-30', 'C', 'property_dividend',"
        " 'payout', 'p1', 63120, '2019-09-20', now(), 'cooperative' from household returning no"
    )
    rows[0][0] |= {"务工收入": "100.00", "工资性收入": "100.00", "家庭纯收入": "3100.50", "人均纯收入": "1033.50"}
    await ground.intake(file_of(*rows))
    (payout,) = await ground.rows("select fen, known_to::text as known_to from income where source = 'payout'")
    assert payout == {"fen": 63120, "known_to": "infinity"}
    latest = (await facts(ground, CircumstancesRecorded))[-1]
    assert sum(row.fen for row in latest.income if row.source == "payout") == 63120


async def test_numbers_and_telephones_are_sealed_everywhere(ground: Ground) -> None:
    rows = household()
    rows[0]["联系电话"] = "13812345678"
    found = await ground.intake(file_of(rows), filename="名单.csv")
    number = rows[0]["证件号码"]
    tables = [
        row["name"]
        for row in await ground.rows(
            "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and n.nspname = 'public'"
        )
    ]
    for table in tables:
        text = str(await ground.value(f"select string_agg(t::text, ' ') from {table} t"))
        for secret in (number, "13812345678", number.encode().hex(), b"13812345678".hex()):
            assert secret not in text, (table, secret)
    assert await ground.value("select count(*) from person where id_number_sealed is not null") == 3
    assert found["filename"] == "名单.csv"


async def test_eight_retries_of_one_upload_are_one_intake(ground: Ground) -> None:
    body = file_of(household())
    jobs = await asyncio.gather(*(ground.upload(body, key="the-same-key-0001") for _ in range(8)))
    assert len(set(jobs)) == 1
    assert await ground.value("select count(*) from intake") == 1


async def test_a_cancelled_file_stops_between_chunks(ground: Ground) -> None:
    job = await ground.upload(file_of(*four()))
    runner, files = ground.runner()
    held = await runner._take()
    assert held is not None
    await runner._chunk(held)
    await runner._chunk(held)
    assert (await ground.post(f"/jobs/{job}/cancel")).status_code == 200
    held.job = await runner._look(held)
    await runner._work(held)
    files.close()
    found = await ground.look(job)
    assert found["job"]["state"] == "cancelled"
    assert 0 < await ground.value("select count(*) from household") < 4
    (finished,) = await facts(ground, IntakeFinished)
    assert finished.outcome == "cancelled"
    assert await ground.value("select count(*) from intake_file") == 0, "the file is not kept for nothing"


@pytest.mark.parametrize(("make", "problem"), hostile.PROBLEMS)
async def test_a_hostile_file_ends_in_a_clear_error(
    ground: Ground, tmp_path: Path, make: hostile.Make, problem: type[Problem]
) -> None:
    path = make(tmp_path)
    found = await ground.intake(await asyncio.to_thread(path.read_bytes), filename=path.name)
    assert (found["job"]["state"], found["job"]["problem"]["code"]) == ("failed", problem.code)
    assert found["job"]["problem"]["detail"]
    assert found["job"]["problem"]["detail_en"]
    assert await ground.value("select count(*) from household") == 0, "nothing half-done"
    assert await ground.value("select count(*) from intake_file") == 0
    (finished,) = await facts(ground, IntakeFinished)
    assert finished.outcome == "failed"


@pytest.mark.parametrize(("make", "mark"), hostile.MARKS)
async def test_a_hostile_file_ends_in_a_marked_row(
    ground: Ground, tmp_path: Path, make: hostile.Make, mark: tuple[int, str, str]
) -> None:
    path = make(tmp_path)
    found = await ground.intake(await asyncio.to_thread(path.read_bytes), filename=path.name)
    assert counts_of(found) == counted(3, refused=3)
    refused = (await ground.get(f"/intakes/{found['job']['id']}/refusals")).json()["items"]
    assert (mark[0], mark[2]) in {(one["row"], one["code"]) for one in refused}
    assert (await ground.get(f"/intakes/{found['job']['id']}/answer")).status_code == 200
    assert await ground.value("select count(*) from household") == 0


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        ("2018-10-01", "2019-09-30", 202),
        ("2019-03-01", "2020-02-29", 202),
        ("2018-10-01", "2019-10-31", 422),
        ("2018-10-01", "2018-10-01", 422),
        ("2017-10-01", "2019-09-30", 422),
    ],
)
async def test_an_income_year_has_twelve_months(ground: Ground, first: str, last: str, status: int) -> None:
    """Otherwise the whole county's income would be unknown, and nobody would be told."""
    asked = {"filename": "f.csv", "observed_on": "2019-08-20", "year_from": first, "year_to": last}
    answer = await ground.post("/intakes", params=asked, content=b"x", headers={"Content-Type": "text/csv"})
    assert answer.status_code == status, answer.text
    assert answer.json().get("code") == (None if status == 202 else "income.year_length")


async def forgotten(ground: Ground, days: int) -> int:
    """So many days later, by the worker's own loop."""
    settings = ground.settings.model_copy(update={"intake_trial_days": 30})

    class Later(Clock):
        def now(self) -> datetime:
            return ground.now + timedelta(days=days)

    return await registry_app.forgetting(settings, ground.engine, Later()).prune()


async def kept_files(ground: Ground) -> list[str]:
    return [row["kind"] for row in await ground.rows("select distinct kind from intake_file order by kind")]


async def test_a_trial_run_that_nobody_records_is_kept_for_its_days(ground: Ground) -> None:
    tried = await ground.intake(file_of(*four()), dry_run=True)
    job = tried["job"]["id"]
    assert await forgotten(ground, 29) == 0
    assert await kept_files(ground) == ["answer", "upload"]
    assert (await ground.get(f"/intakes/{job}/answer")).status_code == 200
    assert await forgotten(ground, 31) == 1
    assert await kept_files(ground) == [], "what was said of people in it is gone with it"
    assert await forgotten(ground, 31) == 0
    answer = await ground.get(f"/intakes/{job}/answer")
    assert (answer.status_code, answer.json()["code"]) == (404, "intake.answer_forgotten")
    applied = await ground.post(f"/intakes/{job}/apply")
    assert (applied.status_code, applied.json()["code"]) == (409, "intake.not_tried")
    assert counts_of(await ground.look(UUID(job))) == counts_of(tried), "the counts stay on record"


async def test_what_is_recorded_or_still_wanted_is_not_forgotten(ground: Ground) -> None:
    """An answer to what was recorded stays; a trial run that somebody has just taken up is read to its end."""
    await ground.intake(file_of(household()))
    tried = await ground.intake(file_of(household(), household(SECOND, 3)), dry_run=True)
    applied = await ground.post(f"/intakes/{tried['job']['id']}/apply")
    waiting = await ground.upload(file_of(household(THIRD, 5)))
    assert await forgotten(ground, 31) == 0
    await ground.run_jobs()
    assert counts_of(await ground.look(UUID(applied.json()["id"]))) == counted(6, new=3, unchanged=3)
    assert (await ground.look(waiting))["rows_new"] == 3
    assert await forgotten(ground, 31) == 1, "the trial run's answer; the upload went when it was recorded"
    assert await kept_files(ground) == ["answer"]
    assert await ground.value("select count(distinct job) from intake_file") == 3


async def test_a_file_whose_job_was_cancelled_while_it_waited_goes_too(ground: Ground) -> None:
    job = await ground.upload(file_of(household()))
    assert (await ground.post(f"/jobs/{job}/cancel")).status_code == 200
    assert await kept_files(ground) == ["upload"], "nobody has taken it up, so nobody has cleared up"
    assert await forgotten(ground, 31) == 1
    assert await kept_files(ground) == []


async def test_who_records_a_trial_run_while_it_is_forgotten_is_told(ground: Ground) -> None:
    """Either it is recorded or it is gone, whichever comes first; never a job without its file."""
    tried = await ground.intake(file_of(household()), dry_run=True)
    job = UUID(tried["job"]["id"])
    async with transaction(ground.engine, Scope.everything()) as holding:
        await uploads.hold_file(holding, job)
        asking = asyncio.create_task(ground.post(f"/intakes/{job}/apply"))
        done, _ = await asyncio.wait({asking}, timeout=0.5)
        assert not done, "it waits for whoever holds the file"
        await holding.driver.execute("delete from intake_file where job = $1", job)
    answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (409, "intake.not_tried")


async def doubts_in_answer(ground: Ground, found: dict[str, Any]) -> list[tuple[int, str]]:
    book = await ground.get(f"/intakes/{found['job']['id']}/answer")
    lines = openpyxl.load_workbook(io.BytesIO(book.content))["疑点"].iter_rows(min_row=2, values_only=True)
    return [(int(str(line[0])), str(line[3])) for line in lines]


async def test_the_answer_shows_each_doubt_that_is_counted_recorded_or_not(ground: Ground) -> None:
    """A clerk reads them before anything is recorded, and again when the same file comes a second time."""
    await ground.intake(file_of(household()))
    rows = of_statuses(household(), (("lifted", date(2018, 12, 31)),))
    rows[1]["务工时间"] = "13"
    for dry_run in (True, False, True, False):
        found = await ground.intake(file_of(rows), dry_run=dry_run)
        assert await doubts_in_answer(ground, found) == [(2, "T7"), (3, "L10")]
        assert found["doubts"] == 2
    assert await ground.value("select count(*) from intake_doubt") == 0, "kept no longer than they are needed"
    assert await ground.value("select count(*) from doubt where closed_at is null") == 2


async def test_who_leaves_a_household_in_one_chunk_is_met_in_the_next_though_that_was_read_ahead(
    ground: Ground,
) -> None:
    await ground.intake(file_of(*four()))
    first, second, third, fourth = four()
    moved = first.pop() | {"户编号": FOURTH}
    runner, files = ground.runner()
    kind = runner._kinds[intake.KIND]

    async def after_the_next_was_read(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        ahead = files._open[job.id].ahead
        if ahead is not None:
            await asyncio.wait([ahead[1]])
        return await files.run_chunk(tx, job, now, prepared)

    runner._kinds[intake.KIND] = replace(kind, run_chunk=after_the_next_was_read)
    job = await ground.upload(file_of(first, second, third, [*fourth, moved]))
    while await runner.run_one():
        pass
    files.close()
    assert (await ground.look(job))["job"]["state"] == "done"
    assert await ground.value("select count(*) from person") == 12
    assert await ground.value("select count(*) from person where id_provisional") == 0
    home = "select h.number from person p join household h on h.no = p.household_no where p.name = '王小明' order by 1"
    assert [row["number"] for row in await ground.rows(home)] == [SECOND, THIRD, FOURTH, FOURTH]


def test_the_parsing_child_starts_without_the_libraries_of_database_and_web() -> None:
    """They would double the time that every file waits before its first row is read."""
    heavy = ("sqlalchemy", "asyncpg", "fastapi", "structlog", "aiokafka")
    program = f"import sys, {ENCODING}; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
