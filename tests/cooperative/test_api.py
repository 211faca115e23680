"""Over HTTP: the whole dividend, who may do what, one effect for a request sent twice, refusals that say why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.cooperative.api import router
from services.cooperative.app import api
from shared.auth import Role
from shared.clock import Clock, make_practice
from shared.crypto import new_key_ring
from shared.settings import Settings
from shared.values import new_id
from tests.cooperative.make import OPENED, PAID_ON, REASON, Office, make_household
from tests.shared.probe_api import Tokens, running

ROOT = "/cooperative/v1"


@dataclass
class Counter:
    """A window of the office: officers with their tokens before the API."""

    office: Office
    client: httpx.AsyncClient
    tokens: Tokens
    home: Path
    asked: list[httpx.Response] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        roles: tuple[str, ...] = ("accountant",),
        sub: str | None = None,
        at: str = "623023",
        key: str | None = None,
        body: Any = None,
        content: bytes | None = None,
        media_type: str = "application/json",
        **query: Any,
    ) -> httpx.Response:
        token = self.tokens.make(sub=sub or roles[0], roles=roles, divisions=(at,))
        headers = {"Authorization": f"Bearer {token}"}
        if method != "GET":
            headers["Idempotency-Key"] = key or str(new_id())
            headers["Content-Type"] = media_type
        sent = content if content is not None else None if body is None else json.dumps(body).encode()
        answer = await self.client.request(method, ROOT + path, headers=headers, content=sent, params=query)
        self.asked.append(answer)
        return answer

    async def done(self, method: str, path: str, **how: Any) -> Any:
        answer = await self.ask(method, path, **how)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def drafted(self, book: str, **terms: Any) -> str:
        made = await self.done("POST", f"/books/{book}/drafts", body={"terms": terms})
        return str(made["id"])

    async def posted(self, book: str, **terms: Any) -> Any:
        draft = await self.drafted(book, **terms)
        return await self.done("POST", f"/drafts/{draft}/approve", roles=("approver",))


@pytest.fixture
async def counter(office: Office, tmp_path: Path) -> AsyncIterator[Counter]:
    tokens = Tokens(tmp_path)
    ring = tmp_path / "ring.json"
    ring.touch(mode=0o600)
    ring.write_text(json.dumps(new_key_ring()))
    make_practice(tmp_path, datetime(2019, 9, 20, 2, tzinfo=UTC))
    settings = Settings.model_validate(
        {
            "service": "cooperative",
            "home": tmp_path,
            "practice": True,
            "database_url": office.database.api,
            "key_ring_file": ring,
            "jwks": str(tokens.file),
        }
    )
    async with AsyncExitStack() as doors:
        client = await doors.enter_async_context(running(api(settings)))
        yield Counter(office, client, tokens, tmp_path)


BOOK = {
    "division": "623023",
    "name": "舟曲县从岭藏鸡养殖农民专业合作社",
    "opened_on": OPENED.isoformat(),
    "chart": "cooperative_2021",
    "chart_exception": REASON,
    "admission": {"status": "poor", "on": OPENED.isoformat()},
}
LINES = [
    {"account": "102", "side": "debit", "amount": "10.00"},
    {"account": "332", "side": "credit", "amount": "10.00"},
]
OPENING = {
    "posting": "opening", "on": OPENED.isoformat(), "surplus_stands": "after_patronage_return", "lines": LINES,
}  # fmt: skip
DISTRIBUTION = {"posting": "distribution", "on": PAID_ON.isoformat(), "pool": "remainder", "amount": "10.00"}


async def with_members(counter: Counter, count: int = 3, *, as_lines: bool = False) -> str:
    """A book with members, entered as an array or as lines."""
    book = str((await counter.done("POST", "/books", body=BOOK))["id"])
    facts = [make_household(number) for number in range(1, count + 1)]
    await counter.office.hear(facts)
    rows = [
        {"number": number, "household_number": fact.number, "joined_on": OPENED.isoformat()}
        for number, fact in enumerate(facts, 1)
    ]
    content = "\n".join(json.dumps(row) for row in rows) if as_lines else json.dumps(rows)
    media_type = "application/x-ndjson" if as_lines else "application/json"
    done = await counter.done("POST", f"/books/{book}/members", content=content.encode(), media_type=media_type)
    assert (done["rows"], done["entered"], done["refused"]) == (count, count, 0)
    return book


async def paid(counter: Counter, book: str) -> str:
    """Opened, distributed, paid; answers the distribution's entry."""
    await counter.posted(book, **OPENING)
    await counter.done("POST", f"/books/{book}/months/201909/open")
    distribution = (await counter.posted(book, **DISTRIBUTION))["first_entry"]
    await counter.posted(book, posting="payment", on=PAID_ON.isoformat(), distribution=distribution)
    return str(distribution)


