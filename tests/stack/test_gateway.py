"""The gateway from outside: what it lets through, what it refuses, and in which words."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from gateway.answers import ANSWERS, NO_UPGRADE
from gateway.template import IDENTITY_HEADERS, Limit
from stack import envoy
from stack.provision import SERVICES
from tests.stack.gateways import EC_KEY, RSA_KEY, Running, bearer, running_gateway, token

ORIGIN = "https://desk.example"
SPOOFED = {"x-tuopin-sub": "admin", "x-tuopin-roles": "operator", "x-tuopin-divisions": "100000000000"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One gateway with small times for all tests that do not spend its limits."""
    folder = tmp_path_factory.mktemp("gateway")
    async with running_gateway(folder, origins=(ORIGIN,), route_seconds=1, practice=True) as running:
        yield running


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:tuopin:problem:{code}"
    assert any("\u4e00" <= letter <= "\u9fff" for letter in problem["detail"])
    assert problem["detail_en"].isascii()
    assert problem["hint"]
    if status in (400, 426, 431, 501):  # refused before it had an id
        assert problem["trace_id"].startswith("connection-")
    else:
        assert problem["trace_id"] == answer.headers["x-request-id"]
    assert isinstance(problem, dict)
    return problem


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "algorithm"), [(EC_KEY, "ES256"), (RSA_KEY, "RS256")])
@pytest.mark.parametrize("service", SERVICES)
async def test_a_good_token_opens_every_service(gateway: Running, service: str, key: ECKey, algorithm: str) -> None:
    answer = await gateway.get(f"/{service}/v1/things", bearer(token(key, algorithm)))
    assert answer.status_code == 200
    assert answer.json()["path"] == f"/{service}/v1/things"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (dict, 401, "gateway.token"),
        (lambda: {"authorization": "Bearer nonsense"}, 401, "gateway.token"),
        (lambda: bearer(token(minutes=-5)), 401, "gateway.token"),
        (lambda: bearer(token(exp=None)), 401, "gateway.token"),
        (lambda: bearer(token(iss="somebody")), 401, "gateway.token"),
        (lambda: bearer(token(ECKey.generate_key("P-256", parameters={"kid": "ec"}))), 401, "gateway.token"),
        (lambda: bearer(token(aud="another-system")), 403, "gateway.audience"),
        (lambda: bearer(token(aud=None)), 403, "gateway.audience"),
    ],
)
async def test_any_other_token_is_refused(
    gateway: Running, headers: Callable[[], dict[str, str]], status: int, code: str
) -> None:
    """Tokens are made when they are used: one made at collection would expire in a long run."""
    before = len(gateway.upstream.requests)
    assert_problem(await gateway.get("/registry/v1/things", headers()), status, code)
    assert len(gateway.upstream.requests) == before


async def test_a_refused_token_is_told_without_what_was_asked(gateway: Running) -> None:
    """An address may carry a person's number; it is in neither the answer nor its headers."""
    refusals: tuple[tuple[dict[str, str], int], ...] = (
        ({}, 401),
        (bearer(token(minutes=-5)), 401),
        (bearer(token(aud="another-system")), 403),
    )
    for headers, status in refusals:
        answer = await gateway.get("/registry/v1/things?number=629999199001011234", headers)
        assert answer.status_code == status
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "629999199001011234" not in answer.text + repr(answer.headers)


async def test_headers_beyond_the_limit_are_a_problem_too(gateway: Running) -> None:
    for many in ({"x-long": "a" * 40_000}, {f"x-{number}": "a" for number in range(150)}):
        assert_problem(await gateway.get("/registry/v1/things", bearer() | many), 431, "gateway.headers")


async def test_an_unsigned_token_is_refused(gateway: Running) -> None:
    head, claims, _signature = token().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"ec"}').decode().rstrip("=")
    for forged in (f"{unsigned}.{claims}.", f"{head}.{claims}.", f"{head}.{claims}.AAAA"):
        assert_problem(await gateway.get("/registry/v1/things", bearer(forged)), 401, "gateway.token")


