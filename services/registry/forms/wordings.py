"""What a heading means: the form's wordings, those of other systems (`wordings.csv`), what clerks write around them.

A heading may carry the form's number (`A7公民身份证号`), a unit (`务工收入（万元）`), a legend of its digits
(`健康状况（1健康2慢病…）`) or a remark; whose member it speaks of, when members stand side by side (`成员2姓名`).
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path

from services.registry.domain.codes import text_key
from services.registry.domain.fields import BY_NAME, Field, Kind, Level, by_header

DATA = Path(__file__).parent
_STARRED = re.compile(r"^[*＊\s]+|[*＊\s]+$")
_REMARK = re.compile(r"[（(\[【]([^（）()\[\]【】]*)[）)\]】]\s*$")
_FORM_NUMBER = re.compile(
    r"^\s*(?:[A-Za-zＡ-Ｚａ-ｚ]{1,2}\s*-?\s*[0-9０-９]{1,3}(?:[-.][0-9]{1,2})*[a-z]?"
    r"|[（(][0-9０-９一二三四五六七八九十]{1,3}[)）]|[0-9０-９]{1,3}(?:\.[0-9]{1,2})*(?=[\s、.．:：\-—_]|[^\x00-\x7f])"
    r"|[一二三四五六七八九十]{1,3}(?=[、.．]))[\s、.．:：\-—_]*"
)
_LEGEND = re.compile(r"([0-9]{1,2})\s*[.、．=＝:：\-—]?\s*([^\s0-9、，,;；.．=＝:：（）()]+)")
_UNIT_WORD = re.compile(r"(?:元|亩|公顷|顷|平米|平方米|米|㎡|角|分|美元|斤|吨|里)$")
_NUMERALS = "零一二三四五六七八九十"
_NUMERAL = rf"(?:[0-9]{{1,2}}|[{_NUMERALS[1:]}]{{1,2}})"
_MEMBER = (
    re.compile(rf"^(?:家庭)?成员\s*({_NUMERAL})\s*[号\s_\-、:：.]*(.+)$"),
    re.compile(rf"^第\s*({_NUMERAL})\s*(?:个成员|个|成员|人|位)[\s_\-、:：.的]*(.+)$"),
    re.compile(r"^(.+?)[\s_\-]*[（(]?([0-9]{1,2})[)）]?$"),
)
_OF_KIN = re.compile(r"^(户主|配偶)[\s的之_\-:：]*(.+)$")


@dataclass(frozen=True, slots=True)
class Unit:
    """单位: how often the register's own unit goes into it."""

    zh: str
    factor: Decimal


_FACTORS: dict[Kind, dict[str, Unit]] = {
    Kind.MONEY: {
        "元": Unit("元", Decimal(1)),
        "百元": Unit("百元", Decimal(100)),
        "千元": Unit("千元", Decimal(1000)),
        "万元": Unit("万元", Decimal(10_000)),
    },
    Kind.AREA: {
        "亩": Unit("亩", Decimal(1)),
        "市亩": Unit("亩", Decimal(1)),
        "公顷": Unit("公顷", Decimal(15)),
        "平方米": Unit("平方米", Decimal(1)),
        "平米": Unit("平方米", Decimal(1)),
        "㎡": Unit("平方米", Decimal(1)),
        "m2": Unit("平方米", Decimal(1)),
        "m²": Unit("平方米", Decimal(1)),
    },
}
_UNITS_OF = {"亩": ("亩", "公顷"), "平方米": ("平方米",), "元": ("元", "百元", "千元", "万元")}


@dataclass(frozen=True, slots=True)
class Meaning:
    """列义: what one heading was taken for, and why."""

    field: Field
    why: str
    unit: Unit | None = None
    legend: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    member: int = 0
    """Whose column: 0 the row's own person, otherwise the member standing at that place of the row."""
    kin: str | None = None
    """What he is to the head, when the heading itself says so."""

    @property
    def unit_factor(self) -> Decimal:
        """How often the register's unit goes into the heading's."""
        return Decimal(1) if self.unit is None else self.unit.factor


def unit_of(of: Field, text: str) -> Unit | None:
    """The unit that a remark names, if the field can have it."""
    unit = _FACTORS.get(of.kind, {}).get(text_key(text).replace("单位", ""))
    return unit if unit is not None and unit.zh in _UNITS_OF.get(of.unit or "", ()) else None


