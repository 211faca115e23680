"""What the routes of judging and of the procedures ask alike: a division in the query, and who may read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from shared.values import DivisionCode
from shared.web import Role

READERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER, Role.AUDITOR)


def _division(
    division: Annotated[str, Query(pattern=r"^[0-9]{2,12}$", description="区划代码，2、4、6、9或12位")],
) -> DivisionCode:
    return DivisionCode.parse(division)


Division = Annotated[DivisionCode, Depends(_division)]
