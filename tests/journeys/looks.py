"""What each question leaves in the access log: a row always, a row when it shows in clear, or none, and then why.

A question without an entry fails the matrix, so whoever adds one says which it is.
"""

from __future__ import annotations

ALWAYS = {
    "GET /registry/v1/access-log",
    "GET /registry/v1/doubts",
    "GET /registry/v1/doubts/work-list",
    "GET /registry/v1/doubts/{doubt_id}",
    "GET /registry/v1/exports/{job_id}/file",
    "GET /registry/v1/intakes/{job_id}/answer",
    "GET /registry/v1/intakes/{job_id}/diff",
    "POST /registry/v1/people/elsewhere",
    "POST /registry/v1/people/search",
    "POST /registry/v1/search/households",
    "POST /registry/v1/search/people",
    "GET /assessment/v1/access-log",
    "GET /assessment/v1/cases/{case_id}",
    "GET /assessment/v1/households/{household_id}/judgement",
    "GET /assessment/v1/judgements/measures",
    "GET /assessment/v1/judgements/{judgement_id}",
}
"""One row a question, before anything is answered."""

FOR_A_PURPOSE = {
    "GET /registry/v1/households/by-number/{number}",
    "GET /registry/v1/households/{household_id}",
}
"""Masked without a purpose, and no row; in clear with one, and a row."""

QUESTIONS = {
    "POST /registry/v1/people/elsewhere",
    "POST /registry/v1/people/search",
    "POST /registry/v1/search/households",
    "POST /registry/v1/search/people",
}
"""The only writes without an idempotency key: they are questions, put as a POST so that a number stands in no address.
Each asking is logged anew, and no old answer is given again."""

NONE: dict[str, tuple[str, ...]] = {
    "names nobody: places, law, counts, progress": (
        "GET /registry/v1/divisions",
        "GET /registry/v1/divisions/{code}",
        "GET /registry/v1/exports",
        "GET /registry/v1/exports/{job_id}",
        "GET /registry/v1/intakes/{job_id}",
        "GET /registry/v1/intakes/{job_id}/refusals",
        "GET /registry/v1/intakes/{job_id}/undo",
        "GET /registry/v1/jobs",
        "GET /registry/v1/jobs/{job_id}",
        "GET /registry/v1/reports/counts",
        "GET /registry/v1/reports/doubts",
        "GET /registry/v1/reports/households",
        "GET /assessment/v1/cases/counts",
        "GET /assessment/v1/jobs",
        "GET /assessment/v1/jobs/{job_id}",
        "GET /assessment/v1/packs",
        "GET /assessment/v1/parameters",
        "GET /assessment/v1/procedures",
        "GET /assessment/v1/procedures/{name}",
        "GET /assessment/v1/runs",
        "GET /assessment/v1/runs/{run_id}",
        "GET /assessment/v1/verdicts",
        "GET /cooperative/v1/books",
        "GET /cooperative/v1/books/{book_id}",
        "GET /cooperative/v1/books/{book_id}/months",
        "GET /cooperative/v1/books/{book_id}/payouts/total",
        "GET /cooperative/v1/books/{book_id}/trial-balance",
        "GET /cooperative/v1/charts",
    ),
    "masked, as on a list that a village may read": (
        "GET /registry/v1/households",
        "GET /registry/v1/households/{household_id}/timeline",
        "GET /registry/v1/intakes/{job_id}/absences",
        "GET /assessment/v1/cases",
        "GET /assessment/v1/cases/candidates",
        "GET /assessment/v1/objections",
        "GET /assessment/v1/publicities",
        "GET /assessment/v1/publicities/{publicity_id}",
        "GET /notify/v1/notices",
        "GET /notify/v1/notices/{notice_id}",
    ),
    "verdicts by code, heads masked; reasons and numbers are asked one by one, and logged": (
        "GET /assessment/v1/households/{household_id}/judgements",
        "GET /assessment/v1/judgements",
    ),
    "the cooperative's own book: members by number, no name": (
        "GET /cooperative/v1/books/{book_id}/drafts",
        "GET /cooperative/v1/books/{book_id}/entries",
        "GET /cooperative/v1/books/{book_id}/entries/{entry_id}",
        "GET /cooperative/v1/books/{book_id}/members",
        "GET /cooperative/v1/books/{book_id}/payouts",
        "GET /cooperative/v1/drafts/{draft_id}",
        "GET /cooperative/v1/drafts/{draft_id}/entries",
    ),
}


def all_looks() -> list[str]:
    """Every question that stands in one of the lists; twice, if it stands in two."""
    return [*ALWAYS, *FOR_A_PURPOSE, *(route for routes in NONE.values() for route in routes)]


def rows_of(route: str, *, in_clear: bool = False) -> int:
    """How many rows one asking leaves."""
    return int(route in ALWAYS or (in_clear and route in FOR_A_PURPOSE))
