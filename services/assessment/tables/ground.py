"""What all tables of assessment stand on: one metadata, the plumbing, the type of a moment."""

from __future__ import annotations

import sqlalchemy as sa

from shared.db import plumbing_tables

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)

MOMENT = sa.DateTime(timezone=True)
