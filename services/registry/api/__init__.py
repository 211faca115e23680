"""What may be asked of registry over HTTP, one file a noun."""

from services.registry.api import divisions, households, intakes, reports

ROUTERS = (divisions.router, households.router, intakes.router, reports.router)

__all__ = ["ROUTERS"]
