"""Which knobs, and what is plugged into what. The only place that constructs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from services.registry import inbox
from services.registry.actions import carrying, divisions, doubts, exports, households, inspecting, intake, undo
from services.registry.actions.intake import Reading, Workbooks
from services.registry.actions.likeness import keying
from services.registry.api import ROUTERS
from services.registry.api.households import IN_CLEAR
from services.registry.forms import Limits
from services.registry.reports import comparing, soundness
from services.registry.store import intake as store
from services.registry.store.arrivals import Asked
from services.registry.store.likeness import VERB as KEYS_WAIT
from services.registry.store.parameters import load_parameters
from services.registry.store.uploads import Intake
from shared.auth import Role
from shared.clock import Clock
from shared.crypto import KeyRing
from shared.db import Pruning, Transaction, create_engine, transaction
from shared.due import DueLoop, Verb
from shared.events import TOPICS
from shared.events.registry import CircumstancesRecorded, DivisionRecorded, HouseholdRecorded
from shared.hearing import Consumer, Ears
from shared.jobs import Job, JobRunner, Jobs
from shared.outbox import Relay, connector
from shared.parameters import read_parameters
from shared.recovery import Holding
from shared.settings import Settings
from shared.web import access_router, create_app, job_router
from shared.worker import Loop, Worker

MIGRATIONS = Path(__file__).parent / "migrations"
EARS = Ears("registry.households", inbox.HEARS, inbox.WITHDRAWS)


class AppSettings(Settings):
    """Registry's own knobs: how much of a file is read, how many of its rows one commit takes, how long it is kept; how
    many households one commit of a look at the register takes; the same of what is exported.
    """

    intake_chunk_rows: int = 20_000
    intake_memory_bytes: int = 4 * 1024**3
    intake_seconds: float = 180.0
    intake_rows: int = 500_000
    intake_columns: int = 400
    intake_sheets: int = 30
    intake_members: int = 40
    intake_formulas: int = 5_000
    intake_file_bytes: int = 32 * 1024**2
    intake_unpacked_bytes: int = 1024**3
    intake_packed_ratio: int = 150
    intake_lease_seconds: float = 30.0
    intake_trial_days: int = 30
    inspection_households: int = 1000
    export_chunk_households: int = 500
    export_seconds: float = 900.0
    export_days: int = 7


def _topics(*names: str) -> tuple[Any, ...]:
    return tuple(topic for topic in TOPICS if topic.name in names)


HOLDINGS = (
    Holding("division", _topics(DivisionRecorded.TOPIC), divisions.divisions_again),
    Holding("household", _topics(HouseholdRecorded.TOPIC, CircumstancesRecorded.TOPIC), households.households_again),
)
KEYED_AT_ONCE = 10
"""Commits whose persons get their keys together: forms are small, a file's chunk has thousands."""
SAID, KEPT = comparing.SAID, comparing.KEPT


def api(settings: Settings) -> FastAPI:
    """The HTTP application."""
    jobs = job_router(read=tuple(Role), cancel=intake.SUBMITTERS)
    return create_app(
        settings,
        [*ROUTERS, jobs, access_router()],
        title="脱贫·登记服务",
        description="区划、户与人、导入、查询与导出、疑点",
        migrations=MIGRATIONS,
    )


async def load(tx: Transaction) -> None:
    """Reference rows, after each migration: divisions and parameters. Running it again changes nothing."""
    await load_parameters(tx, read_parameters(MIGRATIONS / "data" / "parameters.csv"))
    await divisions.load_divisions(tx, MIGRATIONS / "data" / "divisions.csv", Clock().now())


async def check(tx: Transaction) -> list[str]:
    """What `tuopin verify` asks of the register itself."""
    return await soundness.faults(tx)


