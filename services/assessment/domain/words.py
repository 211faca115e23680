"""Words for values: codes, amounts and days as they stand in a sentence, in both languages."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from services.assessment.domain.packs import ShownUnit

Label = tuple[str, str]

YES_NO: Final[dict[str, Label]] = {"yes": ("是", "yes"), "no": ("否", "no"), "refused": ("拒绝回答", "refused")}
_LABELS: Final[dict[str, dict[str, Label]]] = {
    "housing_level": {
        "A": ("A级", "level A"),
        "B": ("B级", "level B"),
        "C": ("C级", "level C"),
        "D": ("D级", "level D"),
        "none": ("无房", "no dwelling"),
    },
    "road": {
        "earth": ("泥土路", "earth road"),
        "gravel": ("砂石路", "gravel road"),
        "hardened": ("硬化路", "hardened road"),
    },
    "health": {
        "healthy": ("健康", "healthy"),
        "chronic": ("长期慢性病", "chronically ill"),
        "serious": ("患有大病", "seriously ill"),
        "disabled": ("残疾", "disabled"),
        "serious_disabled": ("患有大病且残疾", "seriously ill and disabled"),
        "chronic_disabled": ("慢性病且残疾", "chronically ill and disabled"),
    },
    "labour": {
        "ordinary": ("普通劳动力", "ordinary labour"),
        "skilled": ("技能劳动力", "skilled labour"),
        "weak": ("弱劳动力或半劳动力", "weak or half labour"),
        "lost": ("丧失劳动力", "labour lost"),
        "none": ("无劳动力", "no labour"),
    },
    "medical_cover": {
        "resident": ("城乡居民医保", "residents' insurance"),
        "employee": ("职工医保", "employees' insurance"),
        "both": ("居民与职工医保", "both insurances"),
        "none": ("未参保", "not insured"),
    },
    "education": {
        "preschool_child": ("学龄前儿童", "preschool child"),
        "illiterate": ("文盲或半文盲", "illiterate"),
        "primary": ("小学", "primary school"),
        "junior": ("初中", "junior school"),
        "senior": ("高中", "senior school"),
        "college": ("大专", "college"),
        "bachelor": ("本科", "bachelor"),
        "master": ("硕士及以上", "master or above"),
    },
    "schooling": {
        "not_student": ("非在校生", "not in school"),
        "preschool": ("学前教育", "preschool"),
        "primary": ("小学", "primary school"),
        "postgraduate": ("硕士及以上", "postgraduate"),
    },
    "kind": {
        "poor": ("贫困户", "poor"),
        "lifted": ("脱贫户", "lifted out of poverty"),
        "monitored": ("监测户", "monitored"),
        "minimum_living": ("低保户", "minimum living allowance"),
        "special_hardship": ("特困户", "special hardship"),
        "ordinary": ("一般农户", "ordinary"),
    },
    "component": {
        "A": ("工资性收入", "wages"),
        "B": ("生产经营性收入", "operating income"),
        "C": ("财产性收入", "property income"),
        "D": ("转移性收入", "transfers"),
        "E": ("生产经营性支出", "operating outlay"),
    },
}
_LABELS["pension_cover"] = _LABELS["medical_cover"] | {
    "resident": ("居民养老", "residents' pension"),
    "employee": ("职工养老", "employees' pension"),
    "both": ("居民与职工养老", "both pensions"),
}
_GRADES: Final[dict[str, Label]] = {
    "junior": ("初中", "junior school, year"),
    "senior": ("普高", "senior school, year"),
    "vocational": ("中职", "vocational school, year"),
    "college": ("高职", "college, year"),
    "technician": ("技工", "technical school, year"),
    "bachelor": ("本科", "bachelor, year"),
}


def label(column: str, code: str) -> Label:
    """A code in words; a list that has no words here shows its codes."""
    if code in YES_NO:
        return YES_NO[code]
    kind, _, year = code.rpartition("_")
    if column == "schooling" and kind in _GRADES:
        zh, en = _GRADES[kind]
        return f"{zh}{year}年级", f"{en} {year}"
    return _LABELS.get(column, {}).get(code, (code, code))


def shown(number: int, unit: ShownUnit) -> str:
    """A number of the rules as it stands in a sentence: yuan for fen, days as dates."""
    match unit:
        case "fen":
            return _decimal(number, 100)
        case "fen_hundredths":
            return _decimal(number, 10_000)
        case "date":
            return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
        case _:
            return str(number)


def _decimal(number: int, parts: int) -> str:
    whole, rest = divmod(abs(number), parts)
    return f"{'-' if number < 0 else ''}{whole}.{rest:0{len(str(parts)) - 1}d}"