async def test_a_dividend_from_the_opening_to_the_bounced_payment(counter: Counter) -> None:
    book = await with_members(counter, as_lines=True)
    await paid(counter, book)
    payouts = (await counter.done("GET", f"/books/{book}/payouts", roles=("auditor",)))["items"]
    assert [(one["member"], one["amount"]) for one in payouts] == [(1, "3.34"), (2, "3.33"), (3, "3.33")]
    await counter.posted(
        book, posting="reversal", on=PAID_ON.isoformat(), entry=payouts[1]["entry"], reason="账号有误，银行退票"
    )
    total = await counter.done("GET", f"/books/{book}/payouts/total", roles=("auditor",))
    assert total == {"payouts": 4, "taken_back": 1, "fen": 667, "amount": "6.67"}

    trial = await counter.done("GET", f"/books/{book}/trial-balance", roles=("auditor",), period=201909)
    assert trial["balanced"] is True
    assert trial["chart_exception"]["reason"] == REASON
    assert trial["chart_exception"]["by"] == "accountant"
    closing = {line["account"]: (line["closing_debit"], line["closing_credit"]) for line in trial["lines"]}
    assert closing == {"102": ("3.33", "0.00"), "222": ("0.00", "3.33"), "332": ("0.00", "0.00")}
    assert trial["totals"]["closing_debit"] == trial["totals"]["closing_credit"] == "3.33"

    entries = (await counter.done("GET", f"/books/{book}/entries", roles=("auditor",)))["items"]
    assert [one["number"] for one in entries] == ["201908-00001", *(f"201909-{no:05d}" for no in range(1, 6))]
    bounced = next(one for one in entries if one["id"] == payouts[1]["entry"])
    assert bounced["reversed_by"] == entries[-1]["id"]
    shown = await counter.done("GET", f"/books/{book}/entries/{entries[-1]['id']}", roles=("auditor",))
    assert shown["legs"] == [
        {"account": "222", "member": 2, "side": "debit", "amount": "-3.33"},
        {"account": "102", "member": None, "side": "credit", "amount": "-3.33"},
    ]


async def test_a_draft_shows_what_it_would_post_and_says_what_it_is(counter: Counter) -> None:
    book = await with_members(counter)
    await counter.posted(book, **OPENING)
    await counter.done("POST", f"/books/{book}/months/201909/open")
    draft = await counter.drafted(book, **DISTRIBUTION)
    shown = await counter.done("GET", f"/drafts/{draft}", roles=("approver",))
    assert (shown["state"], shown["debit_total"], shown["entries"]) == ("waiting", "10.00", 1)
    assert "第二池" in shown["statement_zh"]
    assert "pool 2" in shown["statement_en"]
    (entry,) = (await counter.done("GET", f"/drafts/{draft}/entries", roles=("approver",)))["items"]
    assert [(leg["account"], leg["member"], leg["amount"]) for leg in entry["legs"]] == [
        ("332", None, "10.00"),
        ("222", 1, "3.34"),
        ("222", 2, "3.33"),
        ("222", 3, "3.33"),
    ]
    back = await counter.done("POST", f"/drafts/{draft}/reject", roles=("approver",), body={"reason": "金额有误"})
    assert (back["state"], back["reason"]) == ("rejected", "金额有误")
    waiting = await counter.done("GET", f"/books/{book}/drafts", state="waiting")
    assert waiting["items"] == []


async def test_one_person_with_both_roles_is_still_one_person(counter: Counter) -> None:
    book = await with_members(counter, 1)
    made = await counter.done("POST", f"/books/{book}/drafts", body={"terms": OPENING}, sub="wang")
    both = ("accountant", "approver")
    refused = await counter.ask("POST", f"/drafts/{made['id']}/approve", roles=both, sub="wang")
    assert (refused.status_code, refused.json()["code"]) == (403, "draft.same_person")
    assert (await counter.ask("POST", f"/drafts/{made['id']}/approve", roles=both, sub="li")).status_code == 200


