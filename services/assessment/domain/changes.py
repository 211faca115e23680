"""What changed against the judgement before, and which fact caused it.

For each criterion whose state is another, only what that criterion reads is looked at: facts that were told anew, a
birthday or another date that passed, a number that came into force, another pack. Whether the day alone made the
difference is asked of the evaluator: the old circumstances are judged once more for the new day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from services.assessment.domain import language as lang
from services.assessment.domain.catalogue import MEMBERS, RELATIONS, gather
from services.assessment.domain.judging import Finding, judge_one, masks_differ, with_numbers
from services.assessment.domain.kinship import Kin, age, kin
from services.assessment.domain.language import Node
from services.assessment.domain.numbers import Numbers
from services.assessment.domain.packs import Criterion, Pack
from services.assessment.domain.words import label, shown
from shared.events.registry import CircumstancesRecorded, IncomeRow, Member

CauseKind = Literal[
    "payout", "income", "declaration", "member", "living", "status", "birthday", "day", "parameter", "pack"
]
State = Literal["met", "unmet", "unknown"]
NOTHING: Final = ("未登记", "not on file")


@dataclass(frozen=True, slots=True)
class Cause:
    """变化原因: one thing that is another than before, with its old and new value."""

    kind: CauseKind
    zh: str
    en: str
    field: str | None = None
    before: str | None = None
    after: str | None = None
    member: Kin | None = None
    fen: int | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """变化: a criterion whose state is another than in the judgement before."""

    code: str
    name_zh: str
    name_en: str
    before: State
    after: State
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """一次研判的全部依据: circumstances, numbers, and what was found."""

    facts: CircumstancesRecorded
    numbers: Numbers
    finding: Finding

    @property
    def on(self) -> date:
        """The day it was judged for."""
        return self.numbers.bound.asof


def changes(pack: Pack, before: Side, after: Side) -> tuple[Change, ...]:
    """Criteria whose state changed between two judgements by the same pack, each with its causes."""
    bits = masks_differ(before.finding, after.finding)
    return tuple(_change(pack, one, before, after) for one in pack.criteria if bits & one.bit)


def applicability(pack: Pack, before: Side, after: Side) -> tuple[Cause, ...]:
    """Why the pack applies now and did not, or the reverse: what its condition reads."""
    if (before.finding.verdict == "not_applicable") == (after.finding.verdict == "not_applicable"):
        return ()
    return tuple(_causes(pack, pack.applies, before, after, bit=None))


def _change(pack: Pack, one: Criterion, before: Side, after: Side) -> Change:
    name = one.shape.name
    causes = tuple(_causes(pack, one.when, before, after, bit=one.bit))
    return Change(one.code, name.zh, name.en, _state(before.finding, one.bit), _state(after.finding, one.bit), causes)


def _state(finding: Finding, bit: int) -> State:
    if finding.fail & bit:
        return "unmet"
    return "unknown" if finding.unknown & bit else "met"


def _causes(pack: Pack, when: Node, before: Side, after: Side, bit: int | None) -> Iterator[Cause]:
    reads = Reading(pack, when)
    if before.finding.pack_hash != after.finding.pack_hash:
        yield Cause("pack", "规则包已更换", "another pack is in force")
    yield from _numbers(reads, before, after)
    yield from _living(reads, before.facts, after.facts)
    yield from _members(reads, before, after)
    yield from _income(reads, before.facts, after.facts)
    yield from _statuses(reads, before.facts, after.facts)
    if before.on != after.on and (bit is None or _by_the_day(pack, before, after, bit)):
        yield from _by_date(reads, before, after)


def _by_the_day(pack: Pack, before: Side, after: Side, bit: int) -> bool:
    """Whether the old circumstances under the old numbers, judged for the new day, already say something else."""
    again = judge_one(pack, with_numbers(before.numbers, after.on), gather([before.facts]))
    return bool(masks_differ(before.finding, again) & bit)


class Reading:
    """所读: the columns, numbers and ages that an expression reads, through everything it refers to."""

    def __init__(self, pack: Pack, when: Node) -> None:
        self.columns: set[tuple[str, str]] = set()
        self.numbers: set[str] = set()
        self.ages: list[tuple[Node, int]] = []
        self.pack = pack
        self._read(when)

    def _read(self, node: Node) -> None:
        for part in lang.walk(node):
            match part:
                case lang.Held(_, relation, name):
                    self.columns.add((relation, name))
                case lang.CountsAs():
                    self.columns |= {("income", "component"), ("income", "item"), ("income", "source")}
                case lang.Given(_, name):
                    self.numbers.add(name)
                case lang.Reached(_, years, plus):
                    self.columns.add(("members", "birth_on"))
                    self.ages.append((years, plus))
                case lang.Ref(_, name):
                    self._refer(name)

    def _refer(self, name: str) -> None:
        if name in self.pack.derived:
            self._read(self.pack.derived[name])
        else:
            one = self.pack.aggregates[name]
            self._read(one.element)
            if one.where is not None:
                self._read(one.where)

    def of(self, relation: str) -> list[str]:
        """Columns of one relation, in the catalogue's order."""
        return [name for name in RELATIONS[relation].by_name if (relation, name) in self.columns]

    def borders(self, numbers: Numbers) -> set[int]:
        """Ages at which the expression changes its mind."""
        found = set()
        for years, plus in self.ages:
            base = (
                years.value if isinstance(years, lang.Whole) else numbers.bound.numbers.get(getattr(years, "name", ""))
            )
            if base is not None:
                found.add(base + plus)
        return found


