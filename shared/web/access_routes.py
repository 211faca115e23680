"""The auditor's report of who saw whom, for every service whose doors write the access log (ADR 0018)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime

from shared.auth import Access, Role, list_accesses, log_access
from shared.web.fields import MomentField, Out
from shared.web.paging import CursorInvalid, Page, PagingAsked
from shared.web.routing import Officer, Purpose, Router, Tx

AUDITORS = (Role.AUDITOR,)
USUAL_PURPOSE = "访问审计"
Seen = Annotated[str | None, Query(min_length=1, max_length=100, description="被查看对象的编号（户、人、案卷等）")]
Who = Annotated[str | None, Query(min_length=1, max_length=200, description="查看人账号")]
Since = Annotated[MomentField | None, Query(alias="from", description="起（含，机器时间）")]
Until = Annotated[MomentField | None, Query(alias="to", description="止（不含，机器时间）")]


class AccessOut(Out):
    """访问记录: one query, by whom, what for, and whom it showed."""

    id: int
    logged_at: AwareDatetime
    caller: str
    roles: list[str]
    divisions: list[str]
    purpose: str
    noun: str
    action: str
    ids: list[str]
    traceparent: str | None

    @classmethod
    def of(cls, access: Access) -> AccessOut:
        """As the auditor reads it."""
        return cls(
            id=access.id,
            logged_at=access.logged_at,
            caller=access.caller,
            roles=list(access.roles),
            divisions=list(access.divisions),
            purpose=access.purpose,
            noun=access.noun,
            action=access.action,
            ids=list(access.ids),
            traceparent=access.traceparent,
        )


def access_router() -> Router:
    """`GET /access-log`: what officers saw whose places all lie in the auditor's; asking is logged too."""
    router = Router("访问审计")

    @router.get("/access-log", roles=AUDITORS)
    async def list_access_log(
        tx: Tx,
        officer: Officer,
        paging: PagingAsked,
        seen: Seen = None,
        caller: Who = None,
        since: Since = None,
        until: Until = None,
        purpose: Purpose = None,
    ) -> Page[AccessOut]:
        """最新的在前。只列出管辖范围全部在本人管辖之内的查看人；本次查询同样留痕."""
        before = None if paging.after is None else _number(paging.after[0])
        found = await list_accesses(
            tx, caller=caller, seen=seen, since=since, until=until, before=before, limit=paging.limit + 1
        )
        ids = [access.id for access in found[: paging.limit]]
        await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="access_log", ids=ids, action="audit")
        return paging.page(found, lambda access: [access.id], AccessOut.of)

    return router


def _number(given: Any) -> int:
    if not isinstance(given, int):
        raise CursorInvalid
    return given
