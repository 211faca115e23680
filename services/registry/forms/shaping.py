"""The last step from typed rows to what is recorded: persons, statuses, incomes, and the wordings behind codes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from services.registry.domain.fields import (
    BY_NAME,
    COMPONENT_OF,
    FIELDS,
    INCOME_ITEM_NAMES,
    SINCE_OF_STATUS,
    Field,
    Kind,
    Level,
)
from services.registry.domain.numbers import card_class, card_level
from shared.values import mask_name


def with_combined(rows: pl.DataFrame) -> pl.DataFrame:
    """One cover from the form's two yes/no columns, where the single column says nothing."""
    return rows.with_columns(
        pl.coalesce("medical_cover", _cover("resident_medical_cover", "employee_medical_cover")).alias("medical_cover"),
        pl.coalesce("pension_cover", _cover("resident_pension_cover", "employee_pension_cover")).alias("pension_cover"),
    )


def _cover(resident: str, employee: str) -> pl.Expr:
    """`none` only when both are denied: one column alone says nothing about the other."""
    first, second = pl.col(resident), pl.col(employee)
    return (
        pl.when((first == "yes") & (second == "yes"))
        .then(pl.lit("both"))
        .when(first == "yes")
        .then(pl.lit("resident"))
        .when(second == "yes")
        .then(pl.lit("employee"))
        .when((first == "no") & (second == "no"))
        .then(pl.lit("none"))
    )


def source_values(raw: pl.DataFrame, present: Sequence[str]) -> list[pl.Series]:
    """What the file said where its wording is not the label of the code: kept beside the value, as JSON."""
    parts: dict[Level, list[pl.Series]] = {Level.PERSON: [], Level.HOUSEHOLD: []}
    for name in present:
        field = BY_NAME[name]
        if field.codes is None:
            continue
        text = raw[name]
        other = text.is_not_null() & ~text.is_in(_labels(field, text))
        if other.any():
            key = Level.PERSON if field.level is Level.PERSON else Level.HOUSEHOLD
            parts[key].append(_part(name, text, other))
    return [
        _joined(parts[Level.PERSON], raw.height).alias("source_values"),
        _joined(parts[Level.HOUSEHOLD], raw.height).alias("household_source_values"),
    ]


def _labels(field: Field, text: pl.Series) -> list[str]:
    """The form's own words; where a cell may have several, its own words with a stop between them."""
    assert field.codes is not None, field.name
    labels = [code.zh for code in field.codes.codes]
    if field.kind is not Kind.CODES:
        return labels
    own = set(labels)
    return [*labels, *(one for one in text.drop_nulls().unique().to_list() if own.issuperset(one.split("、")))]


def _part(name: str, text: pl.Series, other: pl.Series) -> pl.Series:
    escaped = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    said = pl.format('"{}":"{}"', pl.lit(name), escaped)
    return pl.select(pl.when(other).then(said).alias(name)).to_series()


def _joined(parts: list[pl.Series], height: int) -> pl.Series:
    if not parts:
        return pl.repeat(None, height, dtype=pl.String, eager=True)
    inside = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
    joined = pl.DataFrame(parts).select(inside.alias("j"))
    return joined.select(pl.when(pl.col("j") != "").then(pl.concat_str(pl.lit("{"), "j", pl.lit("}")))).to_series()


def persons_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Persons as recorded. Of a number that stands in several households only the first keeps it as identity."""
    number = pl.col("id_number")
    provisional = number.is_null() | ~number.is_first_distinct()
    basis = pl.coalesce(
        "person_number", pl.concat_str("name", pl.col("birth_on").cast(pl.String), separator="|", ignore_nulls=True)
    )
    text = pl.concat_str("household", basis, pl.coalesce(number, pl.lit("")), separator="|")
    persons = rows.select(
        "row",
        "household",
        *(field.name for field in FIELDS if field.level is Level.PERSON and field.into is None),
        "source_values",
        masked_names(rows["name"]),
        card_class(rows["disability_card"]).alias("disability_kind"),
        card_level(rows["disability_card"]).alias("disability_level"),
        provisional.alias("id_provisional"),
        text.alias("provisional_text"),
    )
    identity = pl.when("id_provisional").then("provisional_text").otherwise("id_number")
    return persons.with_columns(identity.alias("identity_text"))


def masked_names(names: pl.Series) -> pl.Series:
    """Names as a public notice may show them."""
    distinct = names.drop_nulls().unique().to_list()
    masked = [mask_name(name) for name in distinct]
    if not distinct:
        return names.alias("masked_name")
    return names.replace_strict(distinct, masked, return_dtype=pl.String).alias("masked_name")


def statuses_of(households: pl.DataFrame) -> pl.DataFrame:
    """A row for each status that the form names, with the day it began."""
    begins = pl.coalesce(
        *(pl.when(pl.col("kind") == kind).then(pl.col(since)) for kind, since in SINCE_OF_STATUS.items()),
        pl.col("registered_on"),
    )
    named = households.filter(pl.col("statuses").is_not_null()).with_columns(
        pl.col("statuses").str.split("|").alias("kind")
    )
    spans = named.explode("kind").select("household", "row", "number", "kind", begins.alias("since"))
    return spans.with_columns(pl.lit(None, pl.Date).alias("until"))


def incomes_of(households: pl.DataFrame, *, amends: bool = False) -> pl.DataFrame:
    """A row for each amount that is not nothing; a declaration of nothing is one row of 0, so that it is known. A
    correction to nothing is a row of its own: it takes back what was declared.
    """
    keys = ["household", "row", "number", "income_year_from", "income_year_to"]
    written = households.unpivot(INCOME_ITEM_NAMES, index=keys, variable_name="item", value_name="fen").drop_nulls(
        "fen"
    )
    sums = written.group_by("household").agg((pl.col("fen") != 0).any().alias("some"))
    nothing = (
        written.join(sums.filter(~pl.col("some")), on="household", how="semi")
        .unique("household", maintain_order=True)
        .with_columns(pl.lit(INCOME_ITEM_NAMES[0]).alias("item"))
    )
    rows = written if amends else pl.concat([written.filter(pl.col("fen") != 0), nothing])
    component = pl.col("item").replace_strict(list(COMPONENT_OF), list(COMPONENT_OF.values()), return_dtype=pl.String)
    return rows.select(
        "household",
        "row",
        "number",
        pl.col("income_year_from").alias("year_from"),
        pl.col("income_year_to").alias("year_to"),
        component.alias("component"),
        "item",
        "fen",
    ).sort("row", "component", "item")