def _numbers(reads: Reading, before: Side, after: Side) -> Iterator[Cause]:
    units = reads.pack.shape.parameters
    for name in sorted(reads.numbers):
        old, new = (side.numbers.bound.numbers.get(name) for side in (before, after))
        if old != new:
            told = [NOTHING[0] if one is None else shown(one, units[name].unit) for one in (old, new)]
            zh, en = f"参数{name}由{told[0]}变为{told[1]}", f"parameter {name} went from {told[0]} to {told[1]}"
            yield Cause("parameter", zh, en, name, told[0], told[1])


def _living(reads: Reading, before: CircumstancesRecorded, after: CircumstancesRecorded) -> Iterator[Cause]:
    for name in reads.of("household"):
        if name == "superseded":
            if (before.superseded_by is None) != (after.superseded_by is None):
                yield Cause("living", "该户已并入他户或恢复", "the household was merged or restored", name)
            continue
        old, new = getattr(before.living, name), getattr(after.living, name)
        if old != new:
            spec = RELATIONS["household"].by_name[name]
            yield _told("living", name, spec.zh, spec.en, old, new, None)


def _told(kind: CauseKind, name: str, zh: str, en: str, old: Any, new: Any, member: Kin | None) -> Cause:
    was, now = _words(name, old), _words(name, new)
    whose = ("", "") if member is None else (f"{member.zh}：", f"{member.en}: ")
    return Cause(
        kind,
        f"{whose[0]}{zh}由{was[0]}变为{now[0]}",
        f"{whose[1]}{en} went from {was[1]} to {now[1]}",
        name,
        was[0],
        now[0],
        member,
    )


def _words(name: str, value: Any) -> tuple[str, str]:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return ("是", "yes") if value else ("否", "no")
    if name.endswith("_fen"):
        return (f"{shown(value, 'fen')}元", f"{shown(value, 'fen')} yuan")
    return label(name, value) if isinstance(value, str) else (str(value), str(value))


def _members(reads: Reading, before: Side, after: Side) -> Iterator[Cause]:
    names = reads.of("members")
    if not names:
        return
    old = {one.pseudonym: one for one in before.facts.members}
    new = {one.pseudonym: one for one in after.facts.members}
    for place, one in enumerate(after.facts.members):
        whose = kin(after.facts.members, place, after.on)
        if one.pseudonym not in old:
            yield Cause("member", f"{whose.zh}：新增成员", f"{whose.en}: joined the household", member=whose)
            continue
        yield from _member(names, old[one.pseudonym], one, whose)
    for place, one in enumerate(before.facts.members):
        if one.pseudonym not in new:
            whose = kin(before.facts.members, place, before.on)
            yield Cause("member", f"{whose.zh}：不再是成员", f"{whose.en}: left the household", member=whose)


