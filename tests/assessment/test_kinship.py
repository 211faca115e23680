"""Kinship and age: sons by birth, 长子 first; what is not known is not guessed."""

from __future__ import annotations

from datetime import date

import pytest

from services.assessment.domain.kinship import kin
from shared.events.registry import Member
from tests.assessment.make import make_member

ON = date(2019, 8, 20)


def called(members: list[Member]) -> list[str]:
    return [kin(members, place, ON).zh for place in range(len(members))]


def test_sons_and_daughters_are_ranked_by_birth_whatever_their_order_on_file() -> None:
    members = [
        make_member(),
        make_member("son", "2009-03-01"),
        make_member("daughter", "2011-01-01", "female"),
        make_member("son", "2007-01-01"),
        make_member("son", "2015-01-01"),
        make_member("daughter", "2008-01-01", "female"),
    ]
    assert called(members)[1:] == ["次子，10岁", "次女，8岁", "长子，12岁", "三子，4岁", "长女，11岁"]
    assert kin(members, 3, ON).en == "eldest son, aged 12"
    assert kin(members, 1, ON).en == "second son, aged 10"


def test_an_absent_eldest_is_still_the_eldest() -> None:
    members = [make_member(), make_member("son", "1999-01-01", present=False), make_member("son", "2007-08-20")]
    assert called(members)[2] == "次子，12岁"


def test_where_a_birth_date_is_missing_no_rank_is_told() -> None:
    members = [make_member(), make_member("son", None), make_member("son", "2007-08-21")]
    assert called(members)[1:] == ["儿子，年龄不明", "儿子，11岁"]
    assert kin(members, 1, ON).en == "son, age unknown"
    assert called([make_member(), make_member("son", None)])[1] == "长子，年龄不明"


@pytest.mark.parametrize(
    ("relation", "sex", "birth_on", "zh", "en"),
    [
        ("head", "male", "1980-05-01", "户主，39岁", "head of the household, aged 39"),
        ("spouse", "female", "1980-08-21", "妻子，38岁", "wife, aged 38"),
        ("spouse", "male", "1980-08-20", "丈夫，39岁", "husband, aged 39"),
        ("spouse", None, None, "配偶，年龄不明", "spouse, age unknown"),
        ("daughter_in_law", "female", "1999-01-01", "儿媳，20岁", "daughter-in-law, aged 20"),
        ("husbands_mother", "female", "1950-01-01", "婆婆，69岁", "husband's mother, aged 69"),
        ("wifes_father", "male", "1950-01-01", "岳父，69岁", "wife's father, aged 69"),
        ("grandson", "male", "2019-08-19", "长孙，0岁", "eldest grandson, aged 0"),
        ("daughters_daughter", "female", "2012-02-29", "长外孙女，7岁", "eldest daughter's daughter, aged 7"),
        ("sibling", "male", "1979-01-01", "哥哥，40岁", "elder brother, aged 40"),
        ("sibling", "female", "1990-01-01", "妹妹，29岁", "younger sister, aged 29"),
        ("sibling", None, "1990-01-01", "兄弟姐妹，29岁", "sibling, aged 29"),
        ("great_grandchild", "female", "2018-01-01", "曾孙女，1岁", "great-granddaughter, aged 1"),
        ("other", "male", "2019-09-01", "其他成员，0岁", "other member, aged 0"),
    ],
)
def test_every_relation_has_its_word(relation: str, sex: str | None, birth_on: str | None, zh: str, en: str) -> None:
    members = [make_member(), make_member(relation, birth_on, sex)]
    found = kin(members, 1, ON)
    assert (found.zh, found.en) == (zh, en)


def test_no_relation_is_without_a_word() -> None:
    for relation in Member.model_fields["relation"].annotation.__args__:  # type: ignore[union-attr]
        for sex in ("male", "female", None):
            found = kin([make_member(), make_member(relation, "2000-01-01", sex)], 1, ON)
            assert found.zh
            assert found.en
