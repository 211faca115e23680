"""The registry over a real database and its own logins: an application, tokens, and the worker's jobs run by hand."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncEngine

from services.registry import app as registry_app
from services.registry.actions.intake import Workbooks
from services.registry.app import AppSettings
from shared.clock import Clock, make_practice
from shared.crypto import KeyRing, new_key_ring
from shared.db import create_engine
from shared.due import DueLoop
from shared.events.registry import IntakeFinished
from shared.jobs import JobRunner
from shared.values import DivisionCode, Scope
from stack.provision import Database
from tests.registry.sheets import Row, csv_bytes, table

COUNTY = DivisionCode.parse("623023")
VILLAGE = DivisionCode.parse("623023100200")
NEXT_VILLAGE = DivisionCode.parse("623023100201")
OTHER_COUNTY = DivisionCode.parse("522630")
NOW = datetime(2019, 8, 25, 4, 0, tzinfo=UTC)
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
YEAR = {"year_from": "2018-10-01", "year_to": "2019-09-30"}


class Issuer:
    """Tokens of a key pair of its own."""

    def __init__(self, folder: Path) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
        self.file = folder / "jwks.json"
        self.file.write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))

    def token(self, role: str = "clerk", divisions: Sequence[str] = ("623023",), sub: str = "li") -> str:
        said = {
            "iss": "tuopin",
            "aud": "tuopin",
            "exp": int(time.time()) + 600,
            "sub": sub,
            "name": "经办人",
            "roles": [role],
            "divisions": list(divisions),
        }
        return jwt.encode({"alg": "ES256", "kid": "k1"}, said, self._key)


@dataclass
class Ground:
    """One registry: database, keys, tokens, application and worker."""

    database: Database
    folder: Path
    settings: AppSettings
    issuer: Issuer
    keys: KeyRing
    engine: AsyncEngine
    """The worker's."""
    api_engine: AsyncEngine
    now: datetime = NOW
    client: httpx.AsyncClient = field(init=False)

    @classmethod
    def of(cls, database: Database, folder: Path, beside: Ground | None = None, **more: Any) -> Ground:
        """`beside`: with the keys and tokens of another one, so that blind indexes are equal."""
        make_practice(folder, NOW)
        issuer = Issuer(folder) if beside is None else beside.issuer
        ring = folder / "keys.json" if beside is None else beside.settings.key_ring_file
        if beside is None:
            ring.touch(mode=0o600)
            ring.write_text(json.dumps(new_key_ring()))
        given: dict[str, Any] = {
            "service": "registry",
            "home": folder,
            "practice": True,
            "database_url": database.api,
            "key_ring_file": ring,
            "jwks": str(issuer.file),
            "intake_chunk_rows": 6,
        }
        settings = AppSettings.model_validate(given | more)
        return cls(
            database,
            folder,
            settings,
            issuer,
            KeyRing.load(ring),
            create_engine(database.worker, pool_size=12),
            create_engine(database.api, pool_size=12),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Ground]:
        """The application opened as a server would open it."""
        app = registry_app.api(self.settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
                self.client = client
                yield self

    async def close(self) -> None:
        await self.engine.dispose()
        await self.api_engine.dispose()

    # Requests

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: str = "clerk",
        divisions: Sequence[str] = ("623023",),
        sub: str = "li",
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        said = {"Authorization": f"Bearer {self.issuer.token(role, divisions, sub)}"} | (headers or {})
        if method != "GET":
            said.setdefault("Idempotency-Key", key or uuid4().hex)
        return await self.client.request(method, f"/registry/v1{path}", headers=said, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("POST", path, **more)

    async def upload(
        self,
        body: bytes,
        *,
        filename: str = "登记表.csv",
        dry_run: bool = False,
        observed_on: str = "2019-08-20",
        source: str | None = None,
        columns: Sequence[str] = (),
        said: Mapping[str, str] | None = None,
        **more: Any,
    ) -> UUID:
        """Hand in a file; its job."""
        given: dict[str, Any] = {"filename": filename, "dry_run": str(dry_run).lower(), "observed_on": observed_on}
        given |= YEAR | ({"columns": list(columns)} if columns else {}) | ({} if source is None else {"source": source})
        given |= said or {}
        answer = await self.post(
            "/intakes", params=given, content=body, headers={"Content-Type": "application/octet-stream"}, **more
        )
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    async def intake(self, body: bytes, **more: Any) -> dict[str, Any]:
        """Hand in a file, run its job to the end, and look at it."""
        job = await self.upload(body, **more)
        await self.run_jobs()
        return await self.look(job)

    async def look(self, job: UUID) -> dict[str, Any]:
        answer = await self.get(f"/intakes/{job}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    # The worker

    async def run_jobs(self) -> None:
        """Every job that waits, one after another."""
        runner, files = self.runner()
        try:
            while await runner.run_one():
                pass
        finally:
            files.close()

    async def run_due(self) -> int:
        """Whatever is due now, until nothing is: keys of persons, and the pairs that follow."""
        verbs, done = registry_app.due(self.keys), 0
        loop = DueLoop(self.engine, Clock(self.folder), verbs)
        while found := sum([await loop.turn(verb) for verb in verbs]):
            done += found
        return done

    def runner(self, lease_seconds: float = 30.0) -> tuple[JobRunner, Workbooks]:
        files = registry_app.workbooks(self.settings, self.engine, self.keys)
        jobs = registry_app.of_files(files)
        jobs.kinds |= registry_app.of_the_register(self.settings, self.engine, self.keys).kinds
        jobs.kinds |= registry_app.of_lists(self.settings, self.engine, self.keys).kinds
        return JobRunner(self.engine, jobs, lambda: self.now, lease_seconds=lease_seconds), files

    # Looking underneath, as the superuser

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def value(self, query: str, *arguments: Any) -> Any:
        found = await self.rows(query, *arguments)
        return next(iter(found[0].values())) if found else None

    async def digest(self) -> dict[str, Any]:
        """Everything that the same file a second time must leave alone."""
        found: dict[str, Any] = {}
        for table_name in REGISTER:
            found[table_name] = await self.value(
                f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table_name} t"
            )
        found["outbox"] = await self.value("select count(*) from outbox where topic <> $1", IntakeFinished.TOPIC)
        return found

    async def natural(self) -> dict[str, list[Any]]:
        """What the register holds to be true, by natural keys: no ids, moments, versions or batches."""
        return {name: [tuple(row.values()) for row in await self.rows(query)] for name, query in NATURAL.items()}


REGISTER = (
    "household", "household_history", "person", "person_history", "membership", "status", "income", "income_match",
    "doubt",
)  # fmt: skip

FACTS = "main_cause, other_causes, housing_level, self_paid_medical_fen, headcount_on_form, declared_net_fen"
NATURAL = {
    "household": f'select number, division, "group", {FACTS} from household order by number',
    "person": "select h.number, p.identity_index, p.name, p.health, p.work_months, p.id_provisional"
    " from person p left join household h on h.no = p.household_no order by 1, 2",
    "membership": "select h.number, p.identity_index, m.relation, m.during from membership m"
    " join household h on h.no = m.household_no join person p on p.no = m.person_no"
    " where m.known_to = 'infinity' order by 1, 2, 4",
    "status": "select h.number, s.kind, s.during from status s join household h on h.no = s.household_no"
    " where s.known_to = 'infinity' order by 1, 2, 3",
    "income": "select h.number, i.item, i.source, i.fen from income i join household h on h.no = i.household_no"
    " where i.known_to = 'infinity' order by 1, 2, 3",
    "doubt": "select h.number, d.check_id, d.field, d.batch_row from doubt d join household h on h.no = d.household_no"
    " where d.closed_at is null order by 1, 2, 3, 4",
    "refusal": 'select row, "column", code from intake_refusal order by 1, 2, 3',
    "chunk": "select chunk, rows, rows_new, rows_changed, rows_unchanged, rows_refused, doubts from intake_chunk"
    " order by chunk",
    "said": "select type, count(*) as facts, count(distinct key) as nouns from outbox group by 1 order by 1",
    "history": "select (select count(*) from household_history) as households,"
    " (select count(*) from person_history) as persons",
    "waiting": "select count(distinct no) as persons from likeness_due, unnest(persons) no",
    "staging": "select (select count(*) from staging_person) as persons,"
    " (select count(*) from staging_household) as households",
    "answer": "select kind, count(*) from intake_file group by 1 order by 1",
}


def file_of(*households: list[Row]) -> bytes:
    """These households as a CSV file."""
    return csv_bytes(table([row for household in households for row in household]))


def scope_of(*codes: DivisionCode) -> Scope:
    return Scope.of(codes)
