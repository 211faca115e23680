"""One Prometheus registry a process; modules declare their gauges and counters on it."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import generate_latest as _generate

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def exposition() -> tuple[bytes, str]:
    """The body and content type that `/metrics` answers."""
    return _generate(REGISTRY), CONTENT_TYPE_LATEST
