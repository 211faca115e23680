"""The published language: facts as frozen models by producing service, and the catalogue of topics they travel
on.

Changes only add (a test compares with the committed schemas); anything else is a new type beside the old one.
Unknown fields are ignored by listeners. Nothing identifying travels: no name, id number, phone, account or
address (ADR 0008).
"""

from __future__ import annotations

from shared.events import assessment, cooperative, notify, registry
from shared.events.fact import Fact, Topic

TOPICS: tuple[Topic, ...] = (*registry.TOPICS, *assessment.TOPICS, *cooperative.TOPICS, *notify.TOPICS)

_MODELS: tuple[type[Fact], ...] = (
    *registry.FACTS,
    *assessment.FACTS,
    *cooperative.FACTS,
    *notify.FACTS,
)

FACTS: dict[str, type[Fact]] = {model.TYPE: model for model in _MODELS}

__all__ = ["FACTS", "TOPICS", "Fact", "Topic", "assessment", "cooperative", "notify", "registry"]
