"""Who asks: a signed token becomes an officer with roles and a scope. Fails closed: no divisions, no rows; no role,
no route.

The gateway checks the token too; a service never trusts that it did (ADR 0014). Token times are the machine's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import httpx
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from shared.db import Transaction
from shared.errors import Busy, Malformed, Refused, Unauthenticated
from shared.log import get_logger
from shared.settings import Settings
from shared.values import DivisionCode, Scope, ValueWrong

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 10
LONGEST_TOKEN = 8_192
MOST_SEEN = 2_000
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 10.0

log = get_logger(__name__)


class Role(StrEnum):
    """角色: what somebody may do; where, the divisions say."""

    CLERK = "clerk"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    ACCOUNTANT = "accountant"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    SYSTEM = "system"


class Public(Enum):
    """公开: the mark of a route that carries no token. Not an empty set of roles, which a slip could produce."""

    PUBLIC = "public"


PUBLIC = Public.PUBLIC
Rights = frozenset[Role] | Public


@dataclass(frozen=True, slots=True)
class RouteRight:
    """One line of the table role × route."""

    method: str
    path: str
    name: str
    rights: Rights


@dataclass(frozen=True, slots=True)
class Officer:
    """经办人: whose token it is, his roles, and the divisions that he answers for."""

    sub: str
    name: str
    roles: frozenset[Role]
    divisions: tuple[DivisionCode, ...]

    @property
    def scope(self) -> Scope:
        """The rows that he may see; nothing without divisions."""
        return Scope.of(self.divisions)

    def demand(self, rights: Rights) -> None:
        """Refuse unless one of his roles is among them."""
        if not isinstance(rights, Public) and not self.roles & rights:
            raise RoleRefused(roles="、".join(sorted(rights)))


class TokenMissing(Unauthenticated):
    """缺少令牌."""

    code = "token.missing"
    zh = "请求未携带令牌"
    en = "The request carries no token"
    hint_zh = "请登录后在 Authorization 头中携带 Bearer 令牌"
    hint_en = "Sign in and send a Bearer token in the Authorization header"


class TokenExpired(Unauthenticated):
    """令牌过期."""

    code = "token.expired"
    zh = "令牌已过期"
    en = "The token has expired"


class RoleRefused(Refused):
    """角色不符: known, but none of his roles may do this."""

    code = "role.refused"
    zh = "此操作需要以下角色之一：{roles}"
    en = "This needs one of the roles: {roles}"
    hint_zh = "请由具备相应角色的人员办理"
    hint_en = "Ask an officer with such a role"


class KeysUnavailable(Busy):
    """公钥不可用: the provider of keys cannot be reached and none are held."""

    code = "token.keys_unavailable"
    zh = "暂时无法核验令牌"
    en = "Tokens cannot be checked at the moment"


class PurposeMissing(Malformed):
    """缺少事由: personal fields are shown for a stated purpose alone."""

    code = "purpose.missing"
    zh = "查看个人信息须说明事由"
    en = "State a purpose to see personal fields"
    hint_zh = "请在 purpose 参数中填写查看事由"
    hint_en = "Give the reason in the parameter purpose"


class KeySource(Protocol):
    """Where public keys come from."""

    async def keys(self, *, fresh: bool = False) -> KeySet:
        """The set held now; `fresh` asks for a new look because a key id was not in it."""


class FileKeys:
    """Keys in a file (JWKS): read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._held: KeySet | None = None

    async def keys(self, *, fresh: bool = False) -> KeySet:
        """A broken new file leaves the old keys in force."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if self._held is None or stamp != self._stamp:
                self._held, self._stamp = _key_set(self._path.read_text(encoding="utf-8")), stamp
        except (OSError, ValueError, TypeError, KeyError, JoseError) as error:
            log.warning("token keys not readable", file=str(self._path), error=type(error).__name__)
        if self._held is None:
            raise KeysUnavailable
        return self._held


class UrlKeys:
    """Keys of an OpenID provider: fetched when old or when a key id is new, kept while the provider is away."""

    def __init__(
        self, url: str, *, refresh_seconds: float = REFRESH_SECONDS, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._url = url
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = retry_seconds
        self._held: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._turn = asyncio.Lock()

    async def keys(self, *, fresh: bool = False) -> KeySet:
        """At most one fetch in `retry_seconds`, so that forged key ids cannot make us hammer the provider."""
        age = self._refresh_seconds if not fresh else self._retry_seconds
        async with self._turn:
            now = time.monotonic()
            if now - self._fetched >= age and now - self._tried >= self._retry_seconds:
                self._tried = now
                await self._fetch()
        if self._held is None:
            raise KeysUnavailable
        return self._held

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(self._url)
            answer.raise_for_status()
            self._held, self._fetched = _key_set(answer.text), time.monotonic()
        except (httpx.HTTPError, ValueError, TypeError, KeyError, JoseError) as error:
            log.warning("token keys not fetched", url=self._url, error=type(error).__name__)


def _key_set(text: str) -> KeySet:
    held = KeySet.import_key_set(json.loads(text))
    if not held.keys:
        raise ValueError("no key in the set")
    return held


@dataclass(frozen=True, slots=True)
class Seen:
    """A token that held: whose it is, by which keys, until when."""

    officer: Officer
    keys: KeySet
    ends: float


class Doorkeeper:
    """门卫: turns a token into an officer, or refuses. Algorithms are a fixed list: `none` and shared
    secrets never pass.
    """

    def __init__(self, settings: Settings) -> None:
        is_url = settings.jwks.startswith(("http://", "https://"))
        self.source: KeySource = UrlKeys(settings.jwks) if is_url else FileKeys(Path(settings.jwks))
        self._settings = settings
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.token_issuer},
            aud={"essential": True, "value": settings.token_audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def officer(self, authorization: str | None) -> Officer:
        """Read the Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenMissing
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated
        return await self._known(token.strip())

    async def _known(self, token: str) -> Officer:
        """A token that held a moment ago still holds, until it ends or the keys are others."""
        keys, seen = await self.source.keys(), self._seen.get(token)
        if seen is not None and seen.keys is keys and time.time() <= seen.ends + LEEWAY_SECONDS:
            return seen.officer
        claims = await self._checked(token, keys)
        officer = self._officer_of(claims)
        self._seen[token] = Seen(officer, await self.source.keys(), float(claims["exp"]))
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return officer

    async def _checked(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        try:
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                decoded = jwt.decode(token, await self.source.keys(fresh=True), algorithms=ALGORITHMS)
            self._claims.validate(decoded.claims)
        except ExpiredTokenError:
            raise TokenExpired from None
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated from None
        return decoded.claims

    def _officer_of(self, claims: Mapping[str, Any]) -> Officer:
        """Unknown roles give no right; an unreadable division refuses the whole token."""
        sub, name = claims["sub"], _claim(claims, self._settings.claim_name)
        if not isinstance(sub, str) or not 1 <= len(sub) <= 200:
            raise Unauthenticated
        known = {role.value for role in Role}
        roles = frozenset(Role(text) for text in _texts(claims, self._settings.claim_roles) if text in known)
        try:
            codes = tuple(DivisionCode.parse(text) for text in _texts(claims, self._settings.claim_divisions))
        except ValueWrong:
            raise Unauthenticated from None
        return Officer(sub, name if isinstance(name, str) and name else sub, roles, codes)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path with dots (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts; one text alone counts as a list of one, anything else refuses the token."""
    found = _claim(claims, name)
    if found is None:
        return []
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise Unauthenticated
    return listed


ACCESS_COLUMNS = ("caller", "roles", "divisions", "purpose", "noun", "action", "traceparent")
LOG_ACCESS = f"""insert into access_log ({", ".join(ACCESS_COLUMNS)}, ids) values ($1, $2, $3, $4, $5, $6, $7, $8)"""
FETCH_LOGGED = (
    """with shown as materialized ({query}), logged as (insert into access_log ("""
    + ", ".join(ACCESS_COLUMNS)
    + """, ids)
  select {places}, coalesce(array_agg(id::text order by no), '{{}}') from shown)
select * from shown order by no"""
)


async def log_access(
    tx: Transaction, officer: Officer, *, purpose: str, noun: str, ids: Sequence[object], action: str = "read"
) -> None:
    """Write down who sees whom, in the transaction that reads and before anything is answered: one row a query.

    If it cannot be written the exception ends the request, and nothing is shown.
    """
    said = _of_access(tx, officer, purpose, noun, action)
    await tx.driver.execute(LOG_ACCESS, *said, tx.traceparent, [str(one) for one in ids])


async def fetch_logged(
    tx: Transaction, query: str, *given: object, officer: Officer, purpose: str, noun: str, action: str
) -> list[asyncpg.Record]:
    """Ask and write down in one statement, for questions that are asked all day long: the rows of `query`, which have
    an `id` and a `no` that orders them, are shown only together with their line in the log.
    """
    first = len(given) + 1
    places = ", ".join(f"${first + at}" for at in range(len(ACCESS_COLUMNS)))
    statement = FETCH_LOGGED.format(query=query, places=places)
    rows: list[asyncpg.Record] = await tx.driver.fetch(
        statement, *given, *_of_access(tx, officer, purpose, noun, action), tx.traceparent
    )
    return rows


def _of_access(tx: Transaction, officer: Officer, purpose: str, noun: str, action: str) -> tuple[object, ...]:
    if not purpose.strip():
        raise PurposeMissing
    divisions = [code.text for code in officer.divisions]
    return officer.sub, sorted(officer.roles), divisions, purpose.strip(), noun, action


@dataclass(frozen=True, slots=True)
class Access:
    """访问记录: who saw whom, when and what for."""

    id: int
    logged_at: datetime
    caller: str
    roles: Sequence[str]
    divisions: Sequence[str]
    purpose: str
    noun: str
    action: str
    ids: Sequence[str]
    traceparent: str | None


ACCESSES = """select id, logged_at, caller, roles, divisions, purpose, noun, action, ids, traceparent
    from access_seen($1, $2, $3, $4, $5, $6)"""


async def list_accesses(
    tx: Transaction,
    *,
    caller: str | None,
    seen: str | None,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
) -> list[Access]:
    """The newest first: what was seen by callers whose whole scope lies in that of this transaction."""
    rows = await tx.driver.fetch(ACCESSES, before, limit, caller, seen, since, until)
    return [Access(**row) for row in rows]
