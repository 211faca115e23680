"""A file of the form becomes households and persons: read, grouped, checked, the refused taken out.

One line is one person, or what a row of its own says of a household (`layout`). The household is the unit: one member
who cannot be recorded truthfully sends the whole household back, with the culprit cell named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from services.registry.domain.fields import BY_NAME, FIELDS, Field, Kind, Level
from services.registry.domain.inspection import Check, Frames, type_of
from services.registry.domain.numbers import births, checksum_holds, damaged
from services.registry.domain.places import ROW_MASK
from services.registry.forms.cells import NO_DAY, Column, Wrong, half_width, months_of, read_column, translated
from services.registry.forms.header import NAMING, Choices, Header
from services.registry.forms.layout import Layout, Note, Place, Table, lay_out, places_of
from services.registry.forms.limits import Limits
from services.registry.forms.shaping import incomes_of, persons_of, source_values, statuses_of, with_combined
from shared.values import Period, Scope

_PERSON_SIGNS = ("name", "relation", "id_number", "sex", "birth_on", "person_number")
_DAMAGED = Wrong(
    "id.damaged",
    "号码被数字格式破坏（表格只保留15位，其后变为0或科学计数），校验码与形状不符，请以文本格式重新填写",
    "a number format kept fifteen digits of it: shape and check digit say so; write it again as text",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """读取结果: what may be recorded, what is in doubt, what goes back. rows = persons + rows_refused."""

    layout: Layout
    rows: int
    rows_refused: int
    households: pl.DataFrame
    persons: pl.DataFrame
    statuses: pl.DataFrame
    incomes: pl.DataFrame
    doubts: pl.DataFrame
    refusals: pl.DataFrame
    numbers: pl.Series
    """Every household that the file names, refused ones too."""

    @property
    def header(self) -> Header:
        """The first table's."""
        return self.layout.tables[0].header

    @property
    def tables(self) -> tuple[Table, ...]:
        """The file's tables: persons first, then households."""
        return self.layout.tables

    @property
    def places(self) -> tuple[Place, ...]:
        """Whose columns each part of a row's number stands for."""
        return self.layout.places

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out or done beside the eye."""
        return self.layout.notes

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the file has; all others stay as they are in the register."""
        return self.layout.fields

    def as_json(self) -> dict[str, Any]:
        """How the file was read, as an answer carries it."""
        return {
            "sheets": [place.sheet for place in self.places],
            "columns": [one.as_json(table.sheet.name) for table in self.tables for one in table.header.all],
            "notes": [note.as_json() for note in self.notes],
        }

    @property
    def ignored(self) -> tuple[str, ...]:
        """Header wordings that nobody knows."""
        return tuple(dict.fromkeys(one for table in self.tables for one in table.header.ignored))


def read_file(
    path: Path,
    *,
    checks: Sequence[Check],
    scope: Scope,
    on: date,
    default_year: Period | None = None,
    limits: Limits | None = None,
    choices: Choices | None = None,
    source: str | None = None,
    amends: bool = False,
) -> Reading:
    """Read one upload. Whole-file faults are raised; everything else is marked row by row. One that `amends` says a
    part of households on record: what they are as a whole, nobody can ask of it.
    """
    layout = lay_out(path, limits or Limits(), choices, source, amends=amends)
    rows, refusals = _typed(layout, amends=amends)
    households, differing = _households(rows, default_year, amends=amends)
    everything = Frames(rows.filter("counts"), households, on, frozenset(layout.fields))
    refusals.append(differing)
    refusals.extend(_structural(rows, households, scope))
    if amends:
        checks = ()
        refusals.extend(_nameless(rows))
    else:
        refusals.extend(_missing(rows, layout.raw, name) for name in ("name", "relation"))
        refusals.extend(_homeless(rows, layout))
    refusals.extend(_failed(check, everything) for check in checks if check.severity == "refusal")
    refused = pl.concat(refusals).unique(["row", "field", "code"], keep="first", maintain_order=True)
    persons = _without(everything.persons, refused)
    kept = replace(everything, persons=persons, households=_without(households, refused))
    doubts = [check.run(kept) for check in checks if check.severity == "doubt"]
    return _reading(layout, kept, refused, rows, doubts, amends=amends)


