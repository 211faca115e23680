"""One root for every refusal, few kinds, each told in Chinese and English with what to do next (RFC 9457).

A service names its own errors by subclassing a kind; `shared.web` answers them in one JSON shape. Texts are
templates filled by keyword arguments, so that a test can walk every class and find both languages.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """字段错误: one culprit, by JSON pointer or by row and column of a file."""

    code: str
    zh: str
    en: str
    pointer: str | None = None
    row: int | None = None
    column: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The member of `errors[]`; empty places are left out."""
        place = {"pointer": self.pointer, "row": self.row, "column": self.column}
        return {"code": self.code, "detail": self.zh, "detail_en": self.en} | {
            name: value for name, value in place.items() if value is not None
        }


class Problem(Exception):
    """问题: the root of all refusals. Raise = roll back."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    zh: ClassVar[str] = "系统内部错误"
    en: ClassVar[str] = "Internal error"
    hint_zh: ClassVar[str] = "请稍后重试；若仍失败，请把 trace_id 告诉管理员"
    hint_en: ClassVar[str] = "Try again later; if it persists, give the trace_id to your administrator"

    def __init__(
        self, *, errors: Sequence[FieldError] = (), retry_after_seconds: int | None = None, **facts: object
    ) -> None:
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds
        self.facts = facts
        super().__init__(self.detail_en)

    @property
    def detail_zh(self) -> str:
        """What happened, in Chinese."""
        return self.zh.format_map(self.facts)

    @property
    def detail_en(self) -> str:
        """What happened, in English."""
        return self.en.format_map(self.facts)

    @property
    def hint(self) -> str:
        """What to do next, in both languages (the wire has one `hint`)."""
        return f"{self.hint_zh.format_map(self.facts)} / {self.hint_en.format_map(self.facts)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.errors, self.retry_after_seconds, self.facts)

    @classmethod
    def placeholders(cls) -> set[str]:
        """Names that the four texts expect as keyword arguments."""
        texts = (cls.zh, cls.en, cls.hint_zh, cls.hint_en)
        return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}


def _rebuild(
    kind: type[Problem], errors: tuple[FieldError, ...], retry_after_seconds: int | None, facts: dict[str, object]
) -> Problem:
    """Problems cross process borders (a parsing child refuses a file): pickle by arguments, not by text."""
    return kind(errors=errors, retry_after_seconds=retry_after_seconds, **facts)


class Malformed(Problem):
    """格式错误: it could not be read at all."""

    status = 400
    code = "request.malformed"
    zh = "请求无法解析"
    en = "The request could not be read"
    hint_zh = "请检查编码与格式后重新提交"
    hint_en = "Check encoding and format, then submit again"


class Unauthenticated(Problem):
    """身份未确认: no token, or one that does not hold."""

    status = 401
    code = "token.invalid"
    zh = "令牌缺失、无效或已过期"
    en = "The token is missing, invalid or expired"
    hint_zh = "请重新登录后再试"
    hint_en = "Sign in again and retry"


class Refused(Problem):
    """拒绝: known, but not allowed."""

    status = 403
    code = "refused"
    zh = "您没有执行此操作的权限"
    en = "You may not do this"
    hint_zh = "如确需办理，请联系有权限的人员"
    hint_en = "Ask somebody who has the right"


class ScopeRefused(Refused):
    """越权区划: a write into a division outside the caller's."""

    code = "scope.refused"
    zh = "区划 {division} 不在您的管辖范围内"
    en = "Division {division} is outside your scope"
    hint_zh = "请由管辖该区划的人员办理"
    hint_en = "Ask an officer of that division"


class Missing(Problem):
    """不存在: not there, or not visible to this caller."""

    status = 404
    code = "missing"
    zh = "未找到所请求的内容"
    en = "Not found"
    hint_zh = "请核对编号；也可能不在您的管辖范围内"
    hint_en = "Check the identifier; it may also lie outside your scope"


class Conflict(Problem):
    """冲突: true facts that do not go together."""

    status = 409
    code = "conflict"
    zh = "与现有状态冲突"
    en = "In conflict with the present state"
    hint_zh = "请刷新后重试"
    hint_en = "Reload and try again"


class Stale(Problem):
    """已被更新: the caller saw an older version."""

    status = 412
    code = "version.stale"
    zh = "内容已被他人更新"
    en = "It was changed by somebody else meanwhile"
    hint_zh = "请重新读取最新版本后再提交"
    hint_en = "Read the latest version and submit again"


class TooLarge(Problem):
    """过大: over a limit of size."""

    status = 413
    code = "request.too_large"
    zh = "内容超过上限 {limit}"
    en = "Larger than the limit of {limit}"
    hint_zh = "请拆分后分批提交"
    hint_en = "Split it and submit in parts"


class Invalid(Problem):
    """不合规: read, but not acceptable; `errors` says where."""

    status = 422
    code = "request.invalid"
    zh = "提交的内容有误"
    en = "The content is not valid"
    hint_zh = "请按 errors 中的提示修改后重新提交"
    hint_en = "Correct what errors lists, then submit again"


class Busy(Problem):
    """暂不可用: try again a little later."""

    status = 503
    code = "busy"
    zh = "服务暂时不可用"
    en = "Temporarily unavailable"
    hint_zh = "请稍后重试"
    hint_en = "Try again shortly"

    def __init__(self, *, retry_after_seconds: int | None = 2, **facts: Any) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds, **facts)


def all_problems(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Every class of refusal that is imported now, the root included: what tests and the error page walk."""
    yield root
    for child in root.__subclasses__():
        yield from all_problems(child)
