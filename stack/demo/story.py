"""The story, scene by scene: what each does through the gateway, and the figures it reads back.

The dates are those of Zhouqu's dividend of 2019: the register of 20 August, exits of one village from 21 to 31 August,
the dividend of 20 September, all households judged again on 15 October.
"""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import fastexcel

from shared.clock import today
from shared.values import Money
from stack.demo.caller import Caller
from stack.demo.comparison import Comparison
from stack.demo.quiet import Watch
from stack.demo.report import Household, Report, Step
from stack.demo.stage import clock_of, morning
from stack.home import Home
from stack.problems import StackProblem
from stack.recovering import verify

FIRST_DAY = date(2019, 8, 20)
OPENED = date(2019, 8, 21)
VERIFIED = date(2019, 8, 22)
POSTED = date(2019, 8, 23)
APPROVED = date(2019, 8, 31)
DISTRIBUTED = date(2019, 9, 19)
PAID = date(2019, 9, 20)
LAST_DAY = date(2019, 10, 15)
BOOK_NAME = "舟曲县从岭藏鸡养殖专业合作社"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PACKS = ("exit", "risk")
INCOME, NEAR_LINE = "income", "near_line"
MOST_OTHERS = 300
EDGES = (-2000, -1000, -632, 0, 632, 1000, 2000)
BULK = 500


