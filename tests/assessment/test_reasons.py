"""Each sentence, zh and en, read back: number, limit, distance, law and member must be the household's own.

The readers below know only how a clerk would read the sentence; what must stand in it is computed by the plain judge
and by this file, not by the pack.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from services.assessment.domain.catalogue import gather
from services.assessment.domain.judging import judge
from services.assessment.domain.reasons import Reason, explain
from services.assessment.rules import packs
from shared.events.registry import CircumstancesRecorded, Member
from shared.parameters import Parameters, read_parameters
from shared.values import DivisionCode
from stack import plain_judge as plain
from tests.assessment import hostile

DATA = Path(__file__).parents[2] / "services/assessment/migrations/data/parameters.csv"
VILLAGE = DivisionCode.parse(hostile.VILLAGE)
ON = date(2019, 10, 15)
HOUSEHOLDS = 2_000
YUAN, COUNT, EXACT = r"-?\d+\.\d\d", r"\d+", r"-?\d+\.\d{4}"


@dataclass(frozen=True)
class Expected:
    """What a sentence must say."""

    number: str | tuple[str, str]
    limit: str | tuple[str, str]
    distance: str | None
    members: tuple[tuple[str, str], ...] = ()


def yuan(fen: int | Decimal) -> str:
    return f"{Decimal(fen) / 100:.2f}"


def exact(hundredths: int) -> str:
    return f"{Decimal(hundredths) / 10_000:.4f}"


# --- how the sentences read ------------------------------------------------------------------------------------------

COUNTED_ZH = (
    rf"{{what}}(?P<number>{COUNT})人(?:（(?P<members>[^）]*)）)?，不超过(?P<limit>{COUNT})人，"
    rf"超出(?P<distance>{COUNT})人"
)
COUNTED_EN = (
    rf"{{what}}(?P<number>{COUNT}) {{how}}(?: \((?P<members>[^)]*)\))?, at most (?P<limit>{COUNT}) {{allowed}},"
    rf" (?P<distance>{COUNT}) over"
)
VALUE_ZH, VALUE_EN = (
    r"{what}：(?P<number>[^（]+)（要求：(?P<limit>[^）]+)）",
    r"{what}: (?P<number>.+) \(required: (?P<limit>.+)\)",
)


def counted(zh: str, en: str, how: str, allowed: str) -> dict[str, tuple[str, str]]:
    told = (COUNTED_ZH.format(what=zh), COUNTED_EN.format(what=en, how=how, allowed=allowed))
    return {"met": told, "unmet": told}


def valued(zh: str, en: str) -> dict[str, tuple[str, str]]:
    told = (VALUE_ZH.format(what=zh), VALUE_EN.format(what=en))
    return {"met": told, "unmet": told}


SENTENCES: dict[tuple[str, str], dict[str, tuple[str, str]]] = {
    ("exit", "people"): {
        "met": (
            rf"在户(?P<number>{COUNT})人，不少于(?P<limit>{COUNT})人，多(?P<distance>{COUNT})人",
            rf"(?P<number>{COUNT}) present, at least (?P<limit>{COUNT}) required, (?P<distance>{COUNT}) more than that",
        ),
        "unmet": (
            rf"在户(?P<number>{COUNT})人，少于(?P<limit>{COUNT})人，差(?P<distance>{COUNT})人",
            rf"(?P<number>{COUNT}) present, at least (?P<limit>{COUNT}) required, (?P<distance>{COUNT}) too few",
        ),
    },
    ("exit", "income"): {
        "met": (
            rf"家庭纯收入(?P<number>{YUAN})元，高于(?P<limit>{YUAN})元（\d+人，每人3218\.00元），高出(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is above (?P<limit>{YUAN}) yuan \(\d+ persons at 3218\.00 yuan each\)"
            rf" by (?P<distance>{YUAN}) yuan",
        ),
        "unmet": (
            rf"家庭纯收入(?P<number>{YUAN})元，未超过(?P<limit>{YUAN})元（\d+人，每人3218\.00元；须高于，等于不算），"
            rf"差(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is not above (?P<limit>{YUAN}) yuan \(\d+ persons at 3218\.00 yuan"
            rf" each; it must be above, not equal\), short by (?P<distance>{YUAN}) yuan",
        ),
    },
    ("exit", "food"): valued("吃饭有保障", "enough to eat"),
    ("exit", "clothing"): valued("穿衣有保障", "enough to wear"),
    ("exit", "water"): valued("饮水安全", "safe drinking water"),
    ("exit", "housing"): valued("住房等级", "dwelling"),
    ("exit", "school"): counted(
        "在户6至15岁人员中失学辍学", "of those present aged 6 to 15, ", "out of school", "allowed"
    ),
    ("exit", "medical"): counted(
        "在户人员中未参加基本医疗保险", "of those present, ", "without basic medical insurance", "allowed"
    ),
    ("risk", "serious_illness"): counted(
        "在户人员中患大病", "of those present, ", "seriously ill", "without risk"
    ),
    ("risk", "job_loss"): counted(
        "在户人员中近180天内失业", "of those present, ", "lost a job within 180 days", "without risk"
    ),
    ("risk", "rigid_spend"): {
        "met": (
            rf"合规自付医疗支出扣除理赔后(?P<number>{EXACT})元，低于家庭纯收入{YUAN}元的30%即(?P<limit>{EXACT})元，"
            rf"低(?P<distance>{EXACT})元",
            rf"self-paid medical spend net of insurance (?P<number>{EXACT}) yuan is below 30% of the net income of"
            rf" {YUAN} yuan, that is (?P<limit>{EXACT}) yuan, by (?P<distance>{EXACT}) yuan",
        ),
        "unmet": (
            rf"合规自付医疗支出扣除理赔后(?P<number>{EXACT})元，达到家庭纯收入{YUAN}元的30%即(?P<limit>{EXACT})元，"
            rf"超出(?P<distance>{EXACT})元",
            rf"self-paid medical spend net of insurance (?P<number>{EXACT}) yuan reaches 30% of the net income of"
            rf" {YUAN} yuan, that is (?P<limit>{EXACT}) yuan, (?P<distance>{EXACT}) yuan over",
        ),
    },
    ("risk", "disaster"): {
        "met": (
            rf"近365天内受灾损失(?P<number>{YUAN})元，低于(?P<limit>{YUAN})元，低(?P<distance>{YUAN})元",
            rf"a disaster within 365 days cost (?P<number>{YUAN}) yuan, below (?P<limit>{YUAN}) yuan by"
            rf" (?P<distance>{YUAN}) yuan",
        ),
        "unmet": (
            rf"近365天内受灾损失(?P<number>{YUAN})元，达到(?P<limit>{YUAN})元，超出(?P<distance>{YUAN})元",
            rf"a disaster within 365 days cost (?P<number>{YUAN}) yuan, reaching (?P<limit>{YUAN}) yuan,"
            rf" (?P<distance>{YUAN}) yuan over",
        ),
    },
    ("risk", "no_labour"): {
        "met": (
            rf"在户16至59岁劳动力(?P<number>{COUNT})人（(?P<members>[^）]*)），不少于(?P<limit>{COUNT})人，多(?P<distance>{COUNT})人",
            rf"present and able to work, aged 16 to 59: (?P<number>{COUNT}) \((?P<members>[^)]*)\), at least"
            rf" (?P<limit>{COUNT}) expected, (?P<distance>{COUNT}) more than that",
        ),
        "unmet": (
            rf"在户16至59岁劳动力(?P<number>{COUNT})人，少于(?P<limit>{COUNT})人，差(?P<distance>{COUNT})人",
            rf"present and able to work, aged 16 to 59: (?P<number>{COUNT}), at least (?P<limit>{COUNT}) expected,"
            rf" (?P<distance>{COUNT}) too few",
        ),
    },
    ("risk", "near_line"): {
        "met": (
            rf"家庭纯收入(?P<number>{YUAN})元，不低于监测参考线(?P<limit>{YUAN})元（\d+人，每人4827\.00元），"
            rf"高出(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is not below the monitoring line of (?P<limit>{YUAN}) yuan \(\d+"
            rf" persons at 4827\.00 yuan each\), (?P<distance>{YUAN}) yuan over",
        ),
        "unmet": (
            rf"家庭纯收入(?P<number>{YUAN})元，低于监测参考线(?P<limit>{YUAN})元（\d+人，每人4827\.00元），差(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is below the monitoring line of (?P<limit>{YUAN}) yuan \(\d+ persons"
            rf" at 4827\.00 yuan each\), short by (?P<distance>{YUAN}) yuan",
        ),
    },
}  # fmt: skip
# Where nothing was measured against a limit, the sentence says so instead.
WITHOUT_NUMBERS = {
    ("risk", "rigid_spend"): (
        rf"合规自付医疗支出扣除理赔后{YUAN}元，没有刚性支出负担",
        rf"self-paid medical spend net of insurance {YUAN} yuan: no rigid burden",
    ),
    ("risk", "disaster"): ("近365天内没有受灾记录", "no disaster on record within 365 days"),
}
NAMES = {
    "people": ("户内有在户人口", "Somebody present in the household"),
    "income": ("人均纯收入超过扶贫标准", "Net income per person above the poverty line"),
    "food": ("不愁吃", "Enough to eat"),
    "clothing": ("不愁穿", "Enough to wear"),
    "school": ("义务教育有保障", "Compulsory schooling assured"),
    "medical": ("基本医疗有保障", "Basic medical cover assured"),
    "housing": ("住房安全有保障", "Safe housing assured"),
    "water": ("饮水安全", "Safe drinking water"),
    "rigid_spend": ("无刚性支出过大", "No excessive rigid spend"),
    "serious_illness": ("无大病成员", "Nobody seriously ill"),
    "job_loss": ("近期无人失业", "Nobody lost a job lately"),
    "disaster": ("近期无较大灾害损失", "No considerable loss by disaster lately"),
    "no_labour": ("户内有劳动力", "Somebody able to work"),
    "near_line": ("收入高于监测参考线", "Income above the monitoring line"),
}
LAWS = {
    "people": ["standard_exit"],
    "income": ["poverty_line", "income_year_last"],
    "food": ["standard_food"],
    "clothing": ["standard_clothing"],
    "school": ["standard_school", "school_age_first", "school_age_last"],
    "medical": ["standard_medical"],
    "housing": ["standard_housing"],
    "water": ["standard_water"],
    "rigid_spend": ["rigid_spend_percent"],
    "serious_illness": ["standard_serious_illness"],
    "job_loss": ["job_loss_days"],
    "disaster": ["disaster_loss_least", "disaster_days"],
    "no_labour": ["standard_labour", "labour_age_first", "labour_age_last"],
    "near_line": ["monitoring_line", "income_year_last"],
}


# --- what they must say ----------------------------------------------------------------------------------------------


def told_member(facts: CircumstancesRecorded, member: Member) -> tuple[str, str]:
    """长子，12岁: kinship and age, worked out once more."""
    zh, en = kinship(facts, member)
    if member.birth_on is None:
        return f"{zh}，年龄不明", f"{en}, age unknown"
    years = max(0, plain.age_on(member.birth_on, ON))
    return f"{zh}，{years}岁", f"{en}, aged {years}"


def kinship(facts: CircumstancesRecorded, member: Member) -> tuple[str, str]:
    simple = {
        "head": ("户主", "head of the household"),
        "father": ("父亲", "father"),
        "mother": ("母亲", "mother"),
        "other": ("其他成员", "other member"),
    }
    if member.relation in simple:
        return simple[member.relation]
    if member.relation == "spouse":
        return {"male": ("丈夫", "husband"), "female": ("妻子", "wife"), None: ("配偶", "spouse")}[member.sex]
    alike = [one for one in facts.members if one.relation == member.relation]
    word, english = {"son": ("子", "son"), "daughter": ("女", "daughter"), "grandson": ("孙", "grandson")}[
        member.relation
    ]
    if len(alike) > 1 and any(one.birth_on is None for one in alike):
        return {"son": "儿子", "daughter": "女儿", "grandson": "孙子"}[member.relation], english
    before = sum(1 for one in alike if is_older(one, member, alike))
    return "长次三四五"[before] + word, ["eldest", "second", "third", "fourth", "fifth"][before] + " " + english


def is_older(one: Member, than: Member, alike: list[Member]) -> bool:
    places = [place for place, other in enumerate(alike) if other is one] + [
        place for place, other in enumerate(alike) if other is than
    ]
    if one.birth_on == than.birth_on or one.birth_on is None or than.birth_on is None:
        return places[0] < places[1]
    return one.birth_on < than.birth_on


def members_who(facts: CircumstancesRecorded, is_one: Callable[[Member], bool]) -> tuple[tuple[str, str], ...]:
    return tuple(told_member(facts, member) for member in facts.members if is_one(member))


def counting(facts: CircumstancesRecorded, is_one: Callable[[Member], bool], limit: int) -> Expected:
    found = members_who(facts, is_one)
    return Expected(str(len(found)), str(limit), str(abs(len(found) - limit)), found)


def value(answer: str | None) -> Expected:
    told = {"yes": ("是", "yes"), "no": ("否", "no")}[answer or ""]
    return Expected(told, ("是", "yes"), None)


def expected_exit(facts: CircumstancesRecorded, code: str) -> Expected:
    n, net = plain.headcount(facts.members), plain.net_income_fen(facts, ON)
    match code:
        case "people":
            assert n is not None
            return Expected(str(n), "1", str(abs(n - 1)))
        case "income":
            assert n is not None
            assert net is not None
            return Expected(yuan(net), yuan(n * 321_800), yuan(abs(net - n * 321_800)))
        case "school":
            return counting(facts, lambda member: plain.is_schooled(member, ON) is False, 0)
        case "medical":
            return counting(facts, lambda member: plain.is_covered(member) is False, 0)
        case "housing":
            level = facts.living.housing_level or ""
            told = ("无房", "no dwelling") if level == "none" else (f"{level}级", f"level {level}")
            return Expected(told, ("A级或B级", "level A or B"), None)
        case _:
            answers = {
                "food": facts.living.food_assured,
                "clothing": facts.living.clothing_assured,
                "water": facts.living.water_safe,
            }
            return value(answers[code])


def expected_risk(facts: CircumstancesRecorded, code: str) -> Expected | None:
    living, n, net = facts.living, plain.headcount(facts.members), plain.net_income_fen(facts, ON)
    match code:
        case "serious_illness":
            return counting(facts, lambda one: plain.away_or(one, plain.is_not_seriously_ill(one)) is False, 0)
        case "job_loss":
            return counting(facts, lambda one: plain.away_or(one, plain.has_not_lost_job(one, ON)) is False, 0)
        case "no_labour":
            return counting(facts, lambda one: plain.can_work(one, ON) is True, 1)
        case "rigid_spend":
            burden = (living.self_paid_medical_fen or 0) - (living.insurance_paid_fen or 0)
            if burden <= 0 or net is None:
                return None
            return Expected(exact(burden * 100), exact(net * 30), exact(abs(burden * 100 - net * 30)))
        case "disaster":
            struck, loss = living.disaster_on, living.disaster_loss_fen
            if struck is None or not 0 <= (ON - struck).days < 365 or loss is None:
                return None
            return Expected(yuan(loss), "5000.00", yuan(abs(loss - 500_000)))
        case _:
            assert n is not None
            assert net is not None
            return Expected(yuan(net), yuan(n * 482_700), yuan(abs(net - n * 482_700)))


@cache
def law_texts(code: str, language: str) -> list[str]:
    """From the data file, by hand: the national rows in force on the day."""
    with DATA.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not row["division"]]
    found = []
    for key in LAWS[code]:
        [row] = [
            row
            for row in rows
            if row["key"] == key and row["valid_from"] <= ON.isoformat() <= (row["valid_to"] or "9999")
        ]
        found.append(row[f"basis_{language}"])
    return found


# --- reading back ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told() -> list[tuple[str, CircumstancesRecorded, Reason]]:
    facts = hostile.households(77, HOUSEHOLDS, ON)
    found = judge(packs(), Parameters(read_parameters(DATA)), ON, [VILLAGE] * len(facts), gather(facts))
    return [
        (rules.id, one, reason)
        for one, findings in zip(facts, found.findings(), strict=True)
        for rules, finding in zip(packs(), findings, strict=True)
        if finding.verdict != "not_applicable"
        for reason in explain(rules, one, found.numbers[finding.numbers_hash], finding.kept)
    ]


def split(sentence: str, language: str) -> tuple[str, str, str]:
    pattern = r"(.+?)：(.+)。依据：(.+)。" if language == "zh" else r"(.+?): (.+)\. Law: (.+)\."
    found = re.fullmatch(pattern, sentence)
    assert found is not None, sentence
    return found[1], found[2], found[3]


def read_back(pack: str, reason: Reason, language: str, expected: Expected | None) -> None:
    place = ("zh", "en").index(language)
    name, body, law = split((reason.zh, reason.en)[place], language)
    assert name == NAMES[reason.code][place]
    assert law == ("；", "; ")[place].join(law_texts(reason.code, language))
    if expected is None:
        assert re.fullmatch(WITHOUT_NUMBERS[pack, reason.code][place], body), body
        return
    found = re.fullmatch(SENTENCES[pack, reason.code][reason.state][place], body)
    assert found is not None, body
    said = found.groupdict()
    for what in ("number", "limit"):
        wanted = getattr(expected, what)
        assert said[what] == (wanted if isinstance(wanted, str) else wanted[place])
    assert said.get("distance") == expected.distance
    if "members" in said:
        names = [] if said["members"] is None else re.split(("、", "; ")[place], said["members"])
        shown = expected.members if reason.state == "unmet" or reason.code == "no_labour" else ()
        assert names == [member[place] for member in shown]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_sentence_reads_back(told: list[tuple[str, CircumstancesRecorded, Reason]], language: str) -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    for pack, facts, reason in told:
        if reason.state == "unknown":
            continue
        expect = expected_exit if pack == "exit" else expected_risk
        read_back(pack, reason, language, expect(facts, reason.code))
        seen[pack, reason.code, reason.state] += 1
    assert set(seen) == {(pack, code, state) for pack, code in SENTENCES for state in ("met", "unmet")}
    assert min(seen.values()) >= 20


def test_the_structured_reason_says_what_its_sentence_says(
    told: list[tuple[str, CircumstancesRecorded, Reason]],
) -> None:
    for pack, facts, reason in told:
        if reason.state == "unknown":
            continue
        expected = (expected_exit if pack == "exit" else expected_risk)(facts, reason.code)
        if expected is None:
            continue
        for what in ("number", "limit"):
            wanted = getattr(expected, what)
            assert getattr(reason, what) == ((wanted, wanted) if isinstance(wanted, str) else wanted)
        assert reason.distance == expected.distance
        if reason.state == "unmet" and expected.members:
            assert [(kin.zh, kin.en) for kin in reason.members] == list(expected.members)
        assert [law.zh for law in reason.laws] == law_texts(reason.code, "zh")


def test_what_cannot_be_known_says_why(told: list[tuple[str, CircumstancesRecorded, Reason]]) -> None:
    seen: Counter[str] = Counter()
    for _, facts, reason in told:
        if reason.state != "unknown":
            continue
        assert reason.gaps
        _, zh, _ = split(reason.zh, "zh")
        _, en, _ = split(reason.en, "en")
        assert zh == "无法判断，" + "、".join(gap.zh for gap in reason.gaps)
        assert en == "cannot be known, " + ", ".join(gap.en for gap in reason.gaps)
        for gap in reason.gaps:
            seen[gap.kind] += 1
            if gap.kind == "refused":
                assert getattr(facts.living, gap.field) == "refused"
                assert "拒绝回答" in gap.zh
                assert "refused" in gap.en
            if gap.kind == "missing" and gap.member is None and hasattr(facts.living, gap.field):
                assert getattr(facts.living, gap.field) is None
            if gap.kind == "undeclared":
                assert hostile.Hostile(0, ON).year not in facts.income_declared
    assert {"missing", "refused", "undeclared"} <= set(seen)


def test_a_sentence_with_a_wrong_number_is_found(told: list[tuple[str, CircumstancesRecorded, Reason]]) -> None:
    """The reader must be able to fail: one fen more in the text, or another member, is noticed."""
    pack, facts, reason = next(one for one in told if one[2].code == "income" and one[2].state == "unmet")
    expected = expected_exit(facts, "income")
    assert reason.number is not None
    wrong = yuan(Decimal(reason.number[0]) * 100 + 1)
    altered = type(reason)(
        **{
            **{name: getattr(reason, name) for name in reason.__slots__},
            "zh": reason.zh.replace(reason.number[0], wrong),
        }
    )
    read_back(pack, reason, "zh", expected)
    with pytest.raises(AssertionError):
        read_back(pack, altered, "zh", expected)
