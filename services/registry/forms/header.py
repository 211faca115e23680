"""Find the header of a sheet (one row or several) and say which column means which field of the catalogue, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from services.registry.domain.codes import text_key
from services.registry.domain.fields import BY_NAME, FIELDS, Kind, Level
from services.registry.forms.cells import UNSEEN
from services.registry.forms.marks import Range
from services.registry.forms.problems import HeaderIncomplete, HeaderNotFound, HeaderRepeated
from services.registry.forms.wordings import HEAD_AT, Meaning, Unit, recognise, unit_of

NEEDED = (*(one.name for one in FIELDS if one.required), "id_number")
NAMING = frozenset({"name", "id_number", "person_number"})
"""By what a person on record is met again within his household."""
_RECOGNISED = 3
_DEEPEST = 3
_SHEET_UNIT = re.compile(r"(?<![一-鿿])(?:金额|面积|计量)?单位\s*[:：]\s*([^\s)）]+)")
_VALUE = re.compile(r"^[0-9]{5,}[0-9Xx]*$")
_LONGEST = 200
WHYS = {
    "form": ("登记表的用语", "the form's own wording"),
    "synonym": ("同义用语", "another wording for it"),
    "number": ("去掉表内编号后一致", "without the form's number it is a known wording"),
    "remark": ("去掉括号内说明后一致", "without the remark in brackets it is a known wording"),
    "unit": ("单位不同，已换算", "another unit, converted"),
    "legend": ("表头注明了代码含义", "the heading says what its digits mean"),
    "member": ("并列成员的一项", "of one of the members side by side"),
    "chosen": ("由填报人指定（本次，或此前同一来源）", "somebody has chosen it, now or before for this source"),
    "unknown": ("未识别，未读取", "not known, not read"),
    "of_head": ("只重复户主信息，未读取", "only repeats whose household it is, not read"),
    "nobody": ("没有对应的姓名列，未读取", "no name goes with it, not read"),
}
UNSURE = frozenset({"remark", "number"})
Choices = Mapping[str, str | None]  # normalised heading → field that somebody chose for it; None: it says nothing


@dataclass(frozen=True, slots=True)
class Column:
    """列: one column of a sheet, what it was taken for, and why."""

    at: int
    heading: str
    """Its own heading, joined over the header's rows; distinct within the sheet."""
    meaning: Meaning | None
    why: str = "unknown"
    group: int = 0
    """Which of the members side by side it speaks of."""

    @property
    def name(self) -> str | None:
        """The field's name."""
        return None if self.meaning is None else self.meaning.field.name

    def as_json(self, sheet: str) -> dict[str, Any]:
        """As an answer carries it: what it was taken for, why, how sure."""
        meaning = self.meaning
        zh, en = WHYS[self.why]
        return {
            "sheet": sheet,
            "column": self.at + 1,
            "heading": self.heading,
            "field": self.name,
            "label": None if meaning is None else meaning.field.zh,
            "unit": None if meaning is None or meaning.unit is None else meaning.unit.zh,
            "why": self.why,
            "detail": zh,
            "detail_en": en,
            "sure": meaning is not None and self.why not in UNSURE,
        }


@dataclass(frozen=True, slots=True)
class Header:
    """表头: where it stands, which column is which field, and which columns nobody knows (said, never hidden)."""

    row: int
    """The last of its rows, counted from 1."""
    all: tuple[Column, ...]
    first_row: int = 0
    nameless: tuple[str, ...] = ()
    kin: dict[int, str] = field(default_factory=dict)
    """Groups whose relation to the head the headings themselves say."""
    amends: bool = False
    """Whether it says a part of what is on record: then a household's number is all that it must have."""

    @property
    def groups(self) -> tuple[int, ...]:
        """Members side by side, in the row's order; one group when a row is one person."""
        found = {one.group for one in self.all if one.meaning is not None and _of_person(one)}
        return tuple(sorted(found)) or (0,)

    def of_group(self, group: int) -> dict[str, Column]:
        """The columns of one member, and those of the household."""
        return {
            one.name: one for one in self.all if one.name is not None and (one.group == group or not _of_person(one))
        }

    @property
    def columns(self) -> dict[str, int]:
        """Field → column, of the first member."""
        return {name: one.at for name, one in self.of_group(self.groups[0]).items()}

    @property
    def wordings(self) -> dict[str, str]:
        """Field → heading, of the first member."""
        return {name: one.heading for name, one in self.of_group(self.groups[0]).items()}

    @property
    def headings(self) -> list[str]:
        """Every column's heading, by place; empty where there is none."""
        width = 1 + max((one.at for one in self.all), default=-1)
        found = {one.at: one.heading for one in self.all}
        return [found.get(at, "") for at in range(width)]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the sheet has, in its own order."""
        told = [one.name for one in self.all if one.name is not None]
        more = ["relation"] if self.kin else []
        return tuple(dict.fromkeys([*told, *more]))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Headings that nobody knows."""
        return (*(one.heading for one in self.all if one.meaning is None), *self.nameless)

    @property
    def of_persons(self) -> bool:
        """Whether its rows name persons."""
        if self.amends:
            return not NAMING.isdisjoint(self.fields)
        return "name" in self.fields and "relation" in self.fields

    @property
    def of_households(self) -> bool:
        """Whether its rows are households that some other sheet names the members of."""
        return "number" in self.fields and not ({"name", "relation", "id_number"} & set(self.fields) or self.of_persons)

    @property
    def missing(self) -> list[str]:
        """What it lacks to be a table of persons."""
        return [name for name in (("number",) if self.amends else NEEDED) if name not in self.fields]


