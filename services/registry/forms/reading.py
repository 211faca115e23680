"""A file of the national form becomes households and persons: read, grouped, checked, the refused taken out.

One row is one person; what is said of the household stands on its first row or on each. The household is the unit: one
member who cannot be recorded truthfully sends the whole household back, with the culprit cell named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from services.registry.domain.fields import BY_NAME, FIELDS, Field, Kind, Level
from services.registry.domain.inspection import Check, Frames, type_of
from services.registry.domain.numbers import damaged
from services.registry.forms.cells import Column, Wrong, read_column, tidy
from services.registry.forms.header import Header, find_header, header_not_found
from services.registry.forms.limits import Limits
from services.registry.forms.opening import Sheet, open_sheets
from services.registry.forms.problems import FileTooManyRows, NoRows, RowTooLong
from services.registry.forms.shaping import incomes_of, persons_of, source_values, statuses_of, with_combined
from shared.values import Period, Scope

REFUSAL_COLUMNS = ("row", "household", "field", "code", "zh", "en")
_PERSON_SIGNS = ("name", "relation", "id_number", "sex", "birth_on", "person_number")
_DAMAGED = Wrong(
    "id.damaged", "号码末几位已被数字格式破坏，请以文本格式重新填写", "a number format has destroyed its last digits"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """读取结果: what may be recorded, what is in doubt, what goes back. rows = persons + rows_refused."""

    header: Header
    rows: int
    rows_refused: int
    households: pl.DataFrame
    persons: pl.DataFrame
    statuses: pl.DataFrame
    incomes: pl.DataFrame
    doubts: pl.DataFrame
    refusals: pl.DataFrame

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the file has; all others stay as they are in the register."""
        return self.header.fields

    @property
    def ignored(self) -> tuple[str, ...]:
        """Header wordings that nobody knows."""
        return self.header.ignored


def read_file(
    path: Path,
    *,
    checks: Sequence[Check],
    scope: Scope,
    on: date,
    default_year: Period | None = None,
    limits: Limits | None = None,
) -> Reading:
    """Read one upload. Whole-file faults are raised; everything else is marked row by row."""
    sheet, header = locate_table(path, limits or Limits())
    raw = data_rows(sheet, header, limits or Limits())
    rows, refusals = _typed(raw, header)
    households, differing = _households(rows, default_year)
    everything = Frames(rows, households, on, frozenset(header.fields))
    refusals.append(differing)
    refusals.extend(_structural(rows, households, scope))
    refusals.extend(_failed(check, everything) for check in checks if check.severity == "refusal")
    refused = pl.concat(refusals).unique(["row", "field", "code"], keep="first", maintain_order=True)
    kept = replace(everything, persons=_without(rows, refused), households=_without(households, refused))
    doubts = [check.run(kept) for check in checks if check.severity == "doubt"]
    return _reading(header, kept, refused, rows, doubts)


def locate_table(path: Path, limits: Limits) -> tuple[Sheet, Header]:
    """The first sheet that has the form's header."""
    for sheet in open_sheets(path, limits):
        if sheet.cells.height:
            header = find_header(sheet.cells, limits.header_rows)
            if header is not None:
                return sheet, _with_nameless(sheet, header)
    raise header_not_found(limits.header_rows)


def _with_nameless(sheet: Sheet, header: Header) -> Header:
    """Cells under no heading: in a text table a comma too many has shifted the row; in a workbook they are notes."""
    heads = sheet.cells.row(header.row - 1)
    below = sheet.cells.slice(header.row).with_row_index("row", offset=header.row + 1)
    nameless = [at for at, cell in enumerate(heads) if not (cell or "").strip()]
    used = [at for at in nameless if below[f"c{at}"].str.strip_chars().str.len_chars().sum() > 0]
    if used and sheet.is_text:
        first = below.filter(pl.any_horizontal(pl.col(f"c{at}").str.len_chars() > 0 for at in used))["row"][0]
        raise RowTooLong(row=first, cells=used[-1] + 1, width=len(heads) - len(nameless))
    return replace(header, ignored=(*header.ignored, *(f"第{at + 1}列（无表头）" for at in used)))


def data_rows(sheet: Sheet, header: Header, limits: Limits) -> pl.DataFrame:
    """The known columns of all rows below the header that hold anything, with their row of the file."""
    numbered = sheet.cells.with_row_index("row", offset=1).slice(header.row)
    chosen = numbered.select("row", *(pl.col(f"c{at}").alias(name) for name, at in header.columns.items()))
    chosen = _with_signs(chosen, header, sheet)
    chosen = chosen.with_columns(tidy(chosen[name]).alias(name) for name in header.columns)
    filled = chosen.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in header.columns))
    if filled.is_empty():
        raise NoRows()
    if filled.height > limits.rows:
        raise FileTooManyRows(found=f"{filled.height:,} 行/rows", limit=f"{limits.rows:,}")
    return filled


def _with_signs(chosen: pl.DataFrame, header: Header, sheet: Sheet) -> pl.DataFrame:
    """What a formula yields, what a number format has left, is not what somebody wrote: such cells get a sign."""
    for name, at in header.columns.items():
        kept_exactly = BY_NAME[name].kind not in (Kind.CITIZEN_ID, Kind.CARD, Kind.DIGITS)
        rounded = [] if kept_exactly else [row for row, columns in sheet.marks.rounded.items() if at in columns]
        formulas = [row for row, columns in sheet.marks.formulas.items() if at in columns]
        for rows, sign in ((rounded, _ROUNDED_SIGN), (formulas, _FORMULA_SIGN)):
            if rows:
                marked = pl.when(pl.col("row").is_in(rows)).then(pl.lit(sign)).otherwise(pl.col(name))
                chosen = chosen.with_columns(marked.alias(name))
    return chosen


