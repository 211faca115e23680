"""Texts that officers write, as request fields: plain, NFC, without control or direction characters, within a limit."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from services.assessment.domain.machine import clean_text


def _kept(text: str) -> str:
    try:
        return clean_text(text, len(text))
    except ValueError:
        raise PydanticCustomError("string_unicode", "not a plain text") from None


def _kept_or_empty(text: str) -> str:
    return _kept(text) if text else text


Where = Annotated[str, Field(min_length=2, max_length=200, description="异议受理处及值班电话"), AfterValidator(_kept)]
Why = Annotated[str, Field(min_length=1, max_length=1000, description="理由"), AfterValidator(_kept)]
Who = Annotated[str, Field(min_length=1, max_length=60, description="异议人"), AfterValidator(_kept)]
What = Annotated[str, Field(min_length=1, max_length=2000, description="异议内容或核查情况"), AfterValidator(_kept)]
Remark = Annotated[str, Field(max_length=500, description="备注"), AfterValidator(_kept_or_empty)]
