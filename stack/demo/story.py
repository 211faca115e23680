"""The story, scene by scene: what each does through the gateway, and the figures it reads back.

The dates are those of Zhouqu's dividend of 2019: the register of 20 August, exits of one village from 21 to 31 August,
the dividend of 20 September, all households judged again on 15 October.
"""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Self

import fastexcel

from shared.clock import today
from shared.values import Money
from stack.demo.caller import Caller
from stack.demo.comparison import Comparison
from stack.demo.quiet import Watch
from stack.demo.report import Household, Report, Step
from stack.demo.script import Script
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
REASON_COLUMN = "退回原因"
AT_ONCE = 8
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
    numbers: dict[str, str] = field(default_factory=dict)  # household number → id
    known: dict[str, Any] = field(default_factory=dict)  # what one scene leaves for a later one

    @cached_property
    def script(self) -> Script:
        """What the actors are told; the answers are none of their business."""
        return Script.read(self.folder)

    @property
    def county(self) -> str:
        return self.script.county

    @property
    def village(self) -> str:
        return self.script.village

    async def get(self, path: str, **query: Any) -> Any:
        """A question of the auditor's."""
        return await asyncio.to_thread(self.cast.auditor.get, path, **query)

    async def every(self, path: str, **query: Any) -> list[Any]:
        """A whole list, as the auditor may see it."""
        return await asyncio.to_thread(lambda: list(self.cast.auditor.every(path, **query)))

    @property
    def by_id(self) -> dict[str, str]:
        """Household id → number."""
        return {household: number for number, household in self.numbers.items()}

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
    clerk = story.cast.clerk
    looked = await _intake(story, dry_run=True)
    kept = await _intake(story, dry_run=False)
    await story.quiet()
    again = await _intake(story, dry_run=False)
    story.comparison.see("intake", {"looked": looked, "kept": kept, "again": again})
    book = await asyncio.to_thread(clerk.raw, f"/registry/v1/intakes/{kept['id']}/answer")
    (story.folder / "answer-book.xlsx").write_bytes(book)
    story.known |= {"intake": kept["id"], "book sheets": Sheets.of(book), "rows_refused": kept["refused"]}
    await read_refusals(story)
    story.happened(FIRST_DAY, f"名册导入 register taken in: {kept['rows']} rows, {kept['refused']} refused")
    trial = {f"on trial, nothing recorded: {name}": looked[name] for name in ("new", "refused", "doubts")}
    return trial | {name: kept[name] for name in ("rows", "new", "changed", "unchanged", "refused", "doubts")}


async def read_refusals(story: Story) -> None:
    """What went back, and why: by the list of refusals and by the answer workbook, row by row."""
    refusals = await story.every(f"/registry/v1/intakes/{story.known['intake']}/refusals")
    story.comparison.see("refused", refusals)
    codes = {one["detail"]: one["code"] for one in refusals}
    sheets: Sheets = story.known["book sheets"]
    came_back = {row: sorted({codes.get(one, one) for one in said}) for row, said in sheets.returned.items()}
    story.comparison.see("came back", came_back)
    story.comparison.see("doubts in the answer book", [{"row": row, "check": one} for row, one in sheets.doubted])


@dataclass(frozen=True)
class Sheets:
    """回执: the answer workbook as it is read back: rows with their reasons, doubts, how many came back."""

    returned: dict[str, list[str]]
    doubted: list[tuple[int, str]]
    households: int
    persons: int

    @classmethod
    def of(cls, book: bytes) -> Self:
        """Read both sheets, every cell as text."""
        sheets = fastexcel.read_excel(book)
        back = sheets.load_sheet("退回", header_row=0, dtypes="string").to_polars()
        doubts = sheets.load_sheet("疑点", header_row=0, dtypes="string").to_polars()
        reasons = [name for name in back.columns if name.startswith(REASON_COLUMN)]
        returned = {
            row["原行号"]: [part for name in reasons if row[name] for part in row[name].split("；")]
            for row in back.iter_rows(named=True)
        }
        somebody = back["姓名"].is_not_null() | back["证件号码"].is_not_null() | back["与户主关系"].is_not_null()
        return cls(
            returned,
            [(int(row), check) for row, check in doubts.select("原行号", "检查编号").iter_rows()],
            back["户编号"].drop_nulls().n_unique(),
            int(somebody.sum()),
        )