async def test_claims_overwrite_spoofed_identity_headers(gateway: Running) -> None:
    answer = await gateway.get("/registry/v1/things", bearer() | SPOOFED)
    seen = answer.json()["headers"]
    assert seen["x-tuopin-sub"] == "officer-1"
    for claim, expected in (("roles", ["clerk"]), ("divisions", ["522630"])):
        padded = seen[IDENTITY_HEADERS[claim]] + "=="
        assert json.loads(base64.urlsafe_b64decode(padded)) == expected
    assert seen["authorization"].startswith("Bearer ")


async def test_a_claim_that_is_missing_leaves_no_spoofed_header(gateway: Running) -> None:
    answer = await gateway.get("/registry/v1/things", bearer(token(name=None)) | {"x-tuopin-name": "admin"})
    assert answer.status_code == 200
    assert "x-tuopin-name" not in answer.json()["headers"]


@pytest.mark.parametrize("path", ["/notify/v1/public/notices", "/registry/docs", "/registry/openapi.json"])
async def test_public_routes_need_no_token_and_carry_no_identity(gateway: Running, path: str) -> None:
    underscored = {name.replace("-", "_"): value for name, value in SPOOFED.items()}
    answer = await gateway.get(path, SPOOFED | underscored)
    assert answer.status_code == 200
    assert answer.json()["path"] == path
    assert not [name for name in answer.json()["headers"] if "tuopin" in name]


@pytest.mark.parametrize(
    "path",
    [
        "/notify/v1/public/../households",
        "/notify/v1//households",
        "/notify/v1/public/./../households",
        "/notify/docs/../v1/households",
        "/notify/v1/public/%2e%2e/households",
        "/notify/v1/publicity",
    ],
)
async def test_no_way_of_writing_a_path_slips_past_the_token(gateway: Running, path: str) -> None:
    before = len(gateway.upstream.requests)
    status = await raw_status(gateway, f"GET {path} HTTP/1.1")
    assert status == 401
    assert len(gateway.upstream.requests) == before


async def raw_status(gateway: Running, first_line: str, headers: str = "") -> int:
    """The status of a request written by hand: a client library would tidy its path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"{first_line}\r\nhost: gateway\r\n{headers}connection: close\r\n\r\n".encode())
    answer = await reader.readline()
    writer.close()
    return int(answer.split()[1])


# --- what is barely HTTP, or none -------------------------------------------------------------------------------------


async def spoken(gateway: Running, said: bytes) -> httpx.Response:
    """What comes back for these very bytes; a client library would send none of them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(said)
    try:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
    except TimeoutError:
        raise AssertionError(f"no answer to {said[:20]!r}") from None
    headers = dict(line.split(": ", 1) for line in head[1:-2])
    is_head = said.startswith(b"HEAD")
    body = b"" if is_head else await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 10)
    if is_head:  # a body would come at once, in front of what is answered next
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
    writer.close()
    return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/registry/v1/things", 200, "application/json"),
        ("/registry/docs", 200, "application/json"),
        ("/", 200, "text/html; charset=utf-8"),
        ("/nothing", 404, "application/problem+json; charset=utf-8"),
    ],
)
async def test_head_is_answered_as_get_without_the_body(gateway: Running, path: str, status: int, kind: str) -> None:
    asked = f"HEAD {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: {bearer()['authorization']}\r\n\r\n"
    answer = await spoken(gateway, asked.encode())
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    assert int(answer.headers["content-length"]) > 0
    if status == 200 and path != "/":
        assert gateway.upstream.requests[-1]["method"] == "HEAD"


async def test_head_needs_a_token_where_get_does(gateway: Running) -> None:
    before = len(gateway.upstream.requests)
    answer = await spoken(gateway, b"HEAD /registry/v1/things HTTP/1.1\r\nhost: gateway\r\n\r\n")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert len(gateway.upstream.requests) == before


