"""What is true of an invented household, as the plain judge needs it, and what he says before and after the payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.events.registry import CircumstancesRecorded
from stack.plain_judge import judge, net_income_fen
from stack.sample.nouns import JUDGED_AGAIN, MARKED, PAID, VISITED, YEAR, Home, Someone

# Under which letter of the income formula an item counts (A wages, B operating, C property, D transfers, E costs).
# Written down again here: the answers may not ask a service which is which.
_COMPONENTS = {"wage": "A", "business": "B", "property": "C", "transfer": "D", "cost": "E"}
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """两次研判: verdict by pack before the payment and on the last day, and what made the difference."""

    before: dict[str, str]
    after: dict[str, str]
    causes: dict[str, str]
    net_fen: int


def verdicts(home: Home, dividend_fen: int, *, exits: bool) -> Verdicts:
    """By the plain judge. A household that exits is judged again when it is marked, as lifted."""
    day = MARKED if exits else VISITED
    before = _said(facts_of(home, exits=exits), day)
    after = _said(facts_of(home, exits=exits, dividend_fen=dividend_fen), JUDGED_AGAIN)
    only_time = _said(facts_of(home, exits=exits), JUDGED_AGAIN)
    only_money = _said(facts_of(home, exits=exits, dividend_fen=dividend_fen, paid_on=day), day)
    causes = {
        pack: _cause(after[pack] == only_money[pack], after[pack] == only_time[pack])
        for pack in before
        if before[pack] != after[pack]
    }
    net = net_income_fen(facts_of(home, exits=exits), VISITED)
    assert net is not None, "every household declares its income"
    return Verdicts(before, after, causes, net)


def _cause(money_alone: bool, time_alone: bool) -> str:
    if money_alone and not time_alone:
        return "payout"
    return "birthday" if time_alone and not money_alone else "both"


def is_fit_to_exit(home: Home) -> bool:
    """Whether a case may be opened for it: poor, and every criterion met on the day of the visit."""
    return judge(facts_of(home), VISITED).exit == "met"


def _said(facts: CircumstancesRecorded, on: date) -> dict[str, str]:
    said = judge(facts, on)
    return {"exit": said.exit, "risk": said.risk}


def facts_of(home: Home, *, exits: bool = False, dividend_fen: int = 0, paid_on: date = PAID) -> CircumstancesRecorded:
    """The household as the register will tell it once its rows are stored."""
    income = [_row(item, fen) for item, fen in home.income.items()]
    if dividend_fen:
        income.append(_row("property_dividend", dividend_fen) | {"source": "payout", "paid_on": paid_on})
    disaster = home.disaster or (None, None, None)
    return CircumstancesRecorded.model_validate(
        {
            "household": _NOBODY,
            "version": 1,
            "division": home.village,
            "statuses": _spans(home, exits=exits),
            "members": [_member(one) for one in home.members],
            "living": {
                "food_assured": home.food,
                "clothing_assured": home.clothing,
                "housing_level": home.housing,
                "water_safe": home.water,
                "self_paid_medical_fen": home.self_paid_fen,
                "insurance_paid_fen": home.insurance_fen,
                "disaster_kind": disaster[0],
                "disaster_on": disaster[1],
                "disaster_loss_fen": disaster[2],
            },
            "income": income,
            "income_declared": [YEAR],
        }
    )


def _spans(home: Home, *, exits: bool) -> list[dict[str, object]]:
    spans: list[dict[str, object]] = [{"kind": kind, "since": since} for kind, since in home.statuses]
    if exits:
        spans = [span | {"until": MARKED} if span["kind"] == "poor" else span for span in spans]
        spans.append({"kind": "lifted", "since": MARKED})
    return spans


def _row(item: str, fen: int) -> dict[str, object]:
    year = {"year_from": YEAR[0], "year_to": YEAR[1]}
    return {**year, "component": _COMPONENTS[item.split("_")[0]], "item": item, "source": "declared", "fen": fen}


def _member(one: Someone) -> dict[str, object]:
    card = one.card if one.card is not None and one.card[18] in "1234567" and one.card[19] in "1234" else None
    return {
        "pseudonym": _NOBODY,
        "relation": one.relation,
        "sex": one.sex,
        "birth_on": one.born,
        "present": one.present,
        "schooling": one.schooling,
        "education": one.education,
        "health": one.health,
        "disability_kind": None if card is None else int(card[18]),
        "disability_level": None if card is None else int(card[19]),
        "labour": one.labour,
        "medical_cover": one.medical,
        "job_lost_on": one.job_lost_on,
    }
