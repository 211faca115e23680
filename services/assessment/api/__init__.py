"""What may be asked over HTTP, by whom, in what shape; one file a noun."""

from services.assessment.api import cases, judgements, procedures, publicity, rules

ROUTERS = (judgements.router, rules.router, *cases.ROUTERS, *publicity.ROUTERS, *procedures.ROUTERS)
