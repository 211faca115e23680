"""The published language: papers equal the models, changes only add, both ends exist, nothing identifying travels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.events import FACTS, TOPICS, Fact, registry
from shared.events.papers import schema_of
from tests.contracts.gains import lost_facts

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = DOCS / "events"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MODELS = sorted(FACTS.values(), key=lambda model: model.TYPE)

# Whatever could identify a person must not be a field of any fact, at any depth, under any of these words.
IDENTIFYING = re.compile(
    r"(^|_)(name|names|phone|mobile|tel|telephone|citizen|card|account|address|bank|id_number|sealed|passport)(_|$)"
)
ALLOWED = {
    ("DivisionRecorded", "name"): "the name of a place",
    ("CaseDecided", "document_number"): "the number of an official document",
}


def property_names(schema: dict[str, Any]) -> set[str]:
    found = set(schema.get("properties", {}))
    for part in schema.get("$defs", {}).values():
        found |= set(part.get("properties", {}))
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_identifying_travels(model: type[Fact]) -> None:
    for name in property_names(schema_of(model)):
        if IDENTIFYING.search(name):
            assert (model.__name__, name) in ALLOWED


def test_the_search_for_identifying_fields_finds_one() -> None:
    assert all(IDENTIFYING.search(name) for name in ("name", "head_name", "phone", "bank_account", "citizen_id"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_fact_has_one_topic_a_chinese_name_and_unknown_fields_are_ignored(model: type[Fact]) -> None:
    topic = next(topic for topic in TOPICS if topic.name == model.TOPIC)
    assert model.TYPE.startswith(f"org.tuopin.{topic.speaker}.")
    assert re.fullmatch(r"org\.tuopin(\.[a-z_]+){3}\.v[0-9]+", model.TYPE)
    assert CHINESE.match(" ".join((model.__doc__ or "").split()))
    assert model.model_config.get("extra") == "ignore"
    assert model.model_config.get("frozen") is True


def test_topics_are_named_after_their_kind_and_someone_hears_them() -> None:
    services = {"registry", "assessment", "cooperative", "notify"}
    for topic in TOPICS:
        assert re.fullmatch(rf"[a-z]+\.[a-z]+\.{topic.kind}\.v[0-9]+", topic.name)
        assert topic.heard_by
        assert set(topic.heard_by) <= services - {topic.speaker}
        assert topic.partitions == 6


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_language_only_grows(model: type[Fact]) -> None:
    released = SCHEMAS / "released" / f"{model.TYPE}.json"
    if not released.exists():
        pytest.fail("never released: `tuopin papers --release` when it is")
    assert lost_facts(json.loads(released.read_text(encoding="utf-8")), schema_of(model)) == []


def test_nothing_released_is_gone() -> None:
    assert {file.stem for file in (SCHEMAS / "released").glob("*.json")} <= FACTS.keys()


def recorded(name: str = "HouseholdRecorded") -> dict[str, Any]:
    """Today's schema of a fact, to be changed."""
    schema: dict[str, Any] = json.loads(json.dumps(schema_of(next(one for one in MODELS if one.__name__ == name))))
    return schema


SHRINKING: dict[str, Callable[[dict[str, Any]], Any]] = {
    "gone: headcount": lambda schema: schema["properties"].pop("headcount"),
    "headcount: integer became string": lambda schema: schema["properties"]["headcount"].update(type="string"),
    "no longer promised: headcount": lambda schema: schema["required"].remove("headcount"),
    "newly demands colour": lambda schema: (
        schema["properties"].update(colour={"type": "string"}),
        schema["required"].append("colour"),
    ),
    ".household: format uuid became None": lambda schema: schema["properties"]["household"].pop("format"),
}


@pytest.mark.parametrize("words", SHRINKING)
def test_a_shrinking_language_is_noticed(words: str) -> None:
    """A fact said last month is read by today's listener, and one of today by last month's."""
    schema = recorded()
    SHRINKING[words](schema)
    assert any(words in fault for fault in lost_facts(recorded(), schema)), lost_facts(recorded(), schema)


def test_a_part_inside_a_fact_is_looked_at_too() -> None:
    old, new = recorded("CircumstancesRecorded"), recorded("CircumstancesRecorded")
    new["$defs"]["Member"]["properties"].pop("health")
    assert lost_facts(old, new) == ["fact.members[]: gone: health"]


def test_a_growing_language_loses_nothing() -> None:
    new = recorded()
    new["properties"]["hat"] = {"type": "string"}
    assert lost_facts(recorded(), new) == []


def test_code_lists_are_texts() -> None:
    for codes in (registry.Relation, registry.Schooling, registry.Health, registry.Cause):
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in get_args(codes))
