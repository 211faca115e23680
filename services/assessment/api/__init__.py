"""What may be asked over HTTP, by whom, in what shape; one file a noun."""

from services.assessment.api import judgements, procedures, rules

ROUTERS = (judgements.router, rules.router, *procedures.ROUTERS)
