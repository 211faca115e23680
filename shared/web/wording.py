"""What a refused field is told, in Chinese and English, by the kind of error. Limits come from the schema, never what
was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDING: dict[str, tuple[str, str]] = {
    "missing": ("此项必填", "This is required"),
    "extra_forbidden": ("没有这个字段", "There is no such field"),
    "parameter_unknown": ("没有这个参数", "There is no such parameter"),
    "string_type": ("应为文本", "This must be text"),
    "string_unicode": ("文本含有无效字符", "The text has characters that are not valid"),
    "string_too_short": ("至少{min_length}个字符", "At least {min_length} characters"),
    "string_too_long": ("至多{max_length}个字符", "At most {max_length} characters"),
    "string_pattern_mismatch": ("格式不符", "It does not have the required form"),
    "int_type": ("应为整数", "This must be a whole number"),
    "int_parsing": ("应为整数", "This must be a whole number"),
    "int_from_float": ("应为整数", "This must be a whole number"),
    "int_parsing_size": ("数值过大", "The number is too large"),
    "float_type": ("应为数字", "This must be a number"),
    "float_parsing": ("应为数字", "This must be a number"),
    "finite_number": ("应为有限的数字", "This must be a finite number"),
    "decimal_parsing": ("应为数字", "This must be a number"),
    "bool_type": ("应为是或否", "This must be true or false"),
    "bool_parsing": ("应为是或否", "This must be true or false"),
    "greater_than": ("应大于{gt}", "This must be more than {gt}"),
    "greater_than_equal": ("不得小于{ge}", "This must be at least {ge}"),
    "less_than": ("应小于{lt}", "This must be less than {lt}"),
    "less_than_equal": ("不得大于{le}", "This must be at most {le}"),
    "enum": ("应为 {expected} 之一", "This must be one of {expected}"),
    "literal_error": ("应为 {expected} 之一", "This must be one of {expected}"),
    "uuid_type": ("应为编号（UUID）", "This must be a UUID"),
    "uuid_parsing": ("应为编号（UUID）", "This must be a UUID"),
    "uuid_version": ("应为编号（UUID）", "This must be a UUID"),
    "date_type": ("应为日期（年-月-日）", "This must be a date (YYYY-MM-DD)"),
    "date_parsing": ("应为日期（年-月-日）", "This must be a date (YYYY-MM-DD)"),
    "date_from_datetime_parsing": ("应为日期（年-月-日）", "This must be a date (YYYY-MM-DD)"),
    "date_from_datetime_inexact": ("应为日期，不带时刻", "This must be a date without a time"),
    "datetime_type": ("应为时刻（含时区）", "This must be a moment with its time zone"),
    "datetime_parsing": ("应为时刻（含时区）", "This must be a moment with its time zone"),
    "datetime_from_date_parsing": ("应为时刻（含时区）", "This must be a moment with its time zone"),
    "moment_beyond": ("时刻超出范围", "The moment is out of range"),
    "timezone_aware": ("时刻须带时区", "The moment needs its time zone"),
    "list_type": ("应为列表", "This must be a list"),
    "too_short": ("至少{min_length}项", "At least {min_length} items"),
    "too_long": ("至多{max_length}项", "At most {max_length} items"),
    "dict_type": ("应为对象", "This must be an object"),
    "model_type": ("应为对象", "This must be an object"),
    "model_attributes_type": ("应为对象", "This must be an object"),
    "union_tag_invalid": ("种类应为 {expected_tags} 之一", "The kind must be one of {expected_tags}"),
    "union_tag_not_found": ("缺少种类 {discriminator}", "The kind {discriminator} is missing"),
}
ANY_OTHER = ("内容不合要求", "The content is not acceptable")


def said(kind: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Both texts. A value of ours that refused itself brings its own (`fields.py`)."""
    if "zh" in facts and "en" in facts:
        return str(facts["zh"]), str(facts["en"])
    zh, en = WORDING.get(kind, ANY_OTHER)
    try:
        return zh.format_map(facts), en.format_map(facts)
    except KeyError:
        return ANY_OTHER
