"""Reasons: for each criterion a sentence, zh and en, with number, limit, distance, law and the members it turns on.

Made when somebody reads, from what a judgement keeps (masks and numbers), the circumstances it judged and the
parameters that were in force. What cannot be known says why: not on file, refused (in words of its own), no number in
force, no declaration for the year.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Literal

import numpy as np

from services.assessment.domain import evaluator as ev
from services.assessment.domain import language as lang
from services.assessment.domain.catalogue import FLAG_REFUSED, RELATIONS, Batch, Kind, Spec, gather
from services.assessment.domain.kinship import Kin, kin
from services.assessment.domain.language import Aggregate, Node
from services.assessment.domain.numbers import Numbers
from services.assessment.domain.packs import Criterion, Pack, Saying
from services.assessment.domain.words import label, shown
from shared.events.registry import CircumstancesRecorded

State = Literal["met", "unmet", "unknown"]
GapKind = Literal["missing", "refused", "no_number", "undeclared"]
UNKNOWN_TEXT: Final = ("不明", "unknown")


@dataclass(frozen=True, slots=True)
class Law:
    """依据: the law a criterion stands on, as the parameter's row names it."""

    key: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Gap:
    """缺口: one thing that could not be known, and whose it is."""

    kind: GapKind
    field: str
    field_zh: str
    field_en: str
    member: Kin | None = None

    @property
    def zh(self) -> str:
        """In Chinese; a refusal has its own wording."""
        told = {
            "missing": f"{self.field_zh}未登记",
            "refused": f"{self.field_zh}一问拒绝回答",
            "no_number": f"{self.field_zh}在研判日期没有有效标准",
            "undeclared": f"{self.field_zh}未申报",
        }[self.kind]
        return told if self.member is None else f"{told}（{self.member.zh}）"

    @property
    def en(self) -> str:
        """In English."""
        told = {
            "missing": f"{self.field_en} not on file",
            "refused": f"answer on {self.field_en} refused",
            "no_number": f"{self.field_en} has no number in force on the day judged",
            "undeclared": f"{self.field_en} not declared",
        }[self.kind]
        return told if self.member is None else f"{told} ({self.member.en})"


@dataclass(frozen=True, slots=True)
class Reason:
    """理由: why a criterion is met, unmet or unknown."""

    code: str
    name_zh: str
    name_en: str
    state: State
    number: tuple[str, str] | None
    limit: tuple[str, str] | None
    distance: str | None
    unit: str | None
    members: tuple[Kin, ...]
    gaps: tuple[Gap, ...]
    laws: tuple[Law, ...]
    zh: str
    en: str


@dataclass(frozen=True)
class Kept:
    """留存结果: what a judgement keeps of one pack for one household."""

    fail: int
    unknown: int
    numbers: tuple[int | None, ...]

    def state(self, one: Criterion) -> State:
        """What was found of one criterion."""
        if self.fail & one.bit:
            return "unmet"
        return "unknown" if self.unknown & one.bit else "met"


@dataclass(frozen=True, slots=True)
class Measure:
    """量值: one measured criterion of a judgement, without its sentence: what was found, and against what."""

    code: str
    state: State
    number: str | None
    limit: str | None
    unit: str


def measures(pack: Pack, kept: Kept) -> tuple[Measure, ...]:
    """The criteria that measure something, read from what the judgement kept alone: no circumstances are needed."""
    stored = dict(zip(pack.outputs, kept.numbers, strict=True))
    return tuple(
        Measure(
            one.code,
            kept.state(one),
            _told(stored.get(f"{one.code}.number"), one),
            _told(stored.get(f"{one.code}.limit"), one),
            one.shape.unit,
        )
        for one in pack.criteria
        if f"{one.code}.number" in stored
    )


def _told(number: int | None, one: Criterion) -> str | None:
    return None if number is None else shown(number, one.shape.unit)


