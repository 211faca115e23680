"""What is odd about a sheet beside its cells' texts: formulas, lost digits, merged cells, what is hidden."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.registry.forms.limits import Limits
from services.registry.forms.problems import FileTooManyRows

Places = dict[int, set[int]]  # row of the file → columns, counted from 0
Range = tuple[int, int, int, int]  # first and last row (from 1), first and last column (from 0)

EXACT = 2**53
"""Beyond it a spreadsheet keeps fifteen digits of a number, the rest is gone."""


@dataclass(slots=True)
class Marks:
    """可疑单元格: cells whose text is not what somebody typed, and what a reader of the sheet does not see."""

    formulas: Places = field(default_factory=dict)
    rounded: Places = field(default_factory=dict)
    merged: list[Range] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden: bool = False

    def merge(self, first: int, last: int, left: int, right: int, limits: Limits) -> None:
        """One merged range; more of them than rows and columns together could need are an attack or a drawing."""
        if len(self.merged) >= limits.merged:
            raise FileTooManyRows(found=f"> {limits.merged:,} 处合并单元格/merged cells", limit=f"{limits.merged:,}")
        if first <= last and left <= right:
            self.merged.append((first, last, left, right))


@dataclass(frozen=True, slots=True)
class Book:
    """工作簿: each sheet's marks by its name, and from which year its dates count."""

    sheets: dict[str, Marks]
    is_1904: bool = False
