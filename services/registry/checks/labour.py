"""Labour and work: L1–L10, L12, L13, L17, L18 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import FIT, NO_LABOUR, STUDENT, WORKS, age, found, holds, homes_where
from services.registry.domain.inspection import Check, Frames


def child_with_labour(frames: Frames) -> pl.DataFrame:
    """Younger than sixteen on the day of the visit, yet not 无劳动力."""
    sixteen = pl.col("birth_on").dt.offset_by("16y")
    young = frames.persons.filter((sixteen > frames.on) & (pl.col("labour") != "none"))
    return found(young, "labour", "未满16周岁，应为无劳动力", "younger than 16, so 'no labour' is expected")


def work_incoherent(frames: Frames) -> pl.DataFrame:
    """Months outside 0–12; a place but no month; months but no place."""
    months, place = pl.col("work_months"), pl.col("workplace")
    outside = frames.persons.filter((months < 0) | (months > 12))
    idle = frames.persons.filter(place.is_not_null() & (months == 0))
    placeless = frames.persons.filter(place.is_null() & months.is_between(1, 12))
    if "workplace" not in frames.fields:
        placeless = placeless.head(0)
    return pl.concat(
        [
            found(outside, "work_months", "务工时间应为0至12个月", "months of work must be 0 to 12"),
            found(idle, "work_months", "填了务工地，务工时间为0", "a place of work but no month of it"),
            found(placeless, "workplace", "有务工时间，未填务工地", "months of work but no place"),
        ]
    )


_LABOUR, _PAY = pl.col("labour"), pl.col("work_monthly_pay_fen")
_OF_WORKING_AGE = ("check.labour.least_years", "check.labour.most_years")
_HEALTHY, _OUT_OF_SCHOOL = pl.col("health") == "healthy", pl.col("schooling") == "not_student"


def pupil_with_labour(frames: Frames) -> pl.DataFrame:
    """In school, yet not 无劳动力."""
    wrong = frames.persons.filter(STUDENT & (_LABOUR != "none"))
    return found(wrong, "labour", "在校生应为无劳动力", "in school, so 'no labour' is expected")


def _of_working_age(frames: Frames) -> pl.Expr:
    years = age(frames.on)
    least, most = (frames.number(key) for key in _OF_WORKING_AGE)
    return (years >= least) & (years <= most)


def fit_without_labour(frames: Frames) -> pl.DataFrame:
    """Of working age, healthy and out of school, yet without whole labour."""
    weak = _LABOUR.is_in(["none", "lost", "weak"])
    wrong = frames.persons.filter(_of_working_age(frames) & _HEALTHY & _OUT_OF_SCHOOL & weak)
    zh, en = "劳动年龄、健康、非在校，应有劳动力", "of working age, healthy, out of school: labour is expected"
    return found(wrong, "labour", zh, en)


def old_with_labour(frames: Frames) -> pl.DataFrame:
    """Beyond working age with whole labour."""
    wrong = frames.persons.filter((age(frames.on) > frames.number("check.labour.most_years")) & FIT)
    return found(
        wrong, "labour", "超过劳动年龄仍为普通或技能劳动力", "beyond working age with ordinary or skilled labour"
    )


def disabled_with_labour(frames: Frames) -> pl.DataFrame:
    """A severe disability of the limbs (class 4, level 1 or 2) with ordinary labour."""
    severe = pl.col("disability_card").str.contains(r"^.{18}4[12]")
    wrong = frames.persons.filter(severe & (_LABOUR == "ordinary"))
    return found(wrong, "labour", "重度肢体残疾填为普通劳动力", "severely disabled in the limbs with ordinary labour")


def working_without_labour(frames: Frames) -> pl.DataFrame:
    """Without labour and at work."""
    wrong = frames.persons.filter(NO_LABOUR & WORKS)
    return found(wrong, "work_months", "无劳动力却有务工", "without labour and at work")


def working_child(frames: Frames) -> pl.DataFrame:
    """At work before working age."""
    young = age(frames.on) < frames.number("check.labour.least_years")
    return found(frames.persons.filter(young & WORKS), "work_months", "未到劳动年龄务工", "at work before working age")


def working_pupil(frames: Frames) -> pl.DataFrame:
    """In school and at work."""
    return found(frames.persons.filter(STUDENT & WORKS), "work_months", "在校生有务工", "in school and at work")


def supported_and_fit(frames: Frames) -> pl.DataFrame:
    """A household in special hardship whose member works away, or could."""
    years = age(frames.on)
    could = (years >= frames.number("check.l9.least_years")) & (years <= frames.number("check.labour.most_years"))
    supported = frames.members("statuses").filter(holds("special_hardship"))
    wrong = supported.filter(WORKS.fill_null(False) | (could & _HEALTHY & _OUT_OF_SCHOOL))
    zh, en = "特困户成员务工，或劳动年龄、健康、非在校", "in special hardship, and at work or fit for it"
    return found(wrong, "labour", zh, en)


def pay_missing(frames: Frames) -> pl.DataFrame:
    """At work, and no pay filled in."""
    wrong = frames.persons.filter(WORKS & _PAY.is_null())
    return found(wrong, "work_monthly_pay_fen", "有务工，未填月收入", "at work, and no monthly pay is filled in")


def pay_unlikely(frames: Frames) -> pl.DataFrame:
    """A monthly pay that hardly anybody is given."""
    least, most = frames.number("check.l13.least_fen"), frames.number("check.l13.most_fen")
    wrong = frames.persons.filter((least > _PAY) | (most < _PAY))
    return found(wrong, "work_monthly_pay_fen", "务工月收入异常", "an unlikely monthly pay")


def skilled_without_work(frames: Frames) -> pl.DataFrame:
    """College or skilled labour at working age, out of school, and no work."""
    able = pl.col("education").is_in(["college", "bachelor", "master"]) | (_LABOUR == "skilled")
    idle = ~WORKS.fill_null(False)
    wrong = frames.persons.filter(_of_working_age(frames) & _OUT_OF_SCHOOL & able & idle)
    return found(wrong, "work_months", "大专以上或技能劳动力无务工记录", "college or skilled labour, and no work")


def wage_against_workers(frames: Frames) -> pl.DataFrame:
    """A wage without a worker, a worker without a wage."""
    counted = frames.households.join(homes_where(frames.persons, WORKS.alias("workers")), on="household")
    wage = pl.col("wage_work").fill_null(0) > 0
    unearned, unpaid = counted.filter(wage & (pl.col("workers") == 0)), counted.filter(~wage & (pl.col("workers") > 0))
    return pl.concat(
        [
            found(unearned, "wage_work", "有务工收入，无人务工", "a wage, and nobody at work"),
            found(unpaid, "wage_work", "有人务工，无务工收入", "somebody at work, and no wage"),
        ]
    )


LABOUR: tuple[Check, ...] = (
    Check(
        "L1",
        "doubt",
        "未满16周岁是否填为无劳动力？",
        "Are those younger than 16 without labour?",
        ("labour", "birth_on"),
        child_with_labour,
    ),
    Check(
        "L10",
        "doubt",
        "务工时间与务工地是否相符？",
        "Do months and place of work agree?",
        ("work_months", "workplace"),
        work_incoherent,
        in_parts=True,
    ),
    Check(
        "L2",
        "doubt",
        "在校生是否填为无劳动力？",
        "Are those in school without labour?",
        ("schooling", "labour"),
        pupil_with_labour,
    ),
    Check(
        "L3",
        "doubt",
        "劳动年龄健康非在校人员是否有劳动力？",
        "Has a healthy person of working age labour?",
        ("labour", "birth_on", "health", "schooling"),
        fit_without_labour,
        numbers=_OF_WORKING_AGE,
    ),
    Check(
        "L4",
        "doubt",
        "超过劳动年龄的是否仍为普通或技能劳动力？",
        "Has somebody beyond working age whole labour?",
        ("labour", "birth_on"),
        old_with_labour,
        numbers=("check.labour.most_years",),
    ),
    Check(
        "L5",
        "doubt",
        "重度肢体残疾人是否填为普通劳动力？",
        "Has somebody severely disabled in the limbs ordinary labour?",
        ("labour", "disability_card"),
        disabled_with_labour,
    ),
    Check(
        "L6",
        "doubt",
        "无劳动力的是否有务工？",
        "Is somebody without labour at work?",
        ("labour", "work_months"),
        working_without_labour,
    ),
    Check(
        "L7",
        "doubt",
        "未到劳动年龄的是否有务工？",
        "Is a child at work?",
        ("work_months", "birth_on"),
        working_child,
        numbers=("check.labour.least_years",),
    ),
    Check(
        "L8",
        "doubt",
        "在校生是否有务工？",
        "Is somebody in school at work?",
        ("schooling", "work_months"),
        working_pupil,
    ),
    Check(
        "L9",
        "doubt",
        "特困户成员是否务工或有劳动能力？",
        "Is somebody in special hardship at work or fit for it?",
        ("statuses", "work_months", "birth_on", "health", "schooling"),
        supported_and_fit,
        numbers=("check.l9.least_years", "check.labour.most_years"),
    ),
    Check(
        "L12",
        "doubt",
        "务工人员月收入是否填写？",
        "Is the pay of somebody at work filled in?",
        ("work_months", "work_monthly_pay_fen"),
        pay_missing,
    ),
    Check(
        "L13",
        "doubt",
        "务工月收入是否异常？",
        "Is the monthly pay likely?",
        ("work_monthly_pay_fen",),
        pay_unlikely,
        numbers=("check.l13.least_fen", "check.l13.most_fen"),
    ),
    Check(
        "L17",
        "doubt",
        "大专以上或技能劳动力是否有务工记录？",
        "Is somebody skilled at work?",
        ("education", "labour", "work_months", "birth_on", "schooling"),
        skilled_without_work,
        numbers=_OF_WORKING_AGE,
    ),
    Check(
        "L18",
        "doubt",
        "务工收入与务工人员是否相符？",
        "Do wage and workers agree?",
        ("wage_work", "work_months"),
        wage_against_workers,
        about="household",
    ),
)