async def _intake(story: Story, *, dry_run: bool) -> dict[str, Any]:
    first, last = story.script.income_year
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
    counts = await read_counts(story)
    await read_doubts(story)
    verdicts = await read_verdicts(story)
    story.comparison.see("judged", len(verdicts))
    story.known["judged"] = len(verdicts)
    return {
        **counts,
        "doubts": story.known["doubts"],
        **{f"{pack}: {verdict}": count for (pack, verdict), count in sorted(_tally(verdicts).items())},
    }


async def read_counts(story: Story) -> Figures:
    """Households and persons: those that the register counts, and those that came back."""
    counts = await story.get("/registry/v1/reports/households", division=story.county)
    sheets: Sheets = story.known["book sheets"]
    stored = {name: counts[name] for name in ("households", "persons")}
    story.known["households"] = stored["households"] + sheets.households
    story.known["persons"] = stored["persons"] + sheets.persons
    read = {f"{name}_stored": count for name, count in stored.items()}
    story.comparison.see("counts", read | {name: story.known[name] for name in stored})
    return dict(stored)


async def read_doubts(story: Story) -> None:
    """What waits for a finding: check by check and row by row."""
    doubts = await story.every("/registry/v1/doubts", division=story.county)
    story.comparison.see("doubts", [{"row": one["row"], "check": one["check_id"]} for one in doubts])
    story.known["doubts"] = len(doubts)


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
    poor = await story.every("/registry/v1/households", division=story.county, status="poor")
    story.comparison.see("poor", [one["number"] for one in poor])
    await story.until(OPENED)
    accountant = story.cast.accountant
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
        {"number": place, "household_number": number, "joined_on": OPENED.isoformat()}
        for place, number in enumerate(sorted(one["number"] for one in poor), start=1)
    ]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    enrolled = await asyncio.to_thread(
        lambda: accountant.post(
            f"/cooperative/v1/books/{book['id']}/members",
            content=lines,
            headers={"content-type": "application/x-ndjson"},
        )
    )
    await read_members(story)
    amount = str(Money(story.script.dividend_fen))
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


async def read_members(story: Story) -> None:
    """Who is a member, under which number: what the cooperative has, not what it was given."""
    members = await story.every(f"/cooperative/v1/books/{story.known['book']}/members")
    story.comparison.see("members", {one["household_number"]: one["number"] for one in members})


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
    reviewer = story.cast.reviewer
    candidates = await asyncio.to_thread(
        lambda: list(reviewer.every("/assessment/v1/cases/candidates", village=story.village))
    )
    story.comparison.see("exits", [one["number"] for one in candidates])
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
    [notice] = await read_exits(story)
    marked = story.known["cases_decided"]
    story.happened(POSTED, f"村内公示七日 notice hung: {len(opened['publicity']['items'])} households")
    story.happened(APPROVED, f"批准退出 exits approved and marked: {marked}")
    return {
        "candidates": len(candidates),
        "cases": len(ids),
        "posted": notice["posted_at"],
        "hung": f"{notice['first_day']} – {notice['last_day']}",
        "taken down": notice["taken_down_at"],
        "marked": marked,
    }


async def read_exits(story: Story) -> list[Any]:
    """Which cases went through to the mark, and what was hung up."""
    cases = await story.every("/assessment/v1/cases", division=story.county, state="marked")
    marked = [one["number"] for one in cases]
    notices = await story.every("/notify/v1/notices", division=story.county)
    story.comparison.see("decided", marked)
    story.comparison.see("notices", {one["village"]: one["rows"] for one in notices})
    story.known |= {"cases_decided": len(marked), "notices": len(notices)}
    return notices


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
    months = f"/cooperative/v1/books/{story.known['book']}/months"
    await asyncio.to_thread(story.cast.accountant.post, f"{months}/201909/open")
    await asyncio.to_thread(story.cast.accountant.post, f"{months}/201908/close")
    amount = str(Money(story.script.dividend_fen))
    terms = {"posting": "distribution", "on": DISTRIBUTED.isoformat(), "pool": "remainder", "amount": amount}
    distributed = await _draft_and_approve(story, terms)
    await story.until(PAID)
    before, standing = await read_verdicts(story), await read_measures(story)
    story.known |= {"before": before, "standing before": standing}
    story.comparison.see("verdicts before", before)
    story.comparison.see("nets before", standing.nets)
    terms = {"posting": "payment", "on": PAID.isoformat(), "distribution": distributed["first_entry"]}
    paid = await _draft_and_approve(story, terms)
    await story.quiet()
    sums = await read_payouts(story)
    trial = await story.get(
        f"/cooperative/v1/books/{story.known['book']}/trial-balance", period=PAID.year * 100 + PAID.month
    )
    story.comparison.see("trial balance", trial["balanced"])
    total = Money(story.known["payout_fen"])
    story.happened(PAID, f"兑付分红 dividend paid: {total} yuan to {sums.total()} households")
    return {
        "payments": paid["entries"],
        **{f"households with {each} yuan": count for each, count in sums.most_common()},
        "sum, yuan": str(total),
        "chart exception": trial["chart_exception"]["reason"] if trial["chart_exception"] else "none",
    }


