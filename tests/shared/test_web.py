"""The HTTP side of the plumbing over the real server: commit before answer, one effect per key, one shape for every
refusal.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from fastapi import FastAPI
from openapi_spec_validator import validate
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.clock import make_practice
from shared.db import Pruning, failure_of, transaction
from shared.settings import SettingsWrong
from shared.values import Scope, new_id
from shared.web import (
    PUBLIC,
    Body,
    CitizenIdField,
    HouseholdNumberField,
    MoneyField,
    Out,
    Role,
    Router,
    RouteWrong,
    ShownCitizenId,
    Tx,
    create_app,
    drain,
    fittings_of,
    openapi_text,
    role_table,
)
from shared.web.envelope import MOST_AT_ONCE, AnswerBroken
from shared.web.health import schema_head
from shared.web.paging import LARGEST_PAGE
from stack.provision import Database
from tests.shared.probe import COUNTY, OTHER_COUNTY, OTHER_VILLAGE, VILLAGE, Probe, make_probe
from tests.shared.probe_api import Tokens, make_app, running, settings_for

PROBLEM = "application/problem+json"
PROBLEM_FIELDS = {"type", "title", "status", "code", "detail", "detail_en", "hint", "trace_id"}
V1 = "/shared/v1"


@pytest.fixture(scope="module")
async def probe(make_database: Callable[[str], Database]) -> Probe:
    return await make_probe(make_database)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return Tokens(folder)


@pytest.fixture(scope="module")
async def app(probe: Probe, folder: Path, tokens: Tokens) -> FastAPI:
    return make_app(settings_for(probe, folder, tokens))


@pytest.fixture(scope="module")
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


class Caller:
    """Somebody with a token, who makes a key for every write."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._token = token

    async def __call__(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key or uuid4().hex}
        headers |= more.pop("headers", {})
        sent = {name: value for name, value in headers.items() if value}
        return await self._http.request(method, f"{V1}{path}", headers=sent, **more)


@pytest.fixture
def clerk(http: httpx.AsyncClient, tokens: Tokens) -> Caller:
    return Caller(http, tokens.make("li"))


@pytest.fixture
def neighbour(http: httpx.AsyncClient, tokens: Tokens) -> Caller:
    return Caller(http, tokens.make("wang", divisions=(OTHER_COUNTY.text,)))


def household(name: str, division: Any = VILLAGE, **more: Any) -> dict[str, Any]:
    return {"id": str(new_id()), "division": str(division), "name": name} | more


async def stored(probe: Probe, name: str) -> int:
    async with probe.admin() as admin:
        return int(await admin.fetchval("select count(*) from household where name = $1", name))


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """It is a problem of our one shape; the answer itself for more looks."""
    told: dict[str, Any] = response.json()
    assert (response.status_code, told.get("code")) == (status, code), response.text
    assert response.headers["content-type"] == PROBLEM
    assert set(told) - {"errors"} == PROBLEM_FIELDS
    assert told["status"] == status
    assert told["type"] == f"urn:tuopin:problem:{code}"
    assert re.search("[一-鿿]", told["detail"])
    assert re.fullmatch("[0-9a-f]{32}", told["trace_id"])
    return told


# The door


