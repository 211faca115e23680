"""Nouns of one village, made through the gateway in any number, so that a request about them may be sent and spent."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared.values import new_id
from tests.journeys.desk import Asked, Desk
from tests.journeys.make import Rehearsal, until
from tests.registry.sheets import citizen_id, csv_bytes, household, table

HELD = "held for a look"
FIRST_SERIAL = 4000
LAST_SERIAL = "select greatest(max(right(number::text, 4)::int), $1) as serial from household"
DAY = "2019-10-15"
YEAR = {"year_from": "2018-10-01", "year_to": "2019-09-30"}
SUM = "600.00"
EXCEPTION = "2019年账套采用2021年会计制度科目表，仅为演示科目衔接"
MEETING = {"held_on": DAY, "due": 45, "present": 40, "for": 38, "against": 1}
VERIFIED = {"verified_on": DAY, "village_by": "村委会", "team_by": "驻村工作队"}
AGREED = {"signed_on": DAY, "document": "退出确认书"}


class Village:
    """村: its households, cases, lists, books and jobs; each `a_…` makes a new one."""

    def __init__(self, told: Rehearsal, desk: Desk, code: str) -> None:
        self.told, self.desk, self.code = told, desk, code
        [last] = told.rows("registry", LAST_SERIAL, FIRST_SERIAL)
        self.serials = itertools.count(last["serial"] + 1)
        self.unused: list[str] = []
        self._standing: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The same one for all who only look."""
        if name not in self._standing:
            self._standing[name] = make()
        return self._standing[name]

    @property
    def neighbour(self) -> str:
        """Another village of the same township."""
        sql = "select code from division where level = 'village' and code / 1000 = $1 and code <> $2 order by code"
        return str(self.told.rows("registry", sql, int(self.code) // 1000, int(self.code))[0]["code"])

    # ── households and cases ──────────────────────────────────────────────────────────────────────────────────────────

    def household_body(self) -> dict[str, Any]:
        """One of a single woman, poor, above the line and lacking nothing: she may leave poverty."""
        serial = next(self.serials)
        born = f"{1950 + serial // 500}-04-05"  # five hundred women have a number of one birthday
        woman = {
            "relation": "head", "name": "周桂兰", "sex": "female", "birth_on": born,
            "id_kind": "citizen_id", "id_number": citizen_id(born.replace("-", ""), serial * 2 % 1000),
            "schooling": "not_student", "education": "junior", "health": "healthy", "labour": "ordinary",
            "medical_cover": "resident", "serious_illness_cover": "yes", "pension_cover": "resident", "present": True,
        }  # fmt: skip
        return {
            "number": f"{self.code}{serial:04d}", "division": self.code, "observed_on": DAY, "group": "一组",
            "statuses": [{"kind": "poor", "since": "2014-03-01"}],
            "living": {"food_assured": "yes", "clothing_assured": "yes", "housing_level": "A", "water_safe": "yes"},
            "income": [{**YEAR, "items": {"wage_work": "60000.00"}}],
            "members": [woman],
        }  # fmt: skip

    def settle(self, count: int) -> None:
        """Record so many households at once and wait until all are judged."""
        for _ in range(count):
            made = self.desk.ask("clerk", self.code, "POST", "/registry/v1/households", self.household_body())
            self.unused.append(made["id"])
        self.told.quiet()

    def a_doubt(self) -> dict[str, Any]:
        """Whether a household counts two where one lives."""
        body = self.household_body()
        body["living"]["headcount_on_form"] = 2
        made = self.desk.ask("clerk", self.code, "POST", "/registry/v1/households", body)
        asked = {"division": self.code, "check": "I13", "household": made["id"]}
        [doubt] = self.desk.ask("clerk", self.code, "GET", "/registry/v1/doubts", query=asked)["items"]
        return dict(doubt)

    def a_household(self) -> str:
        """One that is judged and has no case yet."""
        if not self.unused:
            self.settle(12)
        return self.unused.pop()

    def a_case(self, *steps: str) -> dict[str, Any]:
        """A case on which these steps were taken."""
        asked = {"village": self.code, "households": [self.a_household()]}
        [line] = self.desk.ask("clerk", self.code, "POST", "/assessment/v1/cases", asked)["results"]
        assert line["case"], line
        case: dict[str, Any] = line["case"]
        for step in steps:
            case = self._step(case["id"], step)
        return case

    def _step(self, case: str, step: str) -> dict[str, Any]:
        evidence = {"meeting": MEETING, "verify": VERIFIED, "consent": AGREED}[step]
        body = {"step": step, "evidence": evidence, "cases": [{"case": case}]}
        [line] = self.desk.ask("reviewer", self.code, "POST", "/assessment/v1/cases/steps", body)["results"]
        assert line["case"], line
        taken: dict[str, Any] = line["case"]
        return taken

    def an_agreed_case(self) -> str:
        """One that may go on a list."""
        return str(self.a_case("meeting", "verify", "consent")["id"])

    def a_publicity(self) -> dict[str, Any]:
        """A list with one case, opened and not yet posted."""
        body = {"village": self.code, "cases": [self.an_agreed_case()], "objections_to": "乡人民政府 0941-0000000"}
        opened: dict[str, Any] = self.desk.ask("clerk", self.code, "POST", "/assessment/v1/publicities", body)
        assert opened["publicity"], opened
        listed: dict[str, Any] = opened["publicity"]
        return listed

    def a_posted_case(self) -> str:
        """A case of a list that hangs."""
        listed = self.a_publicity()
        self.told.quiet()
        return str(listed["items"][0]["case"])

    def an_objection(self) -> str:
        """An open one, against a case that hangs."""
        case = self.once("posted case", self.a_posted_case)
        body = {"by": "赵某", "text": "收入不实", "received_on": DAY}
        received = self.desk.ask("clerk", self.code, "POST", f"/assessment/v1/cases/{case}/objections", body)
        return str(received["objection"]["id"])

    def a_notice(self) -> str:
        """The notice of a list that hangs."""
        case = self.once("posted case", self.a_posted_case)
        page = self.desk.ask("clerk", self.code, "GET", "/notify/v1/notices", query={"division": self.code})
        assert case
        return str(page["items"][0]["id"])

    # ── assessment's other nouns ──────────────────────────────────────────────────────────────────────────────────────

    def a_proposal(self) -> str:
        """A number that waits for its second person."""
        return str(self.desk.ask("reviewer", self.code, "POST", "/assessment/v1/parameters", self.proposal())["id"])

    def proposal(self) -> dict[str, Any]:
        """A number for this village, a day later at every call."""
        year = 1000 + next(self.serials)
        return {
            "key": "disaster_days", "division": self.code, "valid_from": f"{year}-01-01", "value": "365",
            "unit": "days", "basis_zh": "试行", "basis_en": "on trial",
        }  # fmt: skip

    def a_run(self) -> str:
        """A run over this village, ended."""
        run = self.desk.ask("reviewer", self.code, "POST", "/assessment/v1/runs", {"division": self.code})
        self.told.quiet()
        return str(run["id"])

    # ── jobs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def intake(self) -> Asked:
        """A file with a household of this village and one of another, looked at only."""
        sound = household(f"{self.code}{next(self.serials):04d}", order=next(self.serials) % 400)
        other = household("629999100200" + "0001", order=next(self.serials) % 400)
        query = {"filename": "名册.csv", "dry_run": True, "diff": True, "observed_on": DAY, **YEAR}
        return Asked(
            "POST", "/registry/v1/intakes", query=query, content=csv_bytes(table([*sound, *other])),
            headers={"content-type": "text/csv"},
        )  # fmt: skip

    def a_list(self) -> str:
        """A list of the whole village that names a household which nobody knows yet, and none of the others."""
        self.a_household()
        asked = self.intake()
        return self._ended(replace(asked, query=dict(asked.query) | {"dry_run": False, "mode": "replace-village"}))

    def a_tried_intake(self) -> str:
        """An intake that was looked at and not kept."""
        return self._ended(self.intake())

    def an_export(self) -> str:
        """A masked list of this village, made."""
        body = {"sought": {"division": self.code}, "shape": "households"}
        return self._ended(Asked("POST", "/registry/v1/exports", json=body))

    def _ended(self, asked: Asked) -> str:
        answer = self.desk.send(asked, self.desk.token("clerk", [self.code]))
        assert answer.status_code == 202, answer.text
        job = answer.json()["id"]
        until(lambda: self._state("registry", job) not in ("queued", "running"), f"job {job} has ended")
        assert self._state("registry", job) == "done"
        return str(job)

    def _state(self, service: str, job: str) -> str:
        time.sleep(0.05)
        role = "clerk" if service == "registry" else "reviewer"
        return str(self.desk.ask(role, self.code, "GET", f"/{service}/v1/jobs/{job}")["state"])

    def a_waiting_job(self, service: str) -> str:
        """A job of a kind that no worker takes: it waits until somebody cancels it."""
        job = new_id()
        sql = """insert into job (id, kind, sub, name, roles, divisions, scope, parameters, submitted_at)
            values ($1, $2, 'clerk', '经办人', '{clerk}', array[$3::text],
                int8multirange(int8range($3::bigint, $3::bigint + 1)), '{}', now())"""
        self.told.rows(service, sql, job, HELD, self.code)
        return str(job)

    # ── books ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def book_body(self) -> dict[str, Any]:
        """A cooperative of this village."""
        return {
            "division": self.code, "name": f"合作社{next(self.serials)}", "opened_on": "2019-08-01",
            "chart": "cooperative_2021", "chart_exception": EXCEPTION,
        }  # fmt: skip

    def a_book(self) -> str:
        """A new one, its first month open."""
        return str(self.desk.ask("accountant", self.code, "POST", "/cooperative/v1/books", self.book_body())["id"])

    def members(self) -> bytes:
        """One member, of a household that lives here."""
        number = self.once("member's household", self._a_number)
        return json.dumps({"number": 1, "household_number": number, "joined_on": "2019-08-02"}).encode()

    def _a_number(self) -> str:
        read = self.desk.ask("clerk", self.code, "GET", f"/registry/v1/households/{self.a_household()}")
        return str(read["number"])

    def opening(self) -> dict[str, Any]:
        """Terms of an opening entry."""
        lines = [
            {"account": "102", "side": "debit", "amount": SUM},
            {"account": "332", "side": "credit", "amount": SUM},
        ]
        return {"posting": "opening", "on": "2019-08-02", "surplus_stands": "after_patronage_return", "lines": lines}

    def a_draft(self, book: str | None = None, terms: dict[str, Any] | None = None) -> str:
        """An opening entry that waits for its second person."""
        path = f"/cooperative/v1/books/{book or self.a_book()}/drafts"
        body = {"terms": terms or self.opening()}
        return str(self.desk.ask("accountant", self.code, "POST", path, body)["id"])

    def a_told_book(self) -> dict[str, str]:
        """A book in which a surplus was distributed to one member and paid."""
        book = self.a_book()
        answer = self.desk.send(
            Asked("POST", f"/cooperative/v1/books/{book}/members", content=self.members()),
            self.desk.token("accountant", [self.code]),
        )
        assert answer.json()["entered"] == 1, answer.text
        draft = self.a_draft(book)
        self._approve(draft)
        share = {"posting": "distribution", "on": "2019-08-03", "pool": "remainder", "amount": SUM}
        entry = self._approve(self.a_draft(book, share))["first_entry"]
        paid = {"posting": "payment", "on": "2019-08-04", "distribution": entry}
        payment = self._approve(self.a_draft(book, paid))
        self.told.quiet()
        return {"book": book, "draft": draft, "entry": entry, "payment": payment["first_entry"]}

    def _approve(self, draft: str) -> dict[str, Any]:
        posted: dict[str, Any] = self.desk.ask("approver", self.code, "POST", f"/cooperative/v1/drafts/{draft}/approve")
        return posted