async def read_payouts(story: Story) -> Counter[str]:
    """Every payout of the book, by household; answers how many got how much."""
    rows = await story.every(f"/cooperative/v1/books/{story.known['book']}/payouts")
    numbers = story.by_id
    fen: Counter[str] = Counter()
    for row in rows:
        fen[numbers.get(row["household"], row["household"])] += Money.parse(row["amount"]).fen
    story.comparison.see("payouts", dict(fen))
    story.known["payout_fen"] = sum(fen.values())
    return Counter(row["amount"] for row in rows)


@dataclass(frozen=True)
class Standing:
    """所立研判: every household's standing judgement and net income; distances from the line of those still poor."""

    judgements: dict[str, str]
    nets: dict[str, int | None]
    distances: list[int]


async def read_measures(story: Story) -> Standing:
    """What the standing judgements measured, of all households, through the gateway."""
    judgements, nets = {}, {}
    for row in await _measured(story, pack="risk"):
        judgements[row["number"]] = row["judgement"]
        [near] = [one for one in row["measures"] if one["code"] == NEAR_LINE]
        nets[row["number"]] = None if near["number"] is None else Money.parse(near["number"]).fen
    distances = [
        Money.parse(one["number"]).fen - Money.parse(one["limit"]).fen
        for verdict in ("met", "unmet")
        for row in await _measured(story, pack="exit", verdict=verdict)
        for one in row["measures"]
        if one["code"] == INCOME and one["number"] is not None
    ]
    return Standing(judgements, nets, distances)


async def _measured(story: Story, **asked: str) -> list[Any]:
    return await story.every("/assessment/v1/judgements/measures", division=story.county, purpose="演示", **asked)


# ── 6. judged again ───────────────────────────────────────────────────────────────────────────────────────────────────


async def judge_again(story: Story) -> Figures:
    """A county run on 15 October; which verdicts changed since before the payment, and why."""
    await story.until(LAST_DAY)
    auditor = story.cast.auditor
    asked = {"division": story.county, "judged_on": LAST_DAY.isoformat()}
    run = await asyncio.to_thread(auditor.post, "/assessment/v1/runs", asked)
    await story.job(auditor, "assessment", run)
    await story.quiet()
    after = await read_outcome(story)
    causes: dict[str, list[str]] = story.known["causes"]
    changed = story.known["verdicts_changed"]
    story.report.verdicts_by_township = await _by_township(story)
    story.report.incomes = _columns(story.known["standing before"].distances, story.known["standing"].distances)
    await _show_three(story, causes)
    story.happened(LAST_DAY, f"全县再研判 all judged again: {changed} households' verdicts changed")
    return {
        **{f"{pack}: {verdict}": count for (pack, verdict), count in sorted(_tally(after).items())},
        "households changed": changed,
        **{f"by {' and '.join(kinds)}": count for kinds, count in Counter(map(tuple, causes.values())).items()},
    }


