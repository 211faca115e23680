"""Which columns there are: SQLAlchemy Core tables, one file per noun, each column with its Chinese term as its comment.

Household and person are current rows with a history of superseded images in the same columns; membership, status and
income are rows with `known_from` and `known_to`, corrected by closing and inserting (history, ADR 0007).
"""

from services.registry.tables.divisions import division, division_history, parameter
from services.registry.tables.doubts import doubt, doubt_event
from services.registry.tables.exports import export, export_piece
from services.registry.tables.households import HOUSEHOLD_FACTS, decision, deed, household, household_history
from services.registry.tables.intake import (
    absence,
    intake,
    intake_change,
    intake_chunk,
    intake_doubt,
    intake_file,
    intake_refusal,
    staging_doubt,
    staging_household,
    staging_income,
    staging_person,
    staging_status,
    undo_plan,
)
from services.registry.tables.intervals import income, income_match, membership, status
from services.registry.tables.likeness import likeness, likeness_due, likeness_frequency, likeness_probe
from services.registry.tables.people import PERSON_FACTS, person, person_history
from services.registry.tables.shapes import metadata, plumbing

STAGING = (staging_household, staging_person, staging_status, staging_income, staging_doubt)
"""待入库: rows of a file on their way in; unlogged, the worker's alone, without policies (COPY refuses those)."""

__all__ = [
    "HOUSEHOLD_FACTS",
    "PERSON_FACTS",
    "STAGING",
    "absence",
    "decision",
    "deed",
    "division",
    "division_history",
    "doubt",
    "doubt_event",
    "export",
    "export_piece",
    "household",
    "household_history",
    "income",
    "income_match",
    "intake",
    "intake_change",
    "intake_chunk",
    "intake_doubt",
    "intake_file",
    "intake_refusal",
    "likeness",
    "likeness_due",
    "likeness_frequency",
    "likeness_probe",
    "membership",
    "metadata",
    "parameter",
    "person",
    "person_history",
    "plumbing",
    "staging_doubt",
    "staging_household",
    "staging_income",
    "staging_person",
    "staging_status",
    "status",
    "undo_plan",
]
