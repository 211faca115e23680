"""Sealed fields and blind indexes: what a stolen disk, dump or row does not tell.

A sealed value is AES-256-GCM over the text, bound to its table, column and row: moved elsewhere it does not open. A
blind index is HMAC-SHA-256 over the normal form, so that a citizen id is found without being readable. Every value
names the key that made it; old keys stay in the ring until all their values are made anew, and look-ups try all of
them (ADR 0013).

sealed = version 1 · length of key id · key id · nonce (12) · ciphertext and tag (16) index = length of key id · key
id · HMAC-SHA-256 (32)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import stat
import struct
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
SEALED_VERSION = 1
PURPOSES = {"seal": "s1", "index": "i1", "sign": "c1"}
CONTEXT = b"tuopin sealed field 1"

RowId = UUID | str | int


class KeyRingWrong(SystemExit):
    """密钥环有误: the process cannot start; says which file and why, never a key."""


class SealBroken(ValueError):
    """密封失效: changed, moved to another row, column or table, or made by a key that the ring does not hold."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one purpose: the current one makes, all of them open."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError("the current key is not in the ring")
        if any(len(key) != KEY_BYTES for key in self.keys.values()):
            raise ValueError("every key has 32 bytes")
        if any(not 1 <= len(name.encode()) <= 32 for name in self.keys):
            raise ValueError("a key id has 1 to 32 bytes")

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self:
        """From one purpose of the file."""
        return cls(str(written["current"]), {name: _key(text) for name, text in written["keys"].items()})


@dataclass(frozen=True)
class KeyRing:
    """密钥环: sealing, indexing and signing keys of one stack. Picklable, so that a parsing child can hold it."""

    seal_keys: Keys
    index_keys: Keys
    sign_keys: Keys

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self:
        """From the form that `new_key_ring` answers."""
        return cls(*(Keys.of(written[purpose]) for purpose in PURPOSES))

    @classmethod
    def load(cls, path: Path) -> Self:
        """From its file (mode 0600; a secret that is mounted for a group to read is accepted)."""
        try:
            if path.stat().st_mode & (stat.S_IWGRP | stat.S_IRWXO):
                raise KeyRingWrong(
                    f"{path}: 密钥文件不得让他人读写（chmod 600） / others may neither read nor write it (chmod 600)"
                )
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, KeyError, TypeError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise KeyRingWrong(f"{path}: 密钥文件无法使用 / the key ring cannot be used: {why}") from None

    @cached_property
    def _ciphers(self) -> dict[bytes, AESGCM]:
        return {name.encode(): AESGCM(key) for name, key in self.seal_keys.keys.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_ciphers", "_live_index_keys")}

    def seal(self, table: str, column: str, row: RowId, text: str) -> bytes:
        """Seal one text for its place."""
        return self.seal_many(table, column, [(row, text)])[0]

    def seal_many(self, table: str, column: str, rows: Iterable[tuple[RowId, str]]) -> list[bytes]:
        """Seal a column of many rows; nonces are drawn at once (the parsing child's fast path)."""
        todo = list(rows)
        name = self.seal_keys.current.encode()
        encrypt, place = self._ciphers[name].encrypt, _place(table, column)
        head, nonces = bytes((SEALED_VERSION, len(name))) + name, os.urandom(NONCE_BYTES * len(todo))
        sealed = []
        for number, (row, text) in enumerate(todo):
            nonce = nonces[number * NONCE_BYTES : (number + 1) * NONCE_BYTES]
            sealed.append(head + nonce + encrypt(nonce, text.encode(), place + _part(str(row))))
        return sealed

    def unseal(self, table: str, column: str, row: RowId, sealed: bytes) -> str:
        """The text, if it was sealed for this very place and is unchanged."""
        name, rest = _named(sealed[1:]) if sealed[:1] == bytes((SEALED_VERSION,)) else (b"", b"")
        cipher = self._ciphers.get(name)
        if cipher is None or len(rest) < NONCE_BYTES:
            raise SealBroken("not sealed by a key of this ring")
        try:
            place = _place(table, column) + _part(str(row))
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place).decode()
        except InvalidTag:
            raise SealBroken("changed, or sealed for another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the current key sealed it; if not, it should be sealed anew before that key leaves the ring."""
        return _named(sealed[1:])[0] == self.seal_keys.current.encode()

    def blind_index(self, kind: str, text: str) -> bytes:
        """What is stored beside a sealed value of this kind (`citizen_id`, `phone`, …) so that it can be found."""
        return self._blind(self.index_keys.current, kind, text)

    def blind_indexes(self, kind: str, text: str) -> list[bytes]:
        """What to look up: one for each live key, the current one first. Compare by `= any($1)`."""
        said = kind.encode() + b"\0" + normal_form(text).encode()
        return [head + hmac.digest(key, said, "sha256") for head, key in self._live_index_keys]

    @cached_property
    def _live_index_keys(self) -> list[tuple[bytes, bytes]]:
        """Their names as values carry them, and the keys: the current one first."""
        names = sorted(self.index_keys.keys, key=lambda name: name != self.index_keys.current)
        return [(_part_short(name), self.index_keys.keys[name]) for name in names]

    def _blind(self, name: str, kind: str, text: str) -> bytes:
        said = kind.encode() + b"\0" + normal_form(text).encode()
        return _part_short(name) + hmac.digest(self.index_keys.keys[name], said, "sha256")

    def sign(self, message: bytes) -> bytes:
        """A tag of 16 bytes with the current key: cursors and other texts that come back from outside."""
        return _part_short(self.sign_keys.current) + self._tag(self.sign_keys.current, message)

    def is_signed(self, message: bytes, tag: bytes) -> bool:
        """Whether a live key signed exactly this message."""
        name, mark = _named(tag)
        known = name.decode(errors="replace")
        return known in self.sign_keys.keys and hmac.compare_digest(self._tag(known, message), mark)

    def _tag(self, name: str, message: bytes) -> bytes:
        return hmac.digest(self.sign_keys.keys[name], message, hashlib.sha256)[:16]


def normal_form(text: str) -> str:
    """The form that is indexed: half width, upper case, no blanks and no hyphens (`１１０…x` and `110…X` are one)."""
    if text.isascii() and text.isalnum():
        return text.upper()
    return "".join(unicodedata.normalize("NFKC", text).upper().split()).replace("-", "")


def new_key_ring() -> dict[str, Any]:
    """A fresh ring in the form of its file (JSON; to be written with mode 0600)."""
    return {purpose: {"current": name, "keys": {name: _new_key()}} for purpose, name in PURPOSES.items()}


def with_new_key(written: Mapping[str, Any], purpose: str, name: str) -> dict[str, Any]:
    """The same ring with one more key, which is the current one from now on; the old ones still open."""
    old = written[purpose]
    if name in old["keys"]:
        raise ValueError(f"the ring has a key {name!r} already")
    return {**written, purpose: {"current": name, "keys": {**old["keys"], name: _new_key()}}}


def _key(text: str) -> bytes:
    """Base64, URL-safe, with or without its padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _place(table: str, column: str) -> bytes:
    return CONTEXT + _part(table) + _part(column)


def _part(text: str) -> bytes:
    """With its length before it, so that no two places read alike."""
    encoded = text.encode()
    return struct.pack(">I", len(encoded)) + encoded


def _part_short(name: str) -> bytes:
    encoded = name.encode()
    return bytes((len(encoded),)) + encoded


def _named(value: bytes) -> tuple[bytes, bytes]:
    """Key id and what follows it."""
    length = value[0] if value else 0
    return value[1 : 1 + length], value[1 + length :]
