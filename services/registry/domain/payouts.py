"""收入年度: how long one is, and which one a payment falls into. Under which component it counts is a parameter."""

from __future__ import annotations

from datetime import date, timedelta

from shared.errors import Invalid
from shared.values import Period

DAYS_OF_A_YEAR = (365, 366)


class IncomeYearWrong(Invalid):
    """收入年度有误: declared for fewer or more than twelve months, every household of the file would stay unjudged."""

    code = "income.year_length"
    zh = "收入年度 {first} 至 {last} 不是十二个月"
    en = "The income year from {first} to {last} is not twelve months"
    hint_zh = "收入年度如：2018-10-01 至 2019-09-30"
    hint_en = "An income year is, for example, 2018-10-01 to 2019-09-30"


def refuse_odd_year(year: Period) -> None:
    """An income year has twelve months, whichever day it begins on."""
    if year.days not in DAYS_OF_A_YEAR:
        raise IncomeYearWrong(first=year.first, last=year.last)


def income_year(paid_on: date, end: str) -> Period:
    """The income year (month and day of its last day, `09-30`) that holds the day of payment."""
    month, day = (int(part) for part in end.split("-"))
    last = date(paid_on.year, month, day)
    if paid_on > last:
        last = date(paid_on.year + 1, month, day)
    return Period(date(last.year - 1, month, day) + timedelta(days=1), last)
