"""The papers of the published language: a JSON Schema a fact and one AsyncAPI 3 document, made from the models.

`tuopin papers` writes them into docs/; a test compares, so that the code and the papers cannot drift apart.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from shared.events import FACTS, TOPICS
from shared.events.fact import Fact, Topic

RETENTION = {"state": "compacted: the last fact of each key", "events": "thirty days"}


def schema_of(model: type[Fact]) -> dict[str, Any]:
    """The JSON Schema of one fact's `data`, as a speaker writes it."""
    schema = model.model_json_schema(mode="serialization", by_alias=True)
    return {"$id": model.TYPE, "x-topic": model.TOPIC, **schema}


def asyncapi(mark_type: str, mark: type[BaseModel]) -> dict[str, Any]:
    """The AsyncAPI 3 document of all topics; `mark` is what a speaker sends behind all it has said again."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tuopin",
            "version": "1",
            "description": "Facts between the four services: CloudEvents 1.0, Kafka binary mode, key = the noun's id.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, mark_type) for topic in TOPICS},
        "operations": _operations(),
        "components": {
            "messages": {model.TYPE: _message(model) for model in FACTS.values()} | {mark_type: _mark(mark_type, mark)}
        },
    }


def _channel(topic: Topic, mark_type: str) -> dict[str, Any]:
    spoken = [model for model in FACTS.values() if topic.name == model.TOPIC]
    return {
        "address": topic.name,
        "description": f"{topic.kind} topic, {RETENTION[topic.kind]}",
        "messages": {model.__name__: {"$ref": f"#/components/messages/{model.TYPE}"} for model in spoken}
        | {"Republished": {"$ref": f"#/components/messages/{mark_type}"}},
        "bindings": {"kafka": {"partitions": topic.partitions, "bindingVersion": "0.5.0"}},
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in TOPICS:
        channel = {"$ref": f"#/channels/{topic.name}"}
        operations[f"{topic.speaker}.speaks.{topic.name}"] = {"action": "send", "channel": channel}
        for listener in topic.heard_by:
            operations[f"{listener}.hears.{topic.name}"] = {"action": "receive", "channel": channel}
    return operations


def _mark(mark_type: str, mark: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": mark_type,
        "title": mark.__name__,
        "summary": " ".join((mark.__doc__ or "").split()),
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": mark.model_json_schema(mode="serialization"),
        },
    }


def _message(model: type[Fact]) -> dict[str, Any]:
    return {
        "name": model.TYPE,
        "title": model.__name__,
        "summary": " ".join((model.__doc__ or "").split()),
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"],
            "properties": {
                "ce_specversion": {"const": "1.0"},
                "ce_id": {"type": "string", "format": "uuid"},
                "ce_source": {"const": f"/{model.TOPIC.split('.', 1)[0]}"},
                "ce_type": {"const": model.TYPE},
                "ce_subject": {"type": "string", "description": "the noun's id, as the key"},
                "ce_time": {"type": "string", "format": "date-time", "description": "domain time"},
                "traceparent": {"type": "string"},
            },
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema_of(model)},
    }
