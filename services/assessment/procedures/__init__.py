"""程序库: the procedures there are, one a file, in one explicit list. A file and its line here is a new procedure."""

from __future__ import annotations

from services.assessment.domain.machine import Procedure
from services.assessment.procedures.exit import EXIT

PROCEDURES: dict[str, Procedure] = {procedure.name: procedure for procedure in (EXIT,)}

__all__ = ["EXIT", "PROCEDURES"]
