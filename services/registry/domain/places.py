"""Where a row of a reading stands in its file: table and row in one whole number, so that it stays one key on its way.

A file may hold several tables (sheets, or members side by side in one row). Of a file with one table, the number is the
row itself.
"""

from __future__ import annotations

ROW_BITS = 21  # a sheet has 2^20 rows at most
ROW_MASK = (1 << ROW_BITS) - 1
TABLES = 1 << (31 - ROW_BITS)  # what an integer column still holds


def row_of(line: int) -> int:
    """The row of the file, counted from 1."""
    return line & ROW_MASK


def table_of(line: int) -> int:
    """Which of the file's tables, counted from 0."""
    return line >> ROW_BITS
