"""Living conditions, land and support: C1–C3, C6–C8, F7, F8, T5 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import DISABLED, FIT, SICK, found, holds, homes_where
from services.registry.domain.inspection import Check, Frames

_LAND = ("arable", "forest", "returned_forest", "orchard", "pasture", "water")
_MU = tuple(f"{kind}_mu" for kind in _LAND)
_PER_HEAD = ("arable", "forest")
_FORESTED = pl.sum_horizontal("forest_mu", "pasture_mu")


def unsafe_not_monitored(frames: Frames) -> pl.DataFrame:
    """A dangerous house or unsafe water, and nobody monitors the household."""
    house = pl.col("housing_level").is_in(["C", "D"]) & ~holds("monitored")
    water = (pl.col("water_safe") == "no") & ~holds("monitored")
    zh, en = "住房或饮水安全未解决，未纳入监测", "house or water is not safe, and the household is not monitored"
    return pl.concat(
        [
            found(frames.households.filter(house), "housing_level", zh, en),
            found(frames.households.filter(water), "water_safe", zh, en),
        ]
    )


def sick_without_cover(frames: Frames) -> pl.DataFrame:
    """Seriously ill without serious-illness cover, in a household that nobody monitors."""
    bare = SICK & (pl.col("serious_illness_cover") == "no") & ~holds("monitored")
    zh, en = "患大病、未参加大病保险、未纳入监测", "seriously ill, without that cover, and not monitored"
    return found(frames.members("statuses").filter(bare), "serious_illness_cover", zh, en)


def below_the_line(frames: Frames) -> pl.DataFrame:
    """Income a head below the monitoring line, and nobody monitors the household."""
    low = pl.col("declared_per_capita_fen") < frames.number("check.c3.monitoring_line_fen")
    wrong = frames.households.filter(low & ~holds("monitored"))
    zh, en = "人均纯收入低于监测线，未纳入监测", "income a head below the monitoring line, and not monitored"
    return found(wrong, "declared_per_capita_fen", zh, en)


def living_incomplete(frames: Frames) -> pl.DataFrame:
    """Area, water, electricity or road not filled in."""
    empty = {name: pl.col(name).is_null() for name in ("housing_area_m2", "water_safe", "electricity", "road")}
    empty["housing_area_m2"] |= (pl.col("housing_area_m2") == 0) & (pl.col("housing_level") != "none").fill_null(True)
    asked = [name for name in empty if name in frames.fields]
    zh, en = "生活条件未填", "not filled in"
    nothing = found(frames.households.head(0), "road", zh, en)
    return pl.concat([nothing, *(found(frames.households.filter(empty[name]), name, zh, en) for name in asked)])


def no_electricity(frames: Frames) -> pl.DataFrame:
    """A household that is or was poor, without electricity."""
    dark = (pl.col("electricity") == "no") & (holds("poor") | holds("lifted"))
    return found(frames.households.filter(dark), "electricity", "未通生活用电", "without electricity")


def card_against_health(frames: Frames) -> pl.DataFrame:
    """Disabled without a card, a card without a disability."""
    card = pl.col("disability_card").is_not_null()
    without = frames.persons.filter(DISABLED & ~card)
    unlike = frames.persons.filter(card & ~DISABLED)
    return pl.concat(
        [
            found(without, "disability_card", "残疾人未填残疾证号", "disabled, and no card is filled in"),
            found(unlike, "health", "有残疾证，健康状况不是残疾", "a disability card, and health does not say so"),
        ]
    )


def compensated_without_forest(frames: Frames) -> pl.DataFrame:
    """Paid for farmland given back to forest, and none was."""
    paid = pl.col("transfer_returned_forest") > 0
    wrong = frames.households.filter(paid & (pl.col("returned_forest_mu").fill_null(0) == 0))
    zh, en = "有退耕还林补助，无退耕还林面积", "paid for land given back to forest, and there is none"
    return found(wrong, "returned_forest_mu", zh, en)


def land_unlikely(frames: Frames) -> pl.DataFrame:
    """More land than a household has; more given back than there is forest and pasture; too much a head."""
    homes, zh, en = frames.households, "土地面积异常", "an unlikely area of land"
    wide = [
        found(homes.filter(pl.col(f"{kind}_mu") > frames.number(f"check.f8.{kind}_mu")), f"{kind}_mu", zh, en)
        for kind in _LAND
        if kind not in _PER_HEAD
    ]
    for kind in _PER_HEAD:
        area, most = pl.col(f"{kind}_mu"), frames.number(f"check.f8.{kind}_mu")
        a_head = area > frames.number(f"check.f8.{kind}_mu_a_head") * pl.col("members")
        wide.append(found(homes.filter((area > most) | a_head), f"{kind}_mu", zh, en))
    given_back = homes.filter(
        (pl.col("returned_forest_mu") > _FORESTED)
        & ~(pl.col("returned_forest_mu") > frames.number("check.f8.returned_forest_mu"))
    )
    more_zh, more_en = "退耕还林面积大于林地与牧草地之和", "more given back than there is forest and pasture"
    return pl.concat([*wide, found(given_back, "returned_forest_mu", more_zh, more_en)])


def nobody_fit(frames: Frames) -> pl.DataFrame:
    """A household that is or was poor in which nobody has labour, and no allowance or support."""
    able = FIT | (pl.col("labour") == "weak")
    signs = (able.alias("able"), pl.col("labour").is_null().alias("unknown"))
    homes = frames.households.join(homes_where(frames.persons, *signs), on="household")
    poor = holds("poor") | holds("lifted") | holds("monitored")
    supported = holds("minimum_living") | holds("special_hardship")
    wrong = homes.filter(poor & ~supported & (pl.col("able") == 0) & (pl.col("unknown") == 0))
    zh, en = "整户无劳动力，未享受低保或特困供养", "nobody has labour, and there is neither allowance nor support"
    return found(wrong, "statuses", zh, en)


LIVING: tuple[Check, ...] = (
    Check(
        "C1",
        "doubt",
        "住房、饮水不安全的是否纳入监测？",
        "Is a household with an unsafe house or water monitored?",
        ("housing_level", "water_safe", "statuses"),
        unsafe_not_monitored,
        about="household",
    ),
    Check(
        "C2",
        "doubt",
        "大病成员未参加大病保险的是否纳入监测？",
        "Is somebody seriously ill without cover monitored?",
        ("health", "serious_illness_cover", "statuses"),
        sick_without_cover,
    ),
    Check(
        "C3",
        "doubt",
        "收入低于监测线的是否纳入监测？",
        "Is a household below the monitoring line monitored?",
        ("declared_per_capita_fen", "statuses"),
        below_the_line,
        numbers=("check.c3.monitoring_line_fen",),
        about="household",
    ),
    Check(
        "C6",
        "doubt",
        "住房面积、饮水、用电、道路是否填写？",
        "Are area, water, electricity and road filled in?",
        ("housing_area_m2", "housing_level", "water_safe", "electricity", "road"),
        living_incomplete,
        about="household",
        in_parts=True,
    ),
    Check(
        "C7",
        "doubt",
        "贫困户、脱贫户是否通生活用电？",
        "Has the household electricity?",
        ("electricity", "statuses"),
        no_electricity,
        about="household",
    ),
    Check(
        "C8",
        "doubt",
        "残疾状况与残疾证是否一致？",
        "Do health and disability card agree?",
        ("health", "disability_card"),
        card_against_health,
    ),
    Check(
        "F7",
        "doubt",
        "退耕还林补助与面积是否相符？",
        "Is there forest where it is paid for?",
        ("transfer_returned_forest", "returned_forest_mu"),
        compensated_without_forest,
        about="household",
    ),
    Check(
        "F8",
        "doubt",
        "土地面积是否合理？",
        "Is the area of land likely?",
        (*_MU, "relation"),
        land_unlikely,
        about="household",
        numbers=(*(f"check.f8.{kind}" for kind in _MU), *(f"check.f8.{kind}_mu_a_head" for kind in _PER_HEAD)),
    ),
    Check(
        "T5",
        "doubt",
        "整户无劳动力的是否享受兜底保障？",
        "Is a household without labour supported?",
        ("labour", "statuses"),
        nobody_fit,
        about="household",
    ),
)
