"""The numbers a pack is judged by: resolved for one place and day, kept with the judgement, with their law."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

from services.assessment.domain.catalogue import COUNTS_AS_CODES, EPOCH
from services.assessment.domain.evaluator import Bound
from services.assessment.domain.packs import Pack
from shared.errors import Invalid
from shared.parameters import Parameter, Parameters
from shared.values import DivisionCode

PAYOUT_COMPONENT: Final = "payout_component."


class NumberBeyondPack(Invalid):
    """参数超出规则包范围: a parameter whose value the pack was not proven for."""

    code = "parameter.beyond_pack"
    zh = "参数“{key}”的取值 {value} 超出规则包 {pack} 声明的范围 {least} 至 {most}"
    en = "Parameter '{key}' has the value {value}, beyond {least} to {most} that pack {pack} declares"
    hint_zh = "请更正参数，或修改规则包后重新装入"
    hint_en = "Correct the parameter, or change the pack and load it again"


class NumberTooLoose(Invalid):
    """参数低于上级规定: days of publicity, quorum and majority protect the villagers; a place may only ask for more."""

    code = "parameter.too_loose"
    zh = "参数“{key}”的取值 {value}（{unit}）低于上级规定的 {least}（{least_unit}）；依据：{basis}"
    en = "Parameter '{key}' with value {value} ({unit}) asks for less than the {least} ({least_unit}) in force above it"
    hint_zh = "本地可以更严，不可更宽"
    hint_en = "A place may be stricter, never laxer"


@dataclass(frozen=True)
class Numbers:
    """研判参数: what was in force for one pack, one place and one day. Equal content has equal `hash`."""

    bound: Bound
    rows: Mapping[str, Parameter | None]

    def as_json(self) -> dict[str, Any]:
        """How it is kept with a judgement: each number with place, dates and law, or null where none was in force."""
        return {key: None if row is None else _row_as_json(row) for key, row in self.rows.items()}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the rows. The day judged is not part of it: the same numbers on two days are the same."""
        canonical = json.dumps(self.as_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def _row_as_json(row: Parameter) -> dict[str, Any]:
    return {
        "division": None if row.division is None else row.division.text,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": None if row.valid_to is None else row.valid_to.isoformat(),
        "value": row.value,
        "unit": row.unit,
        "basis_zh": row.basis_zh,
        "basis_en": row.basis_en,
        "entered_by": row.entered_by,
        "approved_by": row.approved_by,
    }


def numbers_of_json(kept: Mapping[str, Any], asof: date) -> Numbers:
    """The numbers of a kept judgement, as they were."""
    rows = {key: None if row is None else _row_of_json(key, row) for key, row in kept.items()}
    return Numbers(_bound(rows, asof), rows)


def _row_of_json(key: str, row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        key,
        None if row["division"] is None else DivisionCode.parse(row["division"]),
        date.fromisoformat(row["valid_from"]),
        None if row["valid_to"] is None else date.fromisoformat(row["valid_to"]),
        row["value"],
        row["unit"],
        row["basis_zh"],
        row["basis_en"],
        row["entered_by"],
        row["approved_by"],
    )


def resolve(pack: Pack, parameters: Parameters, division: DivisionCode, asof: date) -> Numbers:
    """The nearest number in force for each key of the pack; one that is missing makes its criteria unknown."""
    keys = [*pack.keys, *sorted(key for key in parameters.keys if key.startswith(PAYOUT_COMPONENT))]
    rows = {key: parameters.find(key, division, asof) for key in keys}
    for row in rows.values():
        if row is not None:
            refuse_beyond(pack, row)
    return Numbers(_bound(rows, asof), rows)


def refuse_beyond(pack: Pack, row: Parameter) -> None:
    """A number of another unit, or beyond the bounds that the pack's overflow proof rests on, may not be used by it."""
    shape = pack.shape.parameters.get(row.key)
    if shape is None:
        return
    is_within = row.unit == shape.unit and (
        row.unit == "date" or (isinstance(row.number, int) and shape.least <= row.number <= shape.most)
    )
    if not is_within:
        value = f"{row.value} ({row.unit})"
        raise NumberBeyondPack(key=row.key, value=value, pack=pack.id, least=shape.least, most=shape.most)


def refuse_looser(row: Parameter, above: Parameter | None) -> None:
    """A safeguard of a procedure: in the unit and at least as large as the one that holds in the division above."""
    if above is None:
        return
    try:
        is_kept = row.unit == above.unit and Fraction(row.value) >= Fraction(above.value)
        is_possible = row.unit != "share" or Fraction(row.value) <= 1
    except (ValueError, ZeroDivisionError):
        is_kept = is_possible = False
    if not (is_kept and is_possible):
        raise NumberTooLoose(
            key=row.key,
            value=row.value,
            unit=row.unit,
            least=above.value,
            least_unit=above.unit,
            basis=above.basis_zh,
        )


def _bound(rows: Mapping[str, Parameter | None], asof: date) -> Bound:
    numbers: dict[str, int | None] = {}
    components: dict[str, str] = {}
    for key, row in rows.items():
        if key.startswith(PAYOUT_COMPONENT):
            if row is not None and row.value in COUNTS_AS_CODES:
                components[key.removeprefix(PAYOUT_COMPONENT)] = row.value
        elif row is None or row.unit != "code":
            numbers[key] = None if row is None else _as_int(row)
    return Bound(asof, numbers, components)


def _as_int(row: Parameter) -> int:
    number = row.number
    return number.toordinal() - EPOCH if isinstance(number, date) else number


class Table:
    """参数解析: resolves once for each set of rows that can differ, not once a household."""

    def __init__(self, pack: Pack, parameters: Parameters, asof: date) -> None:
        self._pack, self._parameters, self._asof = pack, parameters, asof
        payouts = [key for key in parameters.keys if key.startswith(PAYOUT_COMPONENT)]
        self._places = parameters.places([*pack.keys, *payouts])
        self._known: dict[tuple[int, ...], Numbers] = {}

    def at(self, division: DivisionCode) -> Numbers:
        """The numbers in force in a division."""
        here: DivisionCode | None = division
        path = []
        while here is not None:
            if here.value in self._places:
                path.append(here.value)
            here = here.parent
        key = tuple(path)
        if key not in self._known:
            self._known[key] = resolve(self._pack, self._parameters, division, self._asof)
        return self._known[key]

    def groups(self, divisions: Iterable[DivisionCode]) -> dict[str, tuple[Numbers, list[int]]]:
        """Places in the batch by the hash of the numbers that hold there."""
        found: dict[str, tuple[Numbers, list[int]]] = {}
        by_division: dict[int, Numbers] = {}
        for place, division in enumerate(divisions):
            numbers = by_division.get(division.value)
            if numbers is None:
                numbers = by_division[division.value] = self.at(division)
            found.setdefault(numbers.hash, (numbers, []))[1].append(place)
        return found
