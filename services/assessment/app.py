"""Which knobs, and what is plugged into what. The only place that constructs."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.assessment import inbox
from services.assessment.actions import cases, judging, publicity
from services.assessment.api import ROUTERS
from services.assessment.reports import comparing
from services.assessment.rules import packs
from services.assessment.store import reference
from shared.auth import Role
from shared.clock import Clock
from shared.db import Transaction, create_engine
from shared.due import DueLoop, Verb
from shared.events import TOPICS
from shared.events.assessment import CaseOpened, HouseholdJudged, PublicityOpened
from shared.hearing import Consumer, Ears
from shared.jobs import JobRunner, Jobs
from shared.outbox import Relay, connector
from shared.parameters import read_parameters
from shared.recovery import Again, Holding
from shared.settings import Settings
from shared.web import access_router, create_app, job_router
from shared.worker import Loop, Worker

MIGRATIONS = Path(__file__).parent / "migrations"
EARS = Ears("assessment.judging", inbox.HEARS, inbox.WITHDRAWS)
RUNNERS = (Role.REVIEWER, Role.APPROVER)
READERS = (Role.CLERK, *RUNNERS, Role.AUDITOR, Role.OPERATOR)


def _holding(table: str, topic: str, again: Again) -> Holding:
    return Holding(table, tuple(one for one in TOPICS if one.name == topic), again)


HOLDINGS = (
    _holding("subject", HouseholdJudged.TOPIC, judging.judgements_again),
    _holding("case_file", CaseOpened.TOPIC, cases.cases_again),
    _holding("publicity", PublicityOpened.TOPIC, publicity.publicities_again),
)
SAID, KEPT = comparing.SAID, comparing.KEPT
DUE = [Verb(publicity.END, publicity.end_publicities)]


def jobs() -> Jobs:
    """Long work: judging a division."""
    kinds = Jobs()
    kinds.register(judging.RUN, judging.judge_chunk, roles=RUNNERS, on_end=judging.end_run)
    return kinds


async def load(tx: Transaction) -> None:
    """Reference rows after each migration: parameters with their law, and the text of each pack for ever."""
    for file in sorted((MIGRATIONS / "data").glob("parameters*.csv")):
        await reference.load_parameters(tx, read_parameters(file))
    await reference.load_packs(tx, packs())


def api(settings: Settings) -> FastAPI:
    """The HTTP application."""
    return create_app(
        settings,
        [*ROUTERS, job_router(read=READERS, cancel=RUNNERS), access_router()],
        title="脱贫·研判服务",
        description="研判、理由、参数、退出程序与公示",
        migrations=MIGRATIONS,
    )


async def worker(settings: Settings) -> None:
    """Relay, hearing, due work and jobs until cancelled."""
    packs()  # read once, before hearing and a run can both ask for them at the same moment
    pool, application = settings.database_pool_size, "assessment-worker"
    engine = create_engine(settings.database_url, pool_size=pool, application=application)
    clock = Clock(settings.home if settings.practice else None)
    relay = Relay(
        connector(settings.database_url, "assessment-relay"),
        settings.kafka_bootstrap,
        "/assessment",
        topics={topic.name for topic in TOPICS},
    )
    loops: list[Loop] = [
        Consumer(engine, settings.kafka_bootstrap, EARS, f"assessment-worker-{settings.slot}"),
        DueLoop(engine, clock, DUE),
        JobRunner(engine, jobs(), clock.now),
    ]
    await Worker(engine, relay, loops, host=settings.host, health_port=settings.health_port).run()
