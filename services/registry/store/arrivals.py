"""What passes between the worker and its parsing child: plain rows that pickle well and need no frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from services.registry.domain.modes import Blank, Mode
from services.registry.forms.limits import Limits
from shared.parameters import Parameter
from shared.values import Period, Scope


class Shapes(NamedTuple):
    """表的列: which columns the register's tables have. The child is told: it starts in half the time without the
    library that knows them.
    """

    household: tuple[str, ...]
    person: tuple[str, ...]
    staging: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said of a file, and how it is cut."""

    scope: Scope
    observed_on: date
    year: Period
    chunk_rows: int
    limits: Limits
    shapes: Shapes
    system: str | None = None
    """Whose digits and headings they are."""
    choices: Mapping[str, str | None] = field(default_factory=dict)
    """What somebody has said that its headings mean."""
    parameters: tuple[Parameter, ...] = ()
    """The dated numbers that checks compare with."""
    mode: Mode = Mode.RECORD
    blank: Blank = Blank.ERASE

    @property
    def amends(self) -> bool:
        """Whether the file says a part of what is on record."""
        return self.mode is Mode.UPDATE


@dataclass(frozen=True, slots=True)
class AskedChecks:
    """所问: which checks a file answers whole, and of those that ask in parts, at which fields."""

    whole: tuple[str, ...] = ()
    in_parts: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """退回: a row of the file, the column to mark, and why."""

    row: int
    column: str | None
    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a file once it was read."""

    rows: int
    rows_refused: int
    chunks: int
    fields: tuple[str, ...]
    headings: list[dict[str, str]]
    """For each place of the file (`domain.places`): field → heading."""
    told: dict[str, Any]
    """How the file was read, as an answer carries it: the sheet of each place, columns, notes."""
    household_columns: tuple[str, ...]
    person_columns: tuple[str, ...]
    sealed_columns: tuple[str, ...]
    refusals: list[Refusal]
    asked: AskedChecks = field(default_factory=AskedChecks)
    """Which checks the file answers: of the others it says nothing."""


class HouseholdKey(NamedTuple):
    """A household of the chunk: its number, where it lies, the row of its head."""

    number: str
    division: int | None
    """Nothing where a correction does not say it."""
    row: int


class PersonKey(NamedTuple):
    """A person of the chunk. `identities` are blind indexes under every live key, the current first; none when the file
    itself has no number of his own for him.
    """

    row: int
    number: str
    relation: str | None
    identities: list[bytes]
    provisional: list[bytes]
    name: str | None = None
    person_number: str | None = None
    """Of a correction alone: there a person is met by them."""


@dataclass(frozen=True, slots=True)
class ChunkKeys:
    """Under which keys a chunk's rows would stand in the register."""

    households: list[HouseholdKey]
    persons: list[PersonKey]


@dataclass(frozen=True, slots=True)
class Numbered:
    """The chunk's rows with their inside numbers and ids; what was refused is not in it."""

    households: list[tuple[str, int, str, bool, int]] = field(default_factory=list)
    """Number, inside number, id, whether new, division."""
    persons: list[tuple[int, int, str, bool, bool, str]] = field(default_factory=list)
    """Row, inside number, id, whether new, whether provisional, identity index in hex."""
    repeated: list[int] = field(default_factory=list)
    """Rows whose number is held by another household's member: doubt I1."""
    refusals: list[Refusal] = field(default_factory=list)
