"""HTTP: the application factory, the doors `Tx` `Officer` `Now`, problem answers, idempotency, lists, uploads, API
pages.

A service's `api.py` needs these names alone.
"""

from shared.auth import PUBLIC, Role
from shared.web.access_routes import AccessOut, access_router
from shared.web.app import RouteWrong, create_app, drain
from shared.web.fields import (
    Body,
    CitizenIdField,
    DivisionField,
    DivisionPath,
    DivisionQuery,
    HouseholdNumberField,
    HouseholdNumberPath,
    MoneyField,
    Out,
    ShownCitizenId,
)
from shared.web.job_routes import JobOut, job_router
from shared.web.openapi import openapi_text
from shared.web.paging import Page, Paging, PagingAsked
from shared.web.passing import Fittings, Upload, fittings_of
from shared.web.problems import ProblemOut
from shared.web.routing import Now, Officer, Purpose, Router, Tx, role_table
from shared.web.serving import serve
from shared.web.uploads import ROWS, WORKBOOKS, XLSX, UploadedFile
from shared.web.versions import IfMatch, Match, set_etag

__all__ = [
    "PUBLIC",
    "ROWS",
    "WORKBOOKS",
    "XLSX",
    "AccessOut",
    "Body",
    "CitizenIdField",
    "DivisionField",
    "DivisionPath",
    "DivisionQuery",
    "Fittings",
    "HouseholdNumberField",
    "HouseholdNumberPath",
    "IfMatch",
    "JobOut",
    "Match",
    "MoneyField",
    "Now",
    "Officer",
    "Out",
    "Page",
    "Paging",
    "PagingAsked",
    "ProblemOut",
    "Purpose",
    "Role",
    "RouteWrong",
    "Router",
    "ShownCitizenId",
    "Tx",
    "Upload",
    "UploadedFile",
    "access_router",
    "create_app",
    "drain",
    "fittings_of",
    "job_router",
    "openapi_text",
    "role_table",
    "serve",
    "set_etag",
]
