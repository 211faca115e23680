"""The probe's HTTP side: a few routes of every kind, served as a service would be."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.auth import log_access
from shared.crypto import new_key_ring
from shared.errors import Conflict, Missing
from shared.settings import Settings
from shared.values import DivisionCode, HouseholdNumber, Level
from shared.web import (
    PUBLIC,
    WORKBOOKS,
    Body,
    DivisionField,
    DivisionPath,
    DivisionQuery,
    HouseholdNumberField,
    HouseholdNumberPath,
    IfMatch,
    MoneyField,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Purpose,
    Role,
    Router,
    Tx,
    UploadedFile,
    access_router,
    create_app,
    set_etag,
)
from tests.shared.probe import Probe, household

CLERKS = (Role.CLERK, Role.REVIEWER)
router = Router("户")


class HouseholdClosed(Conflict):
    """已销户."""

    code = "probe.closed"
    zh = "户{name}已销户"
    en = "Household {name} is closed"
    hint_zh = "请先恢复"
    hint_en = "Reopen it first"


class HouseholdIn(Body):
    id: UUID
    division: DivisionField
    name: Annotated[str, Field(min_length=1, max_length=40)]
    income: MoneyField | None = None


class HouseholdOut(Out):
    id: UUID
    division: DivisionField
    name: str
    version: int
    recorded_at: datetime | None = None


class Renamed(Body):
    name: Annotated[str, Field(min_length=1, max_length=40)]


class Count(Out):
    count: int
    session: int


class Filters(BaseModel):
    name: Annotated[str, Field(max_length=40)] = ""


def shape(row: Any) -> HouseholdOut:
    return HouseholdOut(id=row.id, division=DivisionCode(row.division), name=row.name, version=row.version)


@router.post("/households", roles=CLERKS, status=201, problems=(HouseholdClosed,))
async def record_household(body: HouseholdIn, tx: Tx, now: Now, response: Response) -> HouseholdOut:
    """Record one by the driver alone."""
    if body.name == "closed":
        raise HouseholdClosed(name=body.name)
    await tx.driver.execute(
        "insert into household (id, division, name) values ($1, $2, $3)", body.id, body.division.value, body.name
    )
    response.headers["Location"] = f"/shared/v1/households/{body.id}"
    set_etag(response, 1)
    return HouseholdOut(id=body.id, division=body.division, name=body.name, version=1, recorded_at=now)


@router.get("/households", roles=CLERKS)
async def list_households(tx: Tx, paging: PagingAsked, filters: Annotated[Filters, Query()]) -> Page[HouseholdOut]:
    asked = sa.select(household).where(household.c.name.startswith(filters.name, autoescape=True))
    if paging.after is not None:
        asked = asked.where(household.c.name > paging.after[0])
    rows = (await tx.core.execute(asked.order_by(household.c.name).limit(paging.limit + 1))).all()
    return paging.page(rows, lambda row: [row.name], shape)


@router.get("/households/{household_id}", roles=CLERKS, problems=(Missing,))
async def read_household(
    household_id: UUID, tx: Tx, officer: Officer, response: Response, purpose: Purpose = None
) -> HouseholdOut:
    row = (await tx.core.execute(sa.select(household).where(household.c.id == household_id))).first()
    if row is None:
        raise Missing
    if purpose is not None:
        await log_access(tx, officer, purpose=purpose, noun="household", ids=[row.id])
    set_etag(response, row.version)
    return shape(row)


@router.patch("/households/{household_id}", roles=CLERKS, problems=(Missing,))
async def rename_household(
    household_id: UUID, body: Renamed, tx: Tx, match: IfMatch, response: Response
) -> HouseholdOut:
    same = household.c.id == household_id
    row = (await tx.core.execute(sa.select(household).where(same).with_for_update())).first()
    if row is None:
        raise Missing
    match.check(row.version)
    values = {"name": body.name, "version": row.version + 1}
    changed = (await tx.core.execute(sa.update(household).where(same).values(**values).returning(household))).one()
    set_etag(response, changed.version)
    return shape(changed)


@router.post("/households/slow", roles=CLERKS)
async def record_slowly(body: HouseholdIn, tx: Tx) -> Count:
    """Record one and take a moment, so that twins overlap and a session can be killed under way."""
    await tx.driver.execute(
        "insert into household (id, division, name) values ($1, $2, $3)", body.id, body.division.value, body.name
    )
    session = await tx.driver.fetchval("select pg_backend_pid()")
    await tx.driver.execute("select pg_sleep(0.3)")
    return Count(count=1, session=session)


@router.post("/households/late", roles=CLERKS)
async def record_orphan(body: HouseholdIn, tx: Tx) -> Count:
    """A constraint that fails only at the commit."""
    await tx.driver.execute("set constraints all deferred")
    await tx.driver.execute(
        "insert into household (id, division, name) values ($1, $2, $3)", body.id, body.division.value, body.name
    )
    await tx.driver.execute("insert into person values ($1, $1, $2)", body.id, body.name)
    await tx.driver.execute("delete from household where id = $1", body.id)
    return Count(count=1, session=0)


@router.post("/failures/{kind}", roles=CLERKS)
async def fail(kind: str, body: HouseholdIn, tx: Tx) -> Count:
    await tx.driver.execute(
        "insert into household (id, division, name) values ($1, $2, $3)", body.id, body.division.value, body.name
    )
    if kind == "unexpected":
        raise KeyError(body.name)
    if kind == "swallowed":
        try:
            await tx.driver.execute("insert into household (id, division, name) values ($1, 1, null)", body.id)
        except Exception:  # noqa: BLE001  the mistake that the door must notice
            return Count(count=1, session=0)
    if kind == "answer":
        wrong: dict[str, Any] = {"count": "no number", "session": 0}
        return Count.model_construct(**wrong)
    if kind == "twice":
        await tx.driver.execute(
            "insert into household (id, division, name) values ($1, $2, $3)", body.id, body.division.value, body.name
        )
    return Count(count=0, session=0)


@router.post("/files", roles=CLERKS, upload=WORKBOOKS)
async def receive_file(file: UploadedFile, tx: Tx) -> Count:
    read = Path(file.path).read_bytes()  # noqa: ASYNC240
    assert len(read) == file.size
    await tx.driver.execute("select 1")
    return Count(count=file.size, session=len(file.media_type))


@router.post("/lane", roles=(Role.ACCOUNTANT,), lane=True)
async def post_in_lane(body: Renamed, officer: Officer) -> Count:
    return Count(count=len(body.name), session=len(officer.sub))


@router.get("/notices", roles=PUBLIC)
async def list_notices(tx: Tx) -> list[str]:
    rows = await tx.driver.fetch("select text from public_notice order by id")
    seen = await tx.driver.fetchval("select count(*) from household")
    return [row["text"] for row in rows] + [f"households: {seen}"]


@router.get("/stream", roles=CLERKS, answers={200: {"content": {"text/plain": {}}}})
async def stream_late(tx: Tx) -> StreamingResponse:
    """Uses its transaction after the answer has begun: too late."""

    async def lines() -> AsyncIterator[bytes]:
        yield b"first\n"
        yield str(await tx.driver.fetchval("select 'secret of another caller'")).encode()

    return StreamingResponse(lines(), media_type="text/plain")


class Place(Out):
    number: HouseholdNumberField
    within: DivisionField | None


@router.get("/places/{number}", roles=CLERKS)
async def read_place(number: HouseholdNumberPath, within: DivisionQuery) -> Place:
    return Place(number=number, within=within)


@router.get("/divisions/{division}", roles=CLERKS)
async def read_division(division: DivisionPath) -> Place:
    return Place(number=HouseholdNumber.parse(f"{division.at(Level.VILLAGE)}0001"), within=division)


class Tokens:
    """An issuer of the probe's own."""

    def __init__(self, folder: Path, *, kid: str = "k1") -> None:
        self.key = ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256"})
        self.kid = kid
        self.file = folder / "jwks.json"
        self.publish(self)

    def publish(self, *issuers: Tokens) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"keys": [issuer.key.as_dict(private=False) for issuer in issuers]}))
        fresh.replace(self.file)

    def make(self, sub: str = "li", roles: Any = ("clerk",), divisions: Any = ("522630",), **claims: Any) -> str:
        said = {"iss": "tuopin", "aud": "tuopin", "exp": int(time.time()) + 300, "sub": sub, "name": "李秀英"}
        for name, value in (("roles", roles), ("divisions", divisions)):
            said[name] = list(value) if isinstance(value, tuple) else value
        said |= claims
        header = {"alg": "ES256", "kid": self.kid}
        return jwt.encode(header, {name: value for name, value in said.items() if value is not None}, self.key)


def settings_for(probe: Probe, folder: Path, tokens: Tokens, **more: Any) -> Settings:
    ring = folder / "keys.json"
    if not ring.exists():
        ring.touch(mode=0o600)
        ring.write_text(json.dumps(new_key_ring()))
    given = {
        "service": "shared",
        "home": folder,
        "database_url": probe.database.api,
        "key_ring_file": ring,
        "jwks": str(tokens.file),
        "upload_limit_bytes": 3 * 2**20,
    }
    return Settings.model_validate(given | more)


def make_app(settings: Settings) -> FastAPI:
    return create_app(settings, [router, access_router()], title="试验服务")


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The application opened as a server would open it, and a client that speaks to it directly."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://probe") as client:
            yield client