class Explaining:
    """释理: makes the reasons of one pack for one household."""

    def __init__(self, pack: Pack, facts: CircumstancesRecorded, numbers: Numbers, kept: Kept) -> None:
        self._pack = pack
        self._facts = facts
        self._numbers = numbers
        self._kept = kept
        self._stored = dict(zip(pack.outputs, kept.numbers, strict=True))

    @cached_property
    def _batch(self) -> Batch:
        return gather([self._facts])

    @cached_property
    def _frame(self) -> ev.Frame:
        return self._pack.frame(self._batch, self._numbers.bound)

    @property
    def _on(self) -> date:
        return self._numbers.bound.asof

    def reasons(self) -> tuple[Reason, ...]:
        """One for each criterion, in the order of the pack."""
        return tuple(self._reason(one) for one in self._pack.criteria)

    def _reason(self, one: Criterion) -> Reason:
        state = self._kept.state(one)
        laws = tuple(self._laws(one))
        members = self._members(one) if state != "unknown" else ()
        gaps = tuple(dict.fromkeys(self._gaps(one.when))) if state == "unknown" else ()
        number, limit, distance, unit = self._quantities(one)
        texts = self._texts(one, state, members, gaps)
        zh_law, en_law = "；".join(law.zh for law in laws), "; ".join(law.en for law in laws)
        name = one.shape.name
        return Reason(
            code=one.code,
            name_zh=name.zh,
            name_en=name.en,
            state=state,
            number=number,
            limit=limit,
            distance=distance,
            unit=unit,
            members=members,
            gaps=gaps,
            laws=laws,
            zh=f"{name.zh}：{texts[0]}。依据：{zh_law}。",
            en=f"{name.en}: {texts[1]}. Law: {en_law}.",
        )

    def _laws(self, one: Criterion) -> Iterator[Law]:
        for key in one.shape.law:
            row = self._numbers.rows.get(key)
            if row is not None:
                yield Law(key, row.basis_zh, row.basis_en)

    def _quantities(
        self, one: Criterion
    ) -> tuple[tuple[str, str] | None, tuple[str, str] | None, str | None, str | None]:
        if one.shape.value is not None and one.shape.allowed is not None:
            value = self._value(one.shape.value)
            return value, (one.shape.allowed.zh, one.shape.allowed.en), None, None
        number, limit = self._stored.get(f"{one.code}.number"), self._stored.get(f"{one.code}.limit")
        if one.decided_by is not None and one.number is None:
            limit = 0 if one.decided_by.how == "all" else 1
        unit = one.shape.unit
        distance = None if number is None or limit is None else shown(abs(number - limit), unit)
        told = [None if part is None else (shown(part, unit), shown(part, unit)) for part in (number, limit)]
        return told[0], told[1], distance, unit

    def _value(self, column: str) -> tuple[str, str] | None:
        value = getattr(self._facts.living, column)
        return None if value is None else label(column, value)

    def _texts(self, one: Criterion, state: State, members: Sequence[Kin], gaps: Sequence[Gap]) -> tuple[str, str]:
        if state == "unknown":
            return (
                "无法判断，" + "、".join(gap.zh for gap in gaps),
                "cannot be known, " + ", ".join(gap.en for gap in gaps),
            )
        saying = self._saying(one.shape.say.met if state == "met" else one.shape.say.unmet)
        zh, en = self._placeholders(one, members)
        return saying.zh.format_map(zh), saying.en.format_map(en)

    def _saying(self, sayings: Sequence[Saying]) -> Saying:
        for saying in sayings:
            truth = None if saying.condition is None else self._frame.refs[saying.condition]
            if truth is None or (isinstance(truth, ev.Truth) and truth.true[0]):
                return saying
        raise AssertionError("the last saying has no condition")

    def _placeholders(self, one: Criterion, members: Sequence[Kin]) -> tuple[dict[str, str], dict[str, str]]:
        units = self._pack.quantities
        named = {name: self._named(name) for name in units}
        told = {
            name: UNKNOWN_TEXT if number is None else (shown(number, units[name]),) * 2
            for name, number in named.items()
        }
        number, limit, distance, _ = self._quantities(one)
        told |= {"number": number or UNKNOWN_TEXT, "limit": limit or UNKNOWN_TEXT}
        told |= {"distance": (distance, distance) if distance is not None else UNKNOWN_TEXT}
        told |= {"value": number or UNKNOWN_TEXT, "allowed": limit or UNKNOWN_TEXT}
        told["members"] = ("、".join(one.zh for one in members), "; ".join(one.en for one in members))
        return {name: pair[0] for name, pair in told.items()}, {name: pair[1] for name, pair in told.items()}

    def _named(self, name: str) -> int | None:
        return self._numbers.bound.numbers.get(name) if name in self._pack.params else self._stored.get(name)

    def _members(self, one: Criterion) -> tuple[Kin, ...]:
        """Those who decided: without cover, out of school; or, where one is enough, those who are that one."""
        if one.decided_by is None or one.decided_by.relation != "members":
            return ()
        truth = self._rows_truth(one.decided_by.relation, one.decided_by.wanted)
        decisive = ev.falsity(truth) if one.decided_by.how == "all" else truth.true
        return tuple(self._kin(place) for place in np.flatnonzero(decisive).tolist())

    def _kin(self, place: int) -> Kin:
        return kin(self._facts.members, place, self._on)

    def _rows_frame(self, relation: str) -> ev.Frame:
        rows = self._batch.children[relation]
        return ev.Frame(int(rows.offsets[-1]), rows.columns, self._numbers.bound)

    def _rows_truth(self, relation: str, node: Node) -> ev.Truth:
        return ev.Compiler([]).truth(node)(self._rows_frame(relation))

    def _gaps(self, node: Node) -> Iterator[Gap]:
        """Walk an expression that is unknown and name what is missing in it, down to columns and numbers."""
        match node:
            case lang.Known() | lang.Refused():
                return
            case lang.Held(_, relation, name):
                yield from self._gap_of_column(RELATIONS[relation].by_name[name], self._batch.household[name][0], None)
            case lang.Given(_, name):
                yield from self._gap_of_number(name)
            case lang.Ref(_, name):
                yield from self._gaps_of_ref(name)
            case lang.OnlyIf(_, when, what):
                yield from self._gaps_of_only_if(when, what)
            case _:
                for part in lang.parts(node):
                    yield from self._gaps(part)

    def _gaps_of_only_if(self, when: Node, what: Node) -> Iterator[Gap]:
        truth = self._pack.condition(when, self._frame)
        if truth.true[0]:
            yield from self._gaps(what)
        elif truth.known is None or truth.known[0]:
            yield from self._undeclared(when)
        else:
            yield from self._gaps(when)

    def _undeclared(self, when: Node) -> Iterator[Gap]:
        first, last = (self._numbers.bound.numbers.get(key) for key in ("income_year_first", "income_year_last"))
        days = "" if first is None or last is None else f"{shown(first, 'date')}至{shown(last, 'date')}"
        name = getattr(when, "name", "declared")
        yield Gap("undeclared", name, f"{days}年度收入", f"income of the year {days.replace('至', ' to ')}")

    def _gaps_of_ref(self, name: str) -> Iterator[Gap]:
        value = self._frame.refs[name]
        if value.known is None or value.known[0]:
            return
        if name in self._pack.derived:
            yield from self._gaps(self._pack.derived[name])
        else:
            yield from self._gaps_of_rows(self._pack.aggregates[name])

    def _gaps_of_rows(self, one: Aggregate) -> Iterator[Gap]:
        for node in (one.wanted, one.element) if one.how != "sum" else (one.where, one.element):
            for given in (part for part in lang.walk(node or one.element) if isinstance(part, lang.Given)):
                yield from self._gap_of_number(given.name)
        columns = self._batch.children[one.relation].columns
        for place in np.flatnonzero(self._doubtful_rows(one)).tolist():
            member = self._kin(place) if one.relation == "members" else None
            for spec in self._specs_of(one):
                yield from self._gap_of_column(spec, columns[spec.name][place], member)

    def _doubtful_rows(self, one: Aggregate) -> ev.Mask:
        if one.how != "sum":
            return ev.unknown(self._rows_truth(one.relation, one.wanted))
        frame = self._rows_frame(one.relation)
        amount = ev.Compiler([]).amount(one.element)(frame)
        doubtful = np.zeros(frame.size, bool) if amount.known is None else ~amount.known
        return doubtful if one.where is None else doubtful | ev.unknown(self._rows_truth(one.relation, one.where))

    def _specs_of(self, one: Aggregate) -> list[Spec]:
        """Columns whose being null leaves a row in doubt; one asked only whether it is known is none of them."""
        names: dict[str, None] = {}
        for node in (one.where, one.element):
            names |= dict.fromkeys(_doubtful_columns(node)) if node is not None else {}
        return [RELATIONS[one.relation].by_name[name] for name in names]

    def _gap_of_column(self, spec: Spec, value: int, member: Kin | None) -> Iterator[Gap]:
        if spec.nullable and value == spec.null:
            yield Gap("missing", spec.name, spec.zh, spec.en, member)
        elif spec.kind is Kind.FLAG and value == FLAG_REFUSED:
            yield Gap("refused", spec.name, spec.zh, spec.en, member)

    def _gap_of_number(self, name: str) -> Iterator[Gap]:
        if self._numbers.bound.numbers.get(name) is None:
            yield Gap("no_number", name, f"参数{name}", f"parameter {name}")


def _doubtful_columns(node: Node) -> Iterator[str]:
    asked = {part.column.name for part in lang.walk(node) if isinstance(part, lang.Known)}
    for part in lang.walk(node):
        if isinstance(part, lang.Held) and part.name not in asked:
            yield part.name
        if isinstance(part, lang.Reached):
            yield "birth_on"


def explain(pack: Pack, facts: CircumstancesRecorded, numbers: Numbers, kept: Kept) -> tuple[Reason, ...]:
    """The reasons of one pack for one household; none where the pack does not apply."""
    return Explaining(pack, facts, numbers, kept).reasons()
