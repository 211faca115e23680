"""Which knobs, and what is plugged into what. The only place that constructs."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.notify import actions, inbox, reports
from services.notify.api import ROUTERS
from services.notify.partners import PublicPage
from shared.clock import Clock
from shared.db import create_engine
from shared.due import DueLoop, Verb
from shared.events import TOPICS
from shared.events.notify import NoticePosted
from shared.hearing import Consumer, Ears
from shared.outbox import Relay, connector
from shared.recovery import Holding
from shared.settings import Settings
from shared.web import create_app
from shared.worker import Loop, Worker

EARS = Ears("notify.notices", inbox.HEARS, inbox.WITHDRAWS)
OWN_TOPICS = tuple(topic for topic in TOPICS if topic.speaker == "notify")
HOLDINGS = (
    Holding("notice", tuple(topic for topic in OWN_TOPICS if topic.name == NoticePosted.TOPIC), actions.notices_again),
)

SAID, KEPT = reports.SAID, reports.KEPT


def due_verbs(page: PublicPage) -> list[Verb]:
    """What falls due: hanging, and taking down."""
    return [
        Verb(actions.POST, lambda tx, ids, now: actions.post_notices(tx, page, ids, now)),
        Verb(actions.TAKE_DOWN, lambda tx, ids, now: actions.take_down_notices(tx, page, ids, now)),
    ]


def api(settings: Settings) -> FastAPI:
    """The HTTP application."""
    return create_app(
        settings,
        ROUTERS,
        title="脱贫·告示服务",
        description="村级公示页与告示清单",
        migrations=Path(__file__).parent / "migrations",
    )


async def worker(settings: Settings) -> None:
    """Relay, hearing and due work until cancelled."""
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application="notify-worker")
    clock = Clock(settings.home if settings.practice else None)
    relay = Relay(
        connector(settings.database_url, "notify-relay"),
        settings.kafka_bootstrap,
        "/notify",
        topics={topic.name for topic in TOPICS},
    )
    loops: list[Loop] = [
        Consumer(engine, settings.kafka_bootstrap, EARS, f"notify-worker-{settings.slot}"),
        DueLoop(engine, clock, due_verbs(PublicPage())),
    ]
    await Worker(engine, relay, loops, host=settings.host, health_port=settings.health_port).run()
