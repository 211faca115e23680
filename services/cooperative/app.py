"""Which knobs, and what is plugged into what. The only place that constructs."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.cooperative import actions, inbox, store
from services.cooperative.api import router
from services.cooperative.reports import comparing, ledger_faults
from shared.db import Transaction, create_engine
from shared.events import TOPICS
from shared.events.cooperative import PayoutPosted
from shared.hearing import Consumer, Ears
from shared.outbox import Relay, connector
from shared.recovery import Holding
from shared.settings import Settings
from shared.web import create_app
from shared.worker import Loop, Worker

EARS = Ears("cooperative.households", inbox.HEARS, inbox.WITHDRAWS)
HOLDINGS = (
    Holding("payout", tuple(topic for topic in TOPICS if topic.name == PayoutPosted.TOPIC), actions.payouts_again),
)

SAID, KEPT = comparing.SAID, comparing.KEPT


async def check(tx: Transaction) -> list[str]:
    """The ledger's own soundness, for `tuopin verify`."""
    return [str(fault) for fault in await ledger_faults(tx)]


def api(settings: Settings) -> FastAPI:
    """The HTTP application."""
    return create_app(
        settings,
        [router],
        title="脱贫·合作社服务",
        description="账簿、成员、凭证、分配与兑付",
        migrations=Path(__file__).parent / "migrations",
    )


async def worker(settings: Settings) -> None:
    """Relay and hearing until cancelled."""
    name = "cooperative-worker"
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application=name)
    relay = Relay(
        connector(settings.database_url, "cooperative-relay"),
        settings.kafka_bootstrap,
        "/cooperative",
        topics={topic.name for topic in TOPICS},
    )
    loops: list[Loop] = [Consumer(engine, settings.kafka_bootstrap, EARS, f"{name}-{settings.slot}")]
    await Worker(engine, relay, loops, host=settings.host, health_port=settings.health_port).run()


async def load(tx: Transaction) -> None:
    """Reference rows, after each migration."""
    await store.load_reference_rows(tx)