def _typed(layout: Layout, *, amends: bool) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Every field of the catalogue typed (null where the file lacks it), and the cells that could not be read."""
    raw = layout.raw
    keyed = raw.select("row", "household")
    columns: dict[str, pl.Series] = {}
    refusals: list[pl.DataFrame] = []
    for field in FIELDS:
        if field.name not in raw.columns:
            columns[field.name] = pl.repeat(None, raw.height, dtype=type_of(field), eager=True)
            continue
        meanings = layout.meanings.get(field.name)
        text = raw[field.name] if meanings is None else translated(raw[field.name], meanings).alias(field.name)
        column = _without_damage(field, read_column(field, text))
        if field.name == "birth_on":
            column = _with_day(column, raw)
        columns[field.name] = column.values.cast(type_of(field))
        refusals.extend(refusal(keyed.filter(mask), field.name, wrong) for mask, wrong in column.wrong if mask.any())
    rows = keyed.with_columns(series.alias(name) for name, series in columns.items())
    rows = rows.with_columns(source_values(raw, [name for name in layout.fields if name in raw.columns]))
    rows = rows.with_columns(_counts(raw, _OF_PERSON if amends else _PERSON_SIGNS).alias("counts"))
    return with_combined(rows), refusals


def _with_day(column: Column, raw: pl.DataFrame) -> Column:
    """A birth date without its day gets it from the person's own valid number, when that has the same month."""
    missing = next((mask for mask, wrong in column.wrong if wrong is NO_DAY), None)
    if missing is None or "id_number" not in raw.columns:
        return column
    numbers = half_width(raw["id_number"]).str.to_uppercase()
    born = births(pl.select(pl.when(checksum_holds(numbers).fill_null(False)).then(numbers)).to_series())
    same = missing & (born.dt.strftime("%Y%m") == months_of(raw["birth_on"])).fill_null(False)
    values = pl.select(pl.when(same).then(born).otherwise(column.values)).to_series()
    wrong = tuple((mask & ~same, why) if why is NO_DAY else (mask, why) for mask, why in column.wrong)
    return Column(values, wrong)


