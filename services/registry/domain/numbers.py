"""Citizen ids and disability cards, a whole column at a time: check characters, birth dates, sexes (GB 11643).

The same rules as `shared.values.CitizenId` and `DisabilityCard` for one number; a test holds both together.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from shared.values import CITIZEN_ID_CHECKS, CITIZEN_ID_WEIGHTS

_FORM = r"^[0-9]{17}[0-9X]$"


def checksum_holds(numbers: pl.Series) -> pl.Series:
    """Whether the first eighteen characters are a number whose check character fits; null where there is no number."""
    first = numbers.str.slice(0, 18)
    formed = first.str.contains(_FORM)
    held = formed.fill_null(False).to_numpy().copy()
    text = first.filter(formed.fill_null(False))
    if len(text):
        digits = np.frombuffer("".join(text.to_list()).encode(), dtype=np.uint8).reshape(-1, 18)
        sums = (digits[:, :17].astype(np.int64) - 48) @ np.array(CITIZEN_ID_WEIGHTS)
        checks = np.frombuffer(CITIZEN_ID_CHECKS.encode(), dtype=np.uint8)
        held[held] = checks[sums % 11] == digits[:, 17]
    result = pl.Series(numbers.name, held)
    return pl.select(pl.when(numbers.is_not_null()).then(result).otherwise(None)).to_series()


def births(numbers: pl.Series) -> pl.Series:
    """The birth dates written in well-formed numbers."""
    formed = numbers.str.contains(r"^[0-9]{17}[0-9X]")
    eight = numbers.str.slice(6, 8)
    return pl.select(pl.when(formed).then(eight).otherwise(None)).to_series().str.to_date("%Y%m%d", strict=False)


def sexes(numbers: pl.Series) -> pl.Series:
    """The sex of the seventeenth digit of well-formed numbers: odd is male."""
    formed = numbers.str.contains(r"^[0-9]{17}[0-9X]")
    odd = numbers.str.slice(16, 1).is_in(["1", "3", "5", "7", "9"])
    return pl.select(pl.when(formed & odd).then(pl.lit("male")).when(formed).then(pl.lit("female"))).to_series()


def card_class(cards: pl.Series) -> pl.Series:
    """Disability class 1–7 of well-formed cards."""
    return cards.str.extract(r"^[0-9]{17}[0-9X]([1-7])[1-4]").cast(pl.Int16)


def card_level(cards: pl.Series) -> pl.Series:
    """Disability level 1–4 of well-formed cards."""
    return cards.str.extract(r"^[0-9]{17}[0-9X][1-7]([1-4])").cast(pl.Int16)


def damaged(numbers: pl.Series) -> pl.Series:
    """Where a number format has eaten the last digits: they cannot be told any more, so the row cannot be kept.

    A spreadsheet keeps fifteen digits; what it exports as text is written in powers of ten or ends in zeros. Once one
    cell of a column is certainly damaged, any other that could be is not to be trusted either.
    """
    powers = numbers.str.contains(r"^[0-9](?:\.[0-9]+)?E\+?[0-9]+$").fill_null(False)
    rounded = numbers.str.contains(r"^[0-9]{13,}000$").fill_null(False)
    certain = powers | (rounded & ~checksum_holds(numbers).fill_null(False))
    return certain | rounded if bool(certain.any()) else certain
