"""What the tables share: the metadata, the plumbing, the type of a moment."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from shared.db import plumbing_tables

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)

MOMENT = sa.DateTime(timezone=True)


def division_column(comment: str = "所在村") -> sa.Column[Any]:
    """The division that decides who may see a row."""
    return sa.Column("division", sa.BigInteger, nullable=False, comment=comment)
