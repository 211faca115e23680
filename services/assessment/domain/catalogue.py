"""The column catalogue: what a rule may ask of a household, and how a household's circumstances become columns.

The vocabulary is that of `shared.events.registry` (codes are taken from its types, so the two cannot drift). A column
says its kind, whether it may be null and between which bounds it lies: the checker of the language proves from these
that no product leaves 64 bits. The headcount written on the form is left out on purpose: n is counted from members
present on file. Rows are packed little-endian in the order given here; one `np.frombuffer` decodes them.
"""

from __future__ import annotations

import hashlib
import struct
import types
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from shared.errors import Invalid
from shared.events import registry
from shared.events.registry import CircumstancesRecorded

MAX_ROWS: Final = 255
EPOCH: Final = date(1970, 1, 1).toordinal()
EARLIEST: Final = date(1850, 1, 1).toordinal() - EPOCH
LATEST: Final = date(2150, 12, 31).toordinal() - EPOCH
NOT_COUNTED: Final = "not_counted"

Column = NDArray[Any]


class BeyondCatalogue(Invalid):
    """超出目录范围: a value or a number of rows that the catalogue does not allow, so that nothing may be concluded."""

    code = "circumstances.beyond_catalogue"
    zh = "“{what_zh}”的取值 {value} 超出目录允许的范围 {least} 至 {most}"
    en = "'{what_en}' has the value {value}, beyond {least} to {most} of the catalogue"
    hint_zh = "请在登记系统中核对并更正该户资料"
    hint_en = "Check and correct the household in the register"


class Kind(StrEnum):
    """列的类型: how a column is stored, compared and shown."""

    FLAG = "flag"  # yes, no, refused or unknown
    TRUTH = "truth"  # true, false or unknown
    CODE = "code"  # one of a closed list
    WORD = "word"  # a code of an open list, kept by its checksum
    DATE = "date"
    WHOLE = "whole"
    FEN = "fen"


_FORMATS: dict[Kind, tuple[str, str, int]] = {
    Kind.FLAG: ("b", "<i1", -1),
    Kind.TRUTH: ("b", "<i1", -1),
    Kind.CODE: ("b", "<i1", -1),
    Kind.WORD: ("i", "<i4", -1),
    Kind.DATE: ("i", "<i4", -(2**31)),
    Kind.WHOLE: ("h", "<i2", -(2**15)),
    Kind.FEN: ("q", "<i8", -(2**63)),
}
_FLAGS = ("no", "yes", "refused")
FLAG_REFUSED: Final = 2
_LARGEST_FEN: Final = 10**12


@dataclass(frozen=True)
class Spec:
    """列: one column that rules may use. `absent` is what null means where it does not mean "unknown"."""

    name: str
    kind: Kind
    zh: str
    en: str
    nullable: bool = True
    codes: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    absent: int | None = None

    @property
    def null(self) -> int:
        """What stands in the array where nothing is known."""
        return _FORMATS[self.kind][2]

    @cached_property
    def reader(self) -> Callable[[Any], int]:
        """A value of a fact → its number in the array; KeyError where the catalogue does not know it."""
        known: dict[object, int] = {None: self.null} if self.nullable else {}
        if self.absent is not None:
            known[None] = self.absent
        match self.kind:
            case Kind.FLAG | Kind.CODE:
                for place, code in enumerate(_FLAGS if self.kind is Kind.FLAG else self.codes):
                    known[code] = place
                return known.__getitem__
            case Kind.WORD:
                return word
            case Kind.TRUTH:
                known |= {True: 1, False: 0}
                return known.__getitem__
            case Kind.DATE:
                return lambda day: known[None] if day is None else self._bounded(day.toordinal() - EPOCH)
            case _:
                return lambda number: known[None] if number is None else self._bounded(number)

    def _bounded(self, number: int) -> int:
        if not self.least <= number <= self.most:
            raise KeyError(number)
        return number

    def beyond(self, value: object) -> BeyondCatalogue:
        """The refusal of a value."""
        shown = "∅" if value is None else value
        return BeyondCatalogue(what_zh=self.zh, what_en=self.en, value=shown, least=self.least, most=self.most)


def word(text: str) -> int:
    """The number that stands for a word of an open list."""
    return zlib.crc32(text.encode()) & 0x7FFF_FFFF