BEHIND = "GET /registry/v1/smuggled HTTP/1.1\r\nhost: gateway\r\n\r\n"
LENGTH, CHUNKED = "content-length: ", "transfer-encoding: chunked\r\n"
NO_HTTP: dict[str, tuple[str, str, str, int, str]] = {
    "a handshake of TLS": ("", "\x16\x03\x01\x02\x00", "", 400, "gateway.malformed"),
    "words": ("", "how are you", "", 400, "gateway.malformed"),
    "a method of our own": ("BREW", "", "", 400, "gateway.malformed"),
    "a method in small letters": ("get", "", "", 400, "gateway.malformed"),
    "a blank in the address": ("GET", "/registry/v1/a b", "", 400, "gateway.malformed"),
    "Chinese in the address": ("GET", "/registry/v1/things?name=李", "", 400, "gateway.malformed"),
    "a NUL": ("GET", "", "x-note: a\0b\r\n", 400, "gateway.malformed"),
    "a blank before the colon": ("GET", "", "x-tuopin-sub : admin\r\n", 400, "gateway.malformed"),
    "a length and chunks": ("POST", "", f"{LENGTH}4\r\n{CHUNKED}\r\n0\r\n\r\n{BEHIND}", 400, "gateway.malformed"),
    "two lengths": ("POST", "", f"{LENGTH}4\r\n{LENGTH}44\r\n\r\nabcd{BEHIND}", 400, "gateway.malformed"),
    "less than nothing": ("POST", "", f"{LENGTH}-1\r\n", 400, "gateway.malformed"),
    "a length in letters": ("POST", "", f"{LENGTH}4x\r\n\r\nabcd", 400, "gateway.malformed"),
    "a chunk of no size": ("POST", "", f"{CHUNKED}\r\nzz\r\nabc\r\n0\r\n\r\n{BEHIND}", 400, "gateway.malformed"),
    "an encoding of our own": ("POST", "", "transfer-encoding: xchunked\r\n\r\n0\r\n", 501, "gateway.encoding"),
    "a tunnel": ("CONNECT", "elsewhere:80", "", 403, "gateway.upgrade"),
    "another protocol": ("GET", "", "connection: upgrade\r\nupgrade: websocket\r\n", 403, "gateway.upgrade"),
}


@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_is_no_http_is_told_so_and_reaches_nobody(gateway: Running, name: str) -> None:
    """Not even what stands behind it on the same connection, which another reader might take for a request."""
    method, path, headers, status, code = NO_HTTP[name]
    first = f"{method} {path or '/registry/v1/things'} HTTP/1.1\r\nhost: gateway\r\n" if method else f"{path}\r\n"
    said = f"{first}authorization: {bearer()['authorization']}\r\n{headers}\r\n"
    before = len(gateway.upstream.requests)
    assert_problem(await spoken(gateway, said.encode()), status, code)
    assert (await gateway.get("/registry/v1/things", bearer())).status_code == 200, "others are served"
    assert [one["path"] for one in gateway.upstream.requests[before:]] == ["/registry/v1/things"]


@pytest.mark.parametrize("version", ["", " HTTP/1.0", " HTTP/9.9"])
async def test_another_version_of_http_is_told_which_to_use(gateway: Running, version: str) -> None:
    answer = await spoken(gateway, f"GET /registry/docs{version}\r\nhost: gateway\r\n\r\n".encode())
    assert_problem(answer, 426, "gateway.version")


# --- shapes and sizes -------------------------------------------------------------------------------------------------


async def test_an_escaped_slash_is_refused(gateway: Running) -> None:
    answer = await gateway.get("/registry/v1/a%2Fb", bearer())
    assert_problem(answer, 400, "gateway.malformed")


@pytest.mark.parametrize("path", ["/nothing", "/registry/v2/things", "/registry/metrics", "/registry/livez"])
async def test_an_unknown_route_is_told_so(gateway: Running, path: str) -> None:
    assert_problem(await gateway.get(path, bearer()), 404, "gateway.no_route")


