"""What a line of a file's diff says in words: the field by the form's own wording, values as the form writes them."""

from __future__ import annotations

from services.registry.domain import codes
from services.registry.domain.fields import BY_NAME, Kind

_OTHERS = {"id_provisional": "证件待核", "source_values": "文件原文"}
_STATUSES = {code.code: code.zh for code in codes.STATUS.codes}
_YES_NO = {"true": "是", "false": "否"}


def field_zh(name: str | None) -> str | None:
    """变更项目: a field, or a status whose days change."""
    if name is None:
        return None
    known = BY_NAME.get(name)
    return known.zh if known is not None else _STATUSES.get(name) or _OTHERS.get(name, name)


def value_zh(name: str | None, value: str | None) -> str | None:
    """变更值: codes in words, amounts in yuan."""
    if name is None:
        name = "relation"  # of somebody new, what he is to the head
    if value is None:
        return None
    field = BY_NAME.get(name)
    if name in _OTHERS or field is None or value == "***":
        return _YES_NO.get(value, value)
    if field.kind is Kind.MONEY:
        fen = int(value)
        return f"{fen // 100}.{fen % 100:02d}"
    if field.kind is Kind.PRESENCE:
        return "在户" if value == "true" else "不在户"
    if field.codes is None:
        return value
    said = value.strip("[]").replace('"', "").split(", ") if field.kind is Kind.CODES else [value]
    return "、".join(field.codes.label(one) for one in said if one)
