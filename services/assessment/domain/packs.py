"""A pack: rules as data, checked when loaded, compiled once, identified by the hash of its content.

A pack says to whom it applies, what it sums up over members, income, statuses and declarations, which criteria follow,
on which law each stands and how it is told. Its numbers are not in it: they are dated parameters of a place.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.assessment.domain import evaluator as ev
from services.assessment.domain import language as lang
from services.assessment.domain.catalogue import EARLIEST, HOUSEHOLD, LATEST, RELATIONS, Batch
from services.assessment.domain.evaluator import Aggregating, AmountOf, Bound, Compiler, Truth
from services.assessment.domain.language import Aggregate, Names, Node, Offence, RuleRefused, Type

MAX_CRITERIA: Final = 63
MAX_TEXT: Final = 2_000

ParameterUnit = Literal["fen", "date", "years", "days", "percent", "score", "count"]
ShownUnit = Literal["fen", "fen_hundredths", "count", "percent", "years", "days", "score", "date"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class _Shape(BaseModel):
    """形状: unknown keys are refused, so that a misspelt one cannot be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Shape):
    """双语文字: one text in both languages."""

    zh: Text
    en: Text


class ParameterShape(_Shape):
    """参数声明: a dated number that the pack uses, with the bounds it may take."""

    unit: ParameterUnit
    least: int = 0
    most: int = 0


class AggregateShape(_Shape):
    """汇总声明: over which rows, what."""

    over: Literal["members", "income", "statuses", "declarations"]
    count: Text | None = None
    sum: Text | None = None
    all: Text | None = None
    any: Text | None = None
    where: Text | None = None
    unit: ShownUnit = "count"


class DerivedShape(_Shape):
    """派生值声明: a number or a condition computed from others."""

    value: Text
    unit: ShownUnit = "count"


class Saying(_Shape):
    """说法: a sentence; with `if`, only where that condition of the pack is true (the first that fits is told)."""

    zh: Text
    en: Text
    condition: Annotated[str | None, Field(alias="if")] = None


class Sayings(_Shape):
    """达标与未达标的说法."""

    met: tuple[Saying, ...]
    unmet: tuple[Saying, ...]


class CriterionShape(_Shape):
    """标准声明: what must hold, on which law, in which numbers, and how it is told."""

    code: Name
    name: Words
    when: Text
    law: Annotated[tuple[Name, ...], Field(min_length=1)]
    number: Text | None = None
    limit: Text | None = None
    unit: ShownUnit = "count"
    value: Name | None = None
    allowed: Words | None = None
    weight: Name | None = None
    say: Sayings


class VerdictShape(_Shape):
    """结论声明: `all`: every criterion must hold; `score`: weights of those that do not are added and banded."""

    kind: Literal["all", "score"]
    attention: Name | None = None
    high: Name | None = None


class PackShape(_Shape):
    """规则包的形状: what a pack file may say."""

    id: Name
    title: Words
    about: Words
    parameters: dict[Name, ParameterShape]
    laws: tuple[Name, ...] = ()
    applies: Text
    aggregates: dict[Name, AggregateShape]
    derived: dict[Name, DerivedShape] = {}
    criteria: Annotated[tuple[CriterionShape, ...], Field(min_length=1, max_length=MAX_CRITERIA)]
    verdict: VerdictShape
    outputs: tuple[str, ...] | None = None