def _of_person(one: Column) -> bool:
    return one.meaning is not None and one.meaning.field.level is Level.PERSON


def find_header(
    cells: pl.DataFrame,
    rows: int,
    *,
    merged: Sequence[Range] = (),
    choices: Choices | None = None,
    amends: bool = False,
) -> Header | None:
    """The leading rows that name most fields, as few as say so; none when hardly a wording is known."""
    lines = [[_seen(cell) for cell in line] for line in cells.head(rows + _DEEPEST).iter_rows()]
    choices = choices or {}
    best: tuple[int, int, int] | None = None
    for top in range(min(rows, len(lines))):
        for depth in range(1, min(_DEEPEST, len(lines) - top) + 1):
            if depth > 1 and any(_VALUE.match(cell) for cell in lines[top + depth - 1]):
                break
            score = _score(_joined(lines, top, depth, merged), choices)
            if best is None or (score, -depth) > best[:2]:
                best = (score, -depth, top)
    if best is None or best[0] < (_RECOGNISED - 1 if amends else _RECOGNISED):
        return None
    return _header(lines, (best[2], -best[1]), merged, choices, amends=amends)


def _seen(cell: str | None) -> str:
    """A heading as somebody reads it."""
    return re.sub(UNSEEN, "", (cell or "").replace("\n", " "))[:_LONGEST].strip()


def _score(headings: Iterable[tuple[str, ...]], choices: Choices) -> int:
    found = {(one.field.name, one.member) for one in (_meaning(parts, choices)[0] for parts in headings) if one}
    return len(found)


def _joined(lines: list[list[str]], top: int, depth: int, merged: Sequence[Range]) -> list[tuple[str, ...]]:
    """Each column's parts from top to bottom. A merged heading stands over every column that it covers."""
    rows = [list(lines[at]) for at in range(top, top + depth)]
    for at in range(depth - 1):
        _spread(rows, at, top + at + 1, merged)
    return [tuple(dict.fromkeys(row[at] for row in rows if row[at])) for at in range(len(rows[0]))]


def _spread(rows: list[list[str]], at: int, row: int, merged: Sequence[Range]) -> None:
    """Without merged cells, a heading reaches as far as cells below it have headings of their own."""
    upper, below = rows[at], rows[at + 1]
    ranges = {left: right for first, last, left, right in merged if first == row and last == row}
    for place, text in enumerate(list(upper)):
        if not text:
            continue
        end = ranges.get(place)
        reach = place + 1
        while reach < len(upper) and not upper[reach] and (reach <= end if end is not None else below[reach] != ""):
            upper[reach] = text
            reach += 1


def _meaning(parts: tuple[str, ...], choices: Choices, shown: str = "") -> tuple[Meaning | None, str]:
    """What a column's parts say: together, or the lowest of them; a unit may stand in a higher one."""
    if not parts:
        return None, ""
    whole = "".join(parts) if len(parts) > 1 else parts[0]
    chosen = next((key for key in (text_key(shown), text_key(whole)) if key in choices), None)
    if chosen is not None:
        name = choices[chosen]
        if name is None:
            return None, "chosen"
        said = recognise(whole) or recognise(parts[-1])
        kept = said if said is not None and said.field.name == name else Meaning(BY_NAME[name], "chosen")
        return replace(kept, why="chosen"), "chosen"
    said = recognise(whole) or recognise(parts[-1])
    if said is None:
        return None, "unknown"
    unit = next((unit for part in reversed(parts[:-1]) if (unit := _unit_in(part, said))), None)
    if unit is not None and said.unit is None:
        said = replace(said, unit=unit, why="unit" if unit.factor != 1 else said.why)
    return said, said.why


