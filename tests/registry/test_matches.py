"""兑付对应: money that was declared and also paid counts once, whichever was heard first (ADR 0017)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry.app import check
from services.registry.domain import IncomeRow
from services.registry.domain.matches import counted, matches_of, restated
from services.registry.store.households import load_household
from shared.db import transaction
from shared.events.cooperative import PayoutPosted
from shared.events.registry import CircumstancesRecorded
from shared.values import Period, Scope
from tests.registry.ground import NEXT_VILLAGE, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import household
from tests.registry.test_inbox import PARTITIONS, hear, paid, record, said
from tests.shared.marks import around

ITEM, YEAR = "property_dividend", Period(date(2018, 10, 1), date(2019, 9, 30))
JULY, PAID, AUGUST = date(2019, 7, 1), date(2019, 7, 20), date(2019, 8, 20)
DAYS = [JULY + timedelta(days=step) for step in range(0, 60, 6)]


def declared(fen: int, on: date | None, item: str = ITEM) -> IncomeRow:
    return IncomeRow(YEAR, "C", item, "declared", item, fen, declared_on=on)


def payout(fen: int, on: date, reverses: IncomeRow | None = None) -> IncomeRow:
    back = None if reverses is None else reverses.reference
    return IncomeRow(YEAR, "C", ITEM, "payout", str(uuid4()), fen, on, back)


def total(income: list[IncomeRow]) -> int:
    return sum(fen for _, fen in counted(income))


# In the domain


@settings(deadline=None)
@given(
    st.none() | st.tuples(st.integers(0, 900), st.sampled_from(DAYS)),
    st.lists(st.tuples(st.integers(1, 500), st.sampled_from(DAYS), st.booleans()), max_size=5),
    st.randoms(use_true_random=False),
)
def test_each_yuan_counts_once_in_whatever_order_it_is_heard(
    form: tuple[int, date] | None, payments: list[tuple[int, date, bool]], chance: random.Random
) -> None:
    """Against the plain sum: all that was paid, and of the declared amount what no payment up to its form documents."""
    rows = [] if form is None else [declared(*form)]
    kept = 0
    documents = 0
    for fen, on, is_reversed in payments:
        one = payout(fen, on)
        rows += [one, payout(-fen, on, one)] if is_reversed else [one]
        kept += 0 if is_reversed else fen
        documents += fen if form is not None and not is_reversed and on <= form[1] else 0
    chance.shuffle(rows)
    left = 0 if form is None else max(0, form[0] - documents)
    assert total(rows) == kept + left
    assert all(fen >= 0 for row, fen in counted(rows) if row.source == "declared")
    assert all(0 < one.fen <= min(one.declared.fen, one.payout.fen) for one in matches_of(rows))


@pytest.mark.parametrize(
    ("form", "money", "counts"),
    [
        (declared(60_000, PAID), payout(63_120, PAID), [0, 63_120]),
        (declared(63_121, AUGUST), payout(63_120, PAID), [1, 63_120]),
        (declared(60_000, PAID - timedelta(days=1)), payout(63_120, PAID), [60_000, 63_120]),
        (declared(60_000, AUGUST, "property_other"), payout(63_120, PAID), [60_000, 63_120]),
    ],
)
def test_the_day_of_payment_the_fen_and_the_item_are_the_limits(
    form: IncomeRow, money: IncomeRow, counts: list[int]
) -> None:
    assert [fen for _, fen in counted([form, money])] == counts


def test_the_same_amount_said_again_is_news_only_after_a_payment() -> None:
    held, money = declared(60_000, JULY), payout(63_120, PAID)
    assert restated([held], declared(60_000, None), AUGUST) is held
    assert restated([held, money], declared(60_000, None), PAID - timedelta(days=1)) is held
    assert restated([held, money], declared(60_000, None), PAID).declared_on == PAID
    assert restated([held, money], declared(50_000, None), JULY).declared_on == JULY
    assert restated([held, money], held, AUGUST) is held, "a form that does not speak of income restates nothing"


# In the register


@dataclass
class Home:
    """A household on record, whose forms and payments come one after another."""

    ground: Ground
    id: UUID
    position: int = 0

    async def form(self, on: date, fen: int | None) -> None:
        body: dict[str, Any] = {"observed_on": on.isoformat(), "group": str(uuid4())[:8]}
        if fen is not None:
            items = {"wage_work": "9000.00", ITEM: f"{fen / 100:.2f}"}
            body["income"] = [{"year_from": YEAR.first.isoformat(), "year_to": YEAR.last.isoformat(), "items": items}]
        answer = await self.ground.ask("PATCH", f"/households/{self.id}", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text

    async def hear(self, *facts: PayoutPosted) -> None:
        for fact in facts:
            await hear(self.ground, [record(fact, self.position)])
            self.position += 1

    def reversal(self, fact: PayoutPosted) -> PayoutPosted:
        return paid(self.id, -fact.fen, paid_on=fact.paid_on, reverses=fact.payout)

    async def shown_matches(self) -> list[dict[str, Any]]:
        answer = await self.ground.get(f"/households/{self.id}", params={"purpose": "核对收入"})
        found: list[dict[str, Any]] = answer.json()["matches"]
        return found

    async def is_recorded_as_the_domain_says(self) -> int:
        """Recorded matches, what travels, and the domain agree; answers what the dividends count for."""
        async with transaction(self.ground.engine, Scope.everything()) as tx:
            kept = await load_household(tx, self.id)
        rows = await self.ground.rows(
            "select declared_no, payout_no, fen from income_match where known_to = 'infinity' order by 1, 2"
        )
        found = matches_of(kept.household.income)
        assert [tuple(row.values()) for row in rows] == sorted(
            (kept.incomes[one.declared], kept.incomes[one.payout], one.fen) for one in found
        )
        told = (await said(self.ground, CircumstancesRecorded))[-1]
        counts = [(row.item, row.source, fen) for row, fen in counted(kept.household.income)]
        assert sorted((row.item, row.source, row.fen) for row in told.income) == sorted(counts)
        return sum(fen for item, _, fen in counts if item == ITEM)


@pytest.fixture
async def home(ground: Ground) -> Home:
    answer = await ground.post("/households", json=household_body(observed_on="2019-06-01"))
    assert answer.status_code == 201, answer.text
    return Home(ground, UUID(answer.json()["id"]))


async def test_a_form_that_also_declares_the_dividend_counts_it_once(home: Home) -> None:
    money = paid(home.id, 63_120, paid_on=PAID)
    await home.hear(money)
    await home.form(AUGUST, 70_000)
    assert await home.is_recorded_as_the_domain_says() == 70_000
    (shown,) = await home.shown_matches()
    assert (shown["payout"], shown["item"], shown["amount"]) == (str(money.payout), ITEM, "631.20")
    assert (shown["recorded_by"], shown["year_to"]) == ("li", YEAR.last.isoformat())
    masked = (await home.ground.get(f"/households/{home.id}")).json()
    assert masked["matches"] == masked["income"] == []
    await home.hear(home.reversal(money))
    assert await home.shown_matches() == []
    assert await home.is_recorded_as_the_domain_says() == 70_000, "bounced: what was declared stands alone"
    closed = await home.ground.rows("select closed_by from income_match where known_to < 'infinity'")
    assert [row["closed_by"] for row in closed] == ["cooperative"]


async def test_a_payment_heard_after_the_form_that_includes_it(home: Home) -> None:
    await home.form(AUGUST, 70_000)
    assert await home.is_recorded_as_the_domain_says() == 70_000
    await home.hear(paid(home.id, 63_120, paid_on=PAID), paid(home.id, 10_000, paid_on=PAID))
    assert await home.is_recorded_as_the_domain_says() == 73_120
    shown = (await home.ground.get(f"/households/{home.id}", params={"purpose": "核对收入"})).json()["income"]
    assert {(one["source"], one["amount"], one["counts"]) for one in shown if one["item"] == ITEM} == {
        ("declared", "700.00", "0.00"),
        ("payout", "631.20", "631.20"),
        ("payout", "100.00", "100.00"),
    }


async def test_a_form_from_before_the_payment_cannot_have_known_of_it(home: Home) -> None:
    await home.form(PAID - timedelta(days=1), 60_000)
    await home.hear(paid(home.id, 63_120, paid_on=PAID))
    assert await home.is_recorded_as_the_domain_says() == 123_120
    await home.form(AUGUST, None)
    assert await home.is_recorded_as_the_domain_says() == 123_120, "this form says nothing of income"
    await home.form(AUGUST, 60_000)
    assert await home.is_recorded_as_the_domain_says() == 63_120, "said again after the payment, it includes it"


async def test_a_payment_that_its_restored_speaker_never_made_documents_nothing(home: Home) -> None:
    """And a household that moved takes its matches along: nothing is left where it was."""
    kept, lost = (paid(home.id, fen, paid_on=PAID) for fen in (10_000, 20_000))
    await home.hear(kept, lost)
    await home.form(AUGUST, 70_000)
    assert len(await home.shown_matches()) == 2
    moved = {"observed_on": AUGUST.isoformat(), "division": NEXT_VILLAGE.text}
    answer = await home.ground.ask("PATCH", f"/households/{home.id}", json=moved, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    topic, partitions = PayoutPosted.TOPIC, PARTITIONS[PayoutPosted.TOPIC]
    await hear(home.ground, around(topic, partitions, 9, record(kept, home.position, epoch=9)))
    assert [one["amount"] for one in await home.shown_matches()] == ["100.00"]
    assert await home.is_recorded_as_the_domain_says() == 70_000
    async with transaction(home.ground.engine, Scope.everything()) as tx:
        assert await check(tx) == []


@pytest.mark.parametrize("seed", range(4))
async def test_random_forms_payments_and_reversals(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    bounced: list[PayoutPosted] = []
    days = iter(sorted(chance.choices(DAYS[:8], k=12)))
    for _ in range(12):
        match chance.randrange(3):
            case 0:
                await home.form(next(days), chance.randrange(0, 90_000))
            case 1:
                bounced.append(paid(home.id, chance.randrange(1, 50_000), paid_on=chance.choice(DAYS[:8])))
                await home.hear(bounced[-1])
            case _ if bounced:
                await home.hear(home.reversal(bounced.pop(chance.randrange(len(bounced)))))
        await home.is_recorded_as_the_domain_says()


async def test_a_file_that_repeats_the_amount_after_the_payment_is_news_once(ground: Ground) -> None:
    def of_day(dividend: str) -> bytes:
        rows = household()
        rows[0] |= {"资产收益分红": dividend}
        return file_of(rows)

    await ground.intake(of_day("600"), observed_on=str(JULY))
    home = Home(ground, await ground.value("select id from household"))
    await home.hear(paid(home.id, 63_120, paid_on=PAID))
    assert await home.is_recorded_as_the_domain_says() == 123_120
    await ground.intake(of_day("600"), observed_on=str(AUGUST))
    assert await home.is_recorded_as_the_domain_says() == 63_120
    before = await ground.digest()
    await ground.intake(of_day("600"), observed_on=str(AUGUST))
    await ground.intake(of_day("600"), observed_on=str(AUGUST + timedelta(days=1)))
    assert await ground.digest() == before
