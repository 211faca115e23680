"""级别: how alike two entries are in each field, and which pairs are looked at. Defined once: the SQL for one person
and for the register, and the scorer of whole columns, are made from it.

A level's weight stands in the pack, by where the two live (in one household, in one village, elsewhere), because what
kin and neighbours share anyway tells little there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from services.registry.likeness.numbers import IdForm, ProbeKind
from services.registry.likeness.spelling import SLOT_BITS, SLOTS
from services.registry.likeness.terms import Term, all_of, any_of, column, lowest, size, whole


class Stratum(IntEnum):
    """居住关系: where the two entries live, one from the other."""

    HOUSEHOLD = 0
    VILLAGE = 1
    ELSEWHERE = 2


FREQUENCY_KINDS = {"name_key": 1, "sound_key": 2, "bag_key": 3, "phone_key": 4}
"""Keys whose rarity counts, and the kind under which their people are counted; kind 0 is everybody."""
PHONE_CAP = 40
"""A number that more people gave is a cadre's, and brings nobody together."""


@dataclass(frozen=True, slots=True)
class Level:
    """级别: one degree of likeness. The first whose condition holds is it; one without condition closes its field."""

    name: str
    zh: str
    en: str
    when: Term | None = None
    rarity: str | None = None
    weighs: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """比对项: what is compared, from its first level to its last."""

    name: str
    zh: str
    en: str
    levels: tuple[Level, ...]

    def number_of(self, level: str) -> int:
        """The number under which a level is stored."""
        return next(at for at, one in enumerate(self.levels) if one.name == level)


def both(name: str) -> tuple[Term, Term]:
    """The same column of either entry."""
    return column(f"a.{name}"), column(f"b.{name}")


def equal(name: str) -> Term:
    """Known and the same in both."""
    one, two = both(name)
    return one.same(two) & one.differs(0)


def unknown(name: str) -> Term:
    """Unknown in one of them."""
    one, two = both(name)
    return one.same(0) | two.same(0)


STRATA = (equal("household_no"), equal("division"))
"""Conditions of the first two strata; all other pairs are of the third."""

# --- citizen id: `fit` is the kind of repair by which one leads to the other, 0 if none does

_form_a, _form_b = both("id_form")
_fit = column("fit")
ID_SAME, ID_SLIP, ID_CUT = equal("id_key"), _fit.same(ProbeKind.SLIP), _fit.same(ProbeKind.CUT)
ID = Field("id", "证件号码", "id number", (
    Level("missing", "至少一方没有号码", "one of the two has no number", unknown("id_form"), weighs=False),
    Level("equal", "号码相同", "the same number", ID_SAME),
    Level("slip", "号码只差一处笔误", "the numbers differ by a single slip", ID_SLIP),
    Level("cut", "号码被表格截断，前十五位相符", "cut by a spreadsheet, the first fifteen digits fit", ID_CUT),
    Level("damaged", "一方号码有误，与另一方对不上", "one number is damaged and does not fit the other",
          _form_a.differs(IdForm.VALID) | _form_b.differs(IdForm.VALID)),
    Level("differ", "两个号码都有效而不同", "both numbers are valid, and differ"),
))  # fmt: skip

# --- name: six syllables of ten bits each, the first lowest

_spelling_a, _spelling_b = both("spelling")
_count_a, _count_b = both("syllables")
_SLOT = 2**SLOT_BITS - 1
_ALL = 2 ** (SLOT_BITS * SLOTS) - 1


def _one_differs() -> Term:
    """As many syllables, and those that differ lie in one place."""
    apart = _spelling_a.apart(_spelling_b)
    return any_of(*(apart.bits(_ALL ^ (_SLOT << SLOT_BITS * at)).same(0) for at in range(SLOTS)))


def _without(spelling: Term, at: int) -> Term:
    """A spelling without the syllable of that place."""
    before = spelling.bits((1 << SLOT_BITS * at) - 1)
    return before.joined((spelling >> SLOT_BITS * (at + 1)) << SLOT_BITS * at)


def _one_left_out(long: Term, short: Term) -> Term:
    """Neither the first syllable nor the last, which the others say."""
    return any_of(*(_without(long, at).same(short) for at in range(1, SLOTS - 1)))


