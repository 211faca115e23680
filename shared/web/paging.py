"""Lists: a signed cursor that is only good for the same list, at most 500 a page, a stable order."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from shared.crypto import KeyRing
from shared.errors import Malformed
from shared.web.passing import fittings_of, passing_of

LARGEST_PAGE = 500
USUAL_PAGE = 50
OWN_PARAMETERS = ("cursor", "limit")

Item = TypeVar("Item")
Row = TypeVar("Row")


class CursorInvalid(Malformed):
    """游标无效."""

    code = "cursor.invalid"
    zh = "游标无效，或属于另一列表"
    en = "The cursor is not valid, or belongs to another list"
    hint_zh = "请从第一页重新查询"
    hint_en = "Start again from the first page"


class Page(BaseModel, Generic[Item]):
    """一页: items in a stable order, and the cursor of the next page if there is one."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item]
    next: str | None = Field(description="下一页游标；末页为空")


class Paging:
    """分页: which page is asked for. A report reads `limit + 1` rows after `after` and hands them to `page`."""

    def __init__(self, keys: KeyRing, place: bytes, cursor: str | None, limit: int) -> None:
        self._keys = keys
        self._place = place
        self.limit = limit
        self.after: list[Any] | None = None if cursor is None else self._read(cursor)
        """The key of the last row seen, as `page` was given it (texts and numbers); None on the first page."""

    def page(
        self, rows: Sequence[Row], key: Callable[[Row], Sequence[Any]], shape: Callable[[Row], Item]
    ) -> Page[Item]:
        """A page of at most `limit` rows; that there was one more makes the cursor."""
        shown = rows[: self.limit]
        following = self._write(key(shown[-1])) if len(rows) > self.limit else None
        return Page(items=[shape(row) for row in shown], next=following)

    def _write(self, key: Sequence[Any]) -> str:
        message = json.dumps(list(key), separators=(",", ":"), ensure_ascii=False).encode()
        tag = self._keys.sign(self._place + message)
        return base64.urlsafe_b64encode(bytes((len(tag),)) + tag + message).decode().rstrip("=")

    def _read(self, cursor: str) -> list[Any]:
        try:
            written = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorInvalid from None
        length = written[0] if written else 0
        tag, message = written[1 : 1 + length], written[1 + length :]
        if not self._keys.is_signed(self._place + message, tag):
            raise CursorInvalid
        return list(json.loads(message))


async def _paging(
    request: Request,
    cursor: Annotated[str | None, Query(max_length=2_000, description="上一页给出的游标")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="每页条数")] = USUAL_PAGE,
) -> Paging:
    """A cursor is bound to its caller, path and filters: the same under other filters would skip rows silently."""
    filters = sorted(item for item in request.query_params.multi_items() if item[0] not in OWN_PARAMETERS)
    officer = passing_of(request).officer
    place = json.dumps([officer.sub if officer else "", request.url.path, filters], ensure_ascii=False).encode() + b"\0"
    return Paging(fittings_of(request.app).keys, place, cursor, limit)


PagingAsked = Annotated[Paging, Depends(_paging)]
