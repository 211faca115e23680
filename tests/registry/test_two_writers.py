"""An officer amends households while a file says them again: every fact that leaves is whole and of one moment."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from services.registry.domain.facts import facts_of
from services.registry.store.households import load_household
from shared.db import transaction
from shared.events import Fact
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded
from shared.values import Scope
from tests.registry.ground import YEAR, Ground, file_of
from tests.registry.sheets import Row
from tests.registry.test_intake import facts, four

FILES = 6
WAGES = ("9000.00", "9600.00")


def filed(turn: int) -> list[list[Row]]:
    """The same four households, the wages of each file other than those of the one before."""
    wage = WAGES[turn % 2]
    households = four()
    for head, *_ in households:
        head |= {"务工收入": wage, "工资性收入": wage, "务工月收入": "1500"}
    return households


async def amend(ground: Ground, household: UUID, turn: int) -> int:
    """Another road, and another sum; answers the status."""
    items = {"wage_work": f"{7000 + turn}.00", "transfer_minimum_living": "1200.50"}
    body: dict[str, Any] = {
        "observed_on": "2019-08-20",
        "living": {"road": ("earth", "gravel")[turn % 2]},
        "income": [{**YEAR, "items": items}],
    }
    answer = await ground.ask("PATCH", f"/households/{household}", json=body, headers={"If-Match": "*"})
    return answer.status_code


async def test_two_writers_at_once_say_nothing_by_halves(ground: Ground) -> None:
    await ground.intake(file_of(*filed(0)))
    households = {fact.household for fact in await facts(ground, CircumstancesRecorded)}
    over = asyncio.Event()

    async def amended() -> list[int]:
        found, turn = [], 0
        while not over.is_set():
            found += await asyncio.gather(*(amend(ground, one, turn) for one in households))
            turn += 1
            await asyncio.sleep(0.05)
        return found

    officers = asyncio.create_task(amended())
    for turn in range(1, FILES):
        found = await ground.intake(file_of(*filed(turn)))
        assert (found["job"]["state"], found["rows_refused"]) == ("done", 0), found
    over.set()
    answers = await officers
    assert answers.count(200) >= FILES, answers
    assert set(answers) <= {200, 503}, answers
    said = await facts(ground, CircumstancesRecorded)
    assert len(said) > FILES * len(households)
    for fact in said:
        assert (len(fact.members), len(fact.income_declared), fact.living.housing_level) == (3, 1, "A"), fact
        assert {"wage_work", "transfer_minimum_living"} <= {row.item for row in fact.income}, fact
    await are_of_one_moment(ground, said, await facts(ground, HouseholdRecorded))


async def are_of_one_moment(
    ground: Ground, circumstances: list[CircumstancesRecorded], recorded: list[HouseholdRecorded]
) -> None:
    """Both facts under each version, versions in the order of the outbox, the last as the register has it now."""
    async with transaction(ground.engine, Scope.everything()) as tx:
        for household in {one.household for one in recorded}:
            versions = [one.version for one in circumstances if one.household == household]
            assert versions == list(range(1, len(versions) + 1))
            assert versions == [one.version for one in recorded if one.household == household]
            last = [[one for one in said if one.household == household][-1] for said in (recorded, circumstances)]
            now = list(facts_of((await load_household(tx, household)).household))
            assert [unordered(one) for one in last] == [unordered(one) for one in now]


def unordered(fact: Fact) -> dict[str, Any]:
    """Amounts in no order: an amendment says them as they stand in its form, a file by component."""
    told = fact.model_dump(mode="json")
    return {name: sorted(map(str, part)) if name == "income" else part for name, part in told.items()}
