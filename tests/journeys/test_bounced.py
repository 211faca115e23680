"""One payment of two comes back from the bank: its household's income and verdict follow, the other's stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.desk import Asked, Desk
from tests.journeys.make import Rehearsal
from tests.journeys.village import SUM, YEAR, Village

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SHORT_BY_A_HUNDRED = "3118.00"  # the line of 2019 is 3,218 yuan a head
SHARE = "300.00"  # half of what is shared out


@dataclass
class Members:
    """Two women who live alone, both a hundred yuan below the line, and their cooperative."""

    desk: Desk
    village: Village
    households: list[str]
    book: str

    def judged(self, household: str) -> tuple[str, list[tuple[str, str]]]:
        """The verdict on leaving poverty, and which payouts it is said to have changed by."""
        path = f"/assessment/v1/households/{household}/judgement"
        told = self.desk.ask("reviewer", self.village.code, "GET", path)
        [part] = [one for one in told["packs"] if one["pack"] == "exit"]
        causes = [cause for change in part["changes"] for cause in change["causes"]]
        return part["verdict"], [(cause["kind"], cause["amount"]) for cause in causes]

    def posted(self, **terms: Any) -> str:
        """Drafted by the accountant, approved by another: the first entry."""
        draft = self.village.a_draft(self.book, terms)
        approved = self.desk.ask("approver", self.village.code, "POST", f"/cooperative/v1/drafts/{draft}/approve")
        return str(approved["first_entry"])

    def payouts(self) -> list[dict[str, Any]]:
        """All of the book, in their order."""
        path = f"/cooperative/v1/books/{self.book}/payouts"
        items: list[dict[str, Any]] = self.desk.ask("accountant", self.village.code, "GET", path)["items"]
        return items


@pytest.fixture(scope="module")
def members(told: Rehearsal) -> Iterator[Members]:
    with Desk(told.home) as desk:
        sql = "select division from household group by division order by count(*), division desc limit 1"
        [row] = told.rows("registry", sql)
        village = Village(told, desk, str(row["division"]))
        bodies = [village.household_body() for _ in range(2)]
        for body in bodies:
            body["income"] = [{**YEAR, "items": {"wage_work": SHORT_BY_A_HUNDRED}}]
        made = [desk.ask("clerk", village.code, "POST", "/registry/v1/households", body) for body in bodies]
        told.quiet()
        one = Members(desk, village, [household["id"] for household in made], village.a_book())
        rows = [
            {"number": place, "household_number": household["number"], "joined_on": "2019-08-02"}
            for place, household in enumerate(made, start=1)
        ]
        asked = Asked(
            "POST", f"/cooperative/v1/books/{one.book}/members", content=json.dumps(rows).encode(),
            headers={"content-type": "application/json"},
        )  # fmt: skip
        answer = desk.send(asked, desk.token("accountant", [village.code]))
        assert answer.json()["entered"] == 2, answer.text
        yield one


def test_a_bounced_payment_takes_one_household_back_below_the_line(told: Rehearsal, members: Members) -> None:
    bounced, other = members.households
    assert [members.judged(one) for one in (bounced, other)] == [("unmet", []), ("unmet", [])]

    members.posted(**members.village.opening())
    shared = members.posted(posting="distribution", on="2019-08-03", pool="remainder", amount=SUM)
    members.posted(posting="payment", on="2019-08-04", distribution=shared)
    told.quiet()
    paid = [("met", [("payout", SHARE)])] * 2
    assert [members.judged(one) for one in (bounced, other)] == paid

    [entry] = [one["entry"] for one in members.payouts() if one["household"] == bounced]
    members.posted(posting="reversal", on="2019-08-05", entry=entry, reason="账号有误，银行退票")
    told.quiet()
    assert members.judged(bounced) == ("unmet", [("payout", f"-{SHARE}")])
    assert members.judged(other) == paid[1]
    assert told.verified()["equal"]

    members.posted(posting="payment", on="2019-08-06", distribution=shared)
    told.quiet()
    assert members.judged(bounced) == ("met", [("payout", SHARE)])
    assert members.judged(other) == paid[1], "who has his money is not paid again"
    assert [(one["household"], one["amount"]) for one in members.payouts()] == [
        (bounced, "300.00"), (other, "300.00"), (bounced, "-300.00"), (bounced, "300.00"),
    ]  # fmt: skip
    assert told.verified()["equal"]