async def read_outcome(story: Story) -> Verdicts:
    """Verdicts and incomes as they stand, what changed since before the payment, and which fact caused it."""
    after, before, standing = await read_verdicts(story), story.known["before"], await read_measures(story)
    changed = {
        f"{number} {pack}": [before[number].get(pack), after[number].get(pack)]
        for number in before.keys() & after.keys()
        for pack in PACKS
        if before[number].get(pack) != after[number].get(pack)
    }
    causes = await _causes(story, sorted(changed))
    story.comparison.see("verdicts after", after)
    story.comparison.see("nets after", standing.nets)
    story.comparison.see("changed", changed)
    story.comparison.see("causes", causes)
    households = len({key.split(" ")[0] for key in changed})
    story.known |= {"standing": standing, "causes": causes, "verdicts_changed": households}
    return after


async def _causes(story: Story, changed: list[str]) -> dict[str, list[str]]:
    """For each verdict that changed, the kinds of causes that the service names since the judgement before payment."""
    gate = asyncio.Semaphore(AT_ONCE)
    numbers = sorted({key.split(" ")[0] for key in changed})

    async def judgements(number: str) -> list[Any]:
        async with gate:
            return await _since(story, number)

    told = dict(zip(numbers, await asyncio.gather(*map(judgements, numbers)), strict=True))
    return {key: sorted(_kinds(told[key.split(" ")[0]], key.split(" ")[1])) for key in changed}


async def _since(story: Story, number: str) -> list[Any]:
    """The judgements of a household that are newer than the one before the payment, each with what changed."""
    kept = story.known["standing before"].judgements[number]
    past = await story.get(f"/assessment/v1/households/{story.numbers[number]}/judgements", limit=BULK)
    newer = [one["id"] for one in takewhile(lambda one: one["id"] != kept, past["items"])]
    return [await story.get(f"/assessment/v1/judgements/{one}", purpose="演示") for one in newer]


def _kinds(judgements: list[Any], pack: str) -> set[str]:
    parts = [part for one in judgements for part in one["packs"] if part["pack"] == pack]
    causes = [cause for part in parts for change in part["changes"] for cause in change["causes"]]
    return {cause["kind"] for cause in [*causes, *(cause for part in parts for cause in part["applicability"])]}


async def _show_three(story: Story, causes: Mapping[str, list[str]]) -> None:
    """One that the dividend lifts over the line, one whose birthday decides, one member whose verdict stays."""
    chosen: dict[str, str] = {}
    for kind, title in (
        ("payout", "分红使收入超过标准 lifted by the dividend"),
        ("birthday", "生日改变结论 a birthday"),
    ):
        if number := next((key.split(" ")[0] for key, kinds in causes.items() if kinds == [kind]), None):
            chosen.setdefault(number, title)
    changed = {key.split(" ")[0] for key in causes}
    members: dict[str, int] = story.comparison.read_back["members"]
    if stays := next((number for number in sorted(members) if number not in changed), None):
        chosen[stays] = "结论未变 unchanged"
    for number, title in chosen.items():
        before, after = [
            await _reasons(story, story.known[when].judgements[number]) for when in ("standing before", "standing")
        ]
        story.report.households.append(Household(number, title, before, after))


async def _reasons(story: Story, judgement: str) -> list[tuple[str, str]]:
    """The reasons of one judgement, in Chinese, each with its state."""
    judged = await story.get(f"/assessment/v1/judgements/{judgement}", purpose="演示")
    return [
        ("failed" if reason["state"] == "unmet" else reason["state"], reason["text"]["zh"])
        for pack in judged["packs"]
        for reason in pack["reasons"]
    ]


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
        counts = await story.get("/assessment/v1/verdicts", division=story.county, pack=pack)
        rows: dict[str, dict[str, int]] = {}
        for one in counts["counts"]:
            rows.setdefault(one["name"] or one["division"], {})[one["verdict"]] = one["households"]
        pictures[title] = rows
    return pictures


# ── 7. the last look ──────────────────────────────────────────────────────────────────────────────────────────────────


async def verify_all(story: Story) -> Figures:
    """`tuopin verify`: every projection equals its speaker, payouts to the fen, the ledger proves itself."""
    found = await verify(story.home)
    lines = [] if found.is_equal else list(found.lines())
    story.comparison.see("verified", {"equal": found.is_equal, "lines": lines})
    return {one.name: one.speaker_rows for one in found.comparisons}


async def look_again(story: Story) -> None:
    """Read anew all that can still be read when the story is told."""
    for read in (read_refusals, read_counts, read_doubts, read_members, read_exits, read_payouts, read_outcome):
        await read(story)
    await verify_all(story)