def _shortened() -> Iterator[Term]:
    """Two syllables or more are left. Of a name of more than six the first six are known, so nothing of its end."""
    for long, longer, short, shorter in (
        (_spelling_a, _count_a, _spelling_b, _count_b),
        (_spelling_b, _count_b, _spelling_a, _count_a),
    ):
        fewer = longer - shorter
        kept = short.apart(long).bits(lowest(whole(shorter) * SLOT_BITS))
        yield all_of(shorter >= 2, shorter <= SLOTS, fewer >= 1, kept.same(0))
        ends = (long >> whole(fewer) * SLOT_BITS).same(short)
        yield all_of(shorter >= 2, longer <= SLOTS, fewer >= 1, ends)
        yield all_of(shorter >= 2, longer <= SLOTS, fewer.same(1), _one_left_out(long, short))


_same_count = _count_a.same(_count_b)
NAME = Field("name", "姓名", "name", (
    Level("missing", "至少一方没有姓名", "one of the two has no name", unknown("name_key"), weighs=False),
    Level("characters", "姓名相同", "the same name", equal("name_key"), "name_key"),
    Level("sound", "姓名同音", "names that sound the same", equal("sound_key"), "sound_key"),
    Level("order", "姓名音节相同而次序不同", "the same syllables in another order", equal("bag_key"), "bag_key"),
    Level("given", "名同音而姓不同", "the own name sounds the same, the family's differs",
          equal("given_key") & (_count_a >= 3) & (_count_b >= 3)),
    Level("one", "姓名只差一个音节", "one syllable of the names differs",
          _same_count & (_count_a >= 3) & _one_differs()),
    Level("shortened", "一个姓名是另一个的省写", "one name is the other shortened", any_of(*_shortened())),
    Level("given_of_two", "单名同音而姓不同", "a single own name sounds the same, the family's differs",
          equal("given_key")),
    Level("surname", "只有姓相同", "only the family's name is the same", equal("surname_key")),
    Level("differ", "姓名不同", "the names differ"),
))  # fmt: skip

# --- birth

