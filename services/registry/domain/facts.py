"""A household as facts: what the other services may know of it. Nothing identifying leaves (ADR 0008)."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

from services.registry.domain.household import Household, IncomeRow, Living, Membership, StatusSpan
from services.registry.domain.matches import counted
from shared.events import Fact
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded
from shared.values import mask_name


def facts_of(household: Household) -> list[Fact]:
    """Both facts of a household's new state; they share its version."""
    return [recorded(household), circumstances(household)]


def recorded(household: Household) -> HouseholdRecorded:
    """户: what may be shown in public, the head's name masked, and every decision that was applied."""
    return HouseholdRecorded.model_validate(
        {
            "household": household.id,
            "version": household.version,
            "number": household.number.text,
            "division": household.division.text,
            "group": household.group,
            "statuses": [_span(span) for span in household.statuses],
            "masked_head": mask_name(household.heads[0].person.name) if household.heads else "",
            "headcount": len(household.members),
            "superseded_by": household.superseded_by,
            "decisions": household.decisions,
            "decisions_refused": [{"decision": one, "reason": why} for one, why in household.refused],
        }
    )


def circumstances(household: Household) -> CircumstancesRecorded:
    """户情况: alone enough to judge; members under pseudonyms that stand nowhere else."""
    declared = sorted({(row.year.first, row.year.last) for row in household.income if row.source == "declared"})
    return CircumstancesRecorded.model_validate(
        {
            "household": household.id,
            "version": household.version,
            "division": household.division.text,
            "statuses": [_span(span) for span in household.statuses],
            "members": [_member(one) for one in household.members],
            "living": _living(household.living),
            "income": [_income(row, fen) for row, fen in counted(household.income)],
            "income_declared": declared,
            "superseded_by": household.superseded_by,
        }
    )


def _span(span: StatusSpan) -> dict[str, Any]:
    return {"kind": span.kind, "since": span.since, "until": span.until, "decision": span.opened_by}


_MEMBER_FIELDS = (
    "sex",
    "birth_on",
    "present",
    "schooling",
    "education",
    "health",
    "disability_kind",
    "disability_level",
    "labour",
    "medical_cover",
    "serious_illness_cover",
    "pension_cover",
    "work_months",
    "work_monthly_pay_fen",
    "job_lost_on",
)  # 成员情况 that travels: a test holds it against the catalogue


def _member(membership: Membership) -> dict[str, Any]:
    person = membership.person
    travelling = {name: getattr(person, name) for name in _MEMBER_FIELDS}
    if person.work_months is not None and not 0 <= person.work_months <= 12:
        travelling["work_months"] = None  # recorded with a doubt (L10), but nothing to judge by
    return {"pseudonym": person.pseudonym, "relation": membership.relation, **travelling}


def _living(living: Living) -> dict[str, Any]:
    """Land and declared totals stay at home: the event model takes what it knows and ignores the rest."""
    values = {one.name: getattr(living, one.name) for one in fields(living)}
    area: Decimal | None = living.housing_area_m2
    return {**values, "housing_area_m2": None if area is None else f"{area:.2f}"}


def _income(row: IncomeRow, fen: int) -> dict[str, Any]:
    return {
        "year_from": row.year.first,
        "year_to": row.year.last,
        "component": row.component,
        "item": row.item,
        "source": row.source,
        "fen": fen,
        "paid_on": row.paid_on,
    }