@cache
def known_wordings() -> dict[str, tuple[Field, str]]:
    """Normalised wording → field and whether it is the form's own; two fields for one are a fault of the data."""
    found = {key: (of, "form" if key == text_key(of.zh) else "synonym") for key, of in by_header().items()}
    with (DATA / "wordings.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            of, key = BY_NAME[row["field"]], text_key(row["wording"])
            if found.setdefault(key, (of, "synonym"))[0] is not of:
                raise ValueError(f"wording {row['wording']} means {found[key][0].name} and {of.name}")
    return found


@lru_cache(maxsize=8192)
def recognise(heading: str) -> Meaning | None:
    """What a heading says, alone or of one of several members; None when nobody knows it."""
    text = _STARRED.sub("", heading).removeprefix("必填")
    return _alone(text) or _of_member(text)


def _alone(text: str, layers: int = 3) -> Meaning | None:
    """Without what stands around it: so many layers of that, a heading of hundreds is nobody's."""
    exact = _exact(text)
    if exact is not None or layers == 0:
        return exact
    remark = _REMARK.search(text)
    if remark is not None:
        said = _alone(text[: remark.start()], layers - 1)
        if said is not None:
            return _remarked(said, remark[1])
    bare = _FORM_NUMBER.sub("", text, count=1)
    if bare != text and bare:
        said = _alone(bare, layers - 1)
        return said and replace(said, why="number")
    return None


def _exact(text: str) -> Meaning | None:
    known = known_wordings().get(text_key(text))
    return None if known is None else Meaning(known[0], known[1])


def _remarked(said: Meaning, remark: str) -> Meaning | None:
    """A unit that the field cannot have makes it another column; a legend is kept; any other remark says nothing."""
    if remark.strip().isdecimal():
        return None  # 姓名(3) is the third member's
    unit = unit_of(said.field, remark)
    if unit is not None:
        return replace(said, unit=unit, why="unit" if unit.factor != 1 else said.why)
    if said.field.kind in _FACTORS and _UNIT_WORD.search(remark.strip()):
        return None
    if said.field.codes is not None:
        legend = dict(_LEGEND.findall(remark))
        if len(legend) > 1:
            return replace(said, legend=legend, why="legend")
    return replace(said, why="remark")


def _of_member(text: str) -> Meaning | None:
    """A field of a person, for the member at some place of the row."""
    for place, pattern in enumerate(_MEMBER):
        found = pattern.match(text)
        if found is None:
            continue
        rest, number = (found[1], found[2]) if place == 2 else (found[2], found[1])
        said = _alone(rest)
        if said is not None and said.field.level is Level.PERSON and _numeral(number):
            return replace(said, member=_numeral(number), why="member")
    kin = _OF_KIN.match(text)
    if kin is not None:
        said = _alone(kin[2])
        if said is not None and said.field.level is Level.PERSON and said.field.name != "relation":
            return replace(said, member=HEAD_AT if kin[1] == "户主" else SPOUSE_AT, kin=kin[1], why="member")
    return None


HEAD_AT, SPOUSE_AT = -2, -1


def _numeral(text: str) -> int:
    if text.isdecimal():
        return int(text)
    if text == "十":
        return 10
    tens, _, ones = text.rpartition("十")
    return (10 if text.startswith("十") else 0) + _NUMERALS.index(ones) if ones and not tens else 0


@dataclass(frozen=True, slots=True)
class SourceCode:
    """来源代码: what a digit means in one system; `code` is empty where the register has no such value."""

    source: str
    source_zh: str
    text: str
    code: str


@cache
def source_codes() -> dict[str, dict[str, list[SourceCode]]]:
    """Field → digit → what it means in which system. Digits without a known system are asked about, never guessed."""
    found: dict[str, dict[str, list[SourceCode]]] = {}
    with (DATA / "codes.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            one = SourceCode(row["source"], row["source_zh"], row["text"], row["code"])
            found.setdefault(row["field"], {}).setdefault(row["value"], []).append(one)
    return found


@cache
def code_sources() -> dict[str, str]:
    """The systems whose digits are known, with their Chinese names."""
    return {one.source: one.source_zh for values in source_codes().values() for ones in values.values() for one in ones}


def codes_of_source(of: str, source: str) -> dict[str, str]:
    """Digit → canonical code of one system; its own word where the register has no such value, which then goes back."""
    return {
        value: one.code or one.text
        for value, ones in source_codes().get(of, {}).items()
        for one in ones
        if one.source == source
    }


def choices_of(of: str, values: list[str]) -> str:
    """What these digits mean in each system, in words."""
    known = source_codes().get(of, {})
    said = (f"{value}：" + "／".join(f"{one.source_zh}为{one.text}" for one in known[value]) for value in values)
    return "；".join(said)
