"""Which columns there are: SQLAlchemy Core tables, a file a noun, each column with its Chinese term as comment."""

from services.assessment.tables.cases import case_file, case_step, objection, publicity, publicity_item
from services.assessment.tables.foundation import metadata, plumbing
from services.assessment.tables.heard import circumstance, division, household, subject
from services.assessment.tables.judgements import (
    finding,
    judgement,
    numbers,
    pack,
    parameter,
    parameter_proposal,
    run,
)

__all__ = [
    "case_file",
    "case_step",
    "circumstance",
    "division",
    "finding",
    "household",
    "judgement",
    "metadata",
    "numbers",
    "objection",
    "pack",
    "parameter",
    "parameter_proposal",
    "plumbing",
    "publicity",
    "publicity_item",
    "run",
    "subject",
]
