"""Values that check themselves: ids, division codes, citizen ids, money in whole fen, periods, scope. Frozen,
no I/O, no clock.

Rules and published test vectors: GB 11643 (citizen id), GB 32100 (credit code), the 12-digit statistical
division code, the 20-character disability card; ADR 0006 (money in fen), ADR 0007 (scope in the database).
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import total_ordering
from typing import Self
from uuid import UUID

from shared.errors import FieldError, Invalid

CITIZEN_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CITIZEN_ID_CHECKS = "10X98765432"
CREDIT_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
LARGEST_FEN = 2**53 - 1


class ValueWrong(Invalid):
    """值有误: a text that cannot be the value it claims to be."""

    code = "value.invalid"
    zh = "{what_zh}“{text}”有误：{why_zh}"
    en = "{what_en} '{text}' is not valid: {why_en}"
    hint_zh = "请核对原始材料后改正"
    hint_en = "Check the source document and correct it"


def _wrong(what: tuple[str, str], text: str, why: tuple[str, str], code: str = "value.invalid") -> ValueWrong:
    shown = text if len(text) <= 40 else text[:40] + "…"
    error = FieldError(code=code, zh=why[0], en=why[1])
    return ValueWrong(what_zh=what[0], what_en=what[1], text=shown, why_zh=why[0], why_en=why[1], errors=[error])


def new_id(at_ms: int | None = None) -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of machine milliseconds, the rest random. Ids sort by birth, so
    indexes stay small.
    """
    moment = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    drawn = int.from_bytes(os.urandom(10), "big")
    high = (moment & (2**48 - 1)) << 80 | 0x7 << 76 | (drawn >> 68 & 0xFFF) << 64
    return UUID(int=high | 0b10 << 62 | drawn & (2**62 - 1))


def half_width(text: str) -> str:
    """Full-width digits, letters and spaces to half width, outer blanks gone: how clerks' texts are
    normalised before reading.
    """
    return unicodedata.normalize("NFKC", text).strip()


class Level(StrEnum):
    """区划级别: how deep a division lies."""

    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"


_LEVEL_STEPS = (
    (Level.PROVINCE, 10**10),
    (Level.PREFECTURE, 10**8),
    (Level.COUNTY, 10**6),
    (Level.TOWNSHIP, 10**3),
    (Level.VILLAGE, 1),
)