_ROUNDED_SIGN, _FORMULA_SIGN = "0E+17", "="


def _typed(raw: pl.DataFrame, header: Header) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Every field of the catalogue typed (null where the file lacks it), and the cells that could not be read."""
    keyed = raw.select("row", _household_key(raw))
    columns: dict[str, pl.Series] = {}
    refusals: list[pl.DataFrame] = []
    for field in FIELDS:
        if field.name not in raw.columns:
            columns[field.name] = pl.repeat(None, raw.height, dtype=type_of(field), eager=True)
            continue
        column = _without_damage(field, read_column(field, raw[field.name]))
        columns[field.name] = column.values.cast(type_of(field))
        refusals.extend(refusal(keyed.filter(mask), field.name, wrong) for mask, wrong in column.wrong if mask.any())
    rows = keyed.with_columns(series.alias(name) for name, series in columns.items())
    rows = rows.with_columns(source_values(raw, header.fields))
    refusals.extend(_missing(rows, raw, name) for name in ("name", "relation"))
    return with_combined(rows), refusals


def _household_key(raw: pl.DataFrame) -> pl.Expr:
    """Rows without a number belong to the household above; rows above the first number belong to nobody."""
    number = pl.coalesce(read_column(BY_NAME["number"], raw["number"]).values, "number").forward_fill()
    nobody = pl.concat_str(pl.lit("#"), pl.col("row").cast(pl.String))
    return pl.coalesce(number, nobody).alias("household")


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


_OF_HOUSEHOLD = tuple(field.name for field in FIELDS if field.level is not Level.PERSON)


def _households(rows: pl.DataFrame, default_year: Period | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row a household; cells that contradict one another go back."""
    grouped = rows.group_by("household", maintain_order=True).agg(
        pl.col("row").first(),
        pl.len().cast(pl.Int32).alias("rows"),
        pl.col("name").is_not_null().sum().cast(pl.Int32).alias("members"),
        pl.col("household_source_values").drop_nulls().first(),
        *(pl.col(name).min() for name in _OF_HOUSEHOLD),
        *((pl.col(name).max() != pl.col(name).min()).alias(f"{name}?") for name in _OF_HOUSEHOLD),
    )
    differing = [_differing(rows, grouped, name) for name in _OF_HOUSEHOLD if grouped[f"{name}?"].any()]
    households = grouped.drop(f"{name}?" for name in _OF_HOUSEHOLD)
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
    first = pl.col(name).first().over("household", order_by="row")
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
    header: Header,
    kept: Frames,
    refused: pl.DataFrame,
    rows: pl.DataFrame,
    doubts: list[pl.DataFrame],
) -> Reading:
    numbers = kept.households.select("household", "number")
    persons = persons_of(kept.persons).join(numbers, on="household", how="left", maintain_order="left")
    found = pl.concat(doubts) if doubts else pl.DataFrame(schema=_NO_DOUBTS)
    by_row = persons.select(pl.col("row").cast(pl.UInt32), "number")
    households = kept.households.rename({"household_source_values": "source_values"}).with_columns(
        pl.col("other_causes").str.split("|").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )
    return Reading(
        header=header,
        rows=rows.height,
        rows_refused=rows.height - persons.height,
        households=households,
        persons=persons,
        statuses=statuses_of(kept.households),
        incomes=incomes_of(kept.households),
        doubts=found.join(by_row, on="row", how="left", maintain_order="left").with_columns(
            _wording(header).alias("column"), pl.lit("doubt").alias("severity")
        ),
        refusals=_named(_with_innocent(refused, rows), header),
    )


_NO_DOUBTS = {"check": pl.String, "row": pl.UInt32, "field": pl.String, "zh": pl.String, "en": pl.String}


def _with_innocent(refused: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that go back for another row of their household say so."""
    culprits = refused.group_by("household").agg(pl.col("row").min().alias("culprit"))
    going = rows.select(pl.col("row").cast(pl.UInt32), "household").join(culprits, on="household")
    innocent = going.join(refused, on="row", how="anti").select(
        "row",
        "household",
        pl.lit("number").alias("field"),
        pl.lit("household.refused").alias("code"),
        pl.format("本户第{}行有误，整户退回", "culprit").alias("zh"),
        pl.format("row {} of this household is wrong, so all of it goes back", "culprit").alias("en"),
    )
    return pl.concat([refused, innocent]).sort("row", "field", "code")


def _wording(header: Header) -> pl.Expr:
    """The file's own heading of a field, or the form's."""
    wordings = {name: header.wordings.get(name, field.zh) for name, field in BY_NAME.items()}
    return pl.col("field").replace_strict(list(wordings), list(wordings.values()), return_dtype=pl.String)


def _named(refused: pl.DataFrame, header: Header) -> pl.DataFrame:
    """Fields by the wording that the file has for them."""
    number = pl.when(~pl.col("household").str.starts_with("#")).then(pl.col("household"))
    return refused.select("row", number.alias("number"), _wording(header).alias("column"), "field", "code", "zh", "en")
