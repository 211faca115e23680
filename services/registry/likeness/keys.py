"""比对键: by which numbers a person is compared with others, made where the plain text is in hand.

Names become numbers of 64 bits, since two of them are compared more quickly than two texts; a citizen id and a
telephone become the first eight bytes of the blind index that stands beside them anyway. 0 means unknown throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

import polars as pl

from services.registry.likeness.numbers import IdForm, ProbeKind, Written, born_in, read_number
from services.registry.likeness.spelling import key_of, spell

BlindIndex = Callable[[str, str], bytes]
"""`KeyRing.blind_index`: a kind and a text become the index that is stored."""

_EPOCH = date(1970, 1, 1)
_SEXES = {"male": 1, "female": 2}


@dataclass(frozen=True, slots=True)
class Probe:
    """修复探针: the key of a valid number that a failing one may stand for."""

    key: int
    kind: int


@dataclass(frozen=True, slots=True)
class NameKeys:
    """姓名键: all that two names are compared by, and how a name is found by its sound."""

    name_key: int
    sound_key: int
    bag_key: int
    surname_key: int
    given_key: int
    spelling: int
    syllables: int
    pinyin: str
    initials: str


@dataclass(frozen=True, slots=True)
class PersonKeys:
    """人员比对键: one person's keys; where he lives and who heads his household is for others to add."""

    id_form: int
    id_key: int
    phone_key: int
    name_key: int
    sound_key: int
    bag_key: int
    surname_key: int
    given_key: int
    spelling: int
    syllables: int
    born: int
    born_day: int
    sex: int
    pinyin: str
    initials: str
    probes: tuple[Probe, ...] = ()


KEY_COLUMNS: dict[str, Any] = {
    "id_form": pl.Int16, "id_key": pl.Int64, "phone_key": pl.Int64,
    "name_key": pl.Int64, "sound_key": pl.Int64, "bag_key": pl.Int64, "surname_key": pl.Int64, "given_key": pl.Int64,
    "spelling": pl.Int64, "syllables": pl.Int16, "born": pl.Int32, "born_day": pl.Int32, "sex": pl.Int16,
    "pinyin": pl.String, "initials": pl.String,
}  # fmt: skip
"""The columns of `keys_frame`, in order."""
PROBE_COLUMNS: dict[str, Any] = {"row": pl.UInt32, "key": pl.Int64, "kind": pl.Int16}


def key_of_index(index: bytes) -> int:
    """The first eight bytes of a blind index after the name of its key."""
    start = 1 + index[0]
    return int.from_bytes(index[start : start + 8], "big", signed=True) or 1


@lru_cache(maxsize=200_000)
def name_keys(name: str) -> NameKeys:
    """The keys of a name; most names of a county stand in it more than once."""
    spelt = spell(name)
    return NameKeys(
        name_key=key_of(spelt.folded),
        sound_key=key_of(" ".join(spelt.sound)),
        bag_key=key_of(" ".join(sorted(spelt.sound))),
        surname_key=key_of(" ".join(spelt.surname)),
        given_key=key_of(" ".join(spelt.given)),
        spelling=spelt.packed,
        syllables=min(len(spelt.sound), 99),
        pinyin=spelt.pinyin,
        initials=spelt.initials,
    )


def keys_of(
    name: str,
    id_number: str | None,
    birth_on: date | None,
    sex: str | None,
    phone: str | None,
    index: BlindIndex,
    areas: Set[str] | None = None,
) -> PersonKeys:
    """One person's keys. Without a birth date the one in a valid number holds; repairs are guessed within `areas`."""
    written = read_number(id_number, areas)
    born = birth_on or (born_in(written.number) if written.number else None)
    named = name_keys(name)
    return PersonKeys(
        id_form=int(written.form),
        id_key=key_of_index(index("citizen_id", written.number)) if written.number else 0,
        phone_key=key_of_index(index("phone", phone)) if phone else 0,
        born=_day_number(born),
        born_day=(born - _EPOCH).days if born else 0,
        sex=_SEXES.get(sex or "", 0),
        probes=_probes(written, index),
        **dict(zip(_NAME_COLUMNS, _NAME_VALUES(named), strict=True)),
    )


