"""How much of a file is read before it is sent back: everything in here is a setting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """读取上限: sizes in bytes."""

    file_bytes: int = 32 * 1024 * 1024
    unpacked_bytes: int = 1024 * 1024 * 1024
    packed_ratio: int = 150
    archive_entries: int = 500
    rows: int = 200_000
    columns: int = 400
    formulas: int = 5_000
    merged: int = 400_000
    header_rows: int = 20
    sheets: int = 30
    sheets_seen: int = 500
    members: int = 40
