"""What recipes and READMEs tell is so: printed code runs and does what is said of it; facts said and heard are named.

The recipes of a rule and of a posting are run beside their kind (tests/assessment, tests/cooperative).
"""

from __future__ import annotations

import importlib
import re
import textwrap
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from services.assessment.domain.machine import Door
from services.assessment.procedures import exit as procedure
from services.registry.checks import labour
from services.registry.domain.inspection import Frames
from shared.events import FACTS, TOPICS, Fact, Topic
from shared.events import registry as spoken
from shared.events.papers import schema_of
from shared.values import new_id
from tests.contracts.test_events import IDENTIFYING, property_names

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"
SERVICES = ("registry", "assessment", "cooperative", "notify")
PLACES = {
    "registry": {"a-check", "an-event"},
    "assessment": {"a-rule", "a-procedure"},
    "cooperative": {"a-posting"},
    "notify": {"a-notice"},
}


def printed(recipe: str, beside: Any) -> dict[str, Any]:
    """What the recipe's one block of code makes, written into that module; an expression is called `made`."""
    [block] = re.findall(r"```python\n(.*?)```", (RECIPES / f"{recipe}.md").read_text(encoding="utf-8"), re.DOTALL)
    code = textwrap.dedent(block).strip()
    names = dict(vars(beside))
    exec(code if re.match(r"(def|class) ", code) else f"made = {code}", names)
    return names


def test_the_recipe_of_a_check_works_as_written() -> None:
    find = printed("a-check", labour)["working_child"]
    persons = pl.DataFrame(
        {
            "row": [2, 3, 4, 5],
            "birth_on": [date(2003, 8, 21), date(2003, 8, 20), date(2010, 1, 1), None],
            "work_months": [1, 1, 0, 1],
        }
    )
    found = find(Frames(persons, pl.DataFrame(), date(2019, 8, 20), frozenset({"birth_on", "work_months"})))
    assert found.select("row", "field").rows() == [(2, "work_months")], "sixteen the next day; sixteen; idle; unknown"
    assert found.row(0)[2:] == ("未满16周岁务工", "working before 16")


def test_the_recipe_of_an_event_works_as_written() -> None:
    merged = printed("an-event", spoken)["HouseholdMerged"]
    assert issubclass(merged, Fact)
    one = merged(household=new_id(), into=new_id(), on=date(2019, 8, 20))
    with pytest.raises(ValidationError):
        one.on = date(2019, 8, 21)
    assert re.fullmatch(r"org\.tuopin(\.[a-z_]+){3}\.v[0-9]+", merged.TYPE)
    assert Topic(merged.TOPIC, "events", ("assessment",)).speaker == "registry"
    assert [name for name in property_names(schema_of(merged)) if IDENTIFYING.search(name)] == []
    assert merged.__name__ not in FACTS, "an example, not a fact"


def test_the_recipe_of_a_procedure_is_a_step_of_the_procedure() -> None:
    shown, own = printed("a-procedure", procedure)["made"], procedure.EXIT.step("consent", Door.CASE)
    told = ("code", "zh", "en", "froms", "ways", "roles", "level", "door", "numbers")
    assert [getattr(shown, name) for name in told] == [getattr(own, name) for name in told]
    assert [(one.name, one.kind) for one in shown.entries] == [("signed_on", own.entries[0].kind)]
    assert [guard.code for guard in shown.guards] == [guard.code for guard in own.guards]


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_names_what_its_service_says_and_hears_and_how_it_grows(service: str) -> None:
    """In its README, or in the pages beside it."""
    folder = ROOT / "services" / service
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(folder.glob("*.md")))
    topics = {topic.name: topic for topic in TOPICS}
    says = {model.__name__ for model in FACTS.values() if topics[model.TOPIC].speaker == service}
    hears = {model.__name__ for model in importlib.import_module(f"services.{service}.inbox").HEARS}
    assert says
    assert {name for name in says | hears if f"`{name}`" not in text} == set()
    assert {name for name in PLACES[service] if f"docs/recipes/{name}.md" not in text} == set()
    assert re.search(r"decides", text), "what it decides"


def test_every_recipe_is_one_of_a_services_readme() -> None:
    assert {page.stem for page in RECIPES.glob("*.md")} == set().union(*PLACES.values())