def request_of(method: str, path: str, **headers: str) -> dict[str, Any]:
    """An ASGI connection, for what no client library would do."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("probe", 80),
    }


def writing(tokens: Tokens) -> dict[str, Any]:
    token, key = f"Bearer {tokens.make()}", uuid4().hex
    return request_of(
        "POST", f"{V1}/households", authorization=token, idempotency_key=key, content_type="application/json"
    )


async def test_the_commit_precedes_the_answer(probe: Probe, folder: Path, tokens: Tokens) -> None:
    """Looked at from another session at the very moment the first byte of the answer leaves."""
    app = make_app(settings_for(probe, folder, tokens))
    seen: list[int] = []
    body = household("commit before answer")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 201
            seen.append(await stored(probe, "commit before answer"))

    async with running(app):
        await app(writing(tokens), receive, send)
    assert seen == [1]


async def test_a_caller_who_hangs_up_amid_his_body_stores_nothing(probe: Probe, folder: Path, tokens: Tokens) -> None:
    app = make_app(settings_for(probe, folder, tokens))
    body = json.dumps(household("hung up")).encode()
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.disconnect"},
    ]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    async with running(app):
        with structlog.testing.capture_logs() as logged:
            await app(writing(tokens), receive, send)
    assert statuses[0] == 400
    assert [line["event"] for line in logged] == ["request"], "nobody is called at night for that"
    assert await stored(probe, "hung up") == 0


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("unexpected", 500, "internal"),
        ("swallowed", 500, "internal"),
        ("answer", 500, "internal"),
        ("twice", 409, "conflict"),
    ],
)
async def test_a_failure_stores_nothing_and_a_second_try_runs_again(
    probe: Probe, clerk: Caller, kind: str, status: int, code: str
) -> None:
    key, name = uuid4().hex, f"failure {kind}"
    body = household(name)
    for _ in range(2):
        told = refused(await clerk("POST", f"/failures/{kind}", json=body, key=key), status, code)
        assert name not in json.dumps(told)
    assert await stored(probe, name) == 0
    assert (await clerk("POST", "/failures/none", json=body, key=uuid4().hex)).status_code == 200
    assert await stored(probe, name) == 1


async def test_a_constraint_that_fails_at_the_commit_is_a_refusal(probe: Probe, clerk: Caller) -> None:
    key = uuid4().hex
    refused(await clerk("POST", "/households/late", json=household("late"), key=key), 500, "internal")
    async with probe.admin() as admin:
        assert await admin.fetchval("select count(*) from person where name = 'late'") == 0
        assert await admin.fetchval("select count(*) from idempotency_request where key = $1", key) == 0


async def sleeping_session(admin: Any, database: str) -> int:
    look = "select pid from pg_stat_activity where query = 'select pg_sleep(0.3)' and state = 'active' and datname = $1"
    for _ in range(500):
        if session := await admin.fetchval(look, database):
            return int(session)
        await asyncio.sleep(0.01)
    raise AssertionError("no request under way")


async def test_a_killed_session_is_a_503_and_the_retry_succeeds_once(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("killed")
    under_way = asyncio.create_task(clerk("POST", "/households/slow", json=body, key=key))
    async with probe.admin() as admin:
        session = await sleeping_session(admin, probe.database.name)
        await admin.execute("select pg_terminate_backend($1)", session)
    answer = await under_way
    refused(answer, 503, "database.unavailable")
    assert answer.headers["retry-after"] == "2"
    assert await stored(probe, "killed") == 0
    again = await clerk("POST", "/households/slow", json=body, key=key)
    assert (again.status_code, again.headers.get("idempotency-replayed")) == (200, None)
    assert await stored(probe, "killed") == 1


async def test_a_stream_that_uses_its_transaction_too_late_is_cut_off(clerk: Caller) -> None:
    with pytest.raises(AnswerBroken):
        await clerk("GET", "/stream")


# Scope and roles


async def test_reads_and_writes_stay_in_scope(probe: Probe, clerk: Caller, neighbour: Caller) -> None:
    body = household("in scope")
    assert (await clerk("POST", "/households", json=body)).status_code == 201
    assert (await clerk("GET", f"/households/{body['id']}")).status_code == 200
    refused(await neighbour("GET", f"/households/{body['id']}"), 404, "missing")
    assert (await neighbour("GET", "/households?name=in scope")).json() == {"items": [], "next": None}
    match = {"If-Match": '"1"'}
    refused(await neighbour("PATCH", f"/households/{body['id']}", json={"name": "x"}, headers=match), 404, "missing")
    told = refused(await neighbour("POST", "/households", json=household("not mine")), 403, "scope.refused")
    assert "522630" not in json.dumps(told)
    assert await stored(probe, "not mine") == 0


@pytest.mark.parametrize("divisions", [(), None])
async def test_without_divisions_nothing_is_seen(
    http: httpx.AsyncClient, tokens: Tokens, clerk: Caller, divisions: Any
) -> None:
    await clerk("POST", "/households", json=household(f"unseen {divisions}"))
    nobody = Caller(http, tokens.make("zhao", divisions=divisions))
    assert (await nobody("GET", "/households")).json()["items"] == []
    refused(await nobody("POST", "/households", json=household("never")), 403, "scope.refused")


async def test_a_route_is_for_its_roles_alone(http: httpx.AsyncClient, tokens: Tokens, clerk: Caller) -> None:
    auditor = Caller(http, tokens.make("sun", roles=("auditor", "emperor")))
    assert (await clerk("GET", "/households")).status_code == 200
    told = refused(await auditor("GET", "/households"), 403, "role.refused")
    assert "clerk、reviewer" in told["detail"]
    refused(await auditor("POST", "/households", content=b"{"), 403, "role.refused")


async def test_the_token_comes_first(http: httpx.AsyncClient, tokens: Tokens) -> None:
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}):
        answer = await http.post(f"{V1}/households", content=b"x" * 10**6, headers=headers)
        refused(answer, 401, "token.missing")
        assert answer.headers["www-authenticate"] == "Bearer"
    spoofed = {"x-tuopin-sub": "li", "x-tuopin-roles": "clerk", "x-tuopin-divisions": "522630"}
    refused(await http.get(f"{V1}/households", headers=spoofed), 401, "token.missing")
    refused(
        await http.get(f"{V1}/households", headers={"Authorization": f"Bearer {tokens.make(exp=1)}"}),
        401,
        "token.expired",
    )


async def test_a_public_route_reads_what_is_public_alone(probe: Probe, http: httpx.AsyncClient, clerk: Caller) -> None:
    await clerk("POST", "/households", json=household("hidden from the public"))
    async with probe.admin() as admin:
        await admin.execute("insert into public_notice values ($1, $2, '王*明')", new_id(), OTHER_VILLAGE.value)
    assert (await http.get(f"{V1}/notices")).json() == ["王*明", "households: 0"]


def test_the_table_of_routes_and_roles(app: FastAPI) -> None:
    table = {(line.method, line.path): line.rights for line in role_table(app.routes)}
    assert table[("POST", f"{V1}/households")] == frozenset({Role.CLERK, Role.REVIEWER})
    assert table[("POST", f"{V1}/lane")] == frozenset({Role.ACCOUNTANT})
    assert table[("GET", f"{V1}/notices")] is PUBLIC
    assert table[("GET", f"{V1}/access-log")] == frozenset({Role.AUDITOR})
    assert len(table) == 14


# Routes that would break a rule do not start


class Loose(BaseModel):
    name: str


class Nested(Body):
    inner: list[Loose]


class Answer(Out):
    name: str


def build(folder: Path, declare: Callable[[Router], Any]) -> FastAPI:
    router = Router("x")
    declare(router)
    database = Database("x", "x", *(["postgresql://x:x@127.0.0.1:1/x"] * 4))
    return create_app(settings_for(Probe(database), folder, Tokens(folder)), [router], title="x")


async def write_without_tx(body: Answer) -> Answer:
    return body


async def loose_body(body: Loose, tx: Tx) -> Answer:
    return Answer(name=body.name)


async def nested_loose_body(body: Nested, tx: Tx) -> Answer:
    return Answer(name="x")


async def strict_write(body: Answer, tx: Tx) -> Answer:
    return body


async def question() -> Answer:
    return Answer(name="x")


async def untyped():  # type: ignore[no-untyped-def]
    return {}


async def raw() -> Response:
    return Response()


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda r: r.post("/a", roles=(Role.CLERK,))(write_without_tx), "takes Tx"),
        (lambda r: r.post("/a", roles=(Role.CLERK,), lane=True)(strict_write), "takes Tx"),
        (lambda r: r.post("/a", roles=(Role.CLERK,))(loose_body), "Loose accepts unknown fields"),
        (lambda r: r.post("/a", roles=(Role.CLERK,))(nested_loose_body), "Loose accepts unknown fields"),
        (lambda r: r.post("/a", roles=PUBLIC)(strict_write), "public route may not write"),
        (lambda r: r.get("/a", roles=(Role.CLERK,))(untyped), "needs a type"),
        (lambda r: r.get("/a", roles=(Role.CLERK,))(raw), "needs a type"),
        (lambda r: r.get("/a", roles=())(question), "nobody may call"),
        (lambda r: r.get("/a")(question), "roles"),
        (lambda r: (r.get("/a", roles=PUBLIC)(question), r.get("/b", roles=PUBLIC)(question)), "has the name of"),
    ],
)
def test_a_careless_route_does_not_start(tmp_path: Path, declare: Callable[[Router], Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        build(tmp_path, declare)


def test_a_careful_route_starts(tmp_path: Path) -> None:
    app = build(
        tmp_path, lambda r: (r.post("/a", roles=(Role.CLERK,))(strict_write), r.get("/b", roles=PUBLIC)(question))
    )
    assert len(role_table(app.routes)) == 2
    assert issubclass(RouteWrong, TypeError)


# Problem answers


async def test_validation_points_at_every_culprit_and_tells_nothing_back(clerk: Caller) -> None:
    body = {"id": "no id", "division": "5x", "name": "", "income": 12.5, "nickname": "阿明"}
    told = refused(await clerk("POST", "/households", json=body), 422, "request.invalid")
    found = {error["pointer"]: error for error in told["errors"]}
    assert set(found) == {"#/id", "#/division", "#/name", "#/income", "#/nickname"}
    assert found["#/nickname"]["detail"] == "没有这个字段"
    assert found["#/name"]["detail_en"] == "At least 1 characters"
    assert all(re.search("[一-鿿]", error["detail"]) for error in told["errors"])
    for echoed in ("no id", "阿明", "12.5"):
        assert echoed not in json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize("personal", ["629999199001011234", "13900000000", "王小明"])
async def test_no_refusal_repeats_a_person_from_a_wrong_place(clerk: Caller, personal: str) -> None:
    """As a value, as the name of a field at any depth, as a parameter and inside a path."""
    good = household("wrong place")
    wrong = ({personal: 1}, {"division": personal}, {"income": personal + "元"}, {"id": personal})
    for body in (good | more for more in wrong):
        answer = await clerk("POST", "/households", json=body)
        refused(answer, 422, "request.invalid")
        assert personal not in json.dumps(answer.json(), ensure_ascii=False)
    for path in (f"/households?{personal}=1", f"/divisions/{personal}", f"/places/{personal}"):
        told = refused(await clerk("GET", path), 422, "request.invalid")
        assert personal not in json.dumps(told, ensure_ascii=False)


async def test_unknown_parameters_are_refused(clerk: Caller) -> None:
    told = refused(await clerk("GET", "/households?nmae=x&limit=3"), 422, "request.invalid")
    assert [error["pointer"] for error in told["errors"]] == ["query:nmae"]
    assert (await clerk("GET", "/households?name=x&limit=3")).status_code == 200
    told = refused(await clerk("GET", "/households/not-a-uuid"), 422, "request.invalid")
    assert told["errors"][0]["pointer"] == "path:household_id"


@pytest.mark.parametrize(
    "content",
    [
        b'{"name": "\\ud800"}',
        b"[" * 50_000,
        b"9" * 5_000,
        b"{",
        b"",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"name": "a\\u0000b"}',
        b'{"name": "a\x00b"}',
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(clerk: Caller, content: bytes) -> None:
    answer = await clerk("POST", "/households", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    refused(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("path", ["/households?name=%00", "/households/%00"])
async def test_a_nul_is_no_character(clerk: Caller, path: str) -> None:
    assert (await clerk("GET", path)).status_code == 400


async def test_a_verb_s_own_refusal_has_its_words(clerk: Caller, probe: Probe) -> None:
    told = refused(await clerk("POST", "/households", json=household("closed")), 409, "probe.closed")
    assert told["detail"] == "户closed已销户"
    assert told["hint"] == "请先恢复 / Reopen it first"
    assert await stored(probe, "closed") == 0


async def test_head_is_a_get_whose_body_stays_away(http: httpx.AsyncClient, clerk: Caller) -> None:
    body = household("asked by head")
    await clerk("POST", "/households", json=body)
    path = f"/households/{body['id']}"
    full, head = await clerk("GET", path), await clerk("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-type", "content-length", "etag", "cache-control")
    assert [head.headers.get(name) for name in same] == [full.headers.get(name) for name in same]
    missing = await clerk("HEAD", f"/households/{new_id()}")
    assert (missing.status_code, missing.content) == (404, b"")
    assert (await http.head(f"{V1}{path}")).status_code == 401
    for public in (f"{V1}/notices", "/livez"):
        answer = await http.head(public)
        assert (answer.status_code, answer.content) == (200, b"")
    written = await clerk("HEAD", "/lane")
    assert (written.status_code, written.headers["allow"]) == (405, "POST")


async def test_unknown_routes_and_methods_are_problems_too(http: httpx.AsyncClient, clerk: Caller) -> None:
    refused(await http.get("/nowhere"), 404, "route.missing")
    refused(await clerk("GET", "/households/"), 404, "route.missing")
    answer = await clerk("DELETE", "/households")
    refused(answer, 405, "method.refused")
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_a_body_over_the_limit_is_refused_announced_or_not(clerk: Caller, probe: Probe) -> None:
    big = json.dumps(household("big", note="x" * 70_000)).encode()
    told = refused(await clerk("POST", "/households", content=big), 413, "request.too_large")
    assert "64 KiB" in told["detail"]

    async def unannounced() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 10_000):
            yield big[start : start + 10_000]

    refused(await clerk("POST", "/households", content=unannounced()), 413, "request.too_large")


async def test_the_database_away_is_a_503_with_retry_after(probe: Probe, folder: Path, tokens: Tokens) -> None:
    away = settings_for(probe, folder, tokens, database_url="postgresql://x:x@127.0.0.1:1/x")
    async with running(make_app(away)) as client:
        caller = Caller(client, tokens.make())
        answer = await caller("GET", "/households")
        refused(answer, 503, "database.unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await client.get("/readyz")).json()["why"] == ["database"]


async def test_the_logs_tell_kinds_and_places_and_no_person(clerk: Caller) -> None:
    body = household("张三丰CANARY", division=VILLAGE)
    with structlog.testing.capture_logs() as logged:
        await clerk("POST", "/failures/unexpected", json=body)
        await clerk("POST", "/failures/twice", json=body)
        await clerk("POST", "/households", json=body | {"id": "CANARY"})
        await clerk("GET", "/households?name=CANARY")
    text = json.dumps(logged, ensure_ascii=False)
    assert "CANARY" not in text
    assert "张三丰" not in text
    failure = next(line for line in logged if line["event"] == "request failed")
    assert failure["errors"][0] == "KeyError"
    assert any("probe_api.py" in frame for frame in failure["frames"])
    request = next(line for line in logged if line["event"] == "request" and line["status"] == 200)
    assert request["route"] == f"{V1}/households"


async def test_a_database_error_is_told_by_its_constraint(probe: Probe) -> None:
    async with probe.admin() as admin:
        values = (new_id(), "CANARY")
        await admin.execute("insert into household (id, division, name) values ($1, 1, $2)", *values)
        try:
            await admin.execute("insert into household (id, division, name) values ($1, 1, $2)", *values)
        except Exception as error:  # noqa: BLE001
            told = failure_of(error)
    assert (told["sqlstate"], told["table_name"], told["constraint_name"]) == ("23505", "household", "household_pkey")
    assert "CANARY" not in json.dumps(told)


# Idempotency


async def test_the_first_answer_is_given_again_byte_for_byte(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("once")
    first = await clerk("POST", "/households", json=body, key=key)
    again = await clerk("POST", "/households", json=body, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert await stored(probe, "once") == 1


async def test_another_body_or_query_or_path_under_the_same_key_is_refused(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("one deed")
    assert (await clerk("POST", "/households", json=body, key=key)).status_code == 201
    refused(await clerk("POST", "/households", json=body | {"name": "other"}, key=key), 409, "idempotency.key_reused")
    refused(await clerk("POST", "/households/slow", json=body, key=key), 409, "idempotency.key_reused")
    match = {"If-Match": '"1"'}
    path = f"/households/{body['id']}"
    refused(await clerk("PATCH", path, json={"name": "x"}, key=key, headers=match), 409, "idempotency.key_reused")
    assert await stored(probe, "other") == 0


async def test_a_key_belongs_to_its_caller(probe: Probe, clerk: Caller, neighbour: Caller) -> None:
    key = uuid4().hex
    assert (await clerk("POST", "/households", json=household("mine"), key=key)).status_code == 201
    theirs = await neighbour("POST", "/households", json=household("theirs", OTHER_VILLAGE), key=key)
    assert (theirs.status_code, theirs.headers.get("idempotency-replayed")) == (201, None)
    assert theirs.json()["name"] == "theirs"


async def test_eight_at_once_have_one_effect(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("eight at once")
    answers = await asyncio.gather(*(clerk("POST", "/households/slow", json=body, key=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "first") for answer in answers) == ["first"] + ["true"] * 7
    assert await stored(probe, "eight at once") == 1


async def test_a_twin_that_would_wait_too_long_is_told_to_come_back(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("long twin")
    async with probe.engine("api") as engine, transaction(engine, Scope.nothing(), caller="li") as tx:
        await tx.driver.execute(
            "insert into idempotency_request (caller, key, request_hash, expires_at) values ('li', $1, '', now())", key
        )
        answer = await clerk("POST", "/households", json=body, key=key)
        refused(answer, 409, "idempotency.in_progress")
        assert answer.headers["retry-after"] == "2"
    assert await stored(probe, "long twin") == 0


async def test_refusals_are_not_kept(probe: Probe, clerk: Caller) -> None:
    key, body = uuid4().hex, household("corrected", income="no money")
    refused(await clerk("POST", "/households", json=body, key=key), 422, "request.invalid")
    assert (await clerk("POST", "/households", json=body | {"income": "631.20"}, key=key)).status_code == 201
    async with probe.admin() as admin:
        assert await admin.fetchval("select count(*) from idempotency_request where key = $1", key) == 1


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "has blank in it", "中文中文中文中文"])
async def test_a_write_needs_a_proper_key(probe: Probe, http: httpx.AsyncClient, tokens: Tokens, key: str) -> None:
    headers = {"Authorization": f"Bearer {tokens.make()}", "Content-Type": "application/json"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    if key:
        raw.append((b"Idempotency-Key", key.encode()))
    answer = await http.request("POST", f"{V1}/households", headers=raw, content=json.dumps(household("keyless")))
    refused(answer, 400, "idempotency.key_missing")
    assert await stored(probe, "keyless") == 0


async def test_answers_are_kept_sealed_for_a_day(probe: Probe, clerk: Caller, app: FastAPI) -> None:
    key, body = uuid4().hex, household("王小明SEALED")
    first = await clerk("POST", "/households", json=body, key=key)
    async with probe.admin() as admin:
        look = "select answer, expires_at - now() as left from idempotency_request where key = $1"
        row = await admin.fetchrow(look, key)
        assert timedelta(hours=23, minutes=59) < row["left"] <= timedelta(hours=24)
        for shown in (b"SEALED", "王小明".encode(), b"201", body["id"].encode()):
            assert shown not in row["answer"]
        moved = uuid4().hex
        await admin.execute(
            "insert into idempotency_request select caller, $2, request_hash, answer, expires_at"
            " from idempotency_request where key = $1",
            key,
            moved,
        )
    refused(await clerk("POST", "/households", json=body, key=moved), 500, "internal")
    async with probe.admin() as admin:
        await admin.execute(
            "update idempotency_request set expires_at = now() - interval '1 second' where key = $1", key
        )
    refused(await clerk("POST", "/households", json=body, key=key), 409, "conflict")
    async with probe.engine("worker") as engine:
        assert await Pruning(engine).prune() >= 1
        assert await Pruning(engine).prune() == 0
    assert first.status_code == 201


async def test_a_caller_reaches_no_kept_answer_of_another(probe: Probe, clerk: Caller) -> None:
    key = uuid4().hex
    await clerk("POST", "/households", json=household("kept for li"), key=key)
    look = "select count(*) from idempotency_request where key = $1"
    async with probe.engine("api") as engine:
        for caller, count in (("li", 1), ("wang", 0), ("", 0)):
            async with transaction(engine, Scope.everything(), caller=caller) as tx:
                assert await tx.driver.fetchval(look, key) == count


async def test_a_lane_takes_no_key(http: httpx.AsyncClient, tokens: Tokens, clerk: Caller) -> None:
    accountant = {"Authorization": f"Bearer {tokens.make('qian', roles=('accountant',))}"}
    answer = await http.post(f"{V1}/lane", headers=accountant, json={"name": "abc"})
    assert (answer.status_code, answer.json()) == (200, {"count": 3, "session": 4})
    refused(await clerk("POST", "/lane", json={"name": "abc"}), 403, "role.refused")


# Lists and versions


async def test_pages_show_every_row_once_in_order(clerk: Caller) -> None:
    names = [f"page {number:03d}" for number in range(25)]
    for name in names:
        await clerk("POST", "/households", json=household(name))
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = (await clerk("GET", f"/households?name=page%20&limit=10{cursor}")).json()
        seen += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == names


async def test_a_tampered_or_borrowed_cursor_is_refused(clerk: Caller, neighbour: Caller) -> None:
    for number in range(3):
        await clerk("POST", "/households", json=household(f"cursor {number}"))
    cursor = (await clerk("GET", "/households?name=cursor&limit=1")).json()["next"]
    assert (await clerk("GET", f"/households?name=cursor&limit=2&cursor={cursor}")).status_code == 200
    middle = len(cursor) // 2
    other = "A" if cursor[middle] != "A" else "B"
    for wrong in (cursor[:middle] + other + cursor[middle + 1 :], cursor[:-4], "x", "", "!!!!", "AAAA", "中文"):
        refused(await clerk("GET", f"/households?name=cursor&limit=1&cursor={wrong}"), 400, "cursor.invalid")
    refused(await clerk("GET", f"/households?name=curs&limit=1&cursor={cursor}"), 400, "cursor.invalid")
    refused(await neighbour("GET", f"/households?name=cursor&limit=2&cursor={cursor}"), 400, "cursor.invalid")


@pytest.mark.parametrize(
    ("limit", "status"), [(1, 200), (LARGEST_PAGE, 200), (LARGEST_PAGE + 1, 422), (0, 422), (-1, 422)]
)
async def test_a_page_has_a_limit(clerk: Caller, limit: int, status: int) -> None:
    assert (await clerk("GET", f"/households?limit={limit}")).status_code == status


async def test_a_change_names_the_version_it_saw(clerk: Caller) -> None:
    body = household("versioned")
    await clerk("POST", "/households", json=body)
    path = f"/households/{body['id']}"
    seen = (await clerk("GET", path)).headers["etag"]
    assert seen == '"1"'
    refused(await clerk("PATCH", path, json={"name": "a"}), 428, "version.missing")
    changed = await clerk("PATCH", path, json={"name": "versioned 2"}, headers={"If-Match": seen})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    refused(await clerk("PATCH", path, json={"name": "b"}, headers={"If-Match": seen}), 412, "version.stale")
    refused(await clerk("PATCH", path, json={"name": "b"}, headers={"If-Match": "W/x"}), 400, "version.malformed")
    assert (
        await clerk("PATCH", path, json={"name": "versioned 3"}, headers={"If-Match": '"9", "2"'})
    ).status_code == 200
    assert (await clerk("PATCH", path, json={"name": "versioned 4"}, headers={"If-Match": "*"})).status_code == 200


# Files


def spooled_files() -> set[str]:
    """Files without a name that this process holds open."""
    links = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return {link for link in links if link.startswith(tempfile.gettempdir()) and link.endswith("(deleted)")}


async def test_a_file_is_spooled_hashed_and_forgotten(clerk: Caller) -> None:
    before = spooled_files()
    content, key = b"a,b\n" * 600_000, uuid4().hex
    first = await clerk("POST", "/files", content=content, headers={"Content-Type": "text/csv; charset=utf-8"}, key=key)
    assert first.json() == {"count": len(content), "session": len("text/csv")}
    again = await clerk("POST", "/files", content=content, headers={"Content-Type": "text/csv; charset=utf-8"}, key=key)
    assert again.headers["idempotency-replayed"] == "true"
    refused(await clerk("POST", "/files", content=content + b"x", key=key), 409, "idempotency.key_reused")
    assert spooled_files() == before


async def test_a_file_over_the_limit_is_cut_off_while_it_comes(clerk: Caller) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50 * 2**20:
            sent += 2**18
            yield b"x" * 2**18

    told = refused(await clerk("POST", "/files", content=endless()), 413, "request.too_large")
    assert "3 MiB" in told["detail"]
    assert sent <= 4 * 2**20
    refused(await clerk("POST", "/files", content=b"x" * (3 * 2**20 + 1)), 413, "request.too_large")


# Access log


async def test_who_saw_whom_is_written_before_anything_is_shown(probe: Probe, clerk: Caller) -> None:
    body = household("logged")
    await clerk("POST", "/households", json=body)
    answer = await clerk("GET", f"/households/{body['id']}?purpose=入户核查")
    assert answer.status_code == 200
    async with probe.admin() as admin:
        row = await admin.fetchrow("select * from access_log where $1 = any(ids)", body["id"])
    assert (row["caller"], row["purpose"], row["noun"], row["roles"]) == ("li", "入户核查", "household", ["clerk"])
    assert row["divisions"] == [COUNTY.text]
    assert row["traceparent"].split("-")[1] == answer.headers["traceparent"].split("-")[1]
    refused(await clerk("GET", f"/households/{body['id']}?purpose=x"), 422, "request.invalid")


async def test_if_it_cannot_be_written_nothing_is_shown(probe: Probe, clerk: Caller) -> None:
    body = household("unlogged")
    await clerk("POST", "/households", json=body)
    async with probe.admin() as admin:
        await admin.execute("revoke insert on access_log from shared_api")
        try:
            answer = await clerk("GET", f"/households/{body['id']}?purpose=入户核查")
        finally:
            await admin.execute("grant insert on access_log to shared_api")
    refused(answer, 500, "internal")
    assert "unlogged" not in answer.text


async def test_an_auditor_asks_who_saw_a_household_and_his_asking_is_logged_too(
    http: httpx.AsyncClient, tokens: Tokens, clerk: Caller
) -> None:
    body, auditor = household("audited"), Caller(http, tokens.make("audit", roles=("auditor",)))
    await clerk("POST", "/households", json=body)
    for purpose in ("入户核查", "电话核查", "复核"):
        assert (await clerk("GET", f"/households/{body['id']}?purpose={purpose}")).status_code == 200
    here = f"/access-log?seen={body['id']}"
    first = (await auditor("GET", f"{here}&limit=2")).json()
    rest = (await auditor("GET", f"{here}&limit=2&cursor={first['next']}")).json()
    assert [row["purpose"] for row in first["items"] + rest["items"]] == ["复核", "电话核查", "入户核查"]
    assert rest["next"] is None
    assert {(row["caller"], row["noun"]) for row in first["items"]} == {("li", "household")}
    audits = (await auditor("GET", "/access-log?caller=audit&purpose=季度审计")).json()["items"]
    shown = [[str(row["id"]) for row in page["items"]] for page in (rest, first)]
    assert [(row["action"], row["ids"]) for row in audits] == [("audit", ids) for ids in shown]
    (newest,) = (await auditor("GET", "/access-log?caller=audit&limit=1")).json()["items"]
    assert newest["purpose"] == "季度审计"
    later = newest["logged_at"].replace("+", "%2B")
    assert (await auditor("GET", f"{here}&from={later}")).json()["items"] == []
    assert len((await auditor("GET", f"{here}&to={later}")).json()["items"]) == 3


async def test_the_access_log_is_refused_to_other_roles_places_and_questions(
    http: httpx.AsyncClient, tokens: Tokens, clerk: Caller
) -> None:
    body = household("audited elsewhere")
    await clerk("POST", "/households", json=body)
    await clerk("GET", f"/households/{body['id']}?purpose=入户核查")
    here = f"/access-log?seen={body['id']}"
    refused(await clerk("GET", here), 403, "role.refused")
    for divisions in ((OTHER_COUNTY.text,), (VILLAGE.text,), ()):
        elsewhere = Caller(http, tokens.make("audit", roles=("auditor",), divisions=divisions))
        assert (await elsewhere("GET", here)).json() == {"items": [], "next": None}
    auditor = Caller(http, tokens.make("audit", roles=("auditor",)))
    assert len((await auditor("GET", here)).json()["items"]) == 1
    refused(await auditor("GET", f"{here}&from=2019-08-20T00:00:00"), 422, "request.invalid")
    refused(await auditor("GET", f"{here}&whom=x"), 422, "request.invalid")
    for edge in ("from=0001-01-01T00:00:00%2B14:00", "to=9999-12-31T23:59:59-14:00"):
        refused(await auditor("GET", f"{here}&{edge}"), 422, "request.invalid")
    assert len((await auditor("GET", f"{here}&from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z")).json()["items"]) == 1


# Trace, practice, health, measures


async def test_request_id_and_trace_are_taken_or_made(http: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    given = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "req-12345678"}
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        answer = await http.get("/nowhere", headers=given)
    assert answer.headers["x-request-id"] == "req-12345678"
    assert re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert "00f067aa0ba902b7" not in answer.headers["traceparent"]
    assert answer.json()["trace_id"] == trace
    assert {(line["request_id"], line["trace_id"]) for line in logged} == {("req-12345678", trace)}
    made = [
        await http.get("/nowhere", headers=wrong) for wrong in ({}, {"traceparent": "00-0-0-0", "x-request-id": "a\tb"})
    ]
    assert len({one.json()["trace_id"] for one in made}) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one.headers["x-request-id"]) for one in made)


async def test_the_trace_goes_into_the_transaction(app: FastAPI) -> None:
    async with transaction(fittings_of(app).engine, Scope.nothing(), traceparent="00-a-b-01") as tx:
        assert tx.traceparent == "00-a-b-01"


async def test_practice_is_written_on_every_answer(probe: Probe, folder: Path, tokens: Tokens, tmp_path: Path) -> None:
    make_practice(tmp_path, datetime(2019, 8, 20, tzinfo=UTC))
    settings = settings_for(probe, folder, tokens, practice=True, home=tmp_path)
    async with running(make_app(settings)) as client:
        caller = Caller(client, tokens.make())
        for answer in (
            await client.get("/livez"),
            await client.get("/nowhere"),
            await caller("GET", "/households?x=1"),
        ):
            assert answer.headers["tuopin-practice"] == "1"
        recorded = await caller("POST", "/households", json=household("in practice"))
        assert recorded.json()["recorded_at"].startswith("2019-08-20")


async def test_an_ordinary_answer_has_no_practice_mark(http: httpx.AsyncClient) -> None:
    assert "tuopin-practice" not in (await http.get("/livez")).headers


@asynccontextmanager
async def practice_of_database(probe: Probe, value: str) -> AsyncIterator[None]:
    async with probe.admin() as admin:
        await admin.execute(f"alter database {probe.database.name} set tuopin.practice = '{value}'")
        try:
            yield
        finally:
            await admin.execute(f"alter database {probe.database.name} reset tuopin.practice")


async def test_a_practice_database_refuses_an_ordinary_start_and_the_reverse(
    probe: Probe, folder: Path, tokens: Tokens
) -> None:
    for value, practice in (("on", False), ("off", True)):
        async with practice_of_database(probe, value):
            with pytest.raises(SettingsWrong, match="TUOPIN_PRACTICE"):
                async with running(make_app(settings_for(probe, folder, tokens, practice=practice))):
                    pass
            async with running(make_app(settings_for(probe, folder, tokens, practice=not practice))) as client:
                assert (await client.get("/readyz")).status_code == 200


async def test_ready_means_database_schema_and_not_draining(probe: Probe, folder: Path, tokens: Tokens) -> None:
    app = make_app(settings_for(probe, folder, tokens))
    async with running(app) as client:
        app.state.schema_head = "0001"
        assert ((await client.get("/readyz")).status_code, (await client.get("/livez")).status_code) == (200, 200)
        app.state.schema_head = "0002"
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["why"]) == (503, ["schema"])
        app.state.schema_head = "0001"
        drain(app)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["why"]) == (503, ["draining"])
        assert (await client.get("/livez")).status_code == 200


async def test_a_busy_pool_is_still_ready(probe: Probe, folder: Path, tokens: Tokens) -> None:
    app = make_app(settings_for(probe, folder, tokens, database_pool_size=1))
    async with running(app) as client, transaction(fittings_of(app).engine, Scope.nothing()):
        assert (await client.get("/readyz")).status_code == 200


async def test_a_crowd_is_told_to_come_back_and_health_is_still_answered(
    probe: Probe, folder: Path, tokens: Tokens
) -> None:
    app = make_app(settings_for(probe, folder, tokens))
    async with running(app) as client:
        caller = Caller(client, tokens.make())
        crowd = [caller("GET", "/households?limit=1") for _ in range(MOST_AT_ONCE + 50)]
        answers, health = await asyncio.gather(asyncio.gather(*crowd), client.get("/livez"))
        turned_away = [answer for answer in answers if answer.status_code != 200]
        assert 50 <= len(turned_away) < len(answers)
        for answer in turned_away:
            refused(answer, 503, "busy.crowded")
            assert answer.headers["retry-after"] == "2"
        assert health.status_code == 200
        assert (await caller("GET", "/households?limit=1")).status_code == 200


def test_the_newest_revision_is_what_the_code_knows(tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    for revision, down in (("0001", None), ("0002", "0001")):
        text = f"revision = {revision!r}\ndown_revision = {down!r}\ndef upgrade() -> None: ...\n"
        (versions / f"{revision}_x.py").write_text(text)
    assert schema_head(tmp_path) == "0002"


async def test_measures_are_by_route_and_never_by_path(http: httpx.AsyncClient, clerk: Caller) -> None:
    identity = new_id()
    await clerk("GET", f"/households/{identity}")
    await http.get("/CANARY-path")
    text = (await http.get("/metrics")).text
    assert f'http_requests_total{{method="GET",route="{V1}/households/{{household_id}}",status="404"}}' in text
    assert 'route="none",status="404"' in text
    assert str(identity) not in text
    assert "CANARY" not in text


# Pages and the written-down API


async def test_the_api_pages_need_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/shared/docs")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 3
    assert all(link.startswith("/shared/docs/") for link in links)
    for link in links:
        answer = await http.get(link)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    bundle = (await http.get("/shared/docs/swagger-ui-bundle.js")).text
    assert len(bundle) > 1_000_000
    assert len(gzip.compress(bundle.encode())) > 200_000
    assert '"/shared/openapi.json"' in (await http.get("/shared/docs/start.js")).text
    refused(await http.get("/shared/docs/nothing.js"), 404, "route.missing")


async def test_the_written_api_is_stable_and_complete(app: FastAPI, http: httpx.AsyncClient) -> None:
    written = json.loads(openapi_text(app))
    validate(written)
    assert (await http.get("/shared/openapi.json")).json() == written
    for path, operations in written["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            declared = set(operation["responses"])
            assert {"400", "422", "500", "503"} <= declared, where
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [PROBLEM], where
            is_public = operation["security"] == []
            assert ({"401", "403"} <= declared) is not is_public, where
            headers = {
                parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"
            }
            writes = method != "get" and not operation["x-tuopin"]["lane"]
            assert ("Idempotency-Key" in headers) == writes, where
    patch = written["paths"][f"{V1}/households/{{household_id}}"]["patch"]
    assert {"412", "428", "404"} <= set(patch["responses"])
    assert patch["operationId"] == "rename_household"
    assert "probe.closed" in written["paths"][f"{V1}/households"]["post"]["responses"]["409"]["description"]


# Fields


class Fields(Body):
    number: HouseholdNumberField | None = None
    citizen: CitizenIdField | None = None
    shown: ShownCitizenId | None = None
    amount: MoneyField | None = None
    note: Annotated[str | None, Field(max_length=3)] = None


def test_values_go_in_checked_and_out_as_text() -> None:
    given = {"number": "5226301002010001", "citizen": "629999199001011234", "amount": "1,631.2"}
    fields = Fields.model_validate({**given, "shown": given["citizen"]})
    shown = fields.model_dump(mode="json")
    assert shown["amount"] == "1631.20"
    assert shown["number"] == given["number"]
    assert shown["citizen"] == "629999********1234"
    assert shown["shown"] == given["citizen"]
    assert UUID(int=0) != new_id()


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/divisions/5x", "path:division"),
        ("/places/5226", "path:number"),
        ("/places/5226301002010001?division=1", "query:division"),
    ],
)
async def test_values_in_paths_and_queries_are_checked_in_their_place(clerk: Caller, path: str, pointer: str) -> None:
    good = (await clerk("GET", "/places/5226301002010001?division=52")).json()
    assert good == {"within": "520000000000", "number": "5226301002010001"}
    assert (await clerk("GET", "/places/5226301002010001")).json()["within"] is None
    assert (await clerk("GET", "/divisions/522630")).json()["within"] == COUNTY.text
    told = refused(await clerk("GET", path), 422, "request.invalid")
    (error,) = told["errors"]
    assert (error["pointer"], error["code"]) == (pointer, "value_invalid")
    assert "应为" in error["detail"]
    assert "must be" in error["detail_en"]


# The server itself, and stopping


SERVER = """
import asyncio, sys
from fastapi import FastAPI
from shared.web.app import fittings_of
from shared.web.envelope import Envelope
from shared.web.serving import serve
from types import SimpleNamespace
app = FastAPI()
app.add_middleware(Envelope, practice=False)
app.state.fittings = SimpleNamespace(is_draining=False)
@app.get("/ready")
async def ready() -> bool: return not fittings_of(app).is_draining
@app.get("/slow")
async def slow() -> str:
    await asyncio.sleep(1.0)
    return "done"
