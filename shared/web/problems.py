"""Every refusal in one shape (RFC 9457), whoever raised it: a verb, validation, routing, the database, or a mistake
of ours.

Nothing that was sent is told back and no text of the database leaves: a message may carry a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from shared.db import driver_error, failure_of, is_out_of_scope, is_passing, is_unavailable
from shared.errors import (
    Busy,
    Conflict,
    FieldError,
    Invalid,
    Malformed,
    Missing,
    Problem,
    ScopeRefused,
    TooLarge,
)
from shared.log import get_logger
from shared.web.wording import said

MEDIA_TYPE = "application/problem+json"
# A place that a caller named himself may be a person's number: only what looks like a field is told back.
FIELD = re.compile(r"(?!(?:[^0-9]*[0-9]){6})[a-z][a-z0-9_-]{0,39}")
TYPE_PREFIX = "urn:tuopin:problem:"
TITLES = {
    400: "请求无法解析",
    401: "身份未确认",
    403: "没有权限",
    404: "未找到",
    405: "方法不适用",
    409: "与现状冲突",
    412: "版本已过时",
    413: "内容过大",
    415: "类型不支持",
    422: "内容有误",
    428: "须指明版本",
    429: "请求过于频繁",
    500: "系统内部错误",
    503: "暂不可用",
}

log = get_logger(__name__)


class RouteMissing(Missing):
    """无此地址: no route of this service."""

    code = "route.missing"
    zh = "没有这个接口地址"
    en = "There is no such route"
    hint_zh = "请查阅接口文档"
    hint_en = "See the API pages"


class MethodRefused(Problem):
    """方法不适用: the route exists, its methods are others."""

    status = 405
    code = "method.refused"
    zh = "此地址不支持该方法"
    en = "This route has no such method"
    hint_zh = "请使用 Allow 头中列出的方法"
    hint_en = "Use one of the methods in the Allow header"


class MediaRefused(Problem):
    """类型不支持: a body of a kind that is not read here."""

    status = 415
    code = "media.refused"
    zh = "不支持此内容类型"
    en = "This content type is not read here"
    hint_zh = "请按接口文档的类型提交"
    hint_en = "Send the type that the API pages name"


class DatabaseUnavailable(Busy):
    """数据库不可用: nothing was stored; the same request may be sent again with the same idempotency key."""

    code = "database.unavailable"
    zh = "数据库暂时不可用，请求未被执行或结果未知"
    en = "The database is unavailable; the request was not carried out or its outcome is unknown"
    hint_zh = "请稍后用同一个 Idempotency-Key 重试"
    hint_en = "Try again shortly with the same Idempotency-Key"


class Crowded(Busy):
    """请求过多: more at once than this process takes on, or no database connection is free in time."""

    code = "busy.crowded"
    zh = "当前请求过多"
    en = "Too many requests at once"


class OutOfScope(ScopeRefused):
    """越权区划: a write into a division outside the caller's, refused by the database, which does not say which."""

    zh = "所写区划不在您的管辖范围内"
    en = "That division is outside your scope"
    hint_zh = "请由管辖该区划的人员办理"
    hint_en = "Ask an officer of that division"


class FieldOut(BaseModel):
    """字段错误."""

    model_config = ConfigDict(extra="forbid")

    code: str
    detail: str
    detail_en: str
    pointer: str | None = Field(None, description="JSON 指针（RFC 6901 片段），或 query:名称、path:名称、header:名称")
    row: int | None = None
    column: str | None = None


class ProblemOut(BaseModel):
    """问题: the answer to everything that is refused (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    code: str
    detail: str = Field(description="中文说明")
    detail_en: str
    hint: str
    trace_id: str
    errors: list[FieldOut] | None = None


def problem_response(problem: Problem, trace_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer in its one shape; `Retry-After` where trying again helps."""
    content = {
        "type": TYPE_PREFIX + problem.code,
        "title": TITLES.get(problem.status, "错误"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail_zh,
        "detail_en": problem.detail_en,
        "hint": problem.hint,
        "trace_id": trace_id,
    }
    if problem.errors:
        content["errors"] = [error.as_json() for error in problem.errors]
    sent = dict(headers or {})
    if problem.retry_after_seconds is not None:
        sent["Retry-After"] = str(problem.retry_after_seconds)
    if problem.status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, problem.status, sent, MEDIA_TYPE)


def problem_of(error: BaseException) -> Problem:
    """What is told for an exception. What nobody foresaw is an internal error, logged without its texts."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, ClientDisconnect):
        return Malformed()
    return _of_database(error) or Problem()


def _of_database(error: BaseException) -> Problem | None:
    if isinstance(error, sa.exc.TimeoutError):
        return Crowded()
    if is_unavailable(error):
        return DatabaseUnavailable()
    if is_passing(error):
        return Busy()
    if is_out_of_scope(error):
        return OutOfScope()
    if isinstance(driver_error(error), asyncpg.UniqueViolationError):
        return Conflict()
    return None


def _of_http(error: HTTPException) -> Problem:
    kinds: dict[int, type[Problem]] = {400: Malformed, 404: RouteMissing, 405: MethodRefused, 415: MediaRefused}
    if error.status_code == 413:
        return TooLarge(limit="?")
    return kinds.get(error.status_code, Problem if error.status_code >= 500 else Malformed)()


def _of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    if any(error["type"] == "json_invalid" for error in errors):
        return Malformed()
    return Invalid(errors=[_field_error(error) for error in errors])


def _field_error(error: Mapping[str, Any]) -> FieldError:
    zh, en = said(error["type"], error.get("ctx") or {})
    return FieldError(code=str(error["type"]), zh=zh, en=en, pointer=_pointer(error["loc"]))


def _pointer(place: Sequence[str | int]) -> str:
    """`#/members/0/name` in the body, `query:limit` elsewhere."""
    where, *rest = place or ("body",)
    told = [str(part) if isinstance(part, int) or FIELD.fullmatch(part) else "?" for part in rest]
    return "#" + "".join("/" + part for part in told) if where == "body" else f"{where}:{'.'.join(told)}"


def log_failure(problem: Problem, error: BaseException) -> None:
    """Write down what happened inside: kinds and places, never a message or a value."""
    if problem.status < 500:
        return
    write = log.warning if isinstance(problem, Busy) else log.error
    write("request failed", code=problem.code, **failure_of(error))
