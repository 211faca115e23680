"""What the gateway itself says: problems in one shape with the services' own, and the page at `/`."""

from dataclasses import dataclass
from html import escape
from typing import Any

SERVICE_NAMES = {
    "registry": ("登记", "who lives where, in what circumstances"),
    "assessment": ("研判", "what those circumstances mean"),
    "cooperative": ("合作社", "who owns what, who is owed what"),
    "notify": ("告示", "who is told what, and did it arrive"),
}


@dataclass(frozen=True)
class Answer:
    """One problem that the gateway answers by itself."""

    status: int
    code: str
    title: str
    zh: str
    en: str
    hint: str
    retry_after: int | None = None


ANSWERS = (
    Answer(
        400, "gateway.malformed", "请求无法解析", "请求格式不合规范", "The request is malformed", "请检查网址和请求头"
    ),
    Answer(
        401, "gateway.token", "身份未确认", "令牌缺失、无效或已过期",
        "The token is missing, invalid or expired", "请重新登录取得令牌",
    ),
    Answer(
        403, "gateway.audience", "没有权限", "令牌不是发给本系统的",
        "The token is not meant for this system", "请用本系统的令牌",
    ),
    Answer(
        404, "gateway.no_route", "未找到", "没有这个网址",
        "There is nothing at this address", "请对照首页所列的接口页",
    ),
    Answer(
        408, "gateway.slow_request", "请求超时", "请求发送得太慢",
        "The request took too long to arrive", "请检查网络后重试",
    ),
    Answer(
        413, "gateway.too_large", "内容过大", "请求内容超过上限",
        "The request body is too large", "请拆分后分批提交",
    ),
    Answer(
        426, "gateway.version", "版本不支持", "请求所用的HTTP版本不受支持",
        "This version of HTTP is not spoken here", "请用 HTTP/1.1 或 HTTP/2",
    ),
    Answer(
        429, "gateway.too_many", "请求过于频繁", "短时间内请求过多", "Too many requests", "请稍候再试", retry_after=1
    ),
    Answer(
        431, "gateway.headers", "请求头过大", "请求头超过上限",
        "The request headers are too large", "请减少请求头",
    ),
    Answer(
        501, "gateway.encoding", "编码不支持", "不支持这种传输编码",
        "This transfer encoding is not known here", "请用 chunked 或写明 content-length",
    ),
    Answer(
        503, "gateway.unavailable", "暂不可用", "服务暂不可用",
        "The service is not available now", "请稍后重试", retry_after=2,
    ),
    Answer(
        504, "gateway.timeout", "答复超时", "服务未能及时答复",
        "The service did not answer in time", "请稍后用同一幂等键重试",
    ),
)  # fmt: skip
ANY_OTHER = Answer(
    400, "gateway.error", "错误", "网关未能处理该请求", "The gateway could not handle the request", "请稍后重试"
)
NO_UPGRADE = Answer(
    403, "gateway.upgrade", "没有权限", "网关不提供隧道，也不切换协议",
    "The gateway opens no tunnels and changes no protocols", "请以普通的 HTTP 请求访问",
)  # fmt: skip
UNREAD = (400, 426, 431, 501)


def local_replies() -> dict[str, Any]:
    """Mappers alone: a format at the top level would rewrite good answers of the gateway too."""
    exact = [_mapper(answer, _status("EQ", answer.status)) for answer in ANSWERS]
    return {"mappers": [_mapper(NO_UPGRADE, _asks_for_upgrade()), *exact, _mapper(ANY_OTHER, _status("GE", 400))]}


def _status(op: str, status: int) -> dict[str, Any]:
    return {"status_code_filter": {"comparison": {"op": op, "value": _runtime_number(status)}}}


def _asks_for_upgrade() -> dict[str, Any]:
    """Envoy refuses both with the status of a token that is not ours."""
    tunnel = {"header_filter": {"header": {"name": ":method", "string_match": {"exact": "CONNECT"}}}}
    other = {"header_filter": {"header": {"name": "upgrade", "present_match": True}}}
    return {"and_filter": {"filters": [_status("EQ", NO_UPGRADE.status), {"or_filter": {"filters": [tunnel, other]}}]}}


def _mapper(answer: Answer, when: dict[str, Any]) -> dict[str, Any]:
    problem = {
        "type": f"urn:tuopin:problem:{answer.code}",
        "title": answer.title,
        "status": "%RESPONSE_CODE%",
        "code": answer.code,
        "detail": answer.zh,
        "detail_en": answer.en,
        "hint": answer.hint,
        # What is refused before it is read has no request id yet: then its connection, which the access log names too.
        "trace_id": "connection-%CONNECTION_ID%" if answer.status in UNREAD else "%STREAM_ID%",
    }
    mapper: dict[str, Any] = {
        "filter": when,
        "body_format_override": {"content_type": "application/problem+json; charset=utf-8", "json_format": problem},
    }
    told = {}
    if answer.retry_after is not None:
        told["retry-after"] = str(answer.retry_after)
    if answer.code in ("gateway.token", "gateway.audience"):
        told["www-authenticate"] = "Bearer"  # Envoy's own repeats the address with its query, which may name a person
    if told:
        mapper["headers_to_add"] = [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in told.items()
        ]
    return mapper


def _runtime_number(value: int) -> dict[str, Any]:
    return {"default_value": value, "runtime_key": f"tuopin.answer.{value}"}


def landing_page(*, practice: bool) -> str:
    """The page at `/`: where everything is. Plain HTML, no script, nothing fetched from elsewhere."""
    banner = '<p class="practice">演练 · practice: nothing here is real</p>' if practice else ""
    rows = "".join(
        f'<tr><th>{escape(zh)} <small lang="en">{service}</small></th><td lang="en">{escape(en)}</td>'
        f'<td><a href="/{service}/docs">接口 API</a></td><td><a href="/{service}/readyz">状态 status</a></td></tr>'
        for service, (zh, en) in SERVICE_NAMES.items()
    )
    return PAGE.format(banner=banner, rows=rows)


PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>tuopin 脱贫</title>
<style>
body{{font:16px/1.6 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
table{{border-collapse:collapse;width:100%}} th,td{{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ddd}}
.practice{{background:#b00020;color:#fff;padding:.4rem .8rem;font-weight:bold}} small{{color:#555;font-weight:normal}}
</style></head><body>{banner}
<h1>tuopin 脱贫</h1>
<p><a href="/notify/v1/public/notices">村级公示 <span lang="en">public notices</span></a> ·
<a href="/healthz">网关状态 <span lang="en">gateway status</span></a></p>
<table>{rows}</table>
</body></html>
"""
