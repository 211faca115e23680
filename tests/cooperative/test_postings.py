"""The gallery: whatever the ground, what a posting proposes balances to zero, and it refuses what it should."""

from __future__ import annotations

import sys
import textwrap
import types
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.cooperative.domain import (
    CNY,
    Account,
    Book,
    Earlier,
    Entry,
    Ground,
    Guard,
    Kind,
    MemberLeaf,
    Payout,
    Side,
)
from services.cooperative.domain import refusals as why
from services.cooperative.postings import POSTINGS, read_terms
from shared.values import new_id
from tests.cooperative.make import (
    ACCOUNTANT,
    COUNTY,
    NOW,
    OPENED,
    PAID_ON,
    distribution_terms,
    opening_terms,
    payment_terms,
    reversal_terms,
)

BOOK = Book(new_id(), COUNTY, "合作社", "cooperative_2021", OPENED, ACCOUNTANT, NOW, key=7)
ACCOUNTS = {code: Account(key, code, CNY, Side.DEBIT, Guard.NONE) for key, code in enumerate(("102", "332", "222"), 1)}
DRAFT = new_id()


def leaves(count: int) -> tuple[MemberLeaf, ...]:
    return tuple(MemberLeaf(100 + n, n, UUID(int=n), 1_000 + n, OPENED) for n in range(1, count + 1))


def ground(**changes: Any) -> Ground:
    said: dict[str, Any] = {"book": BOOK, "accounts": ACCOUNTS, "balances": {"332": -(10**12)}, "members": leaves(3)}
    return Ground(**{**said, **changes})


def propose(terms: dict[str, Any], stand: Ground) -> tuple[Entry, ...]:
    read = read_terms(terms)
    return POSTINGS[read.posting_name].entries(stand, read, DRAFT)


def distributed(fen: int, members: int) -> Earlier:
    (entry,) = propose(distribution_terms(fen, PAID_ON), ground(members=leaves(members)))
    return Earlier(9, new_id(), 201909, 4, Kind.NORMAL, "distribution", PAID_ON, entry.legs)


@given(st.integers(1, 400), st.integers(0, 10**9))
def test_a_distribution_gives_away_its_total_and_a_payment_pays_all_of_it(members: int, surplus: int) -> None:
    fen = members + surplus
    earlier = distributed(fen, members)
    assert sum(leg.value for leg in earlier.legs) == 0
    assert earlier.legs[0].amount == fen
    paid = propose(payment_terms(earlier.id, PAID_ON), ground(members=leaves(members), earlier=earlier))
    assert len(paid) == members
    assert sum(entry.debit_total for entry in paid) == fen
    assert len({entry.key for entry in paid}) == members
    for entry, leaf in zip(paid, leaves(members), strict=True):
        assert entry.payee is not None
        assert (entry.payee.household, entry.payee.settles) == (leaf.household, earlier.key)
        assert sum(leg.value for leg in entry.legs) == 0


@given(st.integers(3, 10**9), st.sets(st.integers(1, 3)))
def test_what_was_paid_is_not_paid_again(fen: int, already: set[int]) -> None:
    earlier = distributed(fen, 3)
    owed = {leg.account: -leg.value for leg in earlier.legs[1:]}
    paid = {1_000 + number: owed[1_000 + number] for number in already}
    stand = ground(earlier=replace(earlier, paid=paid))
    if already == {1, 2, 3}:
        with pytest.raises(why.NothingOwed):
            propose(payment_terms(earlier.id, PAID_ON), stand)
    else:
        entries = propose(payment_terms(earlier.id, PAID_ON), stand)
        assert {entry.payee.member - 100 for entry in entries if entry.payee} == {1, 2, 3} - already


@given(st.integers(3, 10**9))
def test_a_reversal_is_its_original_in_red(fen: int) -> None:
    earlier = distributed(fen, 3)
    (entry,) = propose(reversal_terms(earlier.id, PAID_ON), ground(earlier=earlier))
    assert (entry.kind, entry.reverses) == (Kind.REVERSAL, earlier.key)
    assert [(leg.account, leg.side, leg.amount) for leg in entry.legs] == [
        (leg.account, leg.side, -leg.amount) for leg in earlier.legs
    ]


def test_a_payment_taken_back_names_its_household_and_its_payout() -> None:
    payout = Payout(new_id(), 9, new_id(), 101, "surplus_dividend", 500, PAID_ON, 4, None)
    earlier = replace(distributed(900, 3), posting="payment", payout=payout)
    (entry,) = propose(reversal_terms(earlier.id, PAID_ON), ground(earlier=earlier))
    assert entry.payee is not None
    assert (entry.payee.household, entry.payee.takes_back, entry.payee.settles) == (payout.household, payout.id, 4)


def test_who_is_a_member_on_the_day_has_a_share() -> None:
    first, second, third = leaves(3)
    stand = ground(members=(
        replace(first, left_on=PAID_ON),
        second,
        replace(third, joined_on=date(2019, 9, 21)),
    ))  # fmt: skip
    (entry,) = propose(distribution_terms(1_000, PAID_ON), stand)
    assert [leg.account for leg in entry.legs[1:]] == [second.account]


