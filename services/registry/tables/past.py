"""How a row of the past is chosen (ADR 0020): `$2` is the day on which it was true, `$3` the moment at which it was
known. Every condition stands inside the branch of its table: history joined unasked would be read as a whole.
"""

from __future__ import annotations

HELD = "known_from <= $3 and known_to > $3"
"""An interval or an amount that was held to be true at the moment."""
NEAREST = "no, (observed_on <= $2) desc, abs(observed_on - $2), version desc"
"""Of one noun's images the last of the last day up to the day asked for; else the last of the first day after it."""


def images(table: str, columns: str, keyed: str) -> str:
    """All images of these keys that were known at the moment, the one that stands and the superseded ones; none that
    was taken back by then.
    """
    return (
        f"select {columns} from {table} where {keyed} and known_from <= $3 and not withdrawn"
        f" union all select {columns} from {table}_history where {keyed} and known_from <= $3 and not withdrawn"
        " and (undone_by is null or known_to > $3)"
    )


def believed(table: str, columns: str, keyed: str) -> str:
    """The same of households, each with what the last of them says of its end: that has a day of its own."""
    last = "over (partition by no order by version desc)"
    return (
        f"select *, first_value(closed_on) {last} as closed_then,"
        f" first_value(gaps) {last} as gaps_then from ({images(table, columns, keyed)}) known"
    )
