"""收入年度: how long one is, and which one a payment falls into. Under which component it counts is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from shared.errors import Invalid
from shared.values import Period


class IncomeYearRepeated(Invalid):
    """收入年度重复: a form that declares days twice leaves open what holds for them."""

    code = "income.year_repeated"
    zh = "收入年度 {first} 至 {last} 与本表另一收入年度重叠"
    en = "The income year from {first} to {last} overlaps another one of this form"
    hint_zh = "每个收入年度只填写一次"
    hint_en = "Declare each income year once"


class IncomeYearWrong(Invalid):
    """收入年度有误: declared for fewer or more than twelve months, every household of the file would stay unjudged."""

    code = "income.year_length"
    zh = "收入年度 {first} 至 {last} 不是十二个月"
    en = "The income year from {first} to {last} is not twelve months"
    hint_zh = "收入年度如：2018-10-01 至 2019-09-30"
    hint_en = "An income year is, for example, 2018-10-01 to 2019-09-30"


def refuse_odd_year(year: Period) -> None:
    """An income year has twelve months, whichever day it begins on: two of them never share their first day alone."""
    first = year.first
    is_leap_day, is_last_of_all = (first.month, first.day) == (2, 29), first.year == date.max.year
    a_year_on = (
        date.max if is_last_of_all else date(first.year + 1, *((3, 1) if is_leap_day else first.timetuple()[1:3]))
    )
    if year.last != a_year_on - timedelta(days=1):
        raise IncomeYearWrong(first=year.first, last=year.last)


def refuse_repeated_years(years: Sequence[Period]) -> None:
    """One form says one thing of a day: its income years do not overlap."""
    for before, year in pairwise(sorted(years, key=lambda one: one.first)):
        if year.first <= before.last:
            raise IncomeYearRepeated(first=year.first, last=year.last)


def income_year(paid_on: date, end: str) -> Period:
    """The income year (month and day of its last day, `09-30`) that holds the day of payment."""
    month, day = (int(part) for part in end.split("-"))
    last = date(paid_on.year, month, day)
    if paid_on > last:
        last = date(paid_on.year + 1, month, day)
    return Period(date(last.year - 1, month, day) + timedelta(days=1), last)
