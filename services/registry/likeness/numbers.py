"""证件号码的修复: which valid numbers lie one slip from one that fails.

A single wrong digit and two neighbours exchanged always break the check character, so a number that holds needs no
neighbours: it is found by itself, and whoever fails looks for the valid ones near him. What a spreadsheet cut to
fifteen digits has a hundred possible ends.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import cache
from pathlib import Path

from shared.values import citizen_id_check, half_width

DIVISIONS = Path(__file__).parents[1] / "migrations" / "data" / "divisions.csv"
EARLIEST_BIRTH = 1880
_WHOLE = re.compile(r"[0-9]{17}[0-9X]")
_CARD = re.compile(r"([0-9]{17}[0-9X])[1-7][1-4].{0,2}")
_PAIR = tuple(f"{tail:02d}" for tail in range(100))


class IdForm(IntEnum):
    """号码形态: what can be done with a number."""

    MISSING = 0
    VALID = 1
    DAMAGED = 2
    CUT = 3


class ProbeKind(IntEnum):
    """修复类别: how a valid number would have become the one that is written."""

    SLIP = 1
    CUT = 2


@dataclass(frozen=True, slots=True, repr=False)
class Written:
    """书写的号码: its form, its normal form if it holds, and the valid numbers it may stand for."""

    form: IdForm
    number: str | None = None
    repairs: tuple[tuple[str, ProbeKind], ...] = ()


@cache
def issued_areas() -> frozenset[str]:
    """区划前六位: counties of today's list. Numbers of areas that are no more are valid, but are not guessed."""
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        return frozenset(row["code"][:6] for row in csv.DictReader(file) if row["code"][4:6] != "00")


@cache
def _provinces() -> frozenset[str]:
    return frozenset(area[:2] for area in issued_areas())


def read_number(text: str | None, areas: Set[str] | None = None) -> Written:
    """What is written in the place of a number. A passport is no citizen id and no damaged one either."""
    if text is not None and len(text) == 18 and not text.endswith("000") and holds(text):
        return Written(IdForm.VALID, text)  # nearly all of them
    plain = re.sub(r"[\s\-—_.'\"=]", "", half_width(text or "")).upper()
    if card := _CARD.fullmatch(plain):
        plain = card[1]
    if re.fullmatch(r"[0-9]{15}", plain):
        plain = _upgraded(plain)
    digits = sum(one.isdigit() for one in plain)
    if digits < 14 or not plain or len(plain) > 20 or len(set(plain)) < 4:
        return Written(IdForm.MISSING)
    known = issued_areas() if areas is None else areas
    if holds(plain):
        return Written(IdForm.VALID, plain, tuple(_ends(plain[:15], plain)) if plain.endswith("000") else ())
    if re.fullmatch(r"[0-9]{15}000", plain):
        ends = tuple(_ends(plain[:15], plain))
        return Written(IdForm.CUT, None, ends) if ends else Written(IdForm.DAMAGED)
    return Written(IdForm.DAMAGED, None, tuple((one, ProbeKind.SLIP) for one in _neighbours(plain, known)))


def holds(number: str) -> bool:
    """Whether a number is whole: form, province, a day that was, its check character. Placeholders (999999…) fail."""
    return bool(
        _WHOLE.fullmatch(number)
        and number[:2] in _provinces()
        and citizen_id_check(number[:17]) == number[17]
        and born_in(number) is not None
    )


def born_in(number: str) -> date | None:
    """The birth date that a number carries."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return born if EARLIEST_BIRTH <= born.year <= 2099 else None


def _upgraded(fifteen: str) -> str:
    """Old numbers are all of the twentieth century."""
    seventeen = f"{fifteen[:6]}19{fifteen[6:]}"
    return seventeen + citizen_id_check(seventeen)


def _ends(fifteen: str, but: str) -> Iterator[tuple[str, ProbeKind]]:
    if fifteen[:2] not in _provinces() or born_in(fifteen + "000") is None:
        return
    for pair in _PAIR:
        number = fifteen + pair + citizen_id_check(fifteen + pair)
        if number != but:
            yield number, ProbeKind.CUT


def _neighbours(plain: str, areas: Set[str]) -> list[str]:
    """Every valid number one slip away, whose area is known or is the one that is written."""
    found = {one for one in _slips(plain) if holds(one) and (one[:6] in areas or one[:6] == plain[:6])}
    return sorted(found)


def _slips(plain: str) -> Iterator[str]:
    if len(plain) == 18:
        for at, old in enumerate(plain):
            yield from (plain[:at] + new + plain[at + 1 :] for new in _signs(at) if new != old)
        for at in range(17):
            yield plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]
    elif len(plain) == 17:
        for at in range(18):
            yield from (plain[:at] + new + plain[at:] for new in _signs(at))
    elif len(plain) == 19:
        yield from (plain[:at] + plain[at + 1 :] for at in range(19))


def _signs(at: int) -> str:
    return "0123456789X" if at == 17 else "0123456789"