def test_a_member_who_left_is_still_paid_what_is_owed() -> None:
    earlier = distributed(900, 3)
    gone = tuple(replace(leaf, left_on=PAID_ON) for leaf in leaves(3))
    assert len(propose(payment_terms(earlier.id, date(2019, 9, 25)), ground(members=gone, earlier=earlier))) == 3


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], type[Exception]]] = [
    ("opened before", opening_terms(100), {"opening": "201908-00001"}, why.OpeningTwice),
    ("another month", opening_terms(100, on=date(2019, 9, 1)), {}, why.OpeningLate),
    ("no such account", opening_terms(100), {"accounts": {}}, why.AccountMissing),
    ("no members", distribution_terms(100, OPENED), {"members": ()}, why.MembersNone),
    ("less than a fen each", distribution_terms(2, OPENED), {}, why.SharesVanish),
    ("more than there is", distribution_terms(100, OPENED), {"balances": {"332": -99}}, why.SurplusShort),
    ("a debit balance", distribution_terms(100, OPENED), {"balances": {"332": 1_000}}, why.SurplusShort),
    ("no such entry", payment_terms(DRAFT, OPENED), {}, why.EntryMissing),
    ("no distribution", payment_terms(DRAFT, PAID_ON), {"posting": "opening"}, why.DistributionMissing),
    ("taken back", payment_terms(DRAFT, PAID_ON), {"reversed_by": "201909-00002"}, why.DistributionMissing),
    ("paid before it was owed", payment_terms(DRAFT, OPENED), {"on": PAID_ON}, why.DistributionMissing),
    ("reversed before", reversal_terms(DRAFT, PAID_ON), {"reversed_by": "201909-00002"}, why.ReversedAlready),
    ("a reversal", reversal_terms(DRAFT, PAID_ON), {"kind": Kind.REVERSAL}, why.ReversalOfReversal),
    ("before the original", reversal_terms(DRAFT, OPENED), {"on": PAID_ON}, why.ReversalEarly),
]


@pytest.mark.parametrize(("name", "terms", "changes", "refusal"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_posting_refuses(name: str, terms: dict[str, Any], changes: dict[str, Any], refusal: type[Exception]) -> None:
    on_earlier = {"posting", "reversed_by", "on", "kind"}
    earlier = {key: value for key, value in changes.items() if key in on_earlier}
    stand = {key: value for key, value in changes.items() if key not in on_earlier}
    if earlier:
        stand["earlier"] = replace(distributed(900, 3), **earlier)
    with pytest.raises(refusal):
        propose(terms, ground(**stand))


def test_an_opening_that_does_not_balance_is_refused() -> None:
    terms = opening_terms(1_000)
    terms["lines"][0]["amount"] = "9.99"
    with pytest.raises(why.EntryUnbalanced):
        propose(terms, ground())


@pytest.mark.parametrize(
    "change",
    [
        {"surplus_stands": "before_patronage_return"},
        {"surplus_stands": None},
        {"lines": []},
        {"on": "2019-13-01"},
        {"posting": "gift"},
        {"colour": "red"},
    ],
)
def test_terms_that_say_too_little_or_too_much_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_terms(opening_terms(1_000) | change)


@pytest.mark.parametrize("amount", ["-1.00", "1.005", "1,000.00", "１.00", "1e3", "", "0x10", "99999999999999.00"])
def test_an_amount_is_plain_yuan(amount: str) -> None:
    with pytest.raises(ValidationError):
        read_terms(distribution_terms(100, OPENED) | {"amount": amount})


def test_every_posting_has_a_name_in_both_languages_and_terms_of_its_own() -> None:
    for name, posting in POSTINGS.items():
        assert name == posting.name
        assert posting.zh and posting.en.isascii()  # noqa: PT018
        assert name in str(posting.terms.model_fields["posting"].annotation)
    assert "第二池" in POSTINGS["distribution"].says_zh
    assert "pool 2" in POSTINGS["distribution"].says_en


def test_the_recipe_of_a_posting_works_as_printed() -> None:
    """docs/recipes/a-posting.md: its example is run, balances, and refuses what is more than there is."""
    page = (Path(__file__).parents[2] / "docs" / "recipes" / "a-posting.md").read_text(encoding="utf-8")
    printed = page.split("```python", 1)[1].split("```", 1)[0]
    recipe = types.ModuleType("recipe_of_a_posting")
    sys.modules[recipe.__name__] = recipe
    names = vars(recipe)
    exec(RECIPE_IMPORTS + textwrap.dedent(printed), names)
    accounts = {**ACCOUNTS, "322": Account(9, "322", CNY, Side.CREDIT, Guard.NONE)}
    terms = names["ReserveTerms"](posting="reserve", on=OPENED, amount="40.00")
    (entry,) = names["RESERVE"].entries(ground(accounts=accounts, balances={"332": -4_000}), terms, DRAFT)
    assert entry.debit_total == 4_000
    with pytest.raises(why.SurplusShort):
        names["RESERVE"].entries(ground(accounts=accounts, balances={"332": -3_999}), terms, DRAFT)


RECIPE_IMPORTS = """
from typing import Literal
from services.cooperative.domain import Entry, Ground, Kind, credit, debit
from services.cooperative.domain.refusals import SurplusShort
from services.cooperative.postings.posting import Posting, Terms, Yuan
from shared.values import Money
"""