def _codes(annotation: object) -> tuple[str, ...]:
    """The texts of a Literal, also when it may be null."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return next(found for part in get_args(annotation) if (found := _codes(part)))
    return ()


def _code(name: str, annotation: object, zh: str, en: str, nullable: bool = True) -> Spec:
    codes = _codes(annotation)
    return Spec(name, Kind.CODE, zh, en, nullable, codes, most=len(codes) - 1)


def _flag(name: str, zh: str, en: str) -> Spec:
    return Spec(name, Kind.FLAG, zh, en)


def _date(name: str, zh: str, en: str, nullable: bool = True) -> Spec:
    return Spec(name, Kind.DATE, zh, en, nullable, least=EARLIEST, most=LATEST)


def _fen(name: str, zh: str, en: str, nullable: bool = True, least: int = 0) -> Spec:
    return Spec(name, Kind.FEN, zh, en, nullable, least=least, most=_LARGEST_FEN)


def _whole(name: str, zh: str, en: str, least: int, most: int) -> Spec:
    return Spec(name, Kind.WHOLE, zh, en, least=least, most=most)


@dataclass(frozen=True)
class Relation:
    """关系: a list of things that belong to a household (or the household itself), and the columns of each."""

    name: str
    columns: tuple[Spec, ...]

    @cached_property
    def by_name(self) -> dict[str, Spec]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """One packed row."""
        return np.dtype([(column.name, _FORMATS[column.kind][1]) for column in self.columns])

    @cached_property
    def pack(self) -> Callable[..., bytes]:
        """Numbers of one row → its bytes."""
        return struct.Struct("<" + "".join(_FORMATS[column.kind][0] for column in self.columns)).pack

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Rows of values → their bytes, in order."""
        readers = self._readers
        try:
            return b"".join([self.pack(*[read(row[name]) for name, read in readers]) for row in rows])
        except KeyError:
            raise self._beyond(rows) from None

    @cached_property
    def _readers(self) -> tuple[tuple[str, Callable[[Any], int]], ...]:
        return tuple((column.name, column.reader) for column in self.columns)

    def _beyond(self, rows: Sequence[Mapping[str, Any]]) -> BeyondCatalogue:
        """Which value it was."""
        for row in rows:
            for column in self.columns:
                try:
                    column.reader(row[column.name])
                except KeyError:
                    return column.beyond(row[column.name])
        raise AssertionError("every value is within the catalogue")

    def decode(self, packed: bytes) -> dict[str, Column]:
        """Bytes of any number of rows → one contiguous array a column."""
        rows = np.frombuffer(packed, dtype=self.dtype)
        return {column.name: np.ascontiguousarray(rows[column.name]) for column in self.columns}


HOUSEHOLD = Relation(
    "household",
    (
        Spec("superseded", Kind.TRUTH, "已并入他户", "merged into another household", nullable=False, most=1),
        _flag("food_assured", "吃饭有保障", "enough to eat"),
        _flag("clothing_assured", "穿衣有保障", "enough to wear"),
        _code("housing_level", registry.HousingLevel, "住房等级", "level of the dwelling"),
        _flag("water_safe", "饮水安全", "safe drinking water"),
        _code("road", registry.Living.model_fields["road"].annotation, "入户路", "road to the door"),
        _flag("electricity", "通生活用电", "electricity"),
        _fen("self_paid_medical_fen", "合规自付医疗支出", "compliant self-paid medical spend"),
        _fen("insurance_paid_fen", "理赔收入", "insurance paid out"),
        _code("disaster_kind", registry.DisasterKind, "灾害种类", "kind of disaster"),
        _date("disaster_on", "受灾日期", "day of the disaster"),
        _fen("disaster_loss_fen", "灾害损失", "loss by the disaster"),
        _code("main_cause", registry.Cause, "主要致贫原因", "main cause of poverty"),
    ),
)
MEMBERS = Relation(
    "members",
    (
        _code("relation", registry.Relation, "与户主关系", "relation to the head", nullable=False),
        _code("sex", Literal["male", "female"], "性别", "sex"),
        _date("birth_on", "出生日期", "birth date"),
        Spec("present", Kind.TRUTH, "是否在户", "present in the household", most=1),
        _code("schooling", registry.Schooling, "在校生状况", "schooling"),
        _code("education", registry.Education, "文化程度", "education"),
        _code("health", registry.Health, "健康状况", "health"),
        _whole("disability_kind", "残疾类别", "class of disability", 1, 7),
        _whole("disability_level", "残疾等级", "level of disability", 1, 4),
        _code("labour", registry.Labour, "劳动技能", "fitness for work"),
        _code("medical_cover", registry.MedicalCover, "基本医疗保险", "basic medical insurance"),
        _flag("serious_illness_cover", "大病保险", "serious illness insurance"),
        _code("pension_cover", registry.PensionCover, "养老保险", "pension insurance"),
        _whole("work_months", "务工月数", "months of work", 0, 12),
        _fen("work_monthly_pay_fen", "务工月收入", "monthly pay"),
        _date("job_lost_on", "失业日期", "day the job was lost"),
    ),
)
INCOME = Relation(
    "income",
    (
        _date("year_from", "收入年度起", "first day of the income year", nullable=False),
        _date("year_to", "收入年度止", "last day of the income year", nullable=False),
        _code("component", registry.Component, "收入类别", "component of income", nullable=False),
        Spec("item", Kind.WORD, "收入子项", "sub-item of income", nullable=False, most=2**31 - 1),
        _code("source", registry.IncomeSource, "收入来源", "source of the figure", nullable=False),
        _fen("fen", "金额", "amount", nullable=False, least=-_LARGEST_FEN),
        _date("paid_on", "兑付日期", "day of payment"),
    ),
)
STATUSES = Relation(
    "statuses",
    (
        _code("kind", registry.StatusKind, "户类型", "status", nullable=False),
        _date("since", "起始日期", "first day", nullable=False),
        Spec("until", Kind.DATE, "终止日期", "day it ended", False, (), EARLIEST, LATEST, absent=LATEST),
    ),
)
DECLARATIONS = Relation(
    "declarations",
    (
        _date("first_day", "申报年度起", "first day declared", nullable=False),
        _date("last_day", "申报年度止", "last day declared", nullable=False),
    ),
)
CHILDREN: tuple[Relation, ...] = (MEMBERS, INCOME, STATUSES, DECLARATIONS)
RELATIONS: dict[str, Relation] = {relation.name: relation for relation in (HOUSEHOLD, *CHILDREN)}
COUNTS_AS_CODES: tuple[str, ...] = (*_codes(registry.Component), NOT_COUNTED)


