"""JSON logs, one line an event, with the request's or the fact's trace; personal fields never enter (tests walk
for canaries).
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# W3C trace context of the work in hand: the door sets it, announce and hearing read it, so that a notice can be
# followed back to the request that caused it.
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def configure(service: str, process: str, level: str = "info") -> None:
    """Send structlog and the standard library's loggers to standard output as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [out]
    root.setLevel(LEVELS[level])
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service, process=process)


def get_logger(name: str) -> Any:
    """A logger; bind request_id and trace through structlog.contextvars."""
    return structlog.get_logger(name)
