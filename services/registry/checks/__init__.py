"""The data checks, a file a family. A new one: a function and its entry in the family's tuple, two cases beside it."""

from __future__ import annotations

from services.registry.checks.causes import CAUSES
from services.registry.checks.cover import COVER
from services.registry.checks.identity import IDENTITY
from services.registry.checks.income import INCOME
from services.registry.checks.labour import LABOUR
from services.registry.checks.structure import STRUCTURE
from services.registry.domain.inspection import Check

CHECKS: tuple[Check, ...] = (*IDENTITY, *STRUCTURE, *LABOUR, *INCOME, *COVER, *CAUSES)

__all__ = ["CHECKS"]
