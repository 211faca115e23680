"""How a file means what it says: a register to be recorded, new households alone, corrections of what is on record, or
the full list of a village; and what an empty cell means (ADR 0025).
"""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """导入方式."""

    RECORD = "record"
    """登记: each household as it was found; new ones enter, those on record become what the file says of them."""
    CREATE = "create"
    """新增: households that are not on record; a number that is goes back."""
    UPDATE = "update"
    """更正: a few columns of households and members on record; whoever it does not name stays as he is."""
    REPLACE_VILLAGE = "replace-village"
    """整村核对: all households of its villages; those that it does not name are listed for somebody to decide."""


class Blank(StrEnum):
    """空白单元格: whether an empty cell of a column that the file has keeps what is on record, or erases it."""

    KEEP = "keep"
    ERASE = "erase"


def meaning_of_blank(mode: Mode, asked: Blank | None) -> Blank | None:
    """What an empty cell means; None where it was asked for what cannot be: a visit's form is filled in whole."""
    if mode is Mode.UPDATE:
        return asked or Blank.KEEP
    return None if asked is Blank.KEEP else Blank.ERASE


class Decided(StrEnum):
    """未列户处理意见: what somebody has found out about a household that its village's list does not name."""

    KEPT = "kept"
    """仍在: it lives there, the list forgot it."""
    MOVED = "moved"
    """已迁出."""
    MERGED = "merged"
    """已并入他户."""
    CLOSED = "closed"
    """应注销: nobody of it is left."""
    UNCLEAR = "unclear"
    """待查."""