@pytest.mark.parametrize(
    ("path", "fits", "exceeds"),
    [
        ("/registry/v1/households", 64 * 1024, 64 * 1024 + 1),
        ("/cooperative/v1/books/1/members", 4 * 1024 * 1024, 4 * 1024 * 1024 + 1),
        ("/registry/v1/intakes", 32 * 1024 * 1024, 32 * 1024 * 1024 + 1),
        ("/registry/v1/intakes/1/file", 32 * 1024 * 1024, 32 * 1024 * 1024 + 1),
    ],
)
async def test_bodies_are_limited_by_route(gateway: Running, path: str, fits: int, exceeds: int) -> None:
    answer = await gateway.client.post(path, content=b"x" * fits, headers=bearer())
    assert (answer.status_code, answer.json()["body"]) == (200, fits)
    answer = await gateway.client.post(path, content=b"x" * exceeds, headers=bearer())
    assert_problem(answer, 413, "gateway.too_large")


async def test_a_slow_answer_is_cut_and_a_stream_is_not(gateway: Running) -> None:
    answer = await gateway.get("/registry/v1/things?wait=3", bearer())
    assert_problem(answer, 504, "gateway.timeout")
    lines = []
    async with gateway.client.stream("GET", "/notify/v1/stream", headers=bearer()) as stream:
        assert stream.status_code == 200
        lines = [line async for line in stream.aiter_lines() if line]
    assert lines == ["data: 0", "data: 1", "data: 2"]  # 2.7 seconds, with a route limit of one


async def test_a_problem_of_a_service_passes_untouched(gateway: Running) -> None:
    answer = await gateway.get("/registry/v1/problem", bearer())
    assert (answer.status_code, answer.json()) == (409, {"code": "household.closed"})


async def test_every_answer_of_the_gateway_is_told_in_both_languages() -> None:
    for answer in (*ANSWERS, NO_UPGRADE):
        assert answer.en.isascii()
        assert not answer.zh.isascii()
        assert not answer.title.isascii()
        assert not answer.hint.isascii()


# --- browsers ---------------------------------------------------------------------------------------------------------


async def test_a_preflight_needs_no_token(gateway: Running) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "if-match"}
    answer = await gateway.client.options("/registry/v1/households", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]


