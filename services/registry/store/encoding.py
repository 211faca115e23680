"""From a file to rows that COPY takes; runs in the parsing child alone, which holds the frames and the keys.

A chunk is whole households. Its keys go out as blind indexes; back come inside numbers, ids and refusals; then numbers
and telephones are sealed for their very rows and the chunk is written as CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from services.registry.checks import ABOUT_HOUSEHOLDS, checks_with
from services.registry.domain.fields import BY_NAME
from services.registry.domain.inspection import PARTS_OF, Check, facts_of_number
from services.registry.domain.places import ROW_MASK, table_of
from services.registry.forms import Reading, headings_of, read_file, write_answer
from services.registry.store.arrivals import (
    Asked,
    AskedChecks,
    ChunkKeys,
    HouseholdKey,
    Numbered,
    Opening,
    PersonKey,
    Refusal,
)
from services.registry.store.fingerprints import fingerprints_of
from shared.crypto import KeyRing
from shared.parameters import Parameters

Files = dict[str, tuple[list[str], bytes]]
SEALED = {"id_number": "citizen_id", "disability_card": "disability_card", "phone": "phone"}
HOMES = {"number": pl.String, "household_no": pl.Int64, "id": pl.String, "is_new": pl.Boolean, "at": pl.Int64}
ALWAYS_OF_PERSON = ("name", "masked_name", "source_values")


class Book:
    """册: one file as the child holds it between two questions."""

    def __init__(self, path: Path, asked: Asked, keys: KeyRing) -> None:
        self.asked = asked
        self.keys = keys
        self._checks = checks_with(Parameters(asked.parameters))
        self.reading: Reading = read_file(
            path,
            checks=self._checks,
            scope=asked.scope,
            on=asked.observed_on,
            default_year=asked.year,
            limits=asked.limits,
            source=asked.system,
            choices=asked.choices,
            amends=asked.amends,
        )
        self._headings = headings_of(self.reading.places)
        self._chunk_of = _chunks(self.reading, asked)

    def opening(self) -> Opening:
        """What the parent must know of the whole file."""
        reading = self.reading
        return Opening(
            rows=reading.rows,
            rows_refused=reading.rows_refused,
            chunks=0 if self._chunk_of.is_empty() else int(self._chunk_of["chunk"].max()),  # type: ignore[arg-type]
            fields=reading.fields,
            headings=self._headings,
            told=reading.as_json(),
            household_columns=_household_columns(self.asked.shapes.household, reading.fields),
            person_columns=_person_columns(self.asked.shapes.person, reading.fields, amends=self.asked.amends),
            sealed_columns=tuple(f"{name}_sealed" for name in SEALED if name in reading.fields),
            refusals=_refusals(reading.refusals),
            asked=_asked(self._checks, frozenset(reading.fields), self.asked.observed_on),
        )

    def _of(self, frame: pl.DataFrame, chunk: int) -> pl.DataFrame:
        chosen = self._chunk_of.filter(pl.col("chunk") == chunk).select("household")
        return frame.join(chosen, on="household", how="semi", maintain_order="left")

    def keys_of(self, chunk: int) -> ChunkKeys:
        """Under which keys the chunk's households and persons would stand in the register."""
        households = self._of(self.reading.households, chunk).select("number", "division", "row")
        persons = self._of(self.reading.persons, chunk)
        index = self.keys.blind_indexes
        none = pl.lit(None, pl.String)
        met_by = ("name", "person_number") if self.asked.amends else (none.alias("name"), none.alias("person_number"))
        return ChunkKeys(
            households=[HouseholdKey(*row) for row in households.iter_rows()],
            persons=[
                PersonKey(
                    row=row,
                    number=number,
                    relation=relation,
                    identities=[] if provisional else index("citizen_id", text),
                    provisional=index("provisional", own),
                    name=name,
                    person_number=person_number,
                )
                for row, number, relation, provisional, text, own, name, person_number in persons.select(
                    "row", "number", "relation", "id_provisional", "identity_text", "provisional_text", *met_by
                ).iter_rows()
            ],
        )

    def encode(self, job: UUID, chunk: int, numbered: Numbered) -> Files:
        """The chunk's rows as CSV, numbered and sealed; refused households are left out."""
        homes = pl.DataFrame(
            numbered.households,
            schema=HOMES,
            orient="row",
        )
        place = homes.select("number", "household_no", pl.col("at").alias("division"))
        households = self._of(self.reading.households, chunk).drop("division").join(homes, on="number")
        causes = pl.concat_str(pl.lit("{"), pl.col("other_causes").list.join(","), pl.lit("}")).alias("other_causes")
        households = households.rename({"at": "division"}).with_columns(causes)
        persons = self._persons(chunk, numbered, place)
        on = pl.lit(self.asked.observed_on).alias("observed_on")
        number_of = place.select("number", "household_no")
        statuses = self._by_number(self.reading.statuses, chunk).join(number_of, on="number")
        incomes = self._by_number(self.reading.incomes, chunk).join(number_of, on="number").with_row_index("entry")
        doubts = self._doubts(chunk, numbered, persons.select("row", "person_no", "household_no"))
        row = pl.col("row").cast(pl.UInt32) & ROW_MASK  # statuses and doubts are still asked where they stand
        frames = {
            "staging_household": households.with_columns(on, row),
            "staging_person": persons.with_columns(on, row),
            "staging_status": statuses,
            "staging_income": incomes.with_columns(row),
            "staging_doubt": doubts,
        }
        of_job = pl.lit(str(job)).alias("job")
        known = self.asked.shapes.staging
        return {name: _csv(known[name], frame.with_columns(of_job)) for name, frame in frames.items()}

    def _by_number(self, frame: pl.DataFrame, chunk: int) -> pl.DataFrame:
        numbers = self._of(self.reading.households, chunk).select("number")
        return frame.join(numbers, on="number", how="semi", maintain_order="left")

    def _persons(self, chunk: int, numbered: Numbered, place: pl.DataFrame) -> pl.DataFrame:
        columns = {
            "row": pl.UInt32,
            "person_no": pl.Int64,
            "id": pl.String,
            "is_new": pl.Boolean,
            "id_provisional": pl.Boolean,
            "identity_index": pl.String,
        }
        ours = pl.DataFrame(numbered.persons, schema=columns, orient="row")
        persons = self._of(self.reading.persons, chunk).drop("id_provisional", "division", strict=False)
        persons = persons.with_columns(pl.col("row").cast(pl.UInt32)).join(ours, on="row", maintain_order="left")
        persons = persons.join(place, on="number", maintain_order="left")
        return persons.with_columns(series for name in SEALED for series in self._sealed(persons, name))

    def _sealed(self, persons: pl.DataFrame, name: str) -> tuple[pl.Series, pl.Series]:
        """Cipher texts bound to their rows, and blind indexes; null where there is nothing."""
        texts, ids = persons[name].to_list(), persons["id"].to_list()
        there = [(id_, text) for id_, text in zip(ids, texts, strict=True) if text is not None]
        sealed = iter(self.keys.seal_many("person", name, there))
        index = self.keys.blind_index
        return (
            pl.Series(f"{name}_sealed", [None if t is None else hexed(next(sealed)) for t in texts], dtype=pl.String),
            pl.Series(
                f"{name}_index", [None if t is None else hexed(index(SEALED[name], t)) for t in texts], dtype=pl.String
            ),
        )

    def _doubts(self, chunk: int, numbered: Numbered, who: pl.DataFrame) -> pl.DataFrame:
        """What the chunk's rows leave in doubt; what is about a household names none of its members."""
        names = {"check": "check_id", "zh": "detail_zh", "en": "detail_en"}
        wanted = ["row", "check_id", "severity", "field", "detail_zh", "detail_en", "facts"]
        found = self.reading.doubts.rename(names).select(pl.col("row").cast(pl.UInt32), *wanted[1:])
        schema = {"row": pl.UInt32} | dict.fromkeys(wanted[1:], pl.String)
        numbers = dict(zip(self.reading.persons["row"], self.reading.persons["id_number"], strict=True))
        told = [_told_doubt(row, numbers[row]) for row in numbered.repeated]
        both = pl.concat([found, pl.DataFrame(told, schema=schema, orient="row")])
        both = both.unique(["row", "check_id", "field"], keep="first", maintain_order=True)
        ours = both.join(who.with_columns(pl.col("row").cast(pl.UInt32)), on="row", maintain_order="left")
        marks = [fingerprints_of(self.keys, check, facts) for check, facts in ours.select("check_id", "facts").rows()]
        of_all = pl.col("check_id").is_in(ABOUT_HOUSEHOLDS)
        return ours.with_columns(
            pl.Series("fingerprints", marks, dtype=pl.String),
            pl.when(~of_all).then(pl.col("person_no")).alias("person_no"),
        )

    def answer(
        self,
        refusals: Sequence[Refusal],
        doubts: Sequence[Sequence[Any]],
        summary: Mapping[str, Any],
        absent: Sequence[Sequence[Any]] = (),
        changes: Sequence[Sequence[Any]] = (),
    ) -> bytes:
        """The answer workbook."""
        names = ("row", "column", "code", "zh", "en")
        going = pl.DataFrame(
            [(r.row, r.column, r.code, r.zh, r.en) for r in refusals],
            schema={"row": pl.UInt32} | dict.fromkeys(names[1:], pl.String),
            orient="row",
        )
        headings = self._headings
        asked = pl.DataFrame(
            [(row, headings[table_of(row)][field], check, zh, en) for row, field, check, zh, en in doubts],
            schema={"row": pl.UInt32} | dict.fromkeys(("column", "check", "zh", "en"), pl.String),
            orient="row",
        )
        layout = self.reading.layout
        return write_answer(layout, refusals=going, doubts=asked, summary=summary, absent=absent, changes=changes)

    def listed(self) -> tuple[list[int], list[str]]:
        """The villages of which the file is a list, and every household's number in it."""
        return self.reading.households["division"].drop_nulls().unique().to_list(), self.reading.numbers.to_list()


