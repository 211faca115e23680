"""Values: published test vectors, round trips, and what each must refuse."""

from __future__ import annotations

import random
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import (
    CitizenId,
    CreditCode,
    DisabilityCard,
    DivisionCode,
    HouseholdNumber,
    Level,
    Money,
    Period,
    Scope,
    Sex,
    ValueWrong,
    citizen_id_check,
    mask_id,
    mask_name,
    mask_phone,
    new_id,
)

PUBLISHED_ID = "11010519491231002X"
PUBLISHED_CREDIT_CODE = "91350100M000100Y43"


def code_of(wrong: pytest.ExceptionInfo[ValueWrong]) -> str:
    return wrong.value.errors[0].code


def test_the_published_citizen_id_is_read() -> None:
    one = CitizenId.parse(PUBLISHED_ID)
    assert (one.birth_on, one.sex, one.area) == (date(1949, 12, 31), Sex.FEMALE, "110105")


@pytest.mark.parametrize(
    "text", ["11010519491231002x", " １１０１０５１９４９１２３１００２Ｘ ", "110105 19491231 002X"]
)
def test_a_clerks_spelling_of_an_id_becomes_the_normal_form(text: str) -> None:
    assert CitizenId.parse(text).text == PUBLISHED_ID


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("110105194912310021", "id.checksum"),
        ("1101051949123100", "id.length"),
        ("11010519491331002X", "id.birth"),
        ("11010519490229002X", "id.birth"),
        ("1101051949123100AX", "id.digits"),
        ("", "id.length"),
    ],
)
def test_a_wrong_id_says_what_is_wrong(text: str, code: str) -> None:
    with pytest.raises(ValueWrong) as wrong:
        CitizenId.parse(text)
    assert code_of(wrong) == code


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.integers(0, 999))
def test_every_single_slip_of_a_digit_is_caught(born: date, order: int) -> None:
    seventeen = f"629999{born:%Y%m%d}{order:03d}"
    good = CitizenId.parse(seventeen + citizen_id_check(seventeen)).text
    place = random.Random(order).randrange(14, 17)
    for digit in set("0123456789") - {good[place]}:
        with pytest.raises(ValueWrong):
            CitizenId.parse(good[:place] + digit + good[place + 1 :])


def test_an_old_fifteen_digit_number_is_upgraded() -> None:
    assert CitizenId.upgrade("110105491231002").text == PUBLISHED_ID
    with pytest.raises(ValueWrong):
        CitizenId.upgrade(PUBLISHED_ID)


def test_an_id_never_shows_itself() -> None:
    one = CitizenId.parse(PUBLISHED_ID)
    for shown in (str(one), repr(one), f"{one}", repr([one])):
        assert "19491231" not in shown
    with pytest.raises(ValueWrong) as wrong:
        CitizenId.parse("110105194912310021")
    assert "19491231" not in wrong.value.detail_zh + wrong.value.detail_en


def test_disability_card_carries_class_and_level() -> None:
    card = DisabilityCard.parse(PUBLISHED_ID + "42")
    assert (card.citizen.text, card.kind, card.level) == (PUBLISHED_ID, 4, 2)
    assert DisabilityCard.parse(PUBLISHED_ID + "42B1").level == 2


@pytest.mark.parametrize(("suffix", "code"), [("82", "card.class"), ("45", "card.level"), ("4", "card.length")])
def test_a_wrong_card_says_what_is_wrong(suffix: str, code: str) -> None:
    with pytest.raises(ValueWrong) as wrong:
        DisabilityCard.parse(PUBLISHED_ID + suffix)
    assert code_of(wrong) == code


def test_the_published_credit_code_is_read_and_its_slips_refused() -> None:
    assert CreditCode.parse(PUBLISHED_CREDIT_CODE.lower()).text == PUBLISHED_CREDIT_CODE
    with pytest.raises(ValueWrong) as wrong:
        CreditCode.parse("91350100M000100Y44")
    assert code_of(wrong) == "credit.checksum"
    with pytest.raises(ValueWrong) as wrong:
        CreditCode.parse("91350100I000100Y43")
    assert code_of(wrong) == "credit.form"


@pytest.mark.parametrize(
    ("text", "full", "level", "parent"),
    [
        ("62", "620000000000", Level.PROVINCE, None),
        ("6230", "623000000000", Level.PREFECTURE, "620000000000"),
        ("623023", "623023000000", Level.COUNTY, "623000000000"),
        ("623023100", "623023100000", Level.TOWNSHIP, "623023000000"),
        ("623023100201", "623023100201", Level.VILLAGE, "623023100000"),
    ],
)
def test_division_codes_know_their_level_and_parent(text: str, full: str, level: Level, parent: str | None) -> None:
    code = DivisionCode.parse(text)
    assert (code.text, code.level, code.parent and code.parent.text) == (full, level, parent)


