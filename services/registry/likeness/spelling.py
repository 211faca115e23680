"""读音: how a name is written, read and cut into syllables, the same for one name as for a million.

A character has one reading wherever it stands in a given name, so that two spellings of a name can be compared; a
surname has its own (单 is Shan). Folding makes alike what dialects and clerks confuse: zh and z, ch and c, sh and s, n
and l at the beginning, ng and n at the end.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from pypinyin import lazy_pinyin

DATA = Path(__file__).parent
SLOT_BITS, SLOTS = 10, 6
"""A name's first six syllables lie in one number, ten bits each: what differs is found by shifting, without text."""

_DOTS = re.compile(r"[·•・‧∙⋅●．.。﹒\-—]+")
_NOTE = re.compile(r"[（(\[【〔][^（）()\[\]【】〔〕]*[）)\]】〕]?")
_TOKEN = re.compile(r"[a-zA-Z]+|.", re.DOTALL)
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")
_FOLDED = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}
_ORDER = ("", *(one for one in _INITIALS if one not in _FOLDED))
_FINALS = (
    *("a", "o", "e", "i", "u", "v", "ai", "ei", "ui", "ao", "ou", "iu", "ie", "ve", "ue", "er", "an", "en", "in", "un"),
    *("vn", "on", "ian", "uan", "van", "iao", "ia", "ua", "uo", "uai", "ion", "io"),
)
_FINAL_PLACES = 40
_OTHERS = len(_ORDER) * _FINAL_PLACES
"""Codes from here on are of tokens that are no syllable: a foreign word, a character nobody reads."""


def key_of(text: str) -> int:
    """A signed number of 64 bits for a text, the same everywhere; 0 stands for no text."""
    if not text:
        return 0
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True) or 1


@dataclass(frozen=True, slots=True)
class Spelling:
    """姓名写法: what the keys of a name are made of."""

    folded: str
    sound: tuple[str, ...]
    surname: tuple[str, ...]
    given: tuple[str, ...]
    pinyin: str
    initials: str

    @property
    def packed(self) -> int:
        """The first six syllables in one number, the first lowest."""
        return sum(syllable_code(one) << (SLOT_BITS * at) for at, one in enumerate(self.sound[:SLOTS]))


@cache
def variants() -> dict[str, str]:
    """异体字: a variant character and the one it is folded to."""
    with (DATA / "variants.csv").open(encoding="utf-8", newline="") as file:
        return {row["character"]: row["folded"] for row in csv.DictReader(file)}


@cache
def surname_readings() -> dict[str, tuple[str, ...]]:
    """姓氏读音: compound surnames and those that are read otherwise than the character alone, folded, by syllable."""
    with (DATA / "surnames.csv").open(encoding="utf-8", newline="") as file:
        rows = [(fold(row["surname"]), row["reading"]) for row in csv.DictReader(file)]
    return {name: (reading,) if len(name) == 1 else _cut(name, reading) for name, reading in rows}


def _cut(name: str, reading: str) -> tuple[str, ...]:
    """The two syllables of a compound surname: cut where either character is read as it is alone, else by rule."""
    for at in range(1, len(reading)):
        if reading[:at] == reading_of(name[0]) or reading[at:] == reading_of(name[1]):
            return reading[:at], reading[at:]
    raise ValueError(f"{name}: {reading} is not two syllables")


def fold(text: str) -> str:
    """Variant characters made one."""
    return "".join(variants().get(one, one) for one in text)


@lru_cache(maxsize=65_536)
def reading_of(character: str) -> str:
    """One character's toneless reading; what has none stands for itself."""
    return "".join(lazy_pinyin(character)).lower()


@lru_cache(maxsize=4_096)
def fold_syllable(syllable: str) -> str:
    """A syllable as those hear it who confuse zh and z, n and l, ng and n."""
    initial = next((one for one in _INITIALS if syllable.startswith(one)), "")
    rest = syllable[len(initial) :]
    if not rest:
        return syllable
    rest = rest.removesuffix("g") if rest.endswith("ng") else rest
    return _FOLDED.get(initial, initial) + rest


@lru_cache(maxsize=4_096)
def syllable_code(syllable: str) -> int:
    """A folded syllable's number below 1024, never 0; two that differ share one only where neither is Chinese."""
    initial = next((one for one in _INITIALS if syllable.startswith(one)), "")
    rest = syllable[len(initial) :]
    if initial in _ORDER and rest in _FINALS:
        return _ORDER.index(initial) * _FINAL_PLACES + _FINALS.index(rest) + 1
    return _OTHERS + 1 + key_of(syllable) % (1022 - _OTHERS)


def parts_of(name: str) -> list[str]:
    """The parts between the dots, without remarks in brackets and without blanks."""
    plain = _NOTE.sub("", unicodedata.normalize("NFKC", name))
    return [part for part in _DOTS.split("".join(plain.split())) if part]


@lru_cache(maxsize=200_000)
def spell(name: str) -> Spelling:
    """How a name is read. `阿卜杜拉·麦麦提` has his own name first and his father's last."""
    parts = [fold(part) for part in parts_of(name)]
    read = [_read(part) for part in parts] if len(parts) > 1 else [_read_family(parts[0])] if parts else []
    sound = tuple(fold_syllable(one) for part in read for one in part)
    if len(parts) > 1:
        last = len(read[-1])
        surname, given = sound[len(sound) - last :], sound[: len(read[0])]
    else:
        cut = _surname_length(parts[0]) if parts else 0
        surname, given = sound[:cut], sound[cut:]
    plain = [one for part in read for one in part]
    letters = [one for one in plain if one.isascii() and one.isalpha()]
    return Spelling("".join(parts), sound, surname, given, "".join(letters), "".join(one[0] for one in letters))


def _read(part: str) -> list[str]:
    return [reading_of(token) for token in _TOKEN.findall(part)]


def _read_family(part: str) -> list[str]:
    """A name that begins with its family's."""
    read, known = _read(part), surname_readings()
    for length in (2, 1):
        if len(read) >= length + (length > 1) and part[:length] in known and len(read) <= length + 3:
            return [*known[part[:length]], *read[length:]]
    return read


def _surname_length(part: str) -> int:
    """Two characters of a compound surname, or of a name too long to have one; else the first."""
    tokens = len(_TOKEN.findall(part))
    if tokens > 2 and part[:2] in surname_readings():
        return 2
    return 2 if tokens > 4 else 1