async def test_a_payment_sent_twice_pays_once(counter: Counter) -> None:
    book = await with_members(counter)
    await counter.posted(book, **OPENING)
    await counter.done("POST", f"/books/{book}/months/201909/open")
    distribution = (await counter.posted(book, **DISTRIBUTION))["first_entry"]
    draft = await counter.drafted(book, posting="payment", on=PAID_ON.isoformat(), distribution=distribution)
    key = str(new_id())
    answers = await asyncio.gather(
        *(counter.ask("POST", f"/drafts/{draft}/approve", roles=("approver",), key=key) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    assert (await counter.done("GET", f"/books/{book}/payouts/total"))["fen"] == 1_000
    other = await counter.ask("POST", f"/drafts/{new_id()}/approve", roles=("approver",), key=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")


async def test_a_write_without_a_key_is_refused(counter: Counter) -> None:
    answer = await counter.ask("POST", "/books", body=BOOK, key="short")
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key_missing")
    assert await counter.office.value("select count(*) from book") == 0


# ── members in bulk ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_bad_rows_come_back_with_their_reason_and_the_good_ones_stay(counter: Counter) -> None:
    book = str((await counter.done("POST", "/books", body=BOOK))["id"])
    fact = make_household(1)
    await counter.office.hear([fact])
    good = {"number": 1, "household_number": fact.number, "joined_on": "2019-08-20"}
    rows = [
        good,
        good | {"number": 0},
        good | {"joined_on": "2019-02-30"},
        "王",
        good | {"629999199001011234": 1},
        good | {"number": 2},
    ]
    done = await counter.done("POST", f"/books/{book}/members", content=json.dumps(rows).encode())
    assert (done["rows"], done["entered"], done["unchanged"], done["refused"]) == (6, 1, 0, 5)
    assert "629999199001011234" not in json.dumps(done)
    assert [(one["row"], one["code"]) for one in done["refusals"]] == [
        (2, "row.invalid"),
        (3, "row.invalid"),
        (4, "row.invalid"),
        (5, "row.invalid"),
        (6, "member.taken"),
    ]
    assert all(one["detail"] and one["detail_en"].isascii() for one in done["refusals"])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"[1,", b"\xff\xfe", b"[" * 100_000, b'{"number": 1}\n{'],
    ids=lambda content: repr(content[:9]),
)
async def test_what_is_no_list_is_refused(counter: Counter, content: bytes) -> None:
    book = str((await counter.done("POST", "/books", body=BOOK))["id"])
    answer = await counter.ask("POST", f"/books/{book}/members", content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "members.malformed")


async def test_ten_thousand_rows_and_no_more(counter: Counter) -> None:
    book = str((await counter.done("POST", "/books", body=BOOK))["id"])
    row = json.dumps({"number": 1, "household_number": "6230230010010001", "joined_on": "2019-08-20"})
    full = await counter.ask("POST", f"/books/{book}/members", content="\n".join([row] * 10_000).encode())
    assert (full.status_code, full.json()["refused"]) == (200, 10_000)
    more = await counter.ask("POST", f"/books/{book}/members", content="\n".join([row] * 10_001).encode())
    assert more.json()["code"] == "members.malformed"


async def test_members_page_by_page(counter: Counter) -> None:
    book = await with_members(counter, 5)
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await counter.done("GET", f"/books/{book}/members", **query)
        seen += [one["number"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5]
    assert {one["masked_head"] for one in page["items"]} == {"王*明"}


async def test_every_list_pages_without_loss(counter: Counter) -> None:
    book = await with_members(counter, 4)
    await paid(counter, book)
    lists = [
        "/books",
        f"/books/{book}/members",
        f"/books/{book}/drafts",
        f"/books/{book}/entries",
        f"/books/{book}/payouts",
    ]
    for path in lists:
        whole = (await counter.done("GET", path, limit=500))["items"]
        parts, cursor = [], None
        while True:
            query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
            page = await counter.done("GET", path, **query)
            parts += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert parts == whole, path
        assert whole


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_book_of_2019_on_the_chart_of_2021_must_say_why(counter: Counter) -> None:
    body = {name: value for name, value in BOOK.items() if name != "chart_exception"}
    refused = await counter.ask("POST", "/books", body=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "chart.not_in_force")
    assert "2019-08-20" in refused.json()["detail"]
    opened = await counter.ask("POST", "/books", body=BOOK)
    assert opened.status_code == 201
    assert opened.headers["location"] == f"{ROOT}/books/{opened.json()['id']}"
    assert opened.json()["chart_exception"]["reason"] == REASON


async def test_a_month_that_is_none_and_a_month_ahead(counter: Counter) -> None:
    book = str((await counter.done("POST", "/books", body=BOOK))["id"])
    for period, code in (("201913", "month.missing"), ("201910", "month.ahead"), ("201907", "month.order")):
        answer = await counter.ask("POST", f"/books/{book}/months/{period}/open")
        assert answer.json()["code"] == code, period
    assert (await counter.ask("POST", f"/books/{book}/months/abc/open")).status_code == 422
    assert await counter.done("GET", f"/books/{book}/months") == [
        {"period": 201908, "status": "open", "last_number": 0}
    ]
    closed = await counter.done("POST", f"/books/{book}/months/201908/close")
    assert closed["status"] == "closed"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (OPENING | {"posting": "gift"}, "request.invalid"),
        ({name: value for name, value in OPENING.items() if name != "surplus_stands"}, "request.invalid"),
        (OPENING | {"lines": [*LINES[:1], LINES[1] | {"amount": "9.99"}]}, "entry.unbalanced"),
        (OPENING | {"lines": [LINES[0] | {"account": "999"}, LINES[1]]}, "account.missing"),
        (OPENING | {"on": "2019-09-01"}, "opening.late"),
        (OPENING | {"lines": [LINES[0] | {"amount": 10.0}, LINES[1]]}, "request.invalid"),
        (DISTRIBUTION, "distribution.surplus_short"),
        (DISTRIBUTION | {"on": "2019-09-21"}, "distribution.surplus_short"),
        ({"posting": "payment", "on": "2019-09-20", "distribution": str(UUID(int=1))}, "entry.missing"),
    ],
)
async def test_terms_that_cannot_be_are_refused_by_name(counter: Counter, terms: dict[str, Any], code: str) -> None:
    book = await with_members(counter, 2)
    await counter.done("POST", f"/books/{book}/months/201909/open")
    answer = await counter.ask("POST", f"/books/{book}/drafts", body={"terms": terms})
    assert answer.status_code in (404, 409, 422)
    assert answer.json()["code"] == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert await counter.office.value("select count(*) from draft") == 0


