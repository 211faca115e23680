"""成员: one household's membership in one book, and the small copy of households that cooperative keeps for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.cooperative.domain.books import Admission, Book
from shared.errors import FieldError


@dataclass(frozen=True, slots=True)
class Span:
    """状态区间: true from `since` up to, not including, `until`."""

    kind: str
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Household:
    """户: what was heard from registry; no name but the masked one."""

    id: UUID
    number: str
    statuses: tuple[Span, ...]

    def had(self, admission: Admission) -> bool:
        """Whether it had the status on the day."""
        return any(
            span.kind == admission.status
            and span.since <= admission.on
            and (span.until is None or admission.on < span.until)
            for span in self.statuses
        )


@dataclass(frozen=True, slots=True)
class MemberRow:
    """成员登记行: as it was handed in, with its place in the list."""

    row: int
    number: int
    household_number: str
    joined_on: date


@dataclass(frozen=True, slots=True)
class Member:
    """成员: which household, under which member number, since when. Leaving poverty ends no membership."""

    number: int
    household: UUID
    joined_on: date


@dataclass(frozen=True, slots=True)
class Enrolment:
    """登记结果: rows in = entered + unchanged + refused."""

    entered: tuple[Member, ...]
    unchanged: int
    refused: tuple[FieldError, ...]


def enrol(
    book: Book, rows: list[MemberRow], households: dict[str, Household], present: tuple[Member, ...]
) -> Enrolment:
    """Take in a list: each row is entered, was there before, or is refused with its reason; none is half done."""
    by_number = {member.number: member for member in present}
    by_household = {member.household: member for member in present}
    entered: list[Member] = []
    refused: list[FieldError] = []
    for row in rows:
        household = households.get(row.household_number)
        if household is None:
            refused.append(_wrong(row, "household.missing", "未找到该户编号", "no such household number"))
            continue
        if book.admission is not None and not household.had(book.admission):
            refused.append(_not_eligible(row, book.admission))
            continue
        member = Member(row.number, household.id, row.joined_on)
        taken = by_number.get(member.number) or by_household.get(member.household)
        if taken is None:
            by_number[member.number] = by_household[member.household] = member
            entered.append(member)
        elif taken != member:
            refused.append(
                _wrong(
                    row,
                    "member.taken",
                    "成员编号或该户已登记为另一成员",
                    "this number or household is a member already",
                )
            )
    return Enrolment(tuple(entered), len(rows) - len(entered) - len(refused), tuple(refused))


def _not_eligible(row: MemberRow, admission: Admission) -> FieldError:
    zh = f"该户在 {admission.on} 不符合入社条件（{admission.status}）"
    return _wrong(row, "member.not_eligible", zh, f"the household was not '{admission.status}' on {admission.on}")


def _wrong(row: MemberRow, code: str, zh: str, en: str) -> FieldError:
    return FieldError(code=code, zh=zh, en=en, row=row.row, column="household_number")
