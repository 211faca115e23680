"""Tokens become officers or nothing; keys change while we run; who saw whom cannot be faked."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from shared.auth import (
    MOST_SEEN,
    PUBLIC,
    Access,
    Doorkeeper,
    KeysUnavailable,
    Officer,
    PurposeMissing,
    Role,
    RoleRefused,
    TokenExpired,
    TokenMissing,
    UrlKeys,
    list_accesses,
    log_access,
)
from shared.db import transaction
from shared.errors import Problem, Unauthenticated
from shared.settings import Settings
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.shared.probe import (
    COUNTY,
    NEXT_VILLAGE,
    OTHER_COUNTY,
    OTHER_VILLAGE,
    TOWNSHIP,
    VILLAGE,
    Probe,
    make_probe,
)
from tests.shared.probe_api import Tokens

LI = Officer("li", "李秀英", frozenset({Role.CLERK}), (COUNTY,))


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path)


def settings(jwks: str, **more: Any) -> Settings:
    given = {"service": "x", "home": "/", "database_url": "x", "key_ring_file": "/", "jwks": jwks}
    return Settings.model_validate(given | more)


@pytest.fixture
def door(tokens: Tokens) -> Doorkeeper:
    return Doorkeeper(settings(str(tokens.file)))


async def test_a_token_becomes_an_officer(door: Doorkeeper, tokens: Tokens) -> None:
    token = tokens.make("li", roles=("clerk", "reviewer"), divisions=("522630", OTHER_VILLAGE.text))
    officer = await door.officer(f"Bearer {token}")
    assert (officer.sub, officer.name) == ("li", "李秀英")
    assert officer.roles == {Role.CLERK, Role.REVIEWER}
    assert officer.scope == Scope.of([COUNTY, OTHER_VILLAGE])
    assert officer.scope.contains(VILLAGE)
    assert (await door.officer(f"bearer {token}")) == officer


@pytest.mark.parametrize(("algorithm", "make"), [("RS256", RSAKey.generate_key), ("ES256", ECKey.generate_key)])
async def test_both_kinds_of_key_are_taken(tmp_path: Path, algorithm: str, make: Callable[..., Any]) -> None:
    size: Any = 2048 if algorithm == "RS256" else "P-256"
    key = make(size, {"kid": "a", "alg": algorithm})
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    claims = {"iss": "tuopin", "aud": ["other", "tuopin"], "exp": int(time.time()) + 60, "sub": "li"}
    token = jwt.encode({"alg": algorithm, "kid": "a"}, claims, key)
    assert (await Doorkeeper(settings(str(tmp_path / "jwks.json"))).officer(f"Bearer {token}")).sub == "li"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic bGk6eA==", "token"])
async def test_no_token_is_told_as_such(door: Doorkeeper, header: str | None) -> None:
    with pytest.raises(TokenMissing):
        await door.officer(header)


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"exp": int(time.time()) - 60}, TokenExpired),
        ({"exp": None}, Unauthenticated),
        ({"aud": "somebody else"}, Unauthenticated),
        ({"aud": None}, Unauthenticated),
        ({"iss": "somebody else"}, Unauthenticated),
        ({"iss": None}, Unauthenticated),
        ({"sub": None}, Unauthenticated),
        ({"sub": ""}, Unauthenticated),
        ({"sub": 7}, Unauthenticated),
        ({"sub": "x" * 201}, Unauthenticated),
        ({"nbf": int(time.time()) + 86_400}, Unauthenticated),
        ({"divisions": ["522630", "99999"]}, Unauthenticated),
        ({"divisions": [522630]}, Unauthenticated),
        ({"divisions": {"522630": True}}, Unauthenticated),
        ({"roles": {"clerk": True}}, Unauthenticated),
        ({"filler": "x" * 9_000}, Unauthenticated),
    ],
)
async def test_a_token_that_does_not_hold_is_refused(
    door: Doorkeeper, tokens: Tokens, claims: dict[str, Any], kind: type[Problem]
) -> None:
    assert (await door.officer(f"Bearer {tokens.make()}")).sub == "li", "the positive control"
    with pytest.raises(kind) as caught:
        await door.officer(f"Bearer {tokens.make(**claims)}")
    assert type(caught.value) is kind


async def test_forged_and_foreign_signatures_are_refused(door: Doorkeeper, tokens: Tokens, tmp_path: Path) -> None:
    token = tokens.make()
    head, body, mark = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    public = json.dumps(tokens.key.as_dict(private=False))
    bare = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    raised = base64.urlsafe_b64encode(json.dumps(claims | {"roles": ["operator"]}).encode()).decode().rstrip("=")
    forged = [
        f"{bare}.{body}.",
        f"{head}.{raised}.{mark}",
        f"{head}.{body}.{mark[:-4]}AAAA",
        f"{head}.{body}",
        "a.b.c",
        "中文",
        jwt.encode({"alg": "ES256", "kid": "k1"}, claims, other),
        jwt.encode({"alg": "ES256", "kid": "k9"}, claims, other),
        jwt.encode({"alg": "HS256", "kid": "k1"}, claims, OctKey.import_key(public), algorithms=["HS256"]),
    ]
    for one in forged:
        with pytest.raises(Unauthenticated):
            await door.officer(f"Bearer {one}")


async def test_unknown_roles_and_missing_divisions_give_nothing(door: Doorkeeper, tokens: Tokens) -> None:
    for divisions in ((), None):
        officer = await door.officer(f"Bearer {tokens.make(roles=('emperor',), divisions=divisions)}")
        assert (officer.roles, officer.divisions, officer.scope) == (frozenset(), (), Scope.nothing())
    single = await door.officer(f"Bearer {tokens.make(divisions='522630')}")
    assert single.divisions == (DivisionCode.parse("522630"),)
    nameless = await door.officer(f"Bearer {tokens.make(name=None)}")
    assert nameless.name == "li"


async def test_claim_names_are_settings(tokens: Tokens) -> None:
    named = settings(str(tokens.file), claim_roles="realm_access.roles", claim_divisions="org", claim_name="preferred")
    token = tokens.make(roles=(), divisions=(), realm_access={"roles": ["clerk"]}, org=["52"], preferred="王")
    officer = await Doorkeeper(named).officer(f"Bearer {token}")
    assert (officer.roles, officer.name) == (frozenset({Role.CLERK}), "王")
    assert officer.scope.contains(VILLAGE)


def test_roles_are_demanded() -> None:
    LI.demand(frozenset({Role.CLERK, Role.AUDITOR}))
    LI.demand(PUBLIC)
    for rights in (frozenset({Role.AUDITOR}), frozenset()):
        with pytest.raises(RoleRefused):
            LI.demand(rights)


async def test_a_changed_key_file_is_read_at_once(door: Doorkeeper, tokens: Tokens, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    new = Tokens(other_folder, kid="k2")
    old_token, new_token = tokens.make(), new.make("wang")
    assert (await door.officer(f"Bearer {old_token}")).sub == "li"
    with pytest.raises(Unauthenticated):
        await door.officer(f"Bearer {new_token}")
    tokens.publish(tokens, new)
    assert (await door.officer(f"Bearer {new_token}")).sub == "wang"
    assert (await door.officer(f"Bearer {old_token}")).sub == "li"
    tokens.publish(new)
    with pytest.raises(Unauthenticated):
        await door.officer(f"Bearer {old_token}")
    tokens.file.write_text("{ broken")
    assert (await door.officer(f"Bearer {new_token}")).sub == "wang"


async def test_a_token_that_held_ends_in_time_and_with_its_key(tokens: Tokens, tmp_path: Path) -> None:
    """Tokens are remembered; what ends them must end them all the same."""
    door = Doorkeeper(settings(str(tokens.file)))
    (tmp_path / "other").mkdir()
    other = Tokens(tmp_path / "other", kid="k2")
    short, long = tokens.make(exp=int(time.time()) - 8), tokens.make()
    for token in (short, long, short, long):
        assert (await door.officer(f"Bearer {token}")).sub == "li"
    for _ in range(50):
        try:
            await door.officer(f"Bearer {short}")
        except TokenExpired:
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError("a token that is over still opens")
    assert (await door.officer(f"Bearer {long}")).sub == "li"
    tokens.publish(other)
    with pytest.raises(Unauthenticated):
        await door.officer(f"Bearer {long}")


async def test_no_more_tokens_are_remembered_than_there_is_room_for(door: Doorkeeper, tokens: Tokens) -> None:
    for number in range(MOST_SEEN + 5):
        await door.officer(f"Bearer {tokens.make(f'caller {number}')}")
    assert len(door._seen) == MOST_SEEN


async def test_without_any_key_nobody_is_let_in(tmp_path: Path, tokens: Tokens) -> None:
    for content in (None, "", "[]", '{"keys": []}'):
        path = tmp_path / "empty.json"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        with pytest.raises(KeysUnavailable):
            await Doorkeeper(settings(str(path))).officer(f"Bearer {tokens.make()}")


class Provider:
    """A provider of keys on a port of its own, which can be changed, counted and switched off."""

    def __init__(self, tokens: Tokens) -> None:
        self.body = tokens.file.read_bytes()
        self.asked = 0
        self.is_away = False
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        status = b"503 Away" if self.is_away else b"200 OK"
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(self.body))
        writer.write(head + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def provider(tokens: Tokens) -> AsyncIterator[Provider]:
    one = Provider(tokens)
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    async with server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        yield one


async def test_keys_come_from_a_provider_and_outlive_it(tokens: Tokens, tmp_path: Path) -> None:
    async with provider(tokens) as keys:
        door = Doorkeeper(settings(keys.url))
        door.source = UrlKeys(keys.url, refresh_seconds=0.0, retry_seconds=0.0)
        keys.is_away = True
        with pytest.raises(KeysUnavailable):
            await door.officer(f"Bearer {tokens.make()}")
        keys.is_away = False
        assert (await door.officer(f"Bearer {tokens.make()}")).sub == "li"
        keys.is_away = True
        assert (await door.officer(f"Bearer {tokens.make()}")).sub == "li", "the keys held are kept"


async def test_a_new_key_is_fetched_when_it_is_met_but_forgers_cannot_make_us_ask(
    tokens: Tokens, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    new = Tokens(tmp_path / "new", kid="k2")
    async with provider(tokens) as keys:
        door = Doorkeeper(settings(keys.url))
        door.source = UrlKeys(keys.url, refresh_seconds=300, retry_seconds=0.3)
        assert (await door.officer(f"Bearer {tokens.make()}")).sub == "li"
        tokens.publish(tokens, new)
        keys.body = tokens.file.read_bytes()
        await asyncio.sleep(0.35)
        assert (await door.officer(f"Bearer {new.make('wang')}")).sub == "wang"
        asked = keys.asked
        stranger = Tokens(tmp_path / "new", kid="k3")
        for _ in range(20):
            with pytest.raises(Unauthenticated):
                await door.officer(f"Bearer {stranger.make()}")
        assert keys.asked - asked <= 1


# Access log


@pytest.fixture(scope="module")
async def probe(make_database: Callable[[str], Database]) -> Probe:
    return await make_probe(make_database)


def no_purposes() -> Iterator[str]:
    yield from ("", "  ", "\t")


async def test_one_row_a_query_with_the_ids_seen(probe: Probe) -> None:
    async with probe.engine("api") as engine:
        async with transaction(engine, LI.scope, caller="li", traceparent="00-a-b-01") as tx:
            await log_access(tx, LI, purpose=" 入户核查 ", noun="person", ids=["1", "2"], action="list")
        for purpose in no_purposes():
            with pytest.raises(PurposeMissing):
                async with transaction(engine, LI.scope, caller="li") as tx:
                    await log_access(tx, LI, purpose=purpose, noun="person", ids=["1"])
    async with probe.admin() as admin:
        rows = await admin.fetch("select * from access_log where caller = $1", LI.sub)
    assert len(rows) == 1
    row = rows[0]
    told = {
        name: row[name] for name in ("caller", "roles", "divisions", "purpose", "noun", "action", "ids", "traceparent")
    }
    assert told == {
        "caller": "li",
        "roles": ["clerk"],
        "divisions": [COUNTY.text],
        "purpose": "入户核查",
        "noun": "person",
        "action": "list",
        "ids": ["1", "2"],
        "traceparent": "00-a-b-01",
    }


@pytest.mark.parametrize("login", ["api", "worker"])
async def test_the_log_is_written_under_one_s_own_name_and_never_changed(probe: Probe, login: str) -> None:
    async with probe.engine(login) as engine:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with transaction(engine, LI.scope, caller="wang") as tx:
                await log_access(tx, LI, purpose="入户核查", noun="person", ids=["1"])
        for statement in ("select * from access_log", "delete from access_log", "update access_log set purpose = 'x'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with transaction(engine, Scope.everything(), caller="li") as tx:
                    await tx.driver.execute(statement)


# The auditor's way into it


def officer(sub: str, *divisions: DivisionCode) -> Officer:
    return Officer(sub, sub, frozenset({Role.AUDITOR}), divisions)


WATCHED = {
    "village": officer("of the village", VILLAGE),
    "next village": officer("of the next village", NEXT_VILLAGE),
    "both villages": officer("of both villages", VILLAGE, NEXT_VILLAGE),
    "county": officer("of the county", COUNTY),
    "other county": officer("of the other county", OTHER_COUNTY),
    "two counties": officer("of two counties", COUNTY, OTHER_COUNTY),
    "nowhere": officer("of nowhere"),
}
HERE = {"village", "next village", "both villages", "county"}


@pytest.fixture
async def household_seen(probe: Probe) -> str:
    """One household that each of them looked at, in the order of the table."""
    household = str(new_id())
    async with probe.engine("api") as engine:
        for one in WATCHED.values():
            async with transaction(engine, one.scope, caller=one.sub) as tx:
                await log_access(tx, one, purpose="入户核查", noun="household", ids=[household, new_id()])
    return household


async def audited(probe: Probe, asker: Officer, seen: str | None, **more: Any) -> list[Access]:
    asked = {"caller": None, "since": None, "until": None, "before": None, "limit": 100} | more
    async with probe.engine("api") as engine, transaction(engine, asker.scope, caller=asker.sub) as tx:
        return await list_accesses(tx, seen=seen, **asked)


@pytest.mark.parametrize(
    ("asker", "shown"),
    [
        (officer("auditor", VILLAGE), {"village"}),
        (officer("auditor", VILLAGE, NEXT_VILLAGE), {"village", "next village", "both villages"}),
        (officer("auditor", TOWNSHIP), {"village", "next village", "both villages"}),
        (officer("auditor", COUNTY), HERE),
        (officer("auditor", OTHER_COUNTY), {"other county"}),
        (officer("auditor", COUNTY, OTHER_COUNTY), HERE | {"other county", "two counties"}),
        (officer("auditor"), set()),
    ],
    ids=lambda given: "+".join(one.text for one in given.divisions) if isinstance(given, Officer) else "",
)
async def test_an_auditor_reads_of_callers_whose_whole_place_is_his(
    probe: Probe, household_seen: str, asker: Officer, shown: set[str]
) -> None:
    found = await audited(probe, asker, household_seen)
    assert [access.caller for access in found] == [WATCHED[name].sub for name in reversed(WATCHED) if name in shown]


async def test_who_stands_nowhere_is_read_by_the_whole_country_alone(probe: Probe, household_seen: str) -> None:
    async with probe.engine("api") as engine, transaction(engine, Scope.everything(), caller="audit") as tx:
        found = await list_accesses(
            tx, caller=None, seen=household_seen, since=None, until=None, before=None, limit=100
        )
    assert {access.caller for access in found} == {one.sub for one in WATCHED.values()}


async def test_an_audit_asks_by_caller_household_and_time_page_by_page(probe: Probe, household_seen: str) -> None:
    county = officer("auditor", COUNTY)
    every = await audited(probe, county, household_seen)
    assert len(every) == len(HERE)
    newest, second, *others = every
    assert await audited(probe, county, household_seen, limit=2) == [newest, second]
    assert await audited(probe, county, household_seen, before=second.id) == others
    assert await audited(probe, county, household_seen, caller=second.caller) == [second]
    assert await audited(probe, county, household_seen, since=second.logged_at) == [newest, second]
    assert await audited(probe, county, household_seen, until=second.logged_at) == others
    assert await audited(probe, county, str(new_id())) == []


async def test_the_report_is_the_api_s_alone(probe: Probe) -> None:
    async with probe.engine("worker") as engine:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(engine, Scope.everything(), caller="li") as tx:
                await list_accesses(tx, caller=None, seen=None, since=None, until=None, before=None, limit=1)