@pytest.mark.parametrize("text", ["", "6", "623", "62302310020", "6230231002011", "abcdef", "00", "-1"])
def test_what_is_no_division_code_is_refused(text: str) -> None:
    with pytest.raises(ValueWrong):
        DivisionCode.parse(text)


def test_containment_ends_where_the_neighbour_begins() -> None:
    county, neighbour = DivisionCode.parse("623023"), DivisionCode.parse("623024")
    assert county.contains(county)
    assert county.contains(DivisionCode(county.hi - 1))
    assert not county.contains(neighbour)
    assert not county.contains(DivisionCode.parse("6230"))
    assert DivisionCode.parse("62").contains(county)


@given(
    st.lists(st.integers(11 * 10**10, 10**12 - 1).map(DivisionCode), max_size=6), st.integers(11 * 10**10, 10**12 - 1)
)
def test_a_scope_holds_exactly_what_one_of_its_divisions_contains(codes: list[DivisionCode], probe: int) -> None:
    scope, point = Scope.of(codes), DivisionCode(probe)
    assert scope.contains(point) == any(code.contains(point) for code in codes)
    assert all(scope.contains(code) for code in codes)
    assert list(scope.ranges) == sorted(scope.ranges)


def test_scope_fails_closed_and_says_its_bounds() -> None:
    assert Scope.nothing().settings() == {"lo": "0", "hi": "0", "ranges": "{}"}
    assert not Scope.nothing()
    two = Scope.of([DivisionCode.parse("623023"), DivisionCode.parse("522630")])
    assert two.settings() == {
        "lo": "522630000000",
        "hi": "623024000000",
        "ranges": "{[522630000000,522631000000),[623023000000,623024000000)}",
    }
    assert not two.contains(DivisionCode.parse("522631"))


def test_household_number_names_its_village() -> None:
    number = HouseholdNumber.parse("６２３０２３１００２０１０００７")
    assert (number.text, number.village.text) == ("6230231002010007", "623023100201")
    with pytest.raises(ValueWrong):
        HouseholdNumber.parse("623023100201000")


@given(st.integers(-(10**15), 10**15))
def test_money_survives_the_round_trip(fen: int) -> None:
    assert Money.parse(str(Money(fen))).fen == fen


@pytest.mark.parametrize(
    ("text", "fen"), [("631.20", 63120), ("631.2", 63120), ("1,234,567.89", 123456789), ("-0.05", -5)]
)
def test_money_is_read_from_yuan(text: str, fen: int) -> None:
    assert Money.parse(text).fen == fen


@pytest.mark.parametrize("text", ["", "1.234", "1e3", "NaN", "inf", "1.", ".5", "--1", "一百", "99999999999999999"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueWrong):
        Money.parse(text)


def test_seven_days_after_the_twenty_third() -> None:
    period = Period.after(date(2019, 8, 23), 7)
    assert (period.first, period.last, period.days) == (date(2019, 8, 24), date(2019, 8, 30), 7)
    assert date(2019, 8, 23) not in period
    assert list(period)[-1] in period
    with pytest.raises(ValueWrong):
        Period(date(2019, 8, 2), date(2019, 8, 1))


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("王小明", "王*明"),
        ("王明", "王*"),
        ("王", "*"),
        ("欧阳小明", "欧**明"),
        ("买买提·艾力", "买*提·艾*"),
        ("𫘝𬭎明", "𫘝*明"),
        ("  李秀英 ", "李*英"),
        ("", ""),
    ],
)
def test_names_are_masked(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_ids_and_phones_are_masked() -> None:
    assert mask_id(PUBLISHED_ID) == "110105********002X"
    assert mask_id("1234") == "1***"
    assert mask_phone("13812341234") == "138****1234"
    assert mask_phone("123") == "***"


def test_new_ids_are_version_seven_and_sort_by_birth() -> None:
    earlier, later = new_id(1_000), new_id(2_000)
    assert (earlier.version, earlier.variant) == (7, UUID(int=0, version=4).variant)
    assert earlier < later
    assert earlier.int >> 80 == 1_000
    assert len({new_id(5) for _ in range(1_000)}) == 1_000