async def test_a_foreign_origin_is_not_allowed(gateway: Running) -> None:
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    answer = await gateway.client.options("/registry/v1/households", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    answer = await gateway.get("/registry/v1/things", bearer() | {"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_the_landing_page_links_every_service_the_notices_and_the_status(gateway: Running) -> None:
    answer = await gateway.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for link in (*(f"/{service}/docs" for service in SERVICES), "/notify/v1/public/notices", "/healthz"):
        assert f'href="{link}"' in answer.text
    assert "演练" in answer.text
    assert answer.headers["tuopin-practice"] == "1"


async def test_an_ordinary_gateway_says_nothing_of_practice(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as ordinary:
        answer = await ordinary.get("/")
        assert "演练" not in answer.text
        assert "tuopin-practice" not in answer.headers


# --- log and metrics --------------------------------------------------------------------------------------------------


async def test_the_access_log_is_json_without_queries_or_tokens(gateway: Running) -> None:
    canary = "canary-5226300001"
    secret = token(sub=canary)
    answer = await gateway.get(f"/registry/v1/logged?id={canary}", bearer(secret))
    assert answer.status_code == 200
    for _ in range(200):
        lines = [line for line in gateway.access_log() if line["path"] == "/registry/v1/logged"]
        if lines:
            break
        await asyncio.sleep(0.1)
    (line,) = lines
    assert (line["method"], line["status"], line["request_id"]) == ("GET", 200, answer.headers["x-request-id"])
    text = gateway.child.log.read_text()
    assert canary not in text
    assert secret not in text


async def test_metrics_are_on_the_admin_port(gateway: Running) -> None:
    status, text = await envoy.ask(gateway.admin_port, "GET", "/stats/prometheus")
    assert status == 200
    assert "envoy_cluster_upstream_rq_total" in text


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_an_address_is_limited_and_stays_so_after_thirty_others(tmp_path: Path) -> None:
    """With the default of twenty buckets the exhausted address would be handed a fresh one."""
    async with running_gateway(tmp_path, per_address=Limit(1, 40)) as gateway:
        await spend(gateway, "127.0.0.2", 39)
        async with client_from(gateway, "127.0.0.2") as first:
            answer = await first.get("/registry/docs")
            assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "40")
            refused = await first.get("/registry/docs")
            while refused.status_code == 200:  # a token may have come back meanwhile
                refused = await first.get("/registry/docs")
            assert_problem(refused, 429, "gateway.too_many")
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["x-ratelimit-remaining"] == "0"
        emptied = time.monotonic()
        for number in range(3, 33):
            async with client_from(gateway, f"127.0.0.{number}") as other:
                assert (await other.get("/registry/docs")).status_code == 200
        async with client_from(gateway, "127.0.0.2") as first:
            granted = 0
            while (await first.get("/registry/docs")).status_code == 200:
                granted += 1
        assert granted <= time.monotonic() - emptied + 1, "one a second came back, and no fresh forty"


async def spend(gateway: Running, address: str, count: int) -> None:
    async with client_from(gateway, address) as client:
        for _ in range(count):
            assert (await client.get("/registry/docs")).status_code == 200


def client_from(gateway: Running, address: str) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", transport=transport)


async def test_a_caller_is_limited_whichever_address_he_uses_and_others_are_not(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, per_caller=Limit(1, 5)) as gateway:
        first, second = bearer(token(sub="first")), bearer(token(sub="second"))
        for _ in range(5):
            assert (await gateway.get("/registry/v1/things", first)).status_code == 200
        refused = [(await gateway.get("/registry/v1/things", first)) for _ in range(10)]
        assert_problem(max(refused, key=lambda one: one.status_code == 429), 429, "gateway.too_many")
        async with client_from(gateway, "127.0.0.9") as elsewhere:
            answers = [(await elsewhere.get("/registry/v1/things", headers=first)).status_code for _ in range(10)]
        assert 429 in answers
        assert (await gateway.get("/registry/v1/things", second)).status_code == 200


async def test_a_forwarded_address_of_the_clients_own_making_is_not_believed(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, per_address=Limit(1, 10)) as gateway:
        await_statuses = [
            (await gateway.get("/registry/docs", {"x-forwarded-for": f"10.0.0.{number}"})).status_code
            for number in range(30)
        ]
        assert 429 in await_statuses


# --- upstreams that come and go ---------------------------------------------------------------------------------------


async def test_a_service_that_is_gone_is_a_503_and_comes_back(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        await gateway.upstream.stop()
        answer = await gateway.get("/registry/v1/things", bearer())
        assert_problem(answer, 503, "gateway.unavailable")
        assert answer.headers["retry-after"] == "2"
        await gateway.upstream.start(gateway.upstream.port)
        assert await becomes(gateway, 200)


async def test_a_service_that_is_not_ready_gets_no_requests(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        gateway.upstream.is_ready = False
        assert await becomes(gateway, 503)
        before = len(gateway.upstream.requests)
        assert_problem(await gateway.get("/registry/v1/things", bearer()), 503, "gateway.unavailable")
        assert len(gateway.upstream.requests) == before
        gateway.upstream.is_ready = True
        assert await becomes(gateway, 200)


async def becomes(gateway: Running, status: int) -> bool:
    for _ in range(150):
        if (await gateway.get("/registry/v1/things", bearer())).status_code == status:
            return True
        await asyncio.sleep(0.1)
    return False


async def test_draining_lets_a_running_request_end_and_turns_health_away(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await gateway.get("/healthz")).status_code == 200
        kept = httpx.AsyncClient(base_url=gateway.client.base_url)
        assert (await kept.get("/healthz")).status_code == 200
        running = asyncio.create_task(gateway.get("/registry/v1/things?wait=2", bearer()))
        await asyncio.sleep(0.5)
        draining = asyncio.create_task(envoy.drain(gateway.admin_port))
        await asyncio.sleep(0.2)
        assert (await kept.get("/healthz")).status_code == 503
        await kept.aclose()
        assert (await running).status_code == 200
        await draining
        gateway.child.stop()
        assert gateway.child.process.returncode is not None
