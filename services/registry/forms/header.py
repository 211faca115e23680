"""Find the header row and say which column means which field of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import polars as pl

from services.registry.domain.codes import text_key
from services.registry.domain.fields import BY_NAME, FIELDS, Field, by_header
from services.registry.forms.problems import HeaderIncomplete, HeaderNotFound, HeaderRepeated

NEEDED = (*(field.name for field in FIELDS if field.required), "id_number")
_RECOGNISED = 3


@dataclass(frozen=True, slots=True)
class Header:
    """表头: where it stands, which column is which field, and which columns nobody knows (said, never hidden)."""

    row: int
    columns: dict[str, int]
    wordings: dict[str, str]
    ignored: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the file has, in its own order."""
        return tuple(self.columns)


def find_header(cells: pl.DataFrame, rows: int) -> Header | None:
    """The first of the leading rows that names most fields; none when hardly a wording is known."""
    best, score = 0, 0
    for place, row in enumerate(cells.head(rows).iter_rows()):
        known = sum(_field_of(cell) is not None for cell in row if cell)
        if known > score:
            best, score = place, known
    return read_header(cells, best) if score >= _RECOGNISED else None


def read_header(cells: pl.DataFrame, place: int) -> Header:
    """The header in line `place`; refused when a field stands twice or a needed one is missing."""
    where: dict[str, list[int]] = defaultdict(list)
    ignored: list[str] = []
    wordings = {at: (cell or "").strip() for at, cell in enumerate(cells.row(place))}
    for at, wording in wordings.items():
        field = _field_of(wording)
        if field is not None:
            where[field.name].append(at)
        elif wording:
            ignored.append(wording)
    _refuse_wrong(where, wordings, place + 1)
    return Header(
        row=place + 1,
        columns={name: places[0] for name, places in where.items()},
        wordings={name: wordings[places[0]] for name, places in where.items()},
        ignored=tuple(ignored),
    )


def _refuse_wrong(where: dict[str, list[int]], wordings: dict[int, str], row: int) -> None:
    repeated = [wordings[at] for places in where.values() if len(places) > 1 for at in places]
    if repeated:
        raise HeaderRepeated(repeated="、".join(repeated))
    missing = [BY_NAME[name].zh for name in NEEDED if name not in where]
    if missing:
        raise HeaderIncomplete(row=row, missing="、".join(missing))


def header_not_found(rows: int) -> HeaderNotFound:
    """The refusal that names what a header must have."""
    return HeaderNotFound(rows=rows, required="、".join(BY_NAME[name].zh for name in NEEDED))


def _field_of(cell: str | None) -> Field | None:
    """Wordings are compared without blanks and punctuation; a leading `*` marks what must be filled in."""
    return by_header().get(text_key(cell or "").lstrip("*").removeprefix("必填"))