MET, UNMET, UNKNOWN, NOT_APPLICABLE = "met", "unmet", "unknown", "not_applicable"
NONE, ATTENTION, HIGH = "none", "attention", "high"
ALL_VERDICTS: Final = (MET, UNMET, UNKNOWN, NOT_APPLICABLE)
SCORE_VERDICTS: Final = (NONE, ATTENTION, HIGH, UNKNOWN, NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Criterion:
    """标准: one thing that must hold; its place in the pack is its bit in the masks."""

    code: str
    place: int
    when: Node
    number: Node | None
    limit: Node | None
    shape: CriterionShape
    decided_by: Aggregate | None

    @property
    def bit(self) -> int:
        """Its bit."""
        return 1 << self.place


@dataclass(frozen=True)
class Outcome:
    """研判结果: of many households at once: masks of failed and unknown criteria, verdicts as places, numbers.

    `numbers` has a row for each quantity of the pack, `stated` says where it is known. `score` is the weight of what is
    certain (only for packs that score).
    """

    fail: np.ndarray[Any, np.dtype[np.int64]]
    unknown: np.ndarray[Any, np.dtype[np.int64]]
    verdict: np.ndarray[Any, np.dtype[np.int8]]
    score: np.ndarray[Any, np.dtype[np.int64]] | None
    numbers: np.ndarray[Any, np.dtype[np.int64]]
    stated: np.ndarray[Any, np.dtype[np.bool_]]

    def take(self, places: Sequence[int]) -> Outcome:
        """The households at these places."""
        if len(places) == len(self.fail):
            return self
        chosen = np.asarray(places, np.int64)
        score = None if self.score is None else self.score[chosen]
        masks = (self.fail[chosen], self.unknown[chosen], self.verdict[chosen])
        return Outcome(*masks, score, self.numbers[:, chosen], self.stated[:, chosen])


class Pack:
    """规则包: a checked and compiled pack. Make one with `load`; equal content has equal `hash`."""

    def __init__(self, shape: PackShape, content: Mapping[str, Any]) -> None:
        self.shape = shape
        self.content = content
        self.id = shape.id
        self.params = {name: _parameter_type(one) for name, one in shape.parameters.items()}
        _refuse_clashes(shape)
        self._relation_of = {name: one.over for name, one in shape.aggregates.items()}
        self.aggregates = {name: self._aggregate(name, one) for name, one in shape.aggregates.items()}
        self.refs: dict[str, Type] = {name: one.type for name, one in self.aggregates.items()}
        self.derived: dict[str, Node] = {}
        for name, one in shape.derived.items():
            self.derived[name] = self._read(f"derived.{name}", one.value, self._here)
            self.refs[name] = self.derived[name].type
        self.applies = self._applies()
        self.criteria = tuple(self._criterion(place, one) for place, one in enumerate(shape.criteria))
        self.verdicts = ALL_VERDICTS if shape.verdict.kind == "all" else SCORE_VERDICTS
        self._check_verdict()
        self._check_sayings()
        self._check_use()
        self._compile()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the pack as it is kept, in canonical JSON: what a judgement names as its pack."""
        canonical = json.dumps(self.kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def kept(self) -> dict[str, Any]:
        """The pack as it is kept for ever: its content, and which figures of a judgement stand in which order."""
        return {**self.content, "outputs": list(self.outputs)}

    @property
    def keys(self) -> tuple[str, ...]:
        """Every parameter the pack asks for, numbers and laws."""
        laws = [law for one in self.shape.criteria for law in one.law]
        return tuple(dict.fromkeys([*self.shape.parameters, *laws]))

    @property
    def _here(self) -> Names:
        return Names(HOUSEHOLD, self.params, self.refs)

    def _refused(self, place: str, offence: Offence) -> RuleRefused:
        return RuleRefused(pack=self.id, place=place, text=offence.text, why_zh=offence.zh, why_en=offence.en)

    def _read(self, place: str, text: str, names: Names, want: str | None = None) -> Node:
        try:
            if want == "truth":
                return lang.condition(text, names)
            return lang.number(text, names) if want == "number" else lang.read(text, names)
        except Offence as offence:
            raise self._refused(place, offence) from None

    def _aggregate(self, name: str, shape: AggregateShape) -> Aggregate:
        place = f"aggregates.{name}"
        given = {how: text for how in ("count", "sum", "all", "any") if (text := getattr(shape, how)) is not None}
        if len(given) != 1:
            raise self._refused(place, Offence(name, "须恰好有一种汇总", "exactly one kind of aggregate is expected"))
        how, text = next(iter(given.items()))
        names = Names(RELATIONS[shape.over], self.params, {})
        element = self._read(place, text, names, "number" if how == "sum" else "truth")
        where = None if shape.where is None else self._read(place, shape.where, names, "truth")
        return Aggregate(name, shape.over, how, element, where)  # type: ignore[arg-type]  # one of the four above

    def _applies(self) -> Node:
        applies = self._read("applies", self.shape.applies, self._here, "truth")
        if applies.type.nullable:
            zh, en = "适用条件不能未知", "whom it applies to may never be unknown"
            raise self._refused("applies", Offence(self.shape.applies, zh, en))
        return applies

    def _criterion(self, place: int, shape: CriterionShape) -> Criterion:
        where = f"criteria.{shape.code}"
        when = self._read(where, shape.when, self._here, "truth")
        number = None if shape.number is None else self._read(where, shape.number, self._here, "number")
        limit = None if shape.limit is None else self._read(where, shape.limit, self._here, "number")
        decided = self.aggregates.get(when.name) if isinstance(when, lang.Ref) else None
        if decided is not None and decided.how not in ("all", "any"):
            decided = None
        if (number is None) != (limit is None) or (shape.value is not None) != (shape.allowed is not None):
            zh, en = "数值与限值、列与允许值须成对", "number and limit, value and allowed go together"
            raise self._refused(where, Offence(shape.code, zh, en))
        if shape.value is not None and shape.value not in HOUSEHOLD.by_name:
            raise self._refused(where, Offence(shape.value, "没有此列", "no such column"))
        return Criterion(shape.code, place, when, number, limit, shape, decided)

    def _check_verdict(self) -> None:
        verdict, weights = self.shape.verdict, [one.weight for one in self.shape.criteria]
        named = [verdict.attention, verdict.high, *weights]
        is_score = verdict.kind == "score"
        units = [self.shape.parameters[name].unit if name in self.shape.parameters else None for name in named]
        if units != ["score" if is_score else None] * len(named) or (not is_score and any(named)):
            zh, en = "计分规则的门槛与权重须为分值参数", "bands and weights of a score are parameters of unit score"
            raise self._refused("verdict", Offence(verdict.kind, zh, en))
        codes = [one.code for one in self.shape.criteria]
        if len(set(codes)) < len(codes):
            raise self._refused("criteria", Offence(", ".join(codes), "代码重复", "a code stands twice"))

    def _check_sayings(self) -> None:
        for criterion in self.criteria:
            for saying in (*criterion.shape.say.met, *criterion.shape.say.unmet):
                self._check_saying(criterion, saying)
            for told in (criterion.shape.say.met, criterion.shape.say.unmet):
                if not told or told[-1].condition is not None:
                    zh, en = "最后一种说法不能带条件", "the last saying may not have a condition"
                    raise self._refused(f"criteria.{criterion.code}", Offence("say", zh, en))

    def _check_saying(self, criterion: Criterion, saying: Saying) -> None:
        where = f"criteria.{criterion.code}"
        if saying.condition is not None and self.refs.get(saying.condition, Type("number")).kind != "truth":
            raise self._refused(where, Offence(saying.condition, "不是本包的条件", "it is no condition of this pack"))
        allowed = self.placeholders(criterion)
        if _placeholders(saying.zh) != _placeholders(saying.en):
            raise self._refused(where, Offence(saying.zh, "两种语言的占位不一致", "the languages do not say the same"))
        for name in _placeholders(saying.zh):
            if name not in allowed:
                raise self._refused(where, Offence(name, "没有此占位", "no such placeholder"))

    def placeholders(self, criterion: Criterion) -> set[str]:
        """What the sentences of a criterion may mention."""
        allowed = set(self.quantities)
        if criterion.number is not None:
            allowed |= {"number", "limit", "distance"}
        if criterion.decided_by is not None:
            allowed |= {"number", "limit", "distance", "members"}
        if criterion.shape.value is not None:
            allowed |= {"value", "allowed"}
        return allowed

    def _check_use(self) -> None:
        roots = [self.applies, *self.derived.values(), *self._elements()]
        roots += [node for one in self.criteria for node in (one.when, one.number, one.limit) if node is not None]
        used = {node.name for root in roots for node in lang.walk(root) if isinstance(node, lang.Given | lang.Ref)}
        used |= {name for one in self.shape.criteria for name in (one.weight, *one.law) if name}
        used |= {name for name in (self.shape.verdict.attention, self.shape.verdict.high) if name}
        used |= {saying.condition for saying in self._sayings() if saying.condition}
        used |= {name for saying in self._sayings() for name in _placeholders(saying.zh)}
        idle = sorted({*self.params, *self.refs} - used)
        if idle:
            raise self._refused("parameters", Offence(", ".join(idle), "从未使用", "it is never used"))

    def _sayings(self) -> Iterator[Saying]:
        for one in self.shape.criteria:
            yield from (*one.say.met, *one.say.unmet)

    def _elements(self) -> list[Node]:
        return [node for one in self.aggregates.values() for node in (one.element, one.where) if node is not None]

    @cached_property
    def quantities(self) -> dict[str, ShownUnit]:
        """Numbers that sentences may mention by name, with their units; stored with each judgement in this order."""
        shape = self.shape
        derived = {name: one.unit for name, one in shape.derived.items() if self.derived[name].type.kind == "number"}
        summed: dict[str, ShownUnit] = {
            name: "fen" if one.sum else one.unit for name, one in shape.aggregates.items() if one.count or one.sum
        }
        return {**summed, **derived, **{name: one.unit for name, one in shape.parameters.items()}}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the figures of a judgement, in order: what is measured, against what, what sentences mention.

        A pack read from the archive says itself how its figures stood.
        """
        if self.shape.outputs is not None:
            return self.shape.outputs
        mentioned = {name for saying in self._sayings() for name in _placeholders(saying.zh)}
        told = []
        for one in self.criteria:
            told += [f"{one.code}.number"] if one.number is not None or one.decided_by is not None else []
            told += [f"{one.code}.limit"] if one.limit is not None else []
        return (*told, *(name for name in self.quantities if name in mentioned and name not in self.params))

    def _compile(self) -> None:
        compilers = {name: [one for one in self.aggregates.values() if one.relation == name] for name in RELATIONS}
        self._aggregating = tuple(
            Aggregating.compile(name, found, Compiler([node for one in found for node in (one.wanted, one.element)]))
            for name, found in compilers.items()
            if found
        )
        roots = [*self.derived.values(), self.applies]
        roots += [node for one in self.criteria for node in (one.when, one.number, one.limit) if node is not None]
        here = Compiler(roots)
        self._derived = [
            (name, here.truth(node) if node.type.kind == "truth" else here.amount(node))
            for name, node in self.derived.items()
        ]
        self._applies_to = here.truth(self.applies)
        self._whens = [here.truth(one.when) for one in self.criteria]
        self._figures = [self._figure(name, here) for name in self.outputs]

    def _figure(self, name: str, here: Compiler) -> AmountOf:
        code, _, what = name.partition(".")
        if not what:
            return lambda frame: frame.refs[name]  # type: ignore[return-value]  # quantities are numbers
        criterion = next(one for one in self.criteria if one.code == code)
        if criterion.decided_by is not None and criterion.number is None:
            decided = f"{criterion.decided_by.name}!"
            return lambda frame: frame.refs[decided]  # type: ignore[return-value]  # how many rows decided
        node = criterion.number if what == "number" else criterion.limit
        assert node is not None, "only what is measured is put out"
        return here.amount(node)

    def frame(self, batch: Batch, bound: Bound, shared: ev.Shared | None = None) -> ev.Frame:
        """Columns, aggregates and derived values of a block, ready for conditions of the household."""
        frame = ev.Frame(batch.size, batch.household, bound)
        taken = {} if shared is None else shared
        for one in self._aggregating:
            frame.refs.update(one.run(batch.children[one.relation], bound, taken))
        for name, run in self._derived:
            frame.refs[name] = run(frame)
        return frame

    def evaluate(self, batch: Batch, bound: Bound) -> Outcome:
        """Judge every household of a batch by one set of numbers."""
        return _joined([self.block(block, bound, {}) for block in ev.blocks(batch)])

    def block(self, batch: Batch, bound: Bound, shared: ev.Shared) -> Outcome:
        """Judge one block; `shared` holds what other packs summed up of the same block."""
        frame = self.frame(batch, bound, shared)
        applies = self._applies_to(frame).true
        truths = [when(frame) for when in self._whens]
        fail, unknown = np.zeros(batch.size, np.int64), np.zeros(batch.size, np.int64)
        for criterion, truth in zip(self.criteria, truths, strict=True):
            fail |= ev.falsity(truth) * np.int64(criterion.bit)
            if truth.known is not None:
                unknown |= ~truth.known * np.int64(criterion.bit)
        fail, unknown = np.where(applies, fail, 0), np.where(applies, unknown, 0)
        verdict, score = self._verdict(fail, unknown, applies, bound)
        numbers, stated = self._numbers(frame)
        return Outcome(fail, unknown, verdict, score, numbers, stated)

    def _verdict(self, fail: Any, unknown: Any, applies: Any, bound: Bound) -> tuple[Any, Any]:
        if self.shape.verdict.kind == "all":
            said = np.select([~applies, fail != 0, unknown != 0], [3, 1, 2], 0)
            return said.astype(np.int8), None
        certain, possible, missing = self._scores(fail, unknown, bound)
        bands = [bound.numbers.get(name or "") for name in (self.shape.verdict.high, self.shape.verdict.attention)]
        if missing or None in bands:
            said = np.where(applies, 3, 4)
        else:
            high, attention = bands
            said = np.select([~applies, certain >= high, certain >= attention, possible >= attention], [4, 2, 1, 3], 0)
        return said.astype(np.int8), certain

    def _scores(self, fail: Any, unknown: Any, bound: Bound) -> tuple[Any, Any, bool]:
        """What is certain, what it could come to, and whether a weight is missing."""
        certain, possible, missing = np.zeros(len(fail), np.int64), np.zeros(len(fail), np.int64), False
        for one in self.criteria:
            weight = bound.numbers.get(one.shape.weight or "")
            missing |= weight is None
            certain += ((fail & one.bit) != 0) * np.int64(weight or 0)
            possible += (((fail | unknown) & one.bit) != 0) * np.int64(weight or 0)
        return certain, possible, missing

    def _numbers(self, frame: ev.Frame) -> tuple[Any, Any]:
        numbers = np.zeros((len(self.outputs), frame.size), np.int64)
        stated = np.zeros((len(self.outputs), frame.size), bool)
        for place, figure in enumerate(self._figures):
            amount = figure(frame)
            if amount.known is None:
                stated[place] = True
                numbers[place] = amount.values
            else:
                stated[place] = amount.known
                np.copyto(numbers[place], amount.values, where=amount.known)
        return numbers, stated

    def condition(self, node: Node, frame: ev.Frame) -> Truth:
        """A condition of the household, asked once more of a frame (to find what is missing)."""
        return Compiler([]).truth(node)(frame)


def evaluate_all(asked: Sequence[tuple[Pack, Bound]], batch: Batch) -> list[Outcome]:
    """Judge every household of a batch by several packs; what they sum up alike is summed up once."""
    parts: list[list[Outcome]] = [[] for _ in asked]
    for block in ev.blocks(batch):
        shared: ev.Shared = {}
        for (pack, bound), found in zip(asked, parts, strict=True):
            found.append(pack.block(block, bound, shared))
    return [_joined(found) for found in parts]


def load(content: Mapping[str, Any]) -> Pack:
    """Check and compile a pack. Raises `RuleRefused` with the place and the text that offends."""
    try:
        shape = PackShape.model_validate(content)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "pack"
        text = str(first["input"])[:80]
        raise RuleRefused(
            pack=content.get("id", "?"), place=place, text=text, why_zh="不符合规则包的形状", why_en=first["msg"]
        ) from None
    return Pack(shape, content)


def _parameter_type(shape: ParameterShape) -> Type:
    if shape.unit == "date":
        return Type("date", True, EARLIEST, LATEST)
    return Type("number", True, shape.least, shape.most)


def _refuse_clashes(shape: PackShape) -> None:
    columns = {column.name for relation in RELATIONS.values() for column in relation.columns}
    taken = columns | {lang.ASOF, lang.AGE, lang.COUNTS_AS, "known", "refused", "num", "only_if"}
    for kind in (shape.parameters, shape.aggregates, shape.derived):
        for name in kind:
            if name in taken:
                raise RuleRefused(
                    pack=shape.id, place=name, text=name, why_zh="名称已被占用", why_en="the name is taken"
                )
            taken.add(name)


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _joined(parts: Sequence[Outcome]) -> Outcome:
    if len(parts) == 1:
        return parts[0]
    return Outcome(
        np.concatenate([part.fail for part in parts]),
        np.concatenate([part.unknown for part in parts]),
        np.concatenate([part.verdict for part in parts]),
        None if parts[0].score is None else np.concatenate([part.score for part in parts if part.score is not None]),
        np.concatenate([part.numbers for part in parts], axis=1),
        np.concatenate([part.stated for part in parts], axis=1),
    )