def _member(names: Iterable[str], old: Member, new: Member, whose: Kin) -> Iterator[Cause]:
    for name in names:
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            spec = MEMBERS.by_name[name]
            yield _told("member", name, spec.zh, spec.en, was, now, whose)


def _income(reads: Reading, before: CircumstancesRecorded, after: CircumstancesRecorded) -> Iterator[Cause]:
    if reads.of("income"):
        gone, came = _less(before.income, after.income), _less(after.income, before.income)
        for row in came:
            yield _of_row(row, "新增", "added", row.fen)
        for row in gone:
            yield _of_row(row, "不再计入", "taken away", -row.fen)
    if reads.of("declarations") and set(before.income_declared) != set(after.income_declared):
        yield Cause("declaration", "收入申报年度有变化", "the years for which income was declared changed")


def _less(rows: Iterable[IncomeRow], others: Iterable[IncomeRow]) -> list[IncomeRow]:
    left = list(others)
    found = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            found.append(row)
    return found


def _of_row(row: IncomeRow, zh: str, en: str, fen: int) -> Cause:
    kind: CauseKind = "payout" if row.source == "payout" else "income"
    component = label("component", row.component)
    amount = shown(row.fen, "fen")
    when = ("", "") if row.paid_on is None else (f"，{row.paid_on.isoformat()}兑付", f", paid on {row.paid_on}")
    names = {"payout": ("兑付", "payout"), "income": ("申报收入", "declared income")}[kind]
    return Cause(
        kind,
        f"{zh}{names[0]}{amount}元（{component[0]}，{row.item}{when[0]}）",
        f"{names[1]} of {amount} yuan {en} ({component[1]}, {row.item}{when[1]})",
        row.item,
        fen=fen,
        on=row.paid_on,
    )


def _statuses(reads: Reading, before: CircumstancesRecorded, after: CircumstancesRecorded) -> Iterator[Cause]:
    if not reads.of("statuses"):
        return
    old, new = ({(one.kind, one.since, one.until) for one in facts.statuses} for facts in (before, after))
    for kind, since, until in sorted(new - old, key=str):
        words = label("kind", kind)
        zh, en = f"户类型{words[0]}自{since}起", f"status {words[1]} since {since}"
        if until is not None:
            zh, en = f"{zh}至{until}前", f"{en} until {until}"
        yield Cause("status", zh, en, kind, on=since)


def _by_date(reads: Reading, before: Side, after: Side) -> Iterator[Cause]:
    """What the days between passed by: birthdays at an age that matters, payments that fell due, other dates."""
    found = [*_birthdays(reads, before, after), *_payments(reads, before, after)]
    yield from found
    if not found:
        zh, en = f"研判日期由{before.on}变为{after.on}", f"the day judged went from {before.on} to {after.on}"
        yield Cause("day", zh, en, before=before.on.isoformat(), after=after.on.isoformat())


def _birthdays(reads: Reading, before: Side, after: Side) -> Iterator[Cause]:
    borders = reads.borders(after.numbers)
    for place, one in enumerate(after.facts.members):
        if one.birth_on is None:
            continue
        passed = sorted(borders & set(range(age(one.birth_on, before.on) + 1, age(one.birth_on, after.on) + 1)))
        for years in passed:
            whose = kin(after.facts.members, place, after.on)
            yield Cause("birthday", f"{whose.zh}：年满{years}岁", f"{whose.en}: reached {years}", member=whose)


def _payments(reads: Reading, before: Side, after: Side) -> Iterator[Cause]:
    if not reads.of("income"):
        return
    for row in before.facts.income:
        if row.paid_on is not None and before.on < row.paid_on <= after.on:
            yield _of_row(row, "到期计入", "now counted", row.fen)
