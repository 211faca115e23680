"""Income: F1–F6 of the rule catalogue (domain §8.3), by the formula of §1.4."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found, holds, yuan
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


per_head = pl.col("declared_per_capita_fen")
_PAID = {
    "transfer_minimum_living": "check.f5.minimum_living_fen",
    "transfer_family_planning": "check.f5.family_planning_fen",
    "transfer_pension": "check.f5.pension_fen",
    "transfer_special_hardship": "check.f5.special_hardship_fen",
}
"""Transfers and the least that anybody is paid of them in a year."""
_WAGES, _GROSS, _COSTS = (
    tuple(item for item, of in COMPONENT_OF.items() if of == component) for component in ("A", "B", "E")
)


def per_head_unlikely(frames: Frames) -> pl.DataFrame:
    """No income a head, none filled in, or one that is hardly possible; little, of a household that is not poor."""
    most, least = frames.number("check.f2.most_fen"), frames.number("check.f2.least_fen")
    homes = frames.households
    field = "declared_per_capita_fen"
    return pl.concat(
        [
            found(homes.filter(per_head.is_null()), field, "人均纯收入未填", "income a head is not filled in"),
            found(homes.filter(per_head <= 0), field, "人均纯收入不大于零", "income a head is not above nothing"),
            found(homes.filter(per_head > most), field, "人均纯收入过高", "income a head is very high"),
            found(
                homes.filter((per_head > 0) & (per_head < least) & ~holds("poor")),
                field,
                "非贫困户人均纯收入过低",
                "income a head is low for a household that is not poor",
            ),
        ]
    )


def business_without_cost(frames: Frames) -> pl.DataFrame:
    """Operating income, and nothing spent on it."""
    wrong = frames.households.filter((pl.sum_horizontal(_GROSS) > 0) & (pl.sum_horizontal(_COSTS) == 0))
    zh, en = "有生产经营性收入，无生产经营性支出", "operating income without any cost"
    return found(wrong, _GROSS[0], zh, en)


def wage_unlikely(frames: Frames) -> pl.DataFrame:
    """A year's wages of a household that are hardly possible."""
    least, most = frames.number("check.f4.least_fen"), frames.number("check.f4.most_fen")
    wages = pl.sum_horizontal(_WAGES)
    wrong = frames.households.filter(((wages > 0) & (wages < least)) | (wages > most))
    return found(wrong, _WAGES[0], "工资性收入异常", "unlikely wages")


def transfer_unlikely(frames: Frames) -> pl.DataFrame:
    """A transfer below the least that is paid in a year."""
    zh, en = "低于该项转移收入的年度最低标准", "below the least that is paid of this in a year"
    asked = [(item, key) for item, key in _PAID.items() if item in frames.fields]
    return pl.concat(
        found(frames.households.filter((pl.col(item) > 0) & (pl.col(item) < frames.number(key))), item, zh, en)
        for item, key in asked
    )


def support_against_status(frames: Frames) -> pl.DataFrame:
    """低保 without its money, its money in an ordinary household, 低保 and 特困 at once."""
    allowance = pl.col("transfer_minimum_living").fill_null(0) > 0
    support = pl.col("transfer_special_hardship").fill_null(0) > 0
    homes = frames.households
    unpaid = homes.filter(holds("minimum_living") & ~allowance)
    unfounded = homes.filter(holds("ordinary") & (allowance | support))
    both = homes.filter(holds("minimum_living") & holds("special_hardship"))
    return pl.concat(
        [
            found(unpaid, "transfer_minimum_living", "低保户无低保金", "on the allowance, and none of it is paid"),
            found(
                unfounded, "transfer_minimum_living", "一般农户有低保金或特困供养金", "an ordinary household is paid it"
            ),
            found(both, "statuses", "同时为低保户和特困户", "on the allowance and in special hardship at once"),
        ]
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
    Check(
        "F2",
        "doubt",
        "人均纯收入是否合理？",
        "Is the income a head likely?",
        ("declared_per_capita_fen", "statuses"),
        per_head_unlikely,
        numbers=("check.f2.most_fen", "check.f2.least_fen"),
        about="household",
    ),
    Check(
        "F3",
        "doubt",
        "有生产经营性收入的是否有支出？",
        "Has operating income its costs?",
        (*_GROSS, *_COSTS),
        business_without_cost,
        about="household",
    ),
    Check(
        "F4",
        "doubt",
        "工资性收入是否合理？",
        "Are the wages likely?",
        _WAGES,
        wage_unlikely,
        about="household",
        numbers=("check.f4.least_fen", "check.f4.most_fen"),
    ),
    Check(
        "F5",
        "doubt",
        "转移性收入是否低于年度最低标准？",
        "Is a transfer below the least that is paid?",
        tuple(_PAID),
        transfer_unlikely,
        about="household",
        in_parts=True,
        numbers=tuple(_PAID.values()),
    ),
    Check(
        "F6",
        "doubt",
        "低保金、特困供养金与户类型是否相符？",
        "Do support money and status agree?",
        ("statuses", "transfer_minimum_living", "transfer_special_hardship"),
        support_against_status,
        about="household",
    ),
)
