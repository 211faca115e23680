"""Streams of a compound file (.xls and password-protected workbooks): every chain bounded, nothing believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from services.registry.forms.problems import FileDamaged

SIGN = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END = 0xFFFFFFFE
_ENTRY = 128


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: int
    start: int
    size: int


class Compound:
    """复合文件: names and streams."""

    def __init__(self, content: bytes) -> None:
        if len(content) < 512 or not content.startswith(SIGN):
            raise FileDamaged(found="compound file")
        self._content = content
        shift = struct.unpack_from("<H", content, 30)[0]
        if shift not in (9, 12):
            raise FileDamaged(found="compound file: sector size")
        self._size = 1 << shift
        self._sectors = len(content) // self._size
        self._fat = self._table()
        entries = self._chain(struct.unpack_from("<I", content, 48)[0])
        self._entries = [_entry(entries, at) for at in range(0, len(entries) - _ENTRY + 1, _ENTRY)]

    @property
    def names(self) -> frozenset[str]:
        """Names of all storages and streams."""
        return frozenset(entry.name for entry in self._entries if entry.kind)

    def stream(self, *names: str) -> bytes | None:
        """The first stream of one of these names, or none. Small ones live elsewhere and are no table."""
        for entry in self._entries:
            if entry.kind == 2 and entry.name in names and entry.size >= struct.unpack_from("<I", self._content, 56)[0]:
                return self._chain(entry.start)[: entry.size]
        return None

    def _sector(self, number: int) -> bytes:
        if number >= self._sectors:
            raise FileDamaged(found="compound file: sector out of the file")
        return self._content[(number + 1) * self._size : (number + 2) * self._size]

    def _table(self) -> list[int]:
        """The allocation table: its first 109 sectors stand in the header, the others in a chain of their own."""
        places = list(struct.unpack_from("<109I", self._content, 76))
        following, seen = struct.unpack_from("<I", self._content, 68)[0], 0
        while following < _END - 2:
            more = self._numbers(following)
            places += more[:-1]
            following, seen = more[-1], seen + 1
            if seen > self._sectors:
                raise FileDamaged(found="compound file: endless chain")
        return [number for place in places if place < _END - 2 for number in self._numbers(place)]

    def _numbers(self, number: int) -> list[int]:
        sector = self._sector(number)
        return list(struct.unpack(f"<{len(sector) // 4}I", sector[: len(sector) // 4 * 4]))

    def _chain(self, number: int) -> bytes:
        pieces: list[bytes] = []
        while number < _END - 2:
            pieces.append(self._sector(number))
            if len(pieces) > self._sectors or number >= len(self._fat):
                raise FileDamaged(found="compound file: endless chain")
            number = self._fat[number]
        return b"".join(pieces)


def _entry(entries: bytes, at: int) -> _Entry:
    length = min(struct.unpack_from("<H", entries, at + 64)[0], 64)
    name = entries[at : at + max(0, length - 2)].decode("utf-16-le", "replace")
    start, size = struct.unpack_from("<II", entries, at + 116)
    return _Entry(name, entries[at + 66], start, size)