def workbooks(settings: AppSettings, engine: AsyncEngine, keys: KeyRing) -> Workbooks:
    """How files are read and recorded."""

    async def maintain(is_fresh: bool) -> None:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None, "a connection has its driver"
            await store.sweep(driver)
            if is_fresh:
                await store.refresh_statistics(driver)

    limits = Limits(
        file_bytes=settings.intake_file_bytes,
        unpacked_bytes=settings.intake_unpacked_bytes,
        packed_ratio=settings.intake_packed_ratio,
        rows=settings.intake_rows,
        columns=settings.intake_columns,
        sheets=settings.intake_sheets,
        members=settings.intake_members,
        formulas=settings.intake_formulas,
    )

    def asked(of: Intake, job: Job) -> Asked:
        said = (of.system, of.choices)
        cut = (settings.intake_chunk_rows, limits, store.SHAPES)
        return Asked(job.scope, of.observed_on, of.year, *cut, *said, mode=of.mode, blank=of.blank)

    return Workbooks(
        Reading(
            partial(_of_submitter, engine), maintain, keys, asked, settings.intake_memory_bytes, settings.intake_seconds
        )
    )


def due(keys: KeyRing) -> list[Verb]:
    """What falls due, and which verb it wakes."""
    return [
        Verb(doubts.EXCEPTION_ENDS, doubts.resume_doubts),
        Verb(KEYS_WAIT, keying(keys), limit=KEYED_AT_ONCE),
    ]


def of_files(files: Workbooks) -> Jobs:
    """Jobs for which somebody waits at his desk."""
    jobs = Jobs()
    jobs.register(intake.KIND, files.run_chunk, roles=intake.SUBMITTERS, prepare=files.prepare, on_end=files.on_end)
    jobs.register(undo.KIND, undo.run_undo, roles=intake.SUBMITTERS, on_end=undo.undo_ended)
    return jobs


def of_the_register(settings: AppSettings, engine: AsyncEngine, keys: KeyRing) -> Jobs:
    """Jobs over all that is on record: they take minutes, and no file waits behind them."""
    jobs = Jobs()
    inspector = inspecting.Inspector(partial(_of_submitter, engine), keys, settings.inspection_households)
    jobs.register(inspecting.KIND, inspector.run_chunk, roles=inspecting.SUBMITTERS, prepare=inspector.prepare)
    carrier = carrying.Carrier(settings.inspection_households)
    jobs.register(carrying.KIND, carrier.run_chunk, roles=carrying.SUBMITTERS)
    return jobs


def _of_submitter(engine: AsyncEngine, job: Job) -> AbstractAsyncContextManager[Transaction]:
    """A transaction under the rights of whoever submitted the job."""
    return transaction(engine, job.scope, caller=job.sub, traceparent=job.traceparent)


def of_lists(settings: AppSettings, engine: AsyncEngine, keys: KeyRing) -> Jobs:
    """Jobs that make files of lists: a village's waits behind no look at the register."""
    jobs = Jobs()
    exporter = exports.Exports(
        exports.Reading(
            partial(_of_submitter, engine),
            keys,
            frozenset(IN_CLEAR),
            settings.export_chunk_households,
            settings.export_seconds,
            settings.practice,
        )
    )
    jobs.register(
        exports.KIND, exporter.run_chunk, roles=exports.ASKERS, prepare=exporter.prepare, on_end=exporter.on_end
    )
    return jobs


def forgetting(settings: AppSettings, engine: AsyncEngine, clock: Clock) -> Pruning:
    """Files that nobody needs any more go after their days."""
    return Pruning(engine, lambda tx: intake.forget_files(tx, clock.now(), settings.intake_trial_days), name="files")


async def worker(settings: AppSettings) -> None:
    """Relay, hearing, files and due work until cancelled."""
    name = "registry-worker"
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application=name)
    relay = Relay(
        connector(settings.database_url, "registry-relay"),
        settings.kafka_bootstrap,
        "/registry",
        topics={topic.name for topic in TOPICS},
    )
    keys = KeyRing.load(settings.key_ring_file)
    files = workbooks(settings, engine, keys)
    clock = Clock(settings.home)
    loops: list[Loop] = [
        Consumer(engine, settings.kafka_bootstrap, EARS, f"{name}-{settings.slot}"),
        DueLoop(engine, clock, due(keys)),
        *(
            JobRunner(engine, jobs, clock.now, lease_seconds=settings.intake_lease_seconds)
            for jobs in (
                of_files(files),
                of_the_register(settings, engine, keys),
                of_lists(settings, engine, keys),
            )
        ),
        forgetting(settings, engine, clock),
        Pruning(engine, lambda tx: exports.forget_files(tx, clock.now(), settings.export_days), name="exports"),
    ]
    try:
        await Worker(engine, relay, loops, host=settings.host, health_port=settings.health_port).run()
    finally:
        files.close()
