"""Age and schooling: A1–A10, A12 of the rule catalogue (domain §8.3). Ages are those of the day of the visit."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import STUDENT, age, found, holds
from services.registry.domain.inspection import Check, Frames

_EDUCATION, _SCHOOL = pl.col("education"), pl.col("schooling")
_BELOW_JUNIOR = ["preschool_child", "illiterate", "primary"]
_FROM_SENIOR = ["senior", "college", "bachelor", "master"]
_STAGES = r"^(senior|vocational|technician|college|bachelor)_|^postgraduate$"


def _aged(frames: Frames, key: str) -> tuple[pl.Expr, pl.Expr]:
    """Younger than the least, older than the greatest age of a stage."""
    years = age(frames.on)
    return years < frames.number(f"check.{key}.least_years"), years > frames.number(f"check.{key}.most_years")


def _of_other_age(frames: Frames, where: pl.Expr, key: str) -> pl.DataFrame:
    younger, older = _aged(frames, key)
    wrong = frames.persons.filter(where & (younger | older))
    return found(wrong, "schooling", "年龄与在校生状况不符", "age and schooling do not agree")


def nothing_known(frames: Frames) -> pl.DataFrame:
    """Neither in school nor with an education."""
    wrong = frames.persons.filter(_SCHOOL.is_null() & _EDUCATION.is_null())
    return found(wrong, "schooling", "在校生状况与文化程度均未填", "neither schooling nor education is filled in")


def pupil_with_education(frames: Frames) -> pl.DataFrame:
    """Of those in school the education is not asked."""
    wrong = frames.persons.filter(STUDENT & _EDUCATION.is_not_null())
    return found(wrong, "education", "在校生不应填文化程度", "of somebody in school no education is entered")


def still_below_school(frames: Frames) -> pl.DataFrame:
    """Healthy, of school age, and still entered as a small child."""
    small = (_SCHOOL == "preschool") | (_EDUCATION == "preschool_child")
    old = age(frames.on) >= frames.number("check.a3.least_years")
    wrong = frames.persons.filter(old & (pl.col("health") == "healthy") & small)
    return found(wrong, "schooling", "已达学龄且健康，仍为学龄前", "of school age and healthy, still below school")


def primary_age(frames: Frames) -> pl.DataFrame:
    """In primary school at another age."""
    return _of_other_age(frames, _SCHOOL == "primary", "a4")


def junior_age(frames: Frames) -> pl.DataFrame:
    """In junior school at another age."""
    return _of_other_age(frames, _SCHOOL.str.starts_with("junior_"), "a5")


def senior_age(frames: Frames) -> pl.DataFrame:
    """In senior or vocational school at another age."""
    return _of_other_age(frames, _SCHOOL.str.contains("^(senior|vocational)_"), "a6")


def higher_age(frames: Frames) -> pl.DataFrame:
    """In higher education before the age for it."""
    years = age(frames.on)
    higher = _SCHOOL.str.contains("^(technician|college|bachelor)_")
    young = (higher & (years < frames.number("check.a7.least_years"))) | (
        (_SCHOOL == "postgraduate") & (years < frames.number("check.a7.postgraduate_years"))
    )
    return found(frames.persons.filter(young), "schooling", "年龄与在校生状况不符", "age and schooling do not agree")


def youth_without_education(frames: Frames) -> pl.DataFrame:
    """Just out of the compulsory age, with primary school or less."""
    younger, older = _aged(frames, "a8")
    wrong = frames.persons.filter(~younger & ~older & _EDUCATION.is_in(_BELOW_JUNIOR))
    return found(wrong, "education", "青年文化程度为小学及以下", "a young person with primary school or less")


def stage_against_age(frames: Frames) -> pl.DataFrame:
    """Too young for senior school or above, too old for primary school or below."""
    years = age(frames.on)
    young = (years <= frames.number("check.a9.young_years")) & (
        _EDUCATION.is_in(_FROM_SENIOR).fill_null(False) | _SCHOOL.str.contains(_STAGES).fill_null(False)
    )
    old = (years >= frames.number("check.a9.old_years")) & _SCHOOL.is_in(["preschool", "primary"])
    wrong = frames.persons.filter(young | old)
    return found(wrong, "schooling", "学段与年龄明显不符", "the stage of school cannot be at that age")


def schooling_missing(frames: Frames) -> pl.DataFrame:
    """Schooling not filled in at an age for it; education not filled in of somebody out of school."""
    younger, older = _aged(frames, "a10")
    empty = frames.persons.filter(~younger & ~older & _SCHOOL.is_null())
    uneducated = frames.persons.filter((_SCHOOL == "not_student") & _EDUCATION.is_null())
    return pl.concat(
        [
            found(empty, "schooling", "适龄人员在校生状况未填", "schooling is not filled in at an age for it"),
            found(uneducated, "education", "非在校生文化程度未填", "out of school, and no education is filled in"),
        ]
    )


def obliged_not_in_school(frames: Frames) -> pl.DataFrame:
    """A child of compulsory age out of school, in a household that nobody monitors."""
    years = age(frames.on)
    obliged = (years >= frames.number("check.a12.least_years")) & (years <= frames.number("check.a12.most_years"))
    people = frames.members("statuses")
    wrong = people.filter(obliged & (_SCHOOL == "not_student") & ~holds("monitored"))
    zh, en = "义务教育阶段未在校，未纳入监测", "of compulsory age, out of school, and not monitored"
    return found(wrong, "schooling", zh, en)


_BY_AGE = ("schooling", "birth_on")


def _stage(check: str, zh: str, en: str, find: object) -> Check:
    key = check.lower()
    numbers = (f"check.{key}.least_years", f"check.{key}.most_years")
    return Check(check, "doubt", zh, en, _BY_AGE, find, numbers=numbers)  # type: ignore[arg-type]


SCHOOLING: tuple[Check, ...] = (
    Check(
        "A1",
        "doubt",
        "在校生状况与文化程度是否均未填？",
        "Are schooling and education both empty?",
        ("schooling", "education"),
        nothing_known,
    ),
    Check(
        "A2",
        "doubt",
        "在校生是否填了文化程度？",
        "Has somebody in school an education?",
        ("schooling", "education"),
        pupil_with_education,
    ),
    Check(
        "A3",
        "doubt",
        "学龄健康儿童是否仍为学龄前？",
        "Is a healthy child of school age entered below school?",
        ("schooling", "education", "health", "birth_on"),
        still_below_school,
        numbers=("check.a3.least_years",),
    ),
    _stage("A4", "小学生年龄是否相符？", "Does the age fit primary school?", primary_age),
    _stage("A5", "初中生年龄是否相符？", "Does the age fit junior school?", junior_age),
    _stage("A6", "高中、中职生年龄是否相符？", "Does the age fit senior or vocational school?", senior_age),
    Check(
        "A7",
        "doubt",
        "高等教育在校生年龄是否相符？",
        "Does the age fit higher education?",
        _BY_AGE,
        higher_age,
        numbers=("check.a7.least_years", "check.a7.postgraduate_years"),
    ),
    Check(
        "A8",
        "doubt",
        "青年文化程度是否为小学及以下？",
        "Has a young person primary school or less?",
        ("education", "birth_on"),
        youth_without_education,
        numbers=("check.a8.least_years", "check.a8.most_years"),
    ),
    Check(
        "A9",
        "doubt",
        "学段与年龄是否明显不符？",
        "Is the stage of school impossible at that age?",
        ("schooling", "education", "birth_on"),
        stage_against_age,
        numbers=("check.a9.young_years", "check.a9.old_years"),
    ),
    Check(
        "A10",
        "doubt",
        "在校生状况、文化程度是否漏填？",
        "Is schooling or education missing?",
        ("schooling", "education", "birth_on"),
        schooling_missing,
        numbers=("check.a10.least_years", "check.a10.most_years"),
    ),
    Check(
        "A12",
        "doubt",
        "义务教育阶段未在校的是否纳入监测？",
        "Is a child of compulsory age out of school monitored?",
        ("schooling", "birth_on", "statuses"),
        obliged_not_in_school,
        numbers=("check.a12.least_years", "check.a12.most_years"),
    ),
)
