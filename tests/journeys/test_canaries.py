"""Planted persons are found nowhere that they must not stand: no topic, log, problem answer, measure or public page.

Each person is planted where officers really write one, and read back from there; the same search then finds what was
leaked on purpose.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stack.home import Home
from stack.processes import LOOPBACK
from tests.journeys import traces
from tests.journeys.desk import Asked, Desk
from tests.journeys.make import Rehearsal, until
from tests.journeys.traces import Search
from tests.journeys.village import DAY, YEAR, Village
from tests.registry.sheets import citizen_id, csv_bytes, household, table

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

WORDS = {
    "name in a workbook": "闻鸾翯",
    "number in a workbook": citizen_id("19120312", 418),
    "telephone in a workbook": "19147260385",
    "name in a refused row": "亓官彧翀",
    "number in a refused row": citizen_id("19120618", 536),
    "name recorded": "濮阳犇骉",
    "number recorded": citizen_id("19120924", 642),
    "telephone recorded": "19158371496",
    "name of a file": "鬯鷟名册",
    "name of an objector": "澹台龘靐",
    "text of an objection": "齾齉之家另有楼房",
    "name in a refused request": "轩辕爨麤",
    "number in a refused request": citizen_id("19121130", 754),
    "name in a header": "公羊纛虪",
    "telephone in a header": "19169482507",
    "purpose of a look": "为濯缨鸑家复核",
}
LEAK = "leaked.on.purpose"


@dataclass
class Planting:
    """Who plants, what was refused on the way, and where the words must be read back."""

    desk: Desk
    village: Village
    problems: list[tuple[str, bytes]] = field(default_factory=list)
    read_back: dict[str, str] = field(default_factory=dict)

    def refused(self, asked: Asked, role: str, *statuses: int) -> None:
        """A request that must end in a problem answer."""
        answer = self.desk.send(asked, self.desk.token(role, [self.village.code]))
        assert answer.status_code in statuses, f"{asked.path}: {answer.status_code} {answer.text[:300]}"
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.problems.append((f"problem answer {answer.json()['code']}", answer.content + headers.encode()))


@pytest.fixture(scope="module")
def planted(told: Rehearsal) -> Iterator[Planting]:
    with Desk(told.home) as desk:
        sql = "select division from household group by division order by count(*), division limit 1"
        [row] = told.rows("registry", sql)
        planting = Planting(desk, Village(told, desk, str(row["division"])))
        _in_a_workbook(planting)
        _in_a_household_and_an_objection(planting)
        _in_refused_requests(planting)
        _in_headers(planting)
        told.quiet()
        yield planting


def _in_a_workbook(planting: Planting) -> None:
    """One household that is taken in, and one of a village elsewhere whose row comes back."""
    village = planting.village
    sound = household(f"{village.code}{next(village.serials):04d}", order=301)
    sound[0] |= {"姓名": WORDS["name in a workbook"], "联系电话": WORDS["telephone in a workbook"]}
    sound[0] |= {"证件号码": WORDS["number in a workbook"], "出生日期": "1912-03-12"}
    refused = household("6290211002000001", order=302)
    refused[0] |= {"姓名": WORDS["name in a refused row"], "证件号码": WORDS["number in a refused row"]}
    query = {"filename": f"{WORDS['name of a file']}.csv", "dry_run": False, "observed_on": DAY, **YEAR}
    asked = Asked(
        "POST", "/registry/v1/intakes", query=query, content=csv_bytes(table([*sound, *refused])),
        headers={"content-type": "text/csv"},
    )  # fmt: skip
    answer = planting.desk.send(asked, planting.desk.token("clerk", [village.code]))
    assert answer.status_code == 202, answer.text
    path = f"/registry/v1/intakes/{answer.json()['id']}"
    intake = planting.desk.ask("clerk", village.code, "GET", path)
    until(lambda: _intake(planting, path)["answered_at"], "the answer workbook is written")
    intake = _intake(planting, path)
    assert intake["rows_new"] > 0, intake
    assert intake["rows_refused"] > 0, intake
    found = planting.desk.ask(
        "clerk", village.code, "GET", f"/registry/v1/households/by-number/{sound[0]['户编号']}",
        query={"purpose": WORDS["purpose of a look"]},
    )  # fmt: skip
    planting.read_back["workbook"] = json.dumps(found, ensure_ascii=False)


def _intake(planting: Planting, path: str) -> dict[str, Any]:
    intake: dict[str, Any] = planting.desk.ask("clerk", planting.village.code, "GET", path)
    return intake


def _in_a_household_and_an_objection(planting: Planting) -> None:
    """A household that is judged, listed and hung out in public; somebody objects to it."""
    village, desk = planting.village, planting.desk
    body = village.household_body()
    person = {"name": WORDS["name recorded"], "birth_on": "1912-09-24", "phone": WORDS["telephone recorded"]}
    body["members"][0] |= {**person, "id_number": WORDS["number recorded"]}
    made = desk.ask("clerk", village.code, "POST", "/registry/v1/households", body)
    village.told.quiet()
    village.unused.append(made["id"])
    case = village.a_posted_case()
    objection = {"by": WORDS["name of an objector"], "text": WORDS["text of an objection"], "received_on": DAY}
    received = desk.ask("clerk", village.code, "POST", f"/assessment/v1/cases/{case}/objections", objection)
    read = desk.ask(
        "clerk", village.code, "GET", f"/registry/v1/households/{made['id']}",
        query={"purpose": WORDS["purpose of a look"]},
    )  # fmt: skip
    planting.read_back["recorded"] = json.dumps(read, ensure_ascii=False)
    planting.read_back["objection"] = json.dumps(received, ensure_ascii=False)


def _in_refused_requests(planting: Planting) -> None:
    """Not JSON, not valid, in conflict, not there, not his: each names a person."""
    village = planting.village
    name, number = WORDS["name in a refused request"], WORDS["number in a refused request"]
    households, body = "/registry/v1/households", village.household_body()
    body["members"][0] |= {"name": name, "id_number": number, "birth_on": "1912-11-30"}
    planting.refused(Asked("POST", households, content=f'{{"name": "{name}", {number}'.encode()), "clerk", 400, 422)
    wrong = {**body, "members": [{**body["members"][0], "relation": name, "sex": number, name: number}]}
    planting.refused(Asked("POST", households, json=wrong), "clerk", 422)
    planting.refused(Asked("POST", households, json={**body, "division": number}), "clerk", 422)
    planting.refused(Asked("POST", households, json={**body, "members": [*body["members"]] * 2}), "clerk", 409, 422)
    elsewhere = {**body, "division": village.code[:9] + "000"}
    planting.refused(Asked("POST", households, json=elsewhere), "clerk", 403, 404, 422)
    planting.refused(Asked("POST", households, json=body), "auditor", 403)
    first = planting.desk.ask("clerk", village.code, "POST", households, village.household_body())
    again = {**body, "number": first["number"]}
    planting.refused(Asked("POST", households, json=again), "clerk", 409)
    planting.refused(Asked("POST", households, json={**body, "id": first["id"]}), "clerk", 409)
    planting.refused(
        Asked("POST", "/registry/v1/people/search", json={"id_number": name, "purpose": number}), "clerk", 422
    )
    planting.refused(Asked("GET", households, query={"division": name, name: number}), "clerk", 422)
    planting.refused(Asked("GET", "/registry/v1/divisions", query={"level": name, "parent": number}), "clerk", 422)
    planting.refused(Asked("GET", "/nowhere", query={"name": name, "number": number}), "clerk", 404)
    objection = {"by": name, "text": number, "received_on": "1999-01-01"}
    case = village.once("posted case", village.a_posted_case)
    planting.refused(Asked("POST", f"/assessment/v1/cases/{case}/objections", json=objection), "clerk", 409, 422)


def _in_headers(planting: Planting) -> None:
    """Headers that we read, and headers that we do not."""
    name, phone = quote(WORDS["name in a header"]), WORDS["telephone in a header"]
    query = {"division": planting.village.code}
    for header in ("user-agent", "referer", "cookie", "x-planted", "x-tuopin-name", "x-forwarded-for", "forwarded"):
        asked = Asked("GET", "/registry/v1/households", query=query, headers={header: f"{name} {phone}"})
        answer = planting.desk.send(asked, planting.desk.token("clerk", [planting.village.code]))
        assert answer.is_success, f"{header}: {answer.text}"
    for header in ("idempotency-key", "if-match", "content-type", "authorization"):
        asked = Asked(
            "PATCH", f"/registry/v1/divisions/{planting.village.code}", json={}, headers={header: name + phone}
        )
        token = None if header == "authorization" else planting.desk.token("operator", [planting.village.code])
        answer = planting.desk.send(asked, token)
        assert not answer.is_success, f"{header}: {answer.text}"
        planting.problems.append((f"problem answer after {header}", answer.content))


def test_what_was_planted_is_there(planted: Planting) -> None:
    """Who has the right and says why sees each of them: the search below looks for words that are really kept."""
    for part, words in {
        "workbook": ("name in a workbook", "number in a workbook", "telephone in a workbook"),
        "recorded": ("name recorded", "number recorded", "telephone recorded"),
        "objection": ("name of an objector", "text of an objection"),
    }.items():
        for word in words:
            assert WORDS[word] in planted.read_back[part], f"{word} is not kept"


def test_no_topic_carries_a_person(told: Rehearsal, planted: Planting) -> None:
    records = told.run(traces.topics(told.home))
    spoken = {place.split(" ")[1] for place, _ in records}
    assert {"registry.household.state.v1", "registry.circumstance.state.v1"} <= spoken
    assert Search(WORDS).among(records) == []
    shown = Search({"masked name": "濮**骉"}).among(records)
    assert shown, "the planted household was never spoken of"


def test_no_log_carries_a_person(told: Rehearsal, planted: Planting) -> None:
    for program in ("registry-api", "gateway"):  # the gateway writes its lines some seconds after the fact
        until(partial(has_logged, told, f"logs/{program}.log"), f"{program} logged what was planted")
    assert Search(WORDS).among(traces.logs(told.home)) == []


def has_logged(told: Rehearsal, name: str) -> bool:
    lines = dict(traces.logs(told.home))[name].splitlines(keepends=True)
    whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return any("/registry/v1/households" in (line.get("route"), line.get("path")) for line in whole)


def test_no_problem_answer_carries_a_person(planted: Planting) -> None:
    assert len(planted.problems) > 15
    assert Search(WORDS).among(planted.problems) == []


def test_no_measure_carries_a_person(told: Rehearsal, planted: Planting) -> None:
    measured = list(traces.measures(told.home))
    assert all(b"# TYPE" in content for _, content in measured)
    assert Search(WORDS).among(measured) == []


def test_no_public_page_carries_a_person(told: Rehearsal, planted: Planting) -> None:
    shown = list(traces.pages(told.home, planted.village.code))
    assert any("濮**骉".encode() in content for _, content in shown), "the planted household hangs out in public"
    assert Search(WORDS).among(shown) == []


# What is leaked on purpose, is found


def _gzipped(text: str) -> bytes:
    return gzip.compress(f"line before\n{text}\nline after".encode())


LEAKS: dict[str, Callable[[str], bytes]] = {
    "as it stands": lambda text: f'{{"name": "{text}"}}'.encode(),
    "escaped": lambda text: json.dumps({"name": text}).encode(),
    "percent": lambda text: f"/search?name={quote(text)}".encode(),
    "base64": lambda text: base64.b64encode(f"x{text}y".encode()),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(f"xy{text}".encode()),
    "gzip": _gzipped,
    "gzip inside something": lambda text: b"binary \x00\x1f\x8b\x08 " + _gzipped(text) + b" tail",
    "gzip in base64": lambda text: b'{"payload": "' + base64.b64encode(_gzipped(text)) + b'"}',
    "gzip in gzip": lambda text: gzip.compress(_gzipped(text)),
    "escaped in gzip": lambda text: gzip.compress(json.dumps(text).encode()),
    "hexadecimal": lambda text: f"\\x{text.encode().hex()}".encode(),
    "bytes": lambda text: repr(text.encode()).encode(),
}


@pytest.mark.parametrize("written", LEAKS)
@pytest.mark.parametrize("word", WORDS)
def test_every_way_of_writing_is_found(word: str, written: str) -> None:
    finds = Search(WORDS).among([("a leak", LEAKS[written](WORDS[word]))])
    assert word in {find.word for find in finds}
    assert Search(WORDS).among([("nothing", LEAKS[written]("王小明 13812345678"))]) == []


def test_a_leak_into_a_log_is_found(told: Rehearsal) -> None:
    leak = told.home.logs / f"{LEAK}.log"
    leak.write_bytes(b"".join(write(WORDS["name recorded"]) + b"\n" for write in LEAKS.values()))
    try:
        finds = Search(WORDS).among(traces.logs(told.home))
    finally:
        leak.unlink()
    assert traces.found_at(finds, LEAK) == {"name recorded"}


def test_a_leak_into_a_topic_is_found(told: Rehearsal) -> None:
    """In a key, in a value and in a header."""
    words = ("number recorded", "name recorded", "telephone recorded")
    told.run(_leak(told.home, *(LEAKS["gzip in base64"](WORDS[word]) for word in words)))
    try:
        finds = Search(WORDS).among(told.run(traces.topics(told.home)))
    finally:
        told.run(_forget_leaks(told.home))
    assert traces.found_at(finds, LEAK) == set(words)


async def _leak(home: Home, key: bytes, value: bytes, header: bytes) -> None:
    bootstrap = f"{LOOPBACK}:{home.ports.kafka}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(LEAK, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(LEAK, b"{}", key=key)
        await producer.send_and_wait(LEAK, value)
        await producer.send_and_wait(LEAK, b"{}", headers=[("name", header)])


async def _forget_leaks(home: Home) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{home.ports.kafka}")
    await admin.start()
    await admin.delete_topics([LEAK])
    await admin.close()


def test_a_leak_into_an_answer_is_found() -> None:
    leaky = httpx.Response(422, json={"detail": f"{WORDS['name recorded']} is no name"})
    assert Search(WORDS).among([("answer", leaky.content)])