serve(app, "127.0.0.1", int(sys.argv[1]), drain_seconds=0.5)
"""


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, asyncio.subprocess.Process, httpx.AsyncClient]]:
    """A server of its own that is up, its process and a client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(port))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            for _ in range(200):
                try:
                    assert (await client.get("/ready")).json() is True
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
            yield port, process, client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01 no http\r\n\r\n", b"GET / HTTP/9.9.9\r\n\r\n", b"GET\r\n\r\n"])
async def test_what_is_no_http_gets_a_problem_and_the_connection_ends(garbage: bytes) -> None:
    async with serving() as (port, _, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
        writer.close()
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        refused(httpx.Response(int(status.split()[1]), headers=headers, content=body), 400, "request.malformed")
        assert (headers["connection"], len(body)) == ("close", int(headers["content-length"]))
        assert (await client.get("/ready")).json() is True


async def test_head_leaves_its_connection_in_order() -> None:
    async with serving() as (port, _, _client):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    first, second, body = answer.split(b"\r\n\r\n")
    for head in (first, second):
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length: 4" in head
    assert body == b"true"


async def test_told_to_stop_it_says_not_ready_then_finishes_what_is_under_way() -> None:
    async with serving() as (port, process, client):
        slow = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        assert (await client.get("/ready")).json() is False
        assert (await slow).json() == "done"
        await asyncio.wait_for(process.wait(), 10)
    with pytest.raises(OSError, match=r"Connect|refused"):
        await asyncio.open_connection("127.0.0.1", port)