def hexed(value: bytes) -> str:
    """Bytes as PostgreSQL reads them in a text."""
    return "\\x" + value.hex()


def _told_doubt(row: int, number: str) -> tuple[Any, ...]:
    zh, en = "证件号码与另一户成员相同", "the id number also stands in another household"
    return row, "I1", "doubt", "id_number", zh, en, facts_of_number(number)


def _asked(checks: Sequence[Check], fields: frozenset[str], on: date) -> AskedChecks:
    """A field that the form gives in parts is asked by its parts."""
    asked = [check for check in checks if check.severity == "doubt" and check.is_asked(fields, on)]
    whole = {name for name, parts in PARTS_OF.items() if name in fields or not parts.isdisjoint(fields)}
    return AskedChecks(
        whole=tuple(check.id for check in asked if not check.in_parts),
        in_parts=tuple(check.id for check in asked if check.in_parts),
        fields=tuple(sorted(whole)),
    )


def _chunks(reading: Reading, asked: Asked) -> pl.DataFrame:
    """Households to chunks, in the file's order; the same file is always cut at the same places. Corrections may name
    none of a household's members. The first chunk is a quarter of the others: the database waits for it.
    """
    if asked.amends:
        sizes = reading.households.select("household", pl.col("rows").alias("len"))
    else:
        sizes = reading.persons.group_by("household", maintain_order=True).len()
    before = pl.col("len").cum_sum() - pl.col("len") + asked.chunk_rows * 3 // 4
    return sizes.select("household", (before // asked.chunk_rows + 1).cast(pl.Int64).alias("chunk"))


def _household_columns(known: Sequence[str], fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in known if name in fields or name in ("division", "source_values"))


def _person_columns(known: Sequence[str], fields: Sequence[str], *, amends: bool) -> tuple[str, ...]:
    """Columns that the file speaks of, whether by their own field or by one that becomes part of them."""
    told = {BY_NAME[name].into or name for name in fields}
    indexes = {f"{name}_index" for name in SEALED if name in told}
    parts = {"disability_kind", "disability_level"} if "disability_card" in told else set()
    always = {"source_values"} if amends and "name" not in told else {*ALWAYS_OF_PERSON}
    return tuple(name for name in known if name in {*told, *indexes, *parts, *always})


def _refusals(frame: pl.DataFrame) -> list[Refusal]:
    return [Refusal(*row) for row in frame.select("row", "column", "code", "zh", "en").iter_rows()]


def _csv(known: Sequence[str], frame: pl.DataFrame) -> tuple[list[str], bytes]:
    """Without heading; an absent value is an empty cell, which COPY reads as null."""
    columns = [column for column in known if column in frame.columns]
    if frame.is_empty():
        return columns, b""
    text: str = frame.select(columns).write_csv(include_header=False)
    return columns, text.encode()