def layout() -> str:
    """Fingerprint of the packed form: a row packed under another one is packed anew from its circumstances."""
    described = [(r.name, c.name, c.kind, c.codes) for r in RELATIONS.values() for c in r.columns]
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Packed:
    """打包的户情况: one household's circumstances as bytes, a field for each relation."""

    household: bytes
    members: bytes
    income: bytes
    statuses: bytes
    declarations: bytes


def encode(circumstances: CircumstancesRecorded) -> Packed:
    """Pack one household; what the catalogue does not allow is refused, never bent."""
    facts = circumstances
    for relation, rows in (("members", facts.members), ("income", facts.income), ("statuses", facts.statuses)):
        _count(relation, rows)
    _count("declarations", facts.income_declared)
    living = vars(facts.living) | {"superseded": facts.superseded_by is not None}
    return Packed(
        household=HOUSEHOLD.encode([living]),
        members=MEMBERS.encode([vars(one) for one in facts.members]),
        income=INCOME.encode([vars(one) for one in facts.income]),
        statuses=STATUSES.encode([vars(one) for one in facts.statuses]),
        declarations=DECLARATIONS.encode(
            [{"first_day": first, "last_day": last} for first, last in facts.income_declared]
        ),
    )


_ROWS_OF = {"members": "成员", "income": "收入行", "statuses": "户状态", "declarations": "申报年度"}


def _count(relation: str, rows: Sequence[object]) -> None:
    if len(rows) > MAX_ROWS:
        raise BeyondCatalogue(what_zh=_ROWS_OF[relation], what_en=relation, value=len(rows), least=0, most=MAX_ROWS)


@dataclass(frozen=True, slots=True)
class Rows:
    """明细: the rows of one relation for many households, sorted by household; `offsets` has one entry more."""

    columns: Mapping[str, Column]
    offsets: NDArray[np.int64]

    def part(self, first: int, last: int) -> Rows:
        """The rows of households first..last (half open), as views."""
        lo, hi = int(self.offsets[first]), int(self.offsets[last])
        columns = {name: column[lo:hi] for name, column in self.columns.items()}
        return Rows(columns, self.offsets[first : last + 1] - lo)

    def take(self, places: NDArray[np.int64]) -> Rows:
        """The rows of the households at these places."""
        lengths = np.diff(self.offsets)[places]
        offsets = np.zeros(len(places) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[:-1][places], lengths)
        return Rows({name: column[rows] for name, column in self.columns.items()}, offsets)


@dataclass(frozen=True, slots=True)
class Batch:
    """一批户: the columns of one household, of a batch or of a county: the same shape for all."""

    size: int
    household: Mapping[str, Column]
    children: Mapping[str, Rows]

    def take(self, places: Sequence[int]) -> Batch:
        """The households at these places, in this order (for those that other numbers hold for)."""
        chosen = np.asarray(places, np.int64)
        household = {name: column[chosen] for name, column in self.household.items()}
        return Batch(len(chosen), household, {name: rows.take(chosen) for name, rows in self.children.items()})

    def part(self, first: int, last: int) -> Batch:
        """Households first..last (half open), as views."""
        household = {name: column[first:last] for name, column in self.household.items()}
        return Batch(last - first, household, {name: rows.part(first, last) for name, rows in self.children.items()})


def decode(packed: Sequence[Packed]) -> Batch:
    """Many packed households → columns and offsets, without a Python object a row."""
    children = {}
    for relation in CHILDREN:
        parts = [getattr(one, relation.name) for one in packed]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts)) // relation.dtype.itemsize
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        children[relation.name] = Rows(relation.decode(b"".join(parts)), offsets)
    return Batch(len(packed), HOUSEHOLD.decode(b"".join(one.household for one in packed)), children)


def gather(facts: Iterable[CircumstancesRecorded]) -> Batch:
    """Circumstances as they travelled → a batch."""
    return decode([encode(one) for one in facts])