def _day_number(born: date | None) -> int:
    return born.year * 10_000 + born.month * 100 + born.day if born else 0


def _probes(written: Written, index: BlindIndex) -> tuple[Probe, ...]:
    return tuple(Probe(key_of_index(index("citizen_id", number)), int(kind)) for number, kind in written.repairs)


def keys_frame(
    persons: pl.DataFrame, index: BlindIndex, areas: Set[str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys of many, in their order, and their probes (by row from 0).

    Columns: name, id_number, birth_on, sex, phone; `id_number_index` and `phone_index` (hexadecimal, with or without
    `\\x`), where they were made already, are not made again. A number of eighteen characters that holds is the normal
    case and is not read twice.
    """
    named = persons["name"].unique()
    made = [_NAME_VALUES(name_keys(one or "")) for one in named]
    names = pl.DataFrame(made, schema=_NAME_COLUMNS, orient="row")
    names = names.with_columns(named.fill_null("").alias("name"))
    frame = persons.select(pl.col("name").fill_null("")).join(names, on="name", how="left", maintain_order="left")
    read = [read_number(one, areas) for one in persons["id_number"]]
    probes = [
        (row, key_of_index(index("citizen_id", number)), int(kind))
        for row, written in enumerate(read)
        for number, kind in written.repairs
    ]
    keys = frame.with_columns(*_identity(persons, read, index), *_birth(persons, read), *_phone(persons, index))
    return keys.select(pl.col(name).cast(kind) for name, kind in KEY_COLUMNS.items()), pl.DataFrame(
        probes, schema=PROBE_COLUMNS, orient="row"
    )


_NAME_COLUMNS = {name: KEY_COLUMNS[name] for name in NameKeys.__dataclass_fields__}
_NAME_VALUES = attrgetter(*_NAME_COLUMNS)


def _identity(persons: pl.DataFrame, read: list[Written], index: BlindIndex) -> tuple[pl.Series, pl.Series]:
    forms = pl.Series("id_form", [int(one.form) for one in read], dtype=pl.Int16)
    texts = persons["id_number"].to_list()
    made = persons["id_number_index"].to_list() if "id_number_index" in persons.columns else [None] * len(texts)
    keys = [
        0
        if one.number is None
        else key_of_index(_raw(known) if known and text == one.number else index("citizen_id", one.number))
        for one, text, known in zip(read, texts, made, strict=True)
    ]
    return forms, pl.Series("id_key", keys, dtype=pl.Int64)


def _birth(persons: pl.DataFrame, read: list[Written]) -> tuple[pl.Series, pl.Series, pl.Series]:
    by_number = [born_in(one.number) if one.number else None for one in read]
    born = persons["birth_on"].fill_null(pl.Series(by_number, dtype=pl.Date))
    number = born.dt.year().cast(pl.Int32) * 10_000 + born.dt.month().cast(pl.Int32) * 100 + born.dt.day()
    days = born.cast(pl.Int32)
    sex = persons["sex"].replace_strict(_SEXES, default=0, return_dtype=pl.Int16)
    return number.fill_null(0).alias("born"), days.fill_null(0).alias("born_day"), sex.alias("sex")


def _phone(persons: pl.DataFrame, index: BlindIndex) -> tuple[pl.Series]:
    if "phone_index" in persons.columns:
        keys = [key_of_index(_raw(one)) if one else 0 for one in persons["phone_index"]]
    else:
        keys = [key_of_index(index("phone", one)) if one else 0 for one in persons["phone"]]
    return (pl.Series("phone_key", keys, dtype=pl.Int64),)


def _raw(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.removeprefix("\\x"))


__all__ = [
    "KEY_COLUMNS",
    "PROBE_COLUMNS",
    "IdForm",
    "NameKeys",
    "PersonKeys",
    "Probe",
    "ProbeKind",
    "key_of_index",
    "keys_frame",
    "keys_of",
    "name_keys",
]