def _unit_in(part: str, said: Meaning) -> Unit | None:
    found = re.search(r"[（(]\s*(?:单位\s*[:：])?\s*([^（）()]+?)\s*[)）]", part)
    return unit_of(said.field, found[1]) if found else None


def _header(
    lines: list[list[str]], place: tuple[int, int], merged: Sequence[Range], choices: Choices, *, amends: bool
) -> Header:
    top, depth = place
    columns: list[Column] = []
    taken: dict[str, int] = defaultdict(int)
    for at, parts in enumerate(_joined(lines, top, depth, merged)):
        if not parts:
            continue
        heading = " ".join(parts)
        taken[heading] += 1
        shown = heading if taken[heading] == 1 else f"{heading}({taken[heading]})"
        said, why = _meaning(parts, choices, shown)
        columns.append(Column(at, shown, said, why, 0 if said is None else said.member))
    columns = _with_units([cell for line in lines[:top] for cell in line if cell], _grouped(columns))
    kin = {one.group: one.meaning.kin for one in columns if one.meaning is not None and one.meaning.kin is not None}
    return _without_nobody(_without_false_head(Header(top + depth, tuple(columns), top + 1, kin=kin, amends=amends)))


def _with_units(above: list[str], columns: list[Column]) -> list[Column]:
    """`单位：万元` above the header holds for every amount that has no unit of its own."""
    said = [found[1] for cell in above for found in _SHEET_UNIT.finditer(cell)]
    units = [part for one in said for part in re.split(r"[、,，/]", one)]

    def with_unit(one: Column) -> Column:
        meaning = one.meaning
        if meaning is None or meaning.unit is not None or meaning.field.kind not in (Kind.MONEY, Kind.AREA):
            return one
        unit = next((unit for part in units if (unit := unit_of(meaning.field, part))), None)
        if unit is None or unit.factor == 1 or text_key(one.heading).endswith(("元", "亩")):
            return one
        return replace(one, meaning=replace(meaning, unit=unit), why="unit")

    return [with_unit(one) for one in columns]


def _grouped(columns: list[Column]) -> list[Column]:
    """Members side by side under headings that simply repeat: name and the others come again as often as the name."""
    places: dict[tuple[str, int], list[Column]] = defaultdict(list)
    for one in columns:
        if one.name is not None:
            places[one.name, one.group].append(one)
    names = places.get(("name", 0), [])
    if len(names) < 2 or len(places.get(("id_number", 0), [])) != len(names):
        return columns
    starts = _starts(columns, len(names))
    return [
        replace(one, group=sum(start <= one.at for start in starts)) if _of_person(one) and one.group == 0 else one
        for one in columns
    ]


def _starts(columns: list[Column], count: int) -> list[int]:
    """Where each member's columns begin: at the first field that comes as often as the name does."""
    persons = [one for one in columns if _of_person(one) and one.group == 0]
    again = defaultdict(list)
    for one in persons:
        again[one.name].append(one.at)
    return next(places for places in again.values() if len(places) == count)


def _without_false_head(header: Header) -> Header:
    """Where each row is one person, `户主姓名` only repeats whose household it is: it is no second person."""
    plain = {one.name for one in header.all if one.group == 0 and one.meaning is not None}
    if not ({"name"} if header.amends else {"name", "relation"}) <= plain or not header.kin:
        return header
    known = [
        replace(one, meaning=None, why="of_head", group=0) if one.group <= HEAD_AT + 1 and one.group < 0 else one
        for one in header.all
    ]
    return replace(header, all=tuple(known), kin={})


def _without_nobody(header: Header) -> Header:
    """A second telephone is no second person: a member side by side has at least a name."""
    named = {one.group for one in header.all if one.name == "name"}
    first = min(header.groups)
    kept = [
        replace(one, meaning=None, why="nobody", group=0)
        if _of_person(one) and one.group not in named and one.group != first
        else one
        for one in header.all
    ]
    return replace(header, all=tuple(kept))


def refuse_repeated(header: Header) -> None:
    """Two columns for one field of one person: nobody can say which is right."""
    where: dict[tuple[str, int], list[str]] = defaultdict(list)
    for one in header.all:
        if one.name is not None:
            where[one.name, one.group].append(one.heading)
    repeated = [heading for headings in where.values() if len(headings) > 1 for heading in headings]
    if repeated:
        raise HeaderRepeated(repeated="、".join(repeated))


def header_incomplete(header: Header) -> HeaderIncomplete:
    """The refusal that names what is missing."""
    return HeaderIncomplete(row=header.row, missing="、".join(BY_NAME[name].zh for name in header.missing))


def header_not_found(rows: int) -> HeaderNotFound:
    """The refusal that names what a header must have."""
    return HeaderNotFound(rows=rows, required="、".join(BY_NAME[name].zh for name in NEEDED))
