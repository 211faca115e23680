"""What may be asked of registry over HTTP, one file a noun."""

from services.registry.api.comings import router as comings
from services.registry.api.counts import router as counts
from services.registry.api.divisions import router as divisions
from services.registry.api.doubts import router as doubts
from services.registry.api.exports import router as exports
from services.registry.api.households import router as households
from services.registry.api.intakes import router as intakes
from services.registry.api.reports import router as reports
from services.registry.api.search import router as search
from services.registry.api.surgery import router as surgery

ROUTERS = (divisions, households, intakes, reports, counts, doubts, surgery, comings, search, exports)

__all__ = ["ROUTERS"]
