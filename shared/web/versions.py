"""ETag and If-Match: who changes a noun says which version he saw."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header
from starlette.responses import Response

from shared.errors import Malformed, Problem, Stale


class VersionMissing(Problem):
    """须指明版本."""

    status = 428
    code = "version.missing"
    zh = "修改须携带 If-Match，指明所见版本"
    en = "A change needs If-Match with the version that was seen"
    hint_zh = "请先读取，再以其 ETag 作为 If-Match 提交"
    hint_en = "Read it first, then send its ETag as If-Match"


class VersionMalformed(Malformed):
    """版本格式有误."""

    code = "version.malformed"
    zh = "If-Match 应为读取时得到的 ETag"
    en = "If-Match must be the ETag that was read"
    hint_zh = "请原样回传 ETag"
    hint_en = "Send the ETag back as it was"


class Match:
    """版本条件: what `If-Match` says."""

    def __init__(self, header: str | None) -> None:
        self._any = header == "*"
        self.versions = () if header is None or self._any else _versions(header)
        self.is_given = header is not None

    def check(self, version: int, *, required: bool = True) -> None:
        """Refuse a change of what the caller has not seen; call it after the noun is locked."""
        if not self.is_given:
            if required:
                raise VersionMissing
        elif not self._any and version not in self.versions:
            raise Stale


def _versions(header: str) -> tuple[int, ...]:
    tags = [tag.strip() for tag in header.split(",")]
    found = [re.fullmatch(r'"([0-9]{1,18})"', tag) for tag in tags]
    if not all(found):
        raise VersionMalformed
    return tuple(int(one[1]) for one in found if one)


async def seen_version(
    if_match: Annotated[str | None, Header(max_length=400, description="所见版本的 ETag")] = None,
) -> Match:
    """What `If-Match` says, whoever in a route asks for it."""
    return Match(if_match)


IfMatch = Annotated[Match, Depends(seen_version)]


def set_etag(response: Response, version: int) -> None:
    """Tell the version of the noun that is answered."""
    response.headers["ETag"] = f'"{version}"'