_born_a, _born_b = both("born")
_day_a, _day_b = both("born_day")
YEARS = size(_born_a // 10_000 - _born_b // 10_000)
_same_year, _same_day = YEARS.same(0), (_born_a % 100).same(_born_b % 100)
_same_month = (_born_a // 100 % 100).same(_born_b // 100 % 100)
_month_day_a, _month_day_b = _born_a % 10_000, _born_b % 10_000
NEW_YEAR = 101
_new_year_a, _new_year_b = _month_day_a.same(NEW_YEAR), _month_day_b.same(NEW_YEAR)
_exchanged = (_born_a // 100 % 100).same(_born_b % 100) & (_born_b // 100 % 100).same(_born_a % 100)
DAYS = size(_day_a - _day_b)
BIRTH = Field("birth", "出生日期", "birth date", (
    Level("missing", "至少一方没有出生日期", "one of the two has no birth date", unknown("born"), weighs=False),
    Level("contained", "号码里已含出生日期", "the number contains the birth date",
          ID_SAME | ID_SLIP | ID_CUT, weighs=False),
    Level("equal_new_year", "同为某年1月1日（常是估填）", "the same first of January (often a guess)",
          _born_a.same(_born_b) & _new_year_a),
    Level("equal", "出生日期相同", "the same birth date", _born_a.same(_born_b)),
    Level("year_new_year", "同年，一方为1月1日（常是估填）", "the same year, one the first of January (often a guess)",
          _same_year & (_new_year_a | _new_year_b)),
    Level("exchanged", "月日颠倒", "day and month exchanged", _same_year & _exchanged),
    Level("one_part", "同年，月或日有一处不同", "the same year, day or month differs",
          _same_year & (_same_day | _same_month)),
    Level("year_slip", "月日相同，年份相近", "the same day of years close by",
          all_of(_month_day_a.same(_month_day_b), _month_day_a.differs(NEW_YEAR), YEARS <= 12)),
    Level("lunar", "相差18至52天（可能是农历）", "18 to 52 days apart (maybe by the lunar calendar)",
          (DAYS >= 18) & (DAYS <= 52)),
    Level("same_year", "同年出生", "born in the same year", _same_year),
    Level("near", "出生相差不过三年", "born within three years", YEARS <= 3),
    Level("far", "出生年份相差较远", "born years apart"),
))  # fmt: skip

SEX = Field("sex", "性别", "sex", (
    Level("missing", "至少一方没有性别", "one of the two has no sex", unknown("sex"), weighs=False),
    Level("same", "性别相同", "the same sex", equal("sex")),
    Level("differ", "性别不同", "the sexes differ"),
))  # fmt: skip

PHONE = Field("phone", "联系电话", "telephone", (
    Level("missing", "至少一方没有电话", "one of the two has no telephone", unknown("phone_key"), weighs=False),
    Level("same", "电话相同", "the same telephone", equal("phone_key"), "phone_key"),
    Level("differ", "电话不同", "the telephones differ"),
))  # fmt: skip

_home_a, _home_b = both("household_no")
SHARED = column("shared")
"""How many names (by their syllables) the other members of both households share."""
KIN = Field("kin", "家人", "kin", (
    Level("not_asked", "同户，或一方不在任何户", "one household, or one lives in none",
          unknown("household_no") | _home_a.same(_home_b), weighs=False),
    Level("many", "家人中至少两人姓名相合", "two or more of their kin have the same names", SHARED >= 2),
    Level("one", "家人中一人姓名相合", "one of their kin has the same name", SHARED >= 1),
    Level("none", "家人中无人姓名相合", "none of their kin have the same names"),
))  # fmt: skip

FIELDS: tuple[Field, ...] = (ID, NAME, BIRTH, SEX, PHONE, KIN)
"""In this order they are told."""


COMPARED = (
    "household_no", "division", "id_form", "id_key", "phone_key", "name_key", "sound_key", "bag_key", "surname_key",
    "given_key", "spelling", "syllables", "born", "born_day", "sex",
)  # fmt: skip
"""The columns of an entry that some condition reads."""


@dataclass(frozen=True, slots=True)
class Rule:
    """分组规则: pairs are looked at that agree in `on`, which must be known; `where` leaves some of them out."""

    name: str
    on: tuple[tuple[Term, Term], ...]
    where: Term | None = None
    known: tuple[str, ...] = ()


def _on(*names: str) -> tuple[tuple[Term, Term], ...]:
    return tuple(both(name) for name in names)


_YEAR = (_born_a // 10_000, _born_b // 10_000)
_FROM_JUNE = tuple((day + 40_000) * 400 // 146_097 for day in (_day_a, _day_b))
"""Years from June to June, in days since 1860: whoever was born within two months, across New Year too, shares one."""
_MONTH_DAY = (_month_day_a, _month_day_b)
_NOT_GUESSED = _month_day_a.differs(NEW_YEAR)


def _years_around(count: int) -> Term:
    """Born so many calendar years earlier or later at most, written so that an index on `born` helps."""
    first = _born_a // 10_000 * 10_000
    return (_born_b >= first - count * 10_000) & (_born_b <= first + (count * 10_000 + 9_999))


RULES: tuple[Rule, ...] = (
    Rule("id", _on("id_key"), known=("id_key",)),
    Rule("household", _on("household_no"), known=("household_no",)),
    Rule("name in the village", _on("bag_key", "division"), known=("bag_key",),
         where=any_of(_born_a.same(0), _born_b.same(0), YEARS <= 11)),
    Rule("name and year", (*_on("bag_key"), _YEAR), known=("bag_key", "born"), where=_years_around(0)),
    Rule("name and year from June", (*_on("bag_key"), (_FROM_JUNE[0], _FROM_JUNE[1])), known=("bag_key", "born"),
         where=_years_around(1)),
    Rule("name and day of the year", (*_on("bag_key"), _MONTH_DAY), known=("bag_key", "born"),
         where=_NOT_GUESSED & _years_around(12)),
    Rule("birth in the village", _on("born", "division"), known=("born",)),
    Rule("birth and family", _on("born", "surname_key"), known=("born", "surname_key"), where=_NOT_GUESSED),
    Rule("birth and own name", _on("born", "given_key"), known=("born", "given_key"), where=_NOT_GUESSED),
    Rule("telephone", _on("phone_key"), known=("phone_key",)),
    Rule("head and year", (*_on("head_key"), _YEAR), known=("head_key", "born"), where=_years_around(0)),
)  # fmt: skip
