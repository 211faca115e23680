"""查询 over HTTP: whom one looks for, by everything that is known of him. A question put as a POST, so that a name, a
number or a telephone stands in no address and no log; masked by default, and each asking is written down.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Request
from pydantic import AfterValidator, Field, StringConstraints

from services.registry.api.answers import PersonOut, person_out
from services.registry.api.bodies import IdText, Name, Phone, Reason
from services.registry.api.households import IN_CLEAR, READERS, ListedOut, keys_of
from services.registry.domain.search import ANY_DOUBT, Sort, Sought
from services.registry.reports import search as reports
from services.registry.reports.households import listed
from services.registry.store.people import person_from
from shared.auth import Officer as Caller
from shared.auth import PurposeMissing, log_access
from shared.clock import today
from shared.crypto import KeyRing, SealBroken
from shared.db import Transaction, transaction
from shared.events.registry import Cause, StatusKind
from shared.values import DivisionCode, HouseholdNumber
from shared.web import Body, DivisionField, HouseholdNumberField, Now, Officer, Out, Router, fittings_of
from shared.web.paging import LARGEST_PAGE, USUAL_PAGE, CursorInvalid

router = Router("查询与导出")
USUAL_PURPOSE = "查询"
DoubtAsked = Annotated[str, Field(pattern=rf"^({ANY_DOUBT}|[A-Z][0-9]{{1,3}})$")]
Letters = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z' ]*[A-Za-z][A-Za-z' ]*$"),
    AfterValidator(lambda text: re.sub(r"[' ]", "", text).lower()),
]


class SoughtBody(Body):
    """查询条件: each narrows; what is left out is no condition."""

    division: DivisionField = Field(description="区划代码：该区划及其下级")
    status: StatusKind | None = Field(None, description="今日（或 as_of 当日）户类型")
    cause: Cause | None = Field(None, description="致贫原因，主要或其他")
    doubt: DoubtAsked | None = Field(None, description="有未关闭的疑点：校验规则编号，或 any")
    number: HouseholdNumberField | None = Field(None, description="户编号")
    name: Name | None = Field(None, description="姓名、姓名的开头，或名（不带姓，两字以上）")
    pinyin: Letters | None = Field(None, description="姓名拼音的开头，不带声调")
    initials: Letters | None = Field(None, description="姓名拼音首字母的开头")
    id_number: IdText | None = Field(None, description="证件号码")
    phone: Phone | None = Field(None, description="联系电话")
    heads: bool = Field(False, description="只查户主")

    def sought(self, keys: KeyRing) -> Sought:
        """As the domain takes it: a number as its blind indexes alone."""

        def indexes(kind: str, text: str | None) -> tuple[str, ...]:
            return () if text is None else tuple(one.hex() for one in keys.blind_indexes(kind, text))

        return Sought(
            division=self.division,
            status=self.status,
            cause=self.cause,
            doubt=self.doubt,
            number=None if self.number is None else self.number.text,
            name=self.name,
            pinyin=self.pinyin,
            initials=self.initials,
            id_indexes=indexes("citizen_id", self.id_number),
            phone_indexes=indexes("phone", self.phone),
            heads=self.heads,
        )


class SearchBody(Body):
    """查询: who, in which order, which page."""

    sought: SoughtBody
    count: bool = Field(True, description="是否计总数")
    purpose: Reason | None = Field(None, description="事由；按姓名、号码查询或显示全文时必填")
    cursor: Annotated[str | None, Field(max_length=2_000, description="上一页给出的游标")] = None
    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="每页条数")] = USUAL_PAGE


class PeopleBody(SearchBody):
    """查人."""

    sort: Literal["place", "pinyin"] = Field("place", description="按村，或按姓名拼音")
    in_clear: bool = Field(False, description="是否显示全文；须有相应角色并注明事由")


class SoughtPersonOut(Out):
    """查到的人与其所在户."""

    person: PersonOut
    household: UUID
    number: HouseholdNumberField
    division: DivisionField
    relation: str | None


class PeopleOut(Out):
    """查到的人: a page of them, and how many there are."""

    total: int | None
    items: list[SoughtPersonOut]
    next: str | None = Field(description="下一页游标；末页为空")


class HouseholdsOut(Out):
    """查到的户: a page of them, and how many there are."""

    total: int | None
    items: list[ListedOut]
    next: str | None = Field(description="下一页游标；末页为空")


@router.post("/search/people", roles=READERS, lane=True, problems=(PurposeMissing, CursorInvalid))
async def search_for_people(body: PeopleBody, officer: Officer, now: Now, request: Request) -> PeopleOut:
    """按姓名（汉字、拼音、首字母）、号码、电话、村、户类型、致贫原因、疑点查人；默认脱敏，每次查询都留痕."""
    keys = keys_of(request)
    sought, pages = _asked(body, officer, keys, in_clear=body.in_clear), _Pages(keys, officer, "people", body)
    async with transaction(fittings_of(request.app).engine, officer.scope, caller=officer.sub) as tx:
        return await _people(tx, body, officer, sought, pages, now)


async def _people(
    tx: Transaction, body: PeopleBody, officer: Caller, sought: Sought, pages: _Pages, now: datetime
) -> PeopleOut:
    sort, on = Sort(body.sort), today(now)
    met = await reports.people_sought(tx, sought, on, sort, after=pages.after, limit=body.limit + 1)
    total = await reports.count_people(tx, sought, on) if body.count else None
    rows = await reports.rows_of_people(tx, [one.no for one in met[: body.limit]])
    shown = [rows[one.no] for one in met[: body.limit] if one.no in rows]
    action = "search in clear" if body.in_clear else "search"
    ids, purpose = [row["id"] for row in shown], body.purpose or USUAL_PURPOSE
    await log_access(tx, officer, purpose=purpose, noun="person", ids=ids, action=action)
    keyed = [(one.pinyin if sort is Sort.PINYIN else one.division, one.no) for one in met]
    items = [_person(row, pages.keys, masked=not body.in_clear) for row in shown]
    return PeopleOut(total=total, items=items, next=pages.following(keyed))


def _person(row: Any, keys: KeyRing, *, masked: bool) -> SoughtPersonOut:
    return SoughtPersonOut(
        person=person_out(person_from(row, keys), masked=masked),
        household=row["household"],
        number=HouseholdNumber(row["number"]),
        division=DivisionCode(row["division"]),
        relation=row["relation"],
    )


@router.post("/search/households", roles=READERS, lane=True, problems=(PurposeMissing, CursorInvalid))
async def search_for_households(body: SearchBody, officer: Officer, now: Now, request: Request) -> HouseholdsOut:
    """查户：条件同查人，有成员符合即列出；户主姓名脱敏，每次查询都留痕."""
    keys = keys_of(request)
    sought, pages = _asked(body, officer, keys, in_clear=False), _Pages(keys, officer, "households", body)
    async with transaction(fittings_of(request.app).engine, officer.scope, caller=officer.sub) as tx:
        met = await reports.households_sought(tx, sought, today(now), after=pages.after, limit=body.limit + 1)
        total = await reports.count_households(tx, sought, today(now)) if body.count else None
        rows = await listed(tx, [one.id for one in met[: body.limit]], today(now))
        purpose = body.purpose or USUAL_PURPOSE
        await log_access(tx, officer, purpose=purpose, noun="household", ids=[one.id for one in rows], action="search")
    keyed = [(one.division, one.number) for one in met]
    return HouseholdsOut(total=total, items=[ListedOut.of(one) for one in rows], next=pages.following(keyed))


def _asked(body: SearchBody, officer: Caller, keys: KeyRing, *, in_clear: bool) -> Sought:
    """Whoever asks for somebody by name or number learns who he is, masked or not: that takes a right and a purpose."""
    sought = body.sought.sought(keys)
    if in_clear or sought.is_of_names:
        officer.demand(frozenset(IN_CLEAR))
        if body.purpose is None:
            raise PurposeMissing
    return sought


class _Pages:
    """分页: the cursor is sealed, because the place where a list by name goes on is a name. It is good for the same
    caller and the same question alone.
    """

    def __init__(self, keys: KeyRing, officer: Caller, what: str, body: SearchBody) -> None:
        self.keys = keys
        told = body.model_dump(mode="json", exclude={"cursor", "limit", "purpose", "count"})
        asked = json.dumps([officer.sub, what, told], ensure_ascii=False, sort_keys=True)
        self._row = hashlib.sha256(asked.encode()).hexdigest()
        self._limit = body.limit
        self.after: list[Any] | None = None if body.cursor is None else self._read(body.cursor)

    def _read(self, cursor: str) -> list[Any]:
        try:
            return list(json.loads(self.keys.unseal("search", "cursor", self._row, bytes.fromhex(cursor))))
        except (ValueError, SealBroken):
            raise CursorInvalid from None

    def following(self, keyed: Sequence[Sequence[object]]) -> str | None:
        """Behind the last that is shown, if there was one more."""
        if len(keyed) <= self._limit:
            return None
        last = json.dumps(list(keyed[self._limit - 1]), ensure_ascii=False)
        return self.keys.seal("search", "cursor", self._row, last).hex()
