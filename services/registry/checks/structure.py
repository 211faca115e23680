"""Structure of a household: I7, I8, I12, I13 of the rule catalogue (domain §8.3). The first three refuse."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found
from services.registry.domain.inspection import Check, Frames

_IS_PERSON = pl.any_horizontal(
    pl.col("name", "relation", "id_number", "sex", "birth_on", "person_number").is_not_null()
)


def no_head(frames: Frames) -> pl.DataFrame:
    """A household without head, when every relation in it could be read."""
    heads = (pl.col("relation") == "head").sum().over("household")
    unknown = pl.col("relation").is_null().any().over("household")
    people = frames.persons.filter(_IS_PERSON)
    headless = people.filter((heads == 0) & ~unknown).filter(pl.col("household").is_first_distinct())
    return found(headless, "relation", "本户没有户主", "this household has no head")


def two_heads(frames: Frames) -> pl.DataFrame:
    """A household with more than one head: each of them is marked."""
    heads = frames.persons.filter(pl.col("relation") == "head")
    several = heads.filter(pl.len().over("household") > 1)
    count = pl.len().over("household")
    return found(
        several, "relation", pl.format("本户有{}名户主", count), pl.format("this household has {} heads", count)
    )


def nobody(frames: Frames) -> pl.DataFrame:
    """A household in which nobody lives, and a person who belongs to no household."""
    empty = frames.persons.filter(~_IS_PERSON.any().over("household"))
    orphans = frames.persons.filter(pl.col("household").str.starts_with("#") & _IS_PERSON)
    return pl.concat(
        [
            found(empty, "number", "空户：没有任何成员", "an empty household: it has no member"),
            found(orphans, "number", "成员没有户编号", "a member without household number"),
        ]
    )


def headcount_differs(frames: Frames) -> pl.DataFrame:
    """The headcount on the form is not the number of rows."""
    wrong = frames.households.filter(pl.col("headcount_on_form") != pl.col("members"))
    return found(
        wrong,
        "headcount_on_form",
        pl.format("表内家庭人口数{}与成员{}人不符", "headcount_on_form", "members"),
        pl.format("the form counts {} people, there are {} members", "headcount_on_form", "members"),
    )


STRUCTURE: tuple[Check, ...] = (
    Check("I7", "refusal", "本户是否有户主？", "Has the household a head?", ("relation",), no_head),
    Check("I8", "refusal", "本户是否只有一名户主？", "Has the household one head only?", ("relation",), two_heads),
    Check(
        "I12",
        "refusal",
        "是否空户，或成员无户？",
        "Is the household empty, or the member without household?",
        ("number",),
        nobody,
    ),
    Check(
        "I13",
        "doubt",
        "表内人口数与成员数是否一致？",
        "Is the headcount on the form the number of members?",
        ("headcount_on_form", "relation"),
        headcount_differs,
        about="household",
    ),
)