def _counts(raw: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Lines that stand for a person, and those of a household of which no line does: the others only say more of it."""
    signs = [pl.col(sign).is_not_null() for sign in names if sign in raw.columns]
    person = raw.select("household", pl.any_horizontal(signs or [pl.lit(False)]).alias("person"))
    return person.select(pl.col("person") | ~pl.col("person").any().over("household")).to_series()


_NO_HOME = Wrong("household.not_in_sheet", "户表中没有该户", "the sheet of households does not have it")
_TWO_HOMES = Wrong(
    "household.twice_in_sheet", "户表中该户出现多次", "it stands more than once in the sheet of households"
)


def _homeless(rows: pl.DataFrame, layout: Layout) -> list[pl.DataFrame]:
    """Where households have a sheet of their own, each of them stands there once."""
    own = {table.sheet.name for table in layout.tables if not table.header.of_persons}
    if not own:
        return []
    homes = [at for at, place in enumerate(layout.places) if place.sheet in own]
    is_home = places_of("row").is_in(homes)
    told = rows.filter(is_home)
    without = rows.filter(~is_home).join(told.select("household").unique(), on="household", how="anti")
    again = told.filter(~pl.col("household").is_first_distinct())
    return [refusal(without, "number", _NO_HOME), refusal(again, "number", _TWO_HOMES)]


def _without_damage(field: Field, column: Column) -> Column:
    if field.kind not in (Kind.CITIZEN_ID, Kind.CARD):
        return column
    broken = damaged(column.values)
    if not broken.any():
        return column
    values = pl.select(pl.when(~broken).then(column.values).otherwise(None)).to_series()
    return Column(values, (*column.wrong, (broken, _DAMAGED)))


def refusal(rows: pl.DataFrame, field: str, wrong: Wrong) -> pl.DataFrame:
    """The same reason for the same field of several rows."""
    return rows.select(
        pl.col("row").cast(pl.UInt32),
        "household",
        field=pl.lit(field),
        code=pl.lit(wrong.code),
        zh=pl.lit(f"{BY_NAME[field].zh}：{wrong.zh}"),
        en=pl.lit(f"{field}: {wrong.en}"),
    )


def _missing(rows: pl.DataFrame, raw: pl.DataFrame, name: str) -> pl.DataFrame:
    """A person without name or relation; a row without any person is a matter of check I12."""
    signs = [pl.col(sign).is_not_null() for sign in _PERSON_SIGNS if sign in raw.columns]
    absent = raw.select(pl.col(name).is_null() & pl.any_horizontal(signs)).to_series()
    return refusal(rows.filter(absent), name, Wrong("cell.missing", "必须填写", "must be filled in"))


_NOBODY = Wrong(
    "person.unnamed", "没有写明是哪名成员（姓名、证件号码或人编号）", "does not say which member it is about"
)
_TWICE = Wrong("person.repeated", "同一证件号码在本表重复出现", "the same number stands twice in this file")
_NUMBERLESS = Wrong("cell.missing", "必须填写", "must be filled in")


def _nameless(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Of corrections: whose household, and which of its members, has to be said."""
    said = pl.any_horizontal(pl.col(name).is_not_null() for name in _OF_PERSON)
    named = pl.any_horizontal(pl.col(name).is_not_null() for name in NAMING)
    again = pl.col("id_number").is_not_null() & ~pl.col("id_number").is_first_distinct()
    return [
        refusal(rows.filter(pl.col("household").str.starts_with("#")), "number", _NUMBERLESS),
        refusal(rows.filter(said & ~named), "name", _NOBODY),
        refusal(rows.filter(again), "id_number", _TWICE),
    ]


_OF_HOUSEHOLD = tuple(field.name for field in FIELDS if field.level is not Level.PERSON)
_OF_PERSON = tuple(field.name for field in FIELDS if field.level is Level.PERSON)


def _households(rows: pl.DataFrame, default_year: Period | None, *, amends: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row a household; cells that contradict one another go back."""
    grouped = rows.group_by("household", maintain_order=True).agg(
        pl.col("row").filter(pl.col("counts")).first().fill_null(pl.col("row").first()),
        pl.len().cast(pl.Int32).alias("rows"),
        pl.col("name").is_not_null().sum().cast(pl.Int32).alias("members"),
        pl.col("household_source_values").drop_nulls().first(),
        *(pl.col(name).min() for name in _OF_HOUSEHOLD),
        *((pl.col(name).max() != pl.col(name).min()).alias(f"{name}?") for name in _OF_HOUSEHOLD),
    )
    differing = [_differing(rows, grouped, name) for name in _OF_HOUSEHOLD if grouped[f"{name}?"].any()]
    households = grouped.drop(f"{name}?" for name in _OF_HOUSEHOLD)
    if not amends:  # one on record may have moved away from where its number was given
        own = pl.col("number").str.slice(0, 12).cast(pl.Int64, strict=False)
        households = households.with_columns(pl.coalesce("division", own).alias("division"))
    if default_year is not None:
        households = households.with_columns(
            pl.col("income_year_from").fill_null(default_year.first),
            pl.col("income_year_to").fill_null(default_year.last),
        )
    empty = refusal(rows.head(0), "number", Wrong("", "", ""))
    return households, pl.concat([empty, *differing])


def _differing(rows: pl.DataFrame, grouped: pl.DataFrame, name: str) -> pl.DataFrame:
    """The cells that say something else than the household's first."""
    torn = grouped.filter(pl.col(f"{name}?")).select("household")
    said = rows.join(torn, on="household", how="semi").filter(pl.col(name).is_not_null())
    first = pl.col(name).first().over("household")
    other = said.filter(pl.col(name) != first)
    return refusal(
        other, name, Wrong("household.cells_differ", "与本户首次填写的不一致", "differs from the household's first")
    )


def _structural(rows: pl.DataFrame, households: pl.DataFrame, scope: Scope) -> list[pl.DataFrame]:
    """What the register cannot hold truthfully, whatever the checks say."""
    village = pl.col("division")
    inside = pl.any_horizontal([(village >= lo) & (village < hi) for lo, hi in scope.ranges] or [pl.lit(False)])
    numbered = households.filter(pl.col("division").is_not_null())
    no_village = numbered.filter(village % 1000 == 0)
    outside = numbered.filter((village % 1000 != 0) & ~inside)
    return [
        refusal(no_village, "number", Wrong("division.not_village", "不在村级区划下", "lies in no village")),
        refusal(
            outside, "division", Wrong("scope.refused", "该村不在您的管辖范围内", "the village is outside your scope")
        ),
        *_wrong_statuses(households),
        *_wrong_years(households),
        *_repeated(rows),
    ]


_CONTRADICTION = Wrong("status.contradiction", "贫困户与脱贫户不能并存", "poor and lifted exclude one another")
_DISORDER = Wrong("status.order", "脱贫时间不晚于识别时间", "lifted not after it became poor")
_UNDATED = Wrong("status.since_missing", "缺少该户类型的起始时间", "the day it began is missing")
_NO_YEAR = Wrong("income.year_missing", "填了收入，未填收入年度", "income without its year")
_YEAR_ORDER = Wrong("income.year_order", "收入年度止不晚于起", "the income year ends before it begins")
_TOO_MANY = Wrong("cause.too_many", "其他致贫原因最多两项", "at most two other causes")


def _wrong_statuses(households: pl.DataFrame) -> list[pl.DataFrame]:
    kinds = pl.col("statuses").str.split("|")
    both = households.filter(kinds.list.contains("poor") & kinds.list.contains("lifted"))
    disorder = households.filter(kinds.list.contains("lifted") & (pl.col("lifted_since") <= pl.col("poor_since")))
    spans = statuses_of(households)
    undated = households.join(spans.filter(pl.col("since").is_null()), on="household", how="semi")
    many = households.filter(pl.col("other_causes").str.count_matches("|", literal=True) >= 2)
    return [
        refusal(both, "statuses", _CONTRADICTION),
        refusal(disorder, "lifted_since", _DISORDER),
        refusal(undated, "statuses", _UNDATED),
        refusal(many, "other_causes", _TOO_MANY),
    ]


def _wrong_years(households: pl.DataFrame) -> list[pl.DataFrame]:
    items = [pl.col(field.name).is_not_null() for field in FIELDS if field.table == "income" and field.component]
    first, last = pl.col("income_year_from"), pl.col("income_year_to")
    undated = households.filter(pl.any_horizontal(items) & (first.is_null() | last.is_null()))
    disorder = households.filter(last <= first)
    return [refusal(undated, "income_year_from", _NO_YEAR), refusal(disorder, "income_year_to", _YEAR_ORDER)]


def _repeated(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """The same number twice in one household would count one person twice."""
    again = rows.filter(pl.col("id_number").is_not_null()).filter(
        ~pl.struct("household", "id_number").is_first_distinct()
    )
    nameless = rows.filter(pl.col("id_number").is_null() & pl.col("name").is_not_null())
    twin = nameless.filter(~pl.struct("household", "name", "birth_on", "person_number").is_first_distinct())
    return [
        refusal(
            again, "id_number", Wrong("person.repeated", "同一成员在本户重复出现", "the same person stands twice here")
        ),
        refusal(
            twin, "name", Wrong("person.repeated", "无证件号码的同名成员重复出现", "same name twice without a number")
        ),
    ]


def _failed(check: Check, frames: Frames) -> pl.DataFrame:
    """The findings of a refusing check."""
    keys = frames.persons.select(pl.col("row").cast(pl.UInt32), "household")
    found = check.run(frames).join(keys, on="row", how="left")
    return found.select("row", "household", "field", pl.col("check").alias("code"), "zh", "en")


def _without(frame: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    return frame.join(refused.select("household").unique(), on="household", how="anti", maintain_order="left")


def _reading(
    layout: Layout,
    kept: Frames,
    refused: pl.DataFrame,
    rows: pl.DataFrame,
    doubts: list[pl.DataFrame],
    *,
    amends: bool,
) -> Reading:
    numbers = kept.households.select("household", "number")
    named = pl.any_horizontal(pl.col(name).is_not_null() for name in NAMING)
    people = kept.persons.filter(named) if amends else kept.persons
    persons = persons_of(people).join(numbers, on="household", how="left", maintain_order="left")
    found = pl.concat(doubts) if doubts else pl.DataFrame(schema=_NO_DOUBTS)
    by_row = persons.select(pl.col("row").cast(pl.UInt32), "number")
    none = pl.lit(None if amends else [], dtype=pl.List(pl.String))
    households = kept.households.rename({"household_source_values": "source_values"}).with_columns(
        pl.col("other_causes").str.split("|").fill_null(none)
    )
    counted = rows.filter("counts").height
    return Reading(
        layout=replace(layout, raw=layout.raw.clear()),
        rows=counted,
        rows_refused=counted - kept.persons.height,
        households=households,
        persons=persons,
        statuses=statuses_of(kept.households),
        incomes=incomes_of(kept.households, amends=amends),
        doubts=_headed(found.join(by_row, on="row", how="left", maintain_order="left"), layout).with_columns(
            pl.lit("doubt").alias("severity")
        ),
        refusals=_named(_with_innocent(refused, rows, layout), layout),
        numbers=rows["household"].unique(),
    )


_NO_DOUBTS = dict.fromkeys(("check", "field", "zh", "en", "facts"), pl.String) | {"row": pl.UInt32}


def _with_innocent(refused: pl.DataFrame, rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Rows that go back for another row of their household say so."""
    culprits = refused.group_by("household").agg(pl.col("row").min().alias("culprit"))
    going = rows.select(pl.col("row").cast(pl.UInt32), "household").join(culprits, on="household")
    innocent = going.join(refused, on="row", how="anti").select(
        "row",
        "household",
        pl.lit("number").alias("field"),
        pl.lit("household.refused").alias("code"),
        pl.format("本户{}第{}行有误，整户退回", _sheet(layout, zh=True), pl.col("culprit") & ROW_MASK).alias("zh"),
        pl.format(
            "row {} of this household{} is wrong, so all of it goes back",
            pl.col("culprit") & ROW_MASK,
            _sheet(layout, zh=False),
        ).alias("en"),
    )
    return pl.concat([refused, innocent]).sort("row", "field", "code")


def _sheet(layout: Layout, *, zh: bool) -> pl.Expr:
    """The culprit's sheet, where there are several."""
    names = [place.sheet for place in layout.places]
    if len(set(names)) < 2:
        return pl.lit("")
    told = [f"“{name}”" if zh else f" in sheet {name}" for name in names]
    places = list(range(len(names)))
    return places_of("culprit").replace_strict(places, told, return_dtype=pl.String)


def _headed(found: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """With the file's own heading of each field: that of the line's own columns, of another table, or the form's."""
    told = [(at, name, headings[name]) for at, headings in enumerate(headings_of(layout.places)) for name in headings]
    schema = {"place": pl.UInt32, "field": pl.String, "column": pl.String}
    return (
        found.with_columns(places_of("row").alias("place"))
        .join(pl.DataFrame(told, schema=schema, orient="row"), on=["place", "field"], how="left", maintain_order="left")
        .drop("place")
    )


def headings_of(places: Sequence[Place]) -> list[dict[str, str]]:
    """For each place, every field's heading: its own, else another table's, else the form's."""
    others = {name: heading for place in reversed(places) for name, heading in place.headings.items()}
    forms = {name: field.zh for name, field in BY_NAME.items()}
    return [forms | others | place.headings for place in places]


def _named(refused: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Fields by the wording that the file has for them."""
    number = pl.when(~pl.col("household").str.starts_with("#")).then(pl.col("household"))
    return _headed(refused, layout).select("row", number.alias("number"), "column", "field", "code", "zh", "en")