ROUTES = [(declared.method, declared.path, declared.rights) for declared in router.declared]


@pytest.mark.parametrize(("method", "path", "rights"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_who_may_ask_and_from_where(counter: Counter, method: str, path: str, rights: frozenset[Role]) -> None:
    """Each route: refused without its role, missing for a neighbour with it, and there for the county."""
    book = await with_members(counter)
    distribution = await paid(counter, book)
    draft = await counter.drafted(book, posting="reversal", on="2019-09-20", entry=distribution, reason="测试")
    filled = path.format(book_id=book, draft_id=draft, entry_id=distribution, period=201908)
    query: dict[str, Any] = {"period": 201909} if path.endswith("trial-balance") else {}
    body: Any = {
        "/books": BOOK | {"id": str(new_id())},
        "/books/{book_id}/drafts": {"terms": OPENING},
        "/drafts/{draft_id}/reject": {"reason": "测试"},
    }.get(path)
    content = b'[{"number": 9}]' if path.endswith("/members") and method == "POST" else None
    for role in Role:
        if role not in rights:
            refused = await counter.ask(
                method, filled, roles=(role.value,), sub="x", body=body, content=content, **query
            )
            assert (refused.status_code, refused.json()["code"]) == (403, "role.refused"), role
    entitled = min(rights).value
    neighbour = await counter.ask(
        method, filled, roles=(entitled,), sub="x", at="623022", body=body, content=content, **query
    )
    if "{" in path:
        assert neighbour.status_code == 404, neighbour.text
    elif method == "POST":
        assert (neighbour.status_code, neighbour.json()["code"]) == (403, "scope.refused")
    elif path == "/books":
        assert neighbour.json()["items"] == []
    own = await counter.ask(method, filled, roles=(entitled,), sub="x", body=body, content=content, **query)
    expected = {
        ("POST", "/books"): 201,
        ("POST", "/books/{book_id}/drafts"): 409,  # opened before
        ("POST", "/drafts/{draft_id}/approve"): 409,  # paid: it cannot be taken back
    }
    assert own.status_code == expected.get((method, path), 200), own.text


async def test_a_practice_stack_says_so_and_lives_by_its_own_clock(counter: Counter) -> None:
    book = await with_members(counter, 1)
    assert counter.asked[-1].headers["tuopin-practice"] == "1"
    answer = await counter.ask("POST", f"/books/{book}/months/201910/open")
    assert answer.json()["code"] == "month.ahead"
    await counter.done("POST", f"/books/{book}/months/201909/open")
    Clock(counter.home).move_to(datetime(2019, 10, 1, 1, tzinfo=UTC))
    assert (await counter.done("POST", f"/books/{book}/months/201910/open"))["period"] == 201910


async def test_charts_are_read_with_their_basis(counter: Counter) -> None:
    (chart,) = await counter.done("GET", "/charts", roles=("auditor",))
    assert chart["basis"] == "财会〔2021〕37号"
    lawful = [one for one in chart["accounts"] if not one["optional"]]
    assert len(lawful) == 48
    names = {one["code"]: one["zh"] for one in chart["accounts"]}
    assert (names["222"], names["332"], names["102"]) == ("应付剩余盈余", "盈余分配", "银行存款")
    assert {one["code"] for one in chart["accounts"] if one["optional"]} == {"109", "122"}
