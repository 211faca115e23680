"""How a member is called in a reason: kinship and age, never a name (长子，12岁 · eldest son, aged 12).

Sons, daughters and grandchildren are counted by birth among all on file, present or not; where a birth date that the
order needs is unknown, the member is told without a rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from shared.events.registry import Member

_RANKED: Final = {
    "son": ("子", "son", "儿子"),
    "daughter": ("女", "daughter", "女儿"),
    "grandson": ("孙", "grandson", "孙子"),
    "granddaughter": ("孙女", "granddaughter", "孙女"),
    "daughters_son": ("外孙", "daughter's son", "外孙"),
    "daughters_daughter": ("外孙女", "daughter's daughter", "外孙女"),
}
_RANKS_ZH: Final = ("长", "次", "三", "四", "五", "六", "七", "八", "九", "十")
_RANKS_EN: Final = ("eldest", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_PLAIN: Final = {
    "head": ("户主", "head of the household"),
    "daughter_in_law": ("儿媳", "daughter-in-law"),
    "son_in_law": ("女婿", "son-in-law"),
    "father": ("父亲", "father"),
    "mother": ("母亲", "mother"),
    "wifes_father": ("岳父", "wife's father"),
    "wifes_mother": ("岳母", "wife's mother"),
    "husbands_father": ("公公", "husband's father"),
    "husbands_mother": ("婆婆", "husband's mother"),
    "grandfather": ("祖父", "grandfather"),
    "grandmother": ("祖母", "grandmother"),
    "mothers_father": ("外祖父", "mother's father"),
    "mothers_mother": ("外祖母", "mother's mother"),
    "siblings_wife": ("兄弟媳妇", "brother's wife"),
    "uncle": ("叔伯", "uncle"),
    "nephew": ("侄子", "nephew"),
    "niece": ("侄女", "niece"),
    "other": ("其他成员", "other member"),
}
_BY_SEX: Final = {
    "spouse": {"male": ("丈夫", "husband"), "female": ("妻子", "wife"), None: ("配偶", "spouse")},
    "great_grandchild": {
        "male": ("曾孙子", "great-grandson"),
        "female": ("曾孙女", "great-granddaughter"),
        None: ("曾孙", "great-grandchild"),
    },
}
_SIBLINGS: Final = {
    ("male", True): ("哥哥", "elder brother"),
    ("male", False): ("弟弟", "younger brother"),
    ("female", True): ("姐姐", "elder sister"),
    ("female", False): ("妹妹", "younger sister"),
}


@dataclass(frozen=True, slots=True)
class Kin:
    """成员称谓: kinship and age in full years, in both languages; age None where the birth date is unknown."""

    kinship_zh: str
    kinship_en: str
    age: int | None

    @property
    def zh(self) -> str:
        """长子，12岁."""
        return f"{self.kinship_zh}，年龄不明" if self.age is None else f"{self.kinship_zh}，{self.age}岁"

    @property
    def en(self) -> str:
        """Eldest son, aged 12."""
        return f"{self.kinship_en}, age unknown" if self.age is None else f"{self.kinship_en}, aged {self.age}"


def kin(members: Sequence[Member], place: int, on: date) -> Kin:
    """What the member at `place` is to the head, and how old on that day."""
    member = members[place]
    zh, en = _kinship(members, member)
    return Kin(zh, en, None if member.birth_on is None else age(member.birth_on, on))


def age(birth_on: date, on: date) -> int:
    """Full years on a day; never below zero (a birth date after the day judged is a doubt, not a negative age)."""
    return max(0, on.year - birth_on.year - ((on.month, on.day) < (birth_on.month, birth_on.day)))


def _kinship(members: Sequence[Member], member: Member) -> tuple[str, str]:
    if member.relation in _RANKED:
        return _ranked(members, member)
    if member.relation == "sibling":
        return _sibling(members, member)
    if member.relation in _BY_SEX:
        return _BY_SEX[member.relation][member.sex]
    return _PLAIN[member.relation]


def _ranked(members: Sequence[Member], member: Member) -> tuple[str, str]:
    """长子, 次子, 三子 …: by birth among those of the same relation."""
    short, english, plain = _RANKED[member.relation]
    alike = [one for one in members if one.relation == member.relation]
    born = [one.birth_on for one in alike]
    if len(alike) > 1 and None in born:
        return plain, english
    order = sorted(range(len(alike)), key=lambda place: (born[place] or date.min, place))
    rank = next(rank for rank, place in enumerate(order) if alike[place] is member)
    if rank >= len(_RANKS_ZH):
        return plain, english
    return _RANKS_ZH[rank] + short, f"{_RANKS_EN[rank]} {english}"


def _sibling(members: Sequence[Member], member: Member) -> tuple[str, str]:
    """哥哥 or 弟弟: older or younger than the head."""
    head = next((one for one in members if one.relation == "head"), None)
    if member.sex is None or member.birth_on is None or head is None or head.birth_on is None:
        return "兄弟姐妹", "sibling"
    return _SIBLINGS[member.sex, member.birth_on < head.birth_on]