@dataclass
class Cast:
    """Who acts: each a person with a role and a place."""

    clerk: Caller
    reviewer: Caller
    approver: Caller
    accountant: Caller
    chair: Caller
    auditor: Caller

    @classmethod
    def of(cls, home: Home, county: str, village: str) -> Cast:
        """Tokens for all of them."""
        return cls(
            clerk=Caller(home, "clerk.zhao", "赵", ["clerk"], [county]),
            reviewer=Caller(home, "village.qian", "钱", ["reviewer"], [village]),
            approver=Caller(home, "town.sun", "孙", ["approver"], [village[:9]]),
            accountant=Caller(home, "accountant.li", "李", ["accountant"], [county]),
            chair=Caller(home, "chair.zhou", "周", ["approver"], [county]),
            auditor=Caller(home, "auditor.wu", "吴", ["auditor", "reviewer"], [county]),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for caller in vars(self).values():
            caller.close()


Verdicts = dict[str, dict[str, str]]


@dataclass
class Story:
    """All that is known while it is told."""

    home: Home
    watch: Watch
    cast: Cast
    comparison: Comparison
    report: Report
    folder: Path
    tell: Callable[[str, Mapping[str, object]], None]
    progress: Callable[[str], None]
    numbers: dict[str, str] = field(default_factory=dict)  # household number -> id
    known: dict[str, Any] = field(default_factory=dict)  # what one scene leaves for a later one

    @property
    def county(self) -> str:
        return str(self.comparison.expected["county"])

    @property
    def village(self) -> str:
        return str(self.comparison.expected["exit_village"])

    async def quiet(self) -> None:
        """Until nothing is under way."""
        clock = clock_of(self.home)
        await self.watch.until_quiet(clock.now, self.progress)

    async def until(self, day: date) -> None:
        """A day at a time, each waited for."""
        clock = clock_of(self.home)
        here = today(clock.now())
        while here < day:
            here += timedelta(days=1)
            clock.move_to(morning(here))
            await self.quiet()

    def happened(self, day: date, words: str) -> None:
        self.report.moments.append((day.isoformat(), words))

    async def job(self, caller: Caller, service: str, job: dict[str, Any]) -> dict[str, Any]:
        """Wait for a job's end, showing how far it is."""
        while job["state"] in ("queued", "running"):
            await asyncio.sleep(0.2)
            job = await asyncio.to_thread(caller.get, f"/{service}/v1/jobs/{job['id']}")
            self.progress(
                f"{job['kind']}: {job['phase']} {job['done']}" + (f" / {job['total']}" if job["total"] else "")
            )
        if job["state"] != "done":
            raise StackProblem(f"the job {job['kind']} ended as {job['state']}: {job['problem']}", "`tuopin logs`")
        return job


Figures = dict[str, object]


async def scene(story: Story, title: str, play: Callable[[Story], Any]) -> None:
    """Play one scene, print its table, keep it for the report."""
    began = time.monotonic()
    figures: Figures = await play(story)
    seconds = time.monotonic() - began
    story.tell(f"{title} ({seconds:.1f} s)", figures)
    story.report.steps.append(Step(title, seconds, figures))


# ── 1. the register comes in ──────────────────────────────────────────────────────────────────────────────────────────


async def take_in(story: Story) -> Figures:
    """Upload the workbook: first to look, then to keep, then once more, which must change nothing."""
    expected, clerk = story.comparison.expected, story.cast.clerk
    looked = await _intake(story, dry_run=True)
    kept = await _intake(story, dry_run=False)
    await story.quiet()
    again = await _intake(story, dry_run=False)
    book = await asyncio.to_thread(clerk.raw, f"/registry/v1/intakes/{kept['id']}/answer")
    (story.folder / "answer-book.xlsx").write_bytes(book)
    story.known["came back"] = _came_back(book)
    compare = story.comparison.figure
    compare("rows", kept["rows"])
    compare("rows_refused", kept["refused"])
    compare("rows_refused when only looked at", looked["refused"], expected["rows_refused"])
    compare(
        "rows stored + unchanged + refused",
        kept["new"] + kept["changed"] + kept["unchanged"] + kept["refused"],
        kept["rows"],
    )
    compare("rows changed by the same file again", again["new"] + again["changed"], 0)
    refusals = await asyncio.to_thread(lambda: list(clerk.every(f"/registry/v1/intakes/{kept['id']}/refusals")))
    story.comparison.every("rows refused, why", _reasons_by_row(refusals), _reasons_by_row(expected["refused"]))
    story.known["rows_refused"] = kept["refused"]
    story.happened(FIRST_DAY, f"名册导入 register taken in: {kept['rows']} rows, {kept['refused']} refused")
    return {name: kept[name] for name in ("rows", "new", "changed", "unchanged", "refused", "doubts")}


def _reasons_by_row(refusals: Iterable[Mapping[str, Any]]) -> dict[str, object]:
    """Row of the sheet to the codes of what is wrong with it."""
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for one in refusals:
        codes[str(one["row"])].add(one["code"])
    return {row: sorted(found) for row, found in codes.items()}


def _came_back(book: bytes) -> tuple[int, int]:
    """(households, persons) on the answer book's sheet of refused rows."""
    rows = fastexcel.read_excel(book).load_sheet("退回", header_row=0, dtypes="string").to_polars()
    somebody = rows["姓名"].is_not_null() | rows["证件号码"].is_not_null() | rows["与户主关系"].is_not_null()
    return rows["户编号"].drop_nulls().n_unique(), int(somebody.sum())


async def _intake(story: Story, *, dry_run: bool) -> dict[str, Any]:
    first, last = story.comparison.expected["income_year"]
    query = {
        "filename": "register.xlsx",
        "dry_run": dry_run,
        "year_from": first,
        "year_to": last,
        "observed_on": FIRST_DAY.isoformat(),
    }
    content = (story.folder / "register.xlsx").read_bytes()
    clerk = story.cast.clerk
    asked = await asyncio.to_thread(
        lambda: clerk.post("/registry/v1/intakes", params=query, content=content, headers={"content-type": WORKBOOK})
    )
    await story.job(clerk, "registry", asked)
    intake = await asyncio.to_thread(clerk.get, f"/registry/v1/intakes/{asked['id']}")
    counts = {name: intake[f"rows_{name}"] for name in ("new", "changed", "unchanged", "refused")}
    return {"id": asked["id"], "rows": intake["rows"], **counts, "doubts": intake["doubts"]}


# ── 2. everybody is judged ────────────────────────────────────────────────────────────────────────────────────────────


async def judge_all(story: Story) -> Figures:
    """Nobody asks for it: what was recorded is heard, and judged."""
    await story.quiet()
    expected = story.comparison.expected
    counts = await asyncio.to_thread(story.cast.auditor.get, "/registry/v1/reports/households", division=story.county)
    story.comparison.figure("households_stored", counts["households"])
    story.comparison.figure("persons_stored", counts["persons"])
    households, persons = story.known["came back"]
    story.known |= {"households": counts["households"] + households, "persons": counts["persons"] + persons}
    story.comparison.figure("households", story.known["households"])
    story.comparison.figure("persons", story.known["persons"])
    auditor = story.cast.auditor
    doubts = await asyncio.to_thread(lambda: list(auditor.every("/registry/v1/doubts", division=story.county)))
    by_check = Counter(one["check_id"] for one in doubts)
    story.comparison.every("doubts", dict(by_check), expected["doubts"])
    story.known["doubts"] = sum(by_check.values())
    verdicts = await read_verdicts(story)
    story.comparison.figure("judged", len(verdicts), expected["households_stored"])
    story.known["judged"] = len(verdicts)
    return {
        "households": counts["households"],
        "persons": counts["persons"],
        "doubts": story.known["doubts"],
        **{f"{pack}: {verdict}": count for (pack, verdict), count in sorted(_tally(verdicts).items())},
    }


async def read_verdicts(story: Story) -> Verdicts:
    """The standing verdict of every household, by its number, both packs, through the gateway."""
    found: Verdicts = {}
    for pack in PACKS:
        for row in await asyncio.to_thread(_all_judged, story.cast.auditor, story.county, pack):
            found.setdefault(row["number"], {})[pack] = row["verdict"]
            story.numbers[row["number"]] = row["household"]
    return found


def _all_judged(auditor: Caller, county: str, pack: str) -> list[dict[str, Any]]:
    return list(auditor.every("/assessment/v1/judgements", division=county, pack=pack))


def _tally(verdicts: Verdicts) -> Counter[tuple[str, str]]:
    return Counter((pack, verdict) for row in verdicts.values() for pack, verdict in row.items())


# ── 3. the cooperative opens its book ─────────────────────────────────────────────────────────────────────────────────


async def open_book(story: Story) -> Figures:
    """One member a household that was poor on 20 August 2019; a second person approves what the accountant drafts."""
    await story.until(OPENED)
    expected, accountant = story.comparison.expected, story.cast.accountant
    book = await asyncio.to_thread(
        accountant.post,
        "/cooperative/v1/books",
        {
            "division": story.county,
            "name": BOOK_NAME,
            "opened_on": "2019-08-01",
            "chart": "cooperative_2021",
            "chart_exception": "2019年账套采用2021年会计制度科目表，仅为演示科目衔接",
            "admission": {"status": "poor", "on": FIRST_DAY.isoformat()},
        },
    )
    story.known["book"] = book["id"]
    rows = [
        {"number": one["member_number"], "household_number": one["number"], "joined_on": OPENED.isoformat()}
        for one in expected["members"]
    ]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    enrolled = await asyncio.to_thread(
        lambda: accountant.post(
            f"/cooperative/v1/books/{book['id']}/members",
            content=lines,
            headers={"content-type": "application/x-ndjson"},
        )
    )
    story.comparison.figure("members", enrolled["entered"], len(expected["members"]))
    story.comparison.figure("members refused", enrolled["refused"], 0)
    amount = str(Money(expected["payout_fen"]))
    opening = {
        "posting": "opening",
        "on": OPENED.isoformat(),
        "surplus_stands": "after_patronage_return",
        "lines": [
            {"account": "102", "side": "debit", "amount": amount},
            {"account": "332", "side": "credit", "amount": amount},
        ],
    }
    posted = await _draft_and_approve(story, opening)
    story.happened(OPENED, f"合作社建账 book opened: {enrolled['entered']} members")
    return {"members": enrolled["entered"], "opening, yuan": amount, "opening entry": posted["first_number"]}


async def _draft_and_approve(story: Story, terms: dict[str, Any]) -> dict[str, Any]:
    """The accountant drafts, the chair approves: two people."""
    draft = await asyncio.to_thread(
        story.cast.accountant.post, f"/cooperative/v1/books/{story.known['book']}/drafts", {"terms": terms}
    )
    posted: dict[str, Any] = await asyncio.to_thread(
        story.cast.chair.post, f"/cooperative/v1/drafts/{draft['id']}/approve"
    )
    return posted


# ── 4. the exits of one village ───────────────────────────────────────────────────────────────────────────────────────


async def exits(story: Story) -> Figures:
    """Meeting, verification, consent, seven days in the village, a second person's decision, the mark."""
    reviewer, expected = story.cast.reviewer, story.comparison.expected
    candidates = await asyncio.to_thread(
        lambda: list(reviewer.every("/assessment/v1/cases/candidates", village=story.village))
    )
    story.comparison.every("exits", {one["number"]: True for one in candidates}, dict.fromkeys(expected["exits"], True))
    chosen = [one["household"] for one in candidates]
    cases = await _in_bulk(
        story, "/assessment/v1/cases", chosen, lambda part: {"village": story.village, "households": part}
    )
    ids = [one["case"]["id"] for one in cases]
    meeting = {"held_on": OPENED.isoformat(), "due": 45, "present": 40, "for": 38, "against": 1}
    await _step(story, reviewer, "meeting", ids, meeting)
    await story.until(VERIFIED)
    signed = {"verified_on": VERIFIED.isoformat(), "village_by": "村委会", "team_by": "驻村工作队"}
    await _step(story, reviewer, "verify", ids, signed)
    await _step(story, reviewer, "consent", ids, {"signed_on": VERIFIED.isoformat(), "document": "退出确认书"})
    await story.until(POSTED)
    asked = {"village": story.village, "cases": ids, "objections_to": "乡人民政府扶贫工作站 值班电话 0941-0000000"}
    opened = await asyncio.to_thread(reviewer.post, "/assessment/v1/publicities", asked)
    await story.quiet()
    page = await asyncio.to_thread(reviewer.text, f"/notify/v1/public/notices/{story.village}")
    (story.folder / "notice.html").write_text(page, encoding="utf-8")
    await story.until(APPROVED)
    decision = {"document_number": "舟东政发〔2019〕31号", "effective_on": APPROVED.isoformat()}
    await _step(story, story.cast.approver, "approve", ids, decision)
    await story.quiet()
    counts = await asyncio.to_thread(story.cast.auditor.get, "/assessment/v1/cases/counts", division=story.county)
    marked = {one["state"]: one["cases"] for one in counts}
    story.comparison.figure("cases_decided", marked.get("marked", 0), len(expected["exits"]))
    notices = await asyncio.to_thread(
        lambda: list(story.cast.auditor.every("/notify/v1/notices", division=story.county))
    )
    story.comparison.figure("notices", len(notices), 1)
    story.known |= {"cases_decided": marked.get("marked", 0), "notices": len(notices)}
    story.happened(POSTED, f"村内公示七日 notice hung: {len(opened['publicity']['items'])} households")
    story.happened(APPROVED, f"批准退出 exits approved and marked: {marked.get('marked', 0)}")
    [notice] = notices
    return {
        "candidates": len(candidates),
        "cases": len(ids),
        "posted": notice["posted_at"],
        "hung": f"{notice['first_day']} – {notice['last_day']}",
        "taken down": notice["taken_down_at"],
        "marked": marked.get("marked", 0),
    }


def _parts(items: list[str]) -> Iterator[list[str]]:
    return (items[start : start + BULK] for start in range(0, len(items), BULK))


async def _in_bulk(
    story: Story, path: str, ids: list[str], body: Callable[[list[str]], dict[str, Any]], caller: Caller | None = None
) -> list[dict[str, Any]]:
    """One call for five hundred; a refusal of any ends the demonstration with its words."""
    results: list[dict[str, Any]] = []
    for part in _parts(ids):
        answer = await asyncio.to_thread((caller or story.cast.reviewer).post, path, body(part))
        refused = [one["refusal"] for one in answer["results"] if one["refusal"]]
        if refused:
            raise StackProblem(f"{path}: {len(refused)} refused, the first: {refused[0]['detail']}", "`tuopin logs`")
        results += answer["results"]
    return results


async def _step(story: Story, caller: Caller, step: str, ids: list[str], evidence: dict[str, Any]) -> None:
    def body(part: list[str]) -> dict[str, Any]:
        return {"step": step, "evidence": evidence, "cases": [{"case": one} for one in part]}

    await _in_bulk(story, "/assessment/v1/cases/steps", ids, body, caller)


# ── 5. the dividend ───────────────────────────────────────────────────────────────────────────────────────────────────


async def pay(story: Story) -> Figures:
    """The surplus is distributed on the 19th and paid on the 20th: one entry a household, all of them or none."""
    await story.until(DISTRIBUTED)
    expected = story.comparison.expected
    months = f"/cooperative/v1/books/{story.known['book']}/months"
    await asyncio.to_thread(story.cast.accountant.post, f"{months}/201909/open")
    await asyncio.to_thread(story.cast.accountant.post, f"{months}/201908/close")
    amount = str(Money(expected["payout_fen"]))
    terms = {"posting": "distribution", "on": DISTRIBUTED.isoformat(), "pool": "remainder", "amount": amount}
    distributed = await _draft_and_approve(story, terms)
    await story.until(PAID)
    before = await read_verdicts(story)
    story.known["before"] = before
    story.comparison.every("verdicts before the payment", _flat(before), _flat(expected["before"]))
    story.known["reasons_before"] = await _reasons(story)
    nets, story.known["distances_before"] = await _incomes(story)
    story.comparison.every("net income before, fen", nets, {one: expected["net_fen"][one] for one in nets})
    terms = {"posting": "payment", "on": PAID.isoformat(), "distribution": distributed["first_entry"]}
    paid = await _draft_and_approve(story, terms)
    await story.quiet()
    book = story.known["book"]
    rows = await asyncio.to_thread(lambda: list(story.cast.auditor.every(f"/cooperative/v1/books/{book}/payouts")))
    numbers = {household: number for number, household in story.numbers.items()}
    read_back = {numbers.get(row["household"], row["household"]): Money.parse(row["amount"]).fen for row in rows}
    story.comparison.every("payout, fen", read_back, {one["number"]: one["fen"] for one in expected["members"]})
    total = sum(Money.parse(row["amount"]).fen for row in rows)
    story.comparison.figure("payout_fen", total)
    trial = await asyncio.to_thread(
        story.cast.auditor.get, f"/cooperative/v1/books/{book}/trial-balance", period=PAID.year * 100 + PAID.month
    )
    story.comparison.figure("trial balance balanced", trial["balanced"], True)
    story.known["payout_fen"] = total
    sums = Counter(row["amount"] for row in rows)
    story.happened(PAID, f"兑付分红 dividend paid: {Money(total)} yuan to {len(rows)} households")
    return {
        "payments": paid["entries"],
        **{f"households with {each} yuan": count for each, count in sums.most_common()},
        "sum, yuan": str(Money(total)),
        "chart exception": trial["chart_exception"]["reason"] if trial["chart_exception"] else "none",
    }


def _flat(verdicts: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    return {number: tuple(sorted(row.items())) for number, row in verdicts.items()}


# ── 6. judged again ───────────────────────────────────────────────────────────────────────────────────────────────────


async def judge_again(story: Story) -> Figures:
    """A county run on 15 October; which verdicts changed since before the payment, and why."""
    await story.until(LAST_DAY)
    auditor, expected = story.cast.auditor, story.comparison.expected
    asked = {"division": story.county, "judged_on": LAST_DAY.isoformat()}
    run = await asyncio.to_thread(auditor.post, "/assessment/v1/runs", asked)
    await story.job(auditor, "assessment", run)
    await story.quiet()
    after, before = await read_verdicts(story), story.known["before"]
    story.comparison.every("verdicts on 15 October", _flat(after), _flat(expected["after"]))
    changed = {
        f"{number} {pack}": (before[number][pack], after[number][pack])
        for number in before
        for pack in PACKS
        if before[number][pack] != after[number][pack]
    }
    should = {f"{one['number']} {one['pack']}": (one["before"], one["after"]) for one in expected["changed"]}
    story.comparison.every("verdict changes", dict(changed), dict(should))
    households = {key.split(" ")[0] for key in changed}
    story.known["verdicts_changed"] = len(households)
    story.comparison.figure("verdicts_changed", len(households), len({one["number"] for one in expected["changed"]}))
    story.report.verdicts_by_township = await _by_township(story)
    nets, distances = await _incomes(story)
    paid = {one["number"]: one["fen"] for one in expected["members"]}
    story.comparison.every("net income after, fen", nets, {one: expected["net_fen"][one] + paid[one] for one in nets})
    story.report.incomes = _columns(story.known["distances_before"], distances)
    reasons = await _reasons(story)
    for number, title in _three(story).items():
        story.report.households.append(Household(number, title, story.known["reasons_before"][number], reasons[number]))
    causes = Counter(one["cause"] for one in expected["changed"])
    story.happened(LAST_DAY, f"全县再研判 all judged again: {len(households)} households' verdicts changed")
    return {
        **{f"{pack}: {verdict}": count for (pack, verdict), count in sorted(_tally(after).items())},
        "households changed": len(households),
        **{f"by {cause}": count for cause, count in sorted(causes.items())},
    }


def _three(story: Story) -> dict[str, str]:
    """One that the dividend lifts over the line, one that it leaves on the line, one whose birthday changed it."""
    expected = story.comparison.expected
    chosen: dict[str, str] = {}
    for cause, title in (
        ("payout", "分红使收入超过标准 lifted by the dividend"),
        ("birthday", "生日改变结论 a birthday"),
    ):
        if number := next((one["number"] for one in expected["changed"] if one["cause"] == cause), None):
            chosen.setdefault(number, title)
    changed = {one["number"] for one in expected["changed"]}
    stays = next(one["number"] for one in expected["members"] if one["number"] not in changed)
    return {**chosen, stays: "结论未变 unchanged"}


async def _reasons(story: Story) -> dict[str, list[tuple[str, str]]]:
    """The reasons of the three households as they stand now, in Chinese, with their state."""
    found = {}
    for number in _three(story):
        path = f"/assessment/v1/households/{story.numbers[number]}/judgement"
        judged = await asyncio.to_thread(story.cast.auditor.get, path, purpose="演示")
        found[number] = [
            ("failed" if reason["state"] == "unmet" else reason["state"], reason["text"]["zh"])
            for pack in judged["packs"]
            for reason in pack["reasons"]
        ]
    return found


async def _incomes(story: Story) -> tuple[dict[str, object], list[int]]:
    """Net income of some member households as their judgements say it, and how far it lies above or below the line."""
    expected = story.comparison.expected
    lifted = [one["number"] for one in expected["changed"] if one["cause"] != "birthday"]
    others = [one["number"] for one in expected["members"][:MOST_OTHERS]]
    gate = asyncio.Semaphore(8)

    async def reasons(number: str) -> dict[str, dict[str, Any]]:
        path = f"/assessment/v1/households/{story.numbers[number]}/judgement"
        async with gate:
            judged = await asyncio.to_thread(story.cast.auditor.get, path, purpose="演示")
        return {reason["code"]: reason for pack in judged["packs"] for reason in pack["reasons"]}

    numbers = list(dict.fromkeys([*lifted, *others]))
    found = await asyncio.gather(*(reasons(one) for one in numbers))
    nets: dict[str, object] = {
        number: Money.parse(said[NEAR_LINE]["number"]["en"]).fen for number, said in zip(numbers, found, strict=True)
    }
    return nets, [fen for said in found if (fen := _from_the_line(said.get(INCOME))) is not None]


def _from_the_line(reason: dict[str, Any] | None) -> int | None:
    if reason is None or reason["distance"] is None:
        return None
    fen = Money.parse(reason["distance"]).fen
    return -fen if reason["state"] == "unmet" else fen


def _columns(before: list[int], after: list[int]) -> tuple[list[str], list[int], list[int]]:
    """Both as counts in bands of yuan around the line."""
    names = [f"< {EDGES[0]}", *(f"{low}…{high}" for low, high in pairwise(EDGES)), f"≥ {EDGES[-1]}"]

    def count(fens: list[int]) -> list[int]:
        bands = Counter(bisect_right(EDGES, fen / 100) for fen in fens)
        return [bands[place] for place in range(len(names))]

    return names, count(before), count(after)


async def _by_township(story: Story) -> dict[str, dict[str, dict[str, int]]]:
    """Counts of verdicts for the pictures."""
    pictures: dict[str, dict[str, dict[str, int]]] = {}
    for pack, title in (("exit", "退出研判 exit"), ("risk", "风险研判 risk")):
        counts = await asyncio.to_thread(
            story.cast.auditor.get, "/assessment/v1/verdicts", division=story.county, pack=pack
        )
        rows: dict[str, dict[str, int]] = {}
        for one in counts["counts"]:
            rows.setdefault(one["name"] or one["division"], {})[one["verdict"]] = one["households"]
        pictures[title] = rows
    return pictures


# ── 7. the last look ──────────────────────────────────────────────────────────────────────────────────────────────────


async def verify_all(story: Story) -> Figures:
    """`tuopin verify`: every projection equals its speaker, payouts to the fen, the ledger proves itself."""
    found = await verify(story.home)
    story.comparison.figure("verify: everything equal", found.is_equal, True)
    if not found.is_equal:
        story.comparison.differences += [f"verify: {line}" for line in found.lines()]
    return {one.name: one.speaker_rows for one in found.comparisons}


Scene = tuple[str, Callable[[Story], Any]]
SCENES: tuple[Scene, ...] = (
    ("名册导入 the register comes in", take_in),
    ("逐户研判 every household is judged", judge_all),
    ("合作社建账 the cooperative opens its book", open_book),
    ("一个村的退出 the exits of one village", exits),
    ("分红兑付 the dividend is paid", pay),
    ("再次研判 all are judged again", judge_again),
    ("核对 everything is verified", verify_all),
)
