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
N = r"(?P<n>\d+)"


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
            rf"家庭纯收入(?P<number>{YUAN})元，高于(?P<limit>{YUAN})元（{N}人，每人3218\.00元），高出(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is above (?P<limit>{YUAN}) yuan \({N} persons at 3218\.00 yuan each\)"
            rf" by (?P<distance>{YUAN}) yuan",
        ),
        "unmet": (
            rf"家庭纯收入(?P<number>{YUAN})元，未超过(?P<limit>{YUAN})元（{N}人，每人3218\.00元；须高于，等于不算），"
            rf"差(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is not above (?P<limit>{YUAN}) yuan \({N} persons at 3218\.00 yuan"
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
            rf"合规自付医疗支出扣除理赔后(?P<number>{EXACT})元，低于家庭纯收入(?P<net>{YUAN})元的30%即(?P<limit>{EXACT})元，"
            rf"低(?P<distance>{EXACT})元",
            rf"self-paid medical spend net of insurance (?P<number>{EXACT}) yuan is below 30% of the net income of"
            rf" (?P<net>{YUAN}) yuan, that is (?P<limit>{EXACT}) yuan, by (?P<distance>{EXACT}) yuan",
        ),
        "unmet": (
            rf"合规自付医疗支出扣除理赔后(?P<number>{EXACT})元，达到家庭纯收入(?P<net>{YUAN})元的30%即(?P<limit>{EXACT})元，"
            rf"超出(?P<distance>{EXACT})元",
            rf"self-paid medical spend net of insurance (?P<number>{EXACT}) yuan reaches 30% of the net income of"
            rf" (?P<net>{YUAN}) yuan, that is (?P<limit>{EXACT}) yuan, (?P<distance>{EXACT}) yuan over",
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
            rf"家庭纯收入(?P<number>{YUAN})元，不低于监测参考线(?P<limit>{YUAN})元（{N}人，每人4827\.00元），"
            rf"高出(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is not below the monitoring line of (?P<limit>{YUAN}) yuan \({N}"
            rf" persons at 4827\.00 yuan each\), (?P<distance>{YUAN}) yuan over",
        ),
        "unmet": (
            rf"家庭纯收入(?P<number>{YUAN})元，低于监测参考线(?P<limit>{YUAN})元（{N}人，每人4827\.00元），差(?P<distance>{YUAN})元",
            rf"net income (?P<number>{YUAN}) yuan is below the monitoring line of (?P<limit>{YUAN}) yuan \({N} persons"
            rf" at 4827\.00 yuan each\), short by (?P<distance>{YUAN}) yuan",
        ),
    },
}  # fmt: skip
# Where nothing was measured against a limit, the sentence says so instead.
WITHOUT_NUMBERS = {
    ("risk", "rigid_spend"): (
        rf"合规自付医疗支出扣除理赔后(?P<rigid>{YUAN})元，没有刚性支出负担",
        rf"self-paid medical spend net of insurance (?P<rigid>{YUAN}) yuan: no rigid burden",
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


def beside(facts: CircumstancesRecorded) -> dict[str, str]:
    """What a sentence may mention beside number, limit and distance, in its own words."""
    n, net, living = plain.headcount(facts.members), plain.net_income_fen(facts, ON), facts.living
    rigid = (living.self_paid_medical_fen or 0) - (living.insurance_paid_fen or 0)
    return {"n": str(n), "net": "" if net is None else yuan(net), "rigid": yuan(rigid)}


def read_back(
    pack: str, facts: CircumstancesRecorded, reason: Reason, language: str, expected: Expected | None
) -> None:
    place = ("zh", "en").index(language)
    name, body, law = split((reason.zh, reason.en)[place], language)
    assert name == NAMES[reason.code][place]
    assert law == ("；", "; ")[place].join(law_texts(reason.code, language))
    if expected is None:
        found = re.fullmatch(WITHOUT_NUMBERS[pack, reason.code][place], body)
        assert found is not None, body
        assert found.groupdict().items() <= beside(facts).items()
        return
    found = re.fullmatch(SENTENCES[pack, reason.code][reason.state][place], body)
    assert found is not None, body
    said = found.groupdict()
    for what in ("number", "limit"):
        wanted = getattr(expected, what)
        assert said[what] == (wanted if isinstance(wanted, str) else wanted[place])
    assert said.get("distance") == expected.distance
    also = {name: said[name] for name in ("n", "net") if name in said}
    assert also.items() <= beside(facts).items()
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
        read_back(pack, facts, reason, language, expect(facts, reason.code))
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


# Columns that may be missing, as a sentence names them.
ON_FILE = {
    "present": ("是否在户", "present in the household"),
    "birth_on": ("出生日期", "birth date"),
    "schooling": ("在校生状况", "schooling"),
    "education": ("文化程度", "education"),
    "health": ("健康状况", "health"),
    "medical_cover": ("基本医疗保险", "basic medical insurance"),
    "labour": ("劳动技能", "fitness for work"),
    "paid_on": ("兑付日期", "day of payment"),
    "food_assured": ("吃饭有保障", "enough to eat"),
    "clothing_assured": ("穿衣有保障", "enough to wear"),
    "water_safe": ("饮水安全", "safe drinking water"),
    "housing_level": ("住房等级", "level of the dwelling"),
    "self_paid_medical_fen": ("合规自付医疗支出", "compliant self-paid medical spend"),
    "insurance_paid_fen": ("理赔收入", "insurance paid out"),
    "disaster_loss_fen": ("灾害损失", "loss by the disaster"),
}
UNDECLARED = ("2018-10-01至2019-09-30年度收入未申报", "income of the year 2018-10-01 to 2019-09-30 not declared")
GAPS = (
    rf"{UNDECLARED[0]}|(?P<refused>[^、]+)一问拒绝回答|(?P<missing>[^、]+)未登记(?:（(?P<member>[^）]+)）)?",
    rf"{UNDECLARED[1]}|answer on (?P<refused>.+?) refused|(?P<missing>[^,]+?) not on file(?: \((?P<member>[^)]+)\))?",
)
# Of whom a criterion cannot say whether he meets it; where it asks for one able to work, whether he is one.
IN_DOUBT: dict[str, Callable[[Member], bool | None]] = {
    "people": lambda member: member.present,
    "income": lambda member: member.present,
    "near_line": lambda member: member.present,
    "school": lambda member: plain.is_schooled(member, ON),
    "medical": plain.is_covered,
    "serious_illness": lambda member: plain.away_or(member, plain.is_not_seriously_ill(member)),
    "job_loss": lambda member: plain.away_or(member, plain.has_not_lost_job(member, ON)),
    "no_labour": lambda member: plain.can_work(member, ON),
}


def gaps_told(body: str, place: int) -> list[dict[str, str | None]]:
    """What a sentence says is missing, one by one; the whole sentence is read."""
    start, joint = (("无法判断，", "、"), ("cannot be known, ", ", "))[place]
    assert body.startswith(start), body
    rest, told = body.removeprefix(start), []
    while rest:
        found = re.match(rf"(?:{GAPS[place]})(?:{joint}|$)", rest)
        assert found is not None, rest
        told.append(found.groupdict())
        rest = rest[found.end() :]
    return told


def is_truly_missing(facts: CircumstancesRecorded, gap: dict[str, str | None], place: int) -> bool:
    """Whether the household's own circumstances lack just this."""
    named = {words[place]: column for column, words in ON_FILE.items()}
    if gap["refused"] is not None:
        return bool(getattr(facts.living, named[gap["refused"]]) == "refused")
    if gap["missing"] is None:
        return hostile.Hostile(0, ON).year not in facts.income_declared
    column = named[gap["missing"]]
    if gap["member"] is not None:
        whom = [one for one in facts.members if told_member(facts, one)[place] == gap["member"]]
        return any(getattr(one, column) is None for one in whom)
    if column == "paid_on":
        return any(row.source == "payout" and row.paid_on is None for row in facts.income)
    return getattr(facts.living, column, column) is None


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_sentence_of_what_cannot_be_known_reads_back(
    told: list[tuple[str, CircumstancesRecorded, Reason]], language: str
) -> None:
    """Name and law as ever; each gap that it tells is one, and nobody on whom it turns is left out."""
    place = ("zh", "en").index(language)
    seen: Counter[tuple[str, str]] = Counter()
    for pack, facts, reason in told:
        if reason.state != "unknown":
            continue
        name, body, law = split((reason.zh, reason.en)[place], language)
        assert (name, law) == (
            NAMES[reason.code][place],
            ("；", "; ")[place].join(law_texts(reason.code, language)),
        )
        gaps = gaps_told(body, place)
        assert [gap for gap in gaps if not is_truly_missing(facts, gap, place)] == [], body
        in_doubt = IN_DOUBT.get(reason.code)
        wanted = {told_member(facts, one)[place] for one in facts.members if in_doubt and in_doubt(one) is None}
        assert wanted == {gap["member"] for gap in gaps if gap["member"] is not None}, body
        seen[pack, reason.code] += 1
    assert set(seen) == set(SENTENCES)
    assert min(seen.values()) >= 20


def test_a_sentence_that_names_another_gap_is_found(told: list[tuple[str, CircumstancesRecorded, Reason]]) -> None:
    """The reader must be able to fail: a thing that is on file, and a member who is not in doubt."""
    facts = next(one for _, one, reason in told if reason.code == "medical" and reason.state == "unknown")
    sound = next(one for one in facts.members if one.birth_on is not None)
    [kin] = gaps_told(f"无法判断，出生日期未登记（{told_member(facts, sound)[0]}）", 0)
    assert not is_truly_missing(facts, kin, 0)
    fed = next(one for _, one, _ in told if one.living.food_assured == "yes")
    [food] = gaps_told("cannot be known, answer on enough to eat refused", 1)
    assert not is_truly_missing(fed, food, 1)
    with pytest.raises(AssertionError):
        gaps_told("无法判断，吃饭有保障未登记，另有原因", 0)


def test_what_cannot_be_known_says_why(told: list[tuple[str, CircumstancesRecorded, Reason]]) -> None:
    seen: Counter[str] = Counter()
    for _, _, reason in told:
        if reason.state != "unknown":
            continue
        assert reason.gaps
        assert split(reason.zh, "zh")[1] == "无法判断，" + "、".join(gap.zh for gap in reason.gaps)
        assert split(reason.en, "en")[1] == "cannot be known, " + ", ".join(gap.en for gap in reason.gaps)
        seen.update(gap.kind for gap in reason.gaps)
    assert set(seen) == {"missing", "refused", "undeclared"}


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
    read_back(pack, facts, reason, "zh", expected)
    with pytest.raises(AssertionError):
        read_back(pack, facts, altered, "zh", expected)