@total_ordering
@dataclass(frozen=True, slots=True)
class DivisionCode:
    """区划代码: twelve digits, 2 province + 2 prefecture + 2 county + 3 township + 3 village; trailing
    zeros mean "all below".
    """

    value: int

    def __post_init__(self) -> None:
        if not 11 * 10**10 <= self.value < 10**12:
            raise _wrong(("区划代码", "Division code"), str(self.value), ("应为12位数字", "must be twelve digits"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 2, 4, 6, 9 or 12 digits; shorter ones are filled with zeros (`522630` is the whole county)."""
        digits = half_width(text)
        if not re.fullmatch(r"[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12}", digits):
            raise _wrong(
                ("区划代码", "Division code"), text, ("应为2、4、6、9或12位数字", "must be 2, 4, 6, 9 or 12 digits")
            )
        return cls(int(digits.ljust(12, "0")))

    @property
    def text(self) -> str:
        """The twelve digits."""
        return f"{self.value:012d}"

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: DivisionCode) -> bool:
        return self.value < other.value

    @property
    def level(self) -> Level:
        """The deepest part that is not zero."""
        return next(level for level, step in _LEVEL_STEPS if self.value % step == 0)

    @property
    def _step(self) -> int:
        return next(step for _, step in _LEVEL_STEPS if self.value % step == 0)

    @property
    def lo(self) -> int:
        """First code of the half-open range of this division and all below."""
        return self.value

    @property
    def hi(self) -> int:
        """First code beyond that range."""
        return self.value + self._step

    def contains(self, other: DivisionCode) -> bool:
        """Whether `other` is this division or lies below it."""
        return self.lo <= other.value < self.hi

    def at(self, level: Level) -> DivisionCode:
        """This code cut to `level` (itself when it is not deeper)."""
        step = dict(_LEVEL_STEPS)[level]
        return DivisionCode(self.value - self.value % step)

    @property
    def parent(self) -> DivisionCode | None:
        """The division one level up; none above a province."""
        order = [level for level, _ in _LEVEL_STEPS]
        place = order.index(self.level)
        return self.at(order[place - 1]) if place else None


@dataclass(frozen=True, slots=True)
class Scope:
    """管辖范围: the divisions whose rows a caller may see; enforced by PostgreSQL, empty by default (fails closed)."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, codes: Iterable[DivisionCode]) -> Self:
        """The union of divisions and all below, as sorted half-open ranges that do not touch."""
        merged: list[tuple[int, int]] = []
        for lo, hi in sorted((code.lo, code.hi) for code in codes):
            if merged and lo <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
            else:
                merged.append((lo, hi))
        return cls(tuple(merged))

    @classmethod
    def everything(cls) -> Self:
        """All divisions: inbox, due-loops and migrations."""
        return cls(((0, 10**12),))

    @classmethod
    def nothing(cls) -> Self:
        """No division: sees no row."""
        return cls()

    def contains(self, code: DivisionCode) -> bool:
        """Whether rows of `code` are visible."""
        return any(lo <= code.value < hi for lo, hi in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def settings(self) -> dict[str, str]:
        """What the transaction sets: outer bounds for the index, exact int8multirange for the truth."""
        if not self.ranges:
            return {"lo": "0", "hi": "0", "ranges": "{}"}
        ranges = ",".join(f"[{lo},{hi})" for lo, hi in self.ranges)
        return {"lo": str(self.ranges[0][0]), "hi": str(self.ranges[-1][1]), "ranges": "{" + ranges + "}"}


@dataclass(frozen=True, slots=True)
class HouseholdNumber:
    """户编号: sixteen digits, the village's twelve and a serial of four."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read sixteen digits, full width allowed."""
        digits = half_width(text)
        if not re.fullmatch(r"[0-9]{16}", digits) or digits[:2] < "11":
            raise _wrong(("户编号", "Household number"), text, ("应为16位数字", "must be sixteen digits"))
        return cls(digits)

    @property
    def village(self) -> DivisionCode:
        """The division the number was issued in (a moved household keeps its number)."""
        return DivisionCode(int(self.text[:12]))

    def __str__(self) -> str:
        return self.text


class Sex(StrEnum):
    """性别 GB/T 2261.1."""

    MALE = "male"
    FEMALE = "female"


def citizen_id_check(first_seventeen: str) -> str:
    """The eighteenth character that GB 11643 demands of the seventeen digits before it."""
    total = sum(int(digit) * weight for digit, weight in zip(first_seventeen, CITIZEN_ID_WEIGHTS, strict=True))
    return CITIZEN_ID_CHECKS[total % 11]


_CITIZEN = ("公民身份号码", "Citizen id")


@dataclass(frozen=True, slots=True, repr=False)
class CitizenId:
    """公民身份号码 (GB 11643): area, birth date, order, check. Its text is personal: `repr` and `str` mask it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read eighteen characters; half width, upper-case X. Errors: `id.length`, `id.digits`,
        `id.birth`, `id.checksum`.
        """
        normal = cls.normal(text)
        if len(normal) != 18:
            why = (f"应为18位，实为{len(normal)}位", f"must have 18 characters, has {len(normal)}")
            raise _wrong(_CITIZEN, mask_id(normal), why, "id.length")
        if not re.fullmatch(r"[0-9]{17}[0-9X]", normal):
            raise _wrong(
                _CITIZEN, mask_id(normal), ("含有非法字符", "has characters that may not stand there"), "id.digits"
            )
        if _date_of(normal[6:14]) is None:
            raise _wrong(_CITIZEN, mask_id(normal), ("出生日期不存在", "its birth date does not exist"), "id.birth")
        if citizen_id_check(normal[:17]) != normal[17]:
            raise _wrong(_CITIZEN, mask_id(normal), ("校验码不符", "its check character does not fit"), "id.checksum")
        return cls(normal)

    @staticmethod
    def normal(text: str) -> str:
        """The form that is sealed and indexed: half width, no inner blanks, upper-case X."""
        return re.sub(r"\s", "", half_width(text)).upper()

    @classmethod
    def upgrade(cls, fifteen: str) -> Self:
        """The eighteen characters of an old 15-digit number (all of them of the twentieth century)."""
        normal = cls.normal(fifteen)
        if not re.fullmatch(r"[0-9]{15}", normal):
            raise _wrong(
                _CITIZEN, mask_id(normal), ("旧号码应为15位数字", "an old number has fifteen digits"), "id.length"
            )
        seventeen = f"{normal[:6]}19{normal[6:]}"
        return cls.parse(seventeen + citizen_id_check(seventeen))

    @property
    def birth_on(self) -> date:
        """出生日期 written in it."""
        born = _date_of(self.text[6:14])
        assert born is not None, "checked when parsed"
        return born

    @property
    def sex(self) -> Sex:
        """性别 by the seventeenth digit: odd is male."""
        return Sex.MALE if int(self.text[16]) % 2 else Sex.FEMALE

    @property
    def area(self) -> str:
        """First six digits: the area of first registration."""
        return self.text[:6]

    def __str__(self) -> str:
        return mask_id(self.text)

    def __repr__(self) -> str:
        return f"CitizenId({mask_id(self.text)})"


def _date_of(eight: str) -> date | None:
    try:
        return date(int(eight[:4]), int(eight[4:6]), int(eight[6:]))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, repr=False)
class DisabilityCard:
    """残疾人证号: citizen id + class 1–7 + level 1–4 (1 is the worst); two more characters when re-issued."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 20 or 22 characters. Errors: `card.length`, `card.class`, `card.level` and those of the citizen id."""
        normal = CitizenId.normal(text)
        what = ("残疾人证号", "Disability card")
        if len(normal) not in (20, 22):
            raise _wrong(what, mask_id(normal), ("应为20或22位", "must have 20 or 22 characters"), "card.length")
        CitizenId.parse(normal[:18])
        if normal[18] not in "1234567":
            raise _wrong(what, mask_id(normal), ("残疾类别应为1至7", "its class must be 1 to 7"), "card.class")
        if normal[19] not in "1234":
            raise _wrong(what, mask_id(normal), ("残疾等级应为1至4", "its level must be 1 to 4"), "card.level")
        return cls(normal)

    @property
    def citizen(self) -> CitizenId:
        """The citizen id it carries."""
        return CitizenId(self.text[:18])

    @property
    def kind(self) -> int:
        """残疾类别: 1 sight 2 hearing 3 speech 4 limb 5 mental 6 psychiatric 7 several."""
        return int(self.text[18])

    @property
    def level(self) -> int:
        """残疾等级: 1 (worst) to 4."""
        return int(self.text[19])

    def __str__(self) -> str:
        return mask_id(self.text)

    def __repr__(self) -> str:
        return f"DisabilityCard({mask_id(self.text)})"


@dataclass(frozen=True, slots=True)
class CreditCode:
    """统一社会信用代码 (GB 32100): eighteen characters, the last a check."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read eighteen characters of the standard's alphabet (no I O S V Z). Errors:
        `credit.form`, `credit.checksum`.
        """
        normal = CitizenId.normal(text)
        what = ("统一社会信用代码", "Unified social credit code")
        if len(normal) != 18 or any(char not in CREDIT_CODE_ALPHABET for char in normal):
            raise _wrong(what, text, ("应为18位规定字符", "must be eighteen characters of the standard"), "credit.form")
        if cls.check(normal[:17]) != normal[17]:
            raise _wrong(what, text, ("校验码不符", "its check character does not fit"), "credit.checksum")
        return cls(normal)

    @staticmethod
    def check(first_seventeen: str) -> str:
        """The eighteenth character."""
        places = (CREDIT_CODE_ALPHABET.index(char) for char in first_seventeen)
        total = sum(place * weight for place, weight in zip(places, CREDIT_CODE_WEIGHTS, strict=True))
        return CREDIT_CODE_ALPHABET[(31 - total % 31) % 31]

    def __str__(self) -> str:
        return self.text


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """金额 in whole fen; decimal text outside ("631.20"), never a float (ADR 0006)."""

    fen: int

    def __post_init__(self) -> None:
        if abs(self.fen) > LARGEST_FEN:
            raise _wrong(("金额", "Amount"), str(self.fen), ("超出范围", "out of range"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read yuan with at most two decimals, thousands commas allowed."""
        plain = half_width(text).replace(",", "")
        if not re.fullmatch(r"[+-]?[0-9]{1,14}(\.[0-9]{1,2})?", plain):
            raise _wrong(("金额", "Amount"), text, ("应为元，最多两位小数", "must be yuan with at most two decimals"))
        return cls(int(Decimal(plain) * 100))

    def __str__(self) -> str:
        sign = "-" if self.fen < 0 else ""
        yuan, fen = divmod(abs(self.fen), 100)
        return f"{sign}{yuan}.{fen:02d}"

    def __add__(self, other: Money) -> Money:
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        return Money(self.fen - other.fen)

    def __neg__(self) -> Money:
        return Money(-self.fen)

    def __lt__(self, other: Money) -> bool:
        return self.fen < other.fen


@dataclass(frozen=True, slots=True)
class Period:
    """期间: days from first to last, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            shown = f"{self.first}–{self.last}"
            raise _wrong(("期间", "Period"), shown, ("结束早于开始", "it ends before it begins"))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=step) for step in range(self.days))

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @classmethod
    def after(cls, day: date, days: int) -> Self:
        """The `days` calendar days that follow `day`: posted on 23 August, seven days are 24 to 30 August."""
        return cls(day + timedelta(days=1), day + timedelta(days=days))


def mask_name(name: str) -> str:
    """脱敏姓名: first character kept, last kept from three on, all others `*`; parts around `·` each by
    itself; one alone is `*`.
    """
    return "·".join(_mask_part(part) for part in unicodedata.normalize("NFC", name.strip()).split("·"))


def _mask_part(part: str) -> str:
    signs = _letters(part)
    if len(signs) <= 1:
        return "*" * len(signs)
    if len(signs) == 2:
        return signs[0] + "*"
    return signs[0] + "*" * (len(signs) - 2) + signs[-1]


def _letters(part: str) -> list[str]:
    """Characters with the marks that belong to them: a variation selector or combining mark never stands alone."""
    signs: list[str] = []
    for char in part:
        if signs and (unicodedata.combining(char) or 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF):
            signs[-1] += char
        else:
            signs.append(char)
    return signs


def mask_id(text: str) -> str:
    """脱敏证件号: six first and four last kept of a citizen id or card; of shorter texts the first third alone."""
    if len(text) >= 15:
        return text[:6] + "*" * (len(text) - 10) + text[-4:]
    kept = len(text) // 3
    return text[:kept] + "*" * (len(text) - kept)


def mask_phone(text: str) -> str:
    """脱敏电话: three first and four last kept of eleven."""
    return text[:3] + "****" + text[7:] if len(text) == 11 else "*" * len(text)
