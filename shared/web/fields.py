"""Our values as fields of bodies and answers: text outside, the checked value inside, its own refusal at its own
place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.values import CitizenId, DivisionCode, HouseholdNumber, Money, ValueWrong

Value = TypeVar("Value")


class Body(BaseModel):
    """What a caller sends: unknown fields are refused, and it never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


def _reads(kind: type[Value], parse: Callable[[str], Value]) -> PlainValidator:
    def read(given: Any) -> Value:
        if isinstance(given, kind):
            return given
        if not isinstance(given, str):
            raise PydanticCustomError("string_type", "must be text")
        try:
            return parse(given)
        except ValueWrong as problem:
            raise PydanticCustomError("value_invalid", "value not valid", _why(problem)) from None

    return PlainValidator(read)


def _placed(where: str, name: str, parse: Callable[[str], Value], text: str) -> Value:
    """The same for a parameter: FastAPI takes plain types alone there."""
    try:
        return parse(text)
    except ValueWrong as problem:
        facts = [{"type": "value_invalid", "loc": (where, name), "ctx": _why(problem)}]
        raise RequestValidationError(facts) from None


def _why(problem: ValueWrong) -> dict[str, str]:
    """The reason alone: the detail repeats what was sent, which may be a person's name or number in a wrong place."""
    return {"zh": problem.errors[0].zh, "en": problem.errors[0].en}


def _schema(pattern: str, example: str, title: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example], "description": title})


_text = PlainSerializer(str, return_type=str)
_whole = PlainSerializer(lambda value: value.text, return_type=str)

DIVISION_FORM = r"^[1-9][1-9]([0-9]{10}|[0-9]{7}|[0-9]{4}|[0-9]{2})?$"
HOUSEHOLD_FORM = r"^[1-9][1-9][0-9]{14}$"

DivisionField = Annotated[
    DivisionCode,
    _reads(DivisionCode, DivisionCode.parse),
    _text,
    _schema(DIVISION_FORM, "522630100201", "区划代码"),
]
MoneyField = Annotated[
    Money,
    _reads(Money, Money.parse),
    _text,
    _schema(r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$", "631.20", "金额（元，十进制文本）"),
]
HouseholdNumberField = Annotated[
    HouseholdNumber,
    _reads(HouseholdNumber, HouseholdNumber.parse),
    _text,
    _schema(HOUSEHOLD_FORM, "5226301002010001", "户编号"),
]
CitizenIdField = Annotated[
    CitizenId,
    _reads(CitizenId, CitizenId.parse),
    _text,
    WithJsonSchema({"type": "string", "minLength": 15, "maxLength": 18, "description": "公民身份号码（答复中脱敏）"}),
]
ShownCitizenId = Annotated[
    CitizenId,
    _reads(CitizenId, CitizenId.parse),
    _whole,
    WithJsonSchema({"type": "string", "description": "公民身份号码（全文，须有权限与事由，查看留痕）"}),
]


def _in_utc(given: datetime) -> datetime:
    """The first and the last day of the calendar have moments that no other time zone can name."""
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment_beyond", "beyond the calendar") from None


MomentField = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its time zone, as the database can hold it."""


async def _division_in_path(
    division: Annotated[str, Path(description="区划代码", json_schema_extra={"pattern": DIVISION_FORM})],
) -> DivisionCode:
    return _placed("path", "division", DivisionCode.parse, division)


async def _division_in_query(
    division: Annotated[str | None, Query(description="区划代码", json_schema_extra={"pattern": DIVISION_FORM})] = None,
) -> DivisionCode | None:
    return None if division is None else _placed("query", "division", DivisionCode.parse, division)


async def _number_in_path(
    number: Annotated[str, Path(description="户编号", json_schema_extra={"pattern": HOUSEHOLD_FORM})],
) -> HouseholdNumber:
    return _placed("path", "number", HouseholdNumber.parse, number)


DivisionPath = Annotated[DivisionCode, Depends(_division_in_path)]
"""The path parameter `{division}`."""
DivisionQuery = Annotated[DivisionCode | None, Depends(_division_in_query)]
"""The query parameter `division`, absent or read."""
HouseholdNumberPath = Annotated[HouseholdNumber, Depends(_number_in_path)]
"""The path parameter `{number}`."""
