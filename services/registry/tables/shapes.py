"""What the tables share: the metadata, the plumbing, and the columns that say when and by whom a row became known."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import plumbing_tables

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)

MOMENT = sa.DateTime(timezone=True)
STILL = sa.text("'infinity'")
AREA = sa.Numeric(12, 2)


def number() -> sa.Column[Any]:
    """内部序号: small keys inside, the public id beside them. Filled from its sequence by intake too."""
    return sa.Column("no", sa.BigInteger, sa.Identity(always=False), primary_key=True, comment="内部序号")


def observed() -> list[sa.Column[Any]]:
    """How an observation became known: when seen, which version, by whom, from which row of which file."""
    return [
        sa.Column("observed_on", sa.Date, nullable=False, comment="调查日期"),
        sa.Column("version", sa.BigInteger, nullable=False, comment="版本"),
        sa.Column("known_from", MOMENT, nullable=False, comment="录入时刻"),
        *recorded(),
    ]


def recorded() -> list[sa.Column[Any]]:
    """By whom, and from which row of which file."""
    return [
        sa.Column("recorded_by", sa.Text, nullable=False, comment="录入人"),
        sa.Column("batch", pg.UUID, comment="批次（导入任务编号）"),
        sa.Column("batch_row", sa.Integer, comment="文件行号"),
    ]


def known() -> list[sa.Column[Any]]:
    """Since when and until when a row of an interval or an amount is held to be true; never edited, only closed."""
    return [
        sa.Column("known_from", MOMENT, nullable=False, comment="录入时刻"),
        sa.Column("known_to", MOMENT, nullable=False, server_default=STILL, comment="更正时刻"),
        *recorded(),
        sa.Column("closed_batch", pg.UUID, comment="更正批次"),
        sa.Column("closed_by", sa.Text, comment="更正人"),
    ]


def plain(columns: list[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """The same columns without defaults: history and staging hold what they are given."""
    return [
        sa.Column(
            one.name,
            one.type,
            nullable=one.nullable,
            comment=one.comment,
            autoincrement=False,
            server_default=sa.text("false") if one.name == "withdrawn" else None,
        )
        for one in columns
    ]


def unfilled(columns: list[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """The same, and none of them must be filled in."""
    return [sa.Column(one.name, one.type, comment=one.comment, autoincrement=False) for one in columns]


def history_of(current: sa.Table) -> sa.Table:
    """更正前影像: superseded images in the same typed columns, complete when written, never changed."""
    return sa.Table(
        f"{current.name}_history",
        metadata,
        *plain(list(current.columns)),
        sa.Column("known_to", MOMENT, nullable=False, comment="被取代时刻"),
        *([sa.Column("undone_by", pg.UUID, comment="撤销该影像的批次")] if "withdrawn" in current.c else []),
        sa.PrimaryKeyConstraint("no" if "no" in current.c else "code", "version", name=f"{current.name}_history_pkey"),
        comment=f"{current.comment}·历史影像",
    )
