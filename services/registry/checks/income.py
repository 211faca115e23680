"""Income: F1 of the rule catalogue (domain §8.3), by the formula of §1.4."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found, yuan
from services.registry.domain.fields import COMPONENT_OF, INCOME_ITEM_NAMES
from services.registry.domain.inspection import Check, Frames

_COMPONENTS = "ABCDE"


def sums_differ(frames: Frames) -> pl.DataFrame:
    """A total that is not the sum of its items; a net or per-capita income that does not follow from the totals."""
    written = frames.households.with_columns(
        pl.sum_horizontal(item for item, of in COMPONENT_OF.items() if of == component).alias(f"sum_{component}")
        for component in _COMPONENTS
    )
    asked = {of for item, of in COMPONENT_OF.items() if item in frames.fields}
    totals = [one for one in _COMPONENTS if one in asked]
    findings = [_differs(written, f"declared_{one.lower()}_fen", pl.col(f"sum_{one}"), 0) for one in totals]
    net = _net()
    counted = pl.max_horizontal(pl.coalesce("headcount_on_form", "members"), pl.lit(1))
    declared_net = pl.coalesce("declared_net_fen", net)
    findings.append(_differs(written, "declared_net_fen", net, 0))
    findings.append(_differs(written, "declared_per_capita_fen", declared_net // counted, 1))
    return pl.concat(findings)


def _net() -> pl.Expr:
    """A + B + C + D − E, by the totals that the form declares where it does."""
    parts = {one: pl.coalesce(f"declared_{one.lower()}_fen", f"sum_{one}") for one in _COMPONENTS}
    return parts["A"] + parts["B"] + parts["C"] + parts["D"] - parts["E"]


def _differs(households: pl.DataFrame, name: str, right: pl.Expr, tolerance_fen: int) -> pl.DataFrame:
    """Where the declared amount is another one (a rounded division may be one fen off)."""
    wrong = households.filter((pl.col(name) - right).abs() > tolerance_fen)
    said, due = yuan(pl.col(name)), yuan(right)
    return found(
        wrong,
        name,
        pl.format("填报{}元，按明细应为{}元", said, due),
        pl.format("declared {} yuan, the items make {} yuan", said, due),
    )


INCOME: tuple[Check, ...] = (
    Check(
        "F1",
        "doubt",
        "收入合计、纯收入、人均纯收入与明细是否相符？",
        "Do totals, net and per-capita income follow from the items?",
        (
            "declared_a_fen",
            "declared_b_fen",
            "declared_c_fen",
            "declared_d_fen",
            "declared_e_fen",
            "declared_net_fen",
            "declared_per_capita_fen",
            *INCOME_ITEM_NAMES,
            "headcount_on_form",
            "relation",
        ),
        sums_differ,
        about="household",
        in_parts=True,
    ),
)
