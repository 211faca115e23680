"""Cover: C4 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found
from services.registry.domain.inspection import Check, Frames


def cover_unclear(frames: Frames) -> pl.DataFrame:
    """Medical cover by both or by none or not filled in; pension or serious-illness cover not filled in."""
    medical = pl.col("medical_cover")
    findings = []
    if frames.fields & {"medical_cover", "resident_medical_cover", "employee_medical_cover"}:
        findings += [
            _unclear(frames, medical == "none", "medical_cover", "未参加任何医疗保险", "no medical cover at all"),
            _unclear(frames, medical == "both", "medical_cover", "同时参加两种医疗保险", "two medical covers at once"),
            _unclear(frames, medical.is_null(), "medical_cover", "医疗保险未填", "medical cover not filled in"),
        ]
    if frames.fields & {"pension_cover", "resident_pension_cover", "employee_pension_cover"}:
        empty = pl.col("pension_cover").is_null()
        findings.append(_unclear(frames, empty, "pension_cover", "养老保险未填", "pension cover not filled in"))
    if "serious_illness_cover" in frames.fields:
        empty = pl.col("serious_illness_cover").is_null()
        zh, en = "大病保险未填", "serious-illness cover not filled in"
        findings.append(_unclear(frames, empty, "serious_illness_cover", zh, en))
    return pl.concat(findings) if findings else found(frames.persons.head(0), "medical_cover", "", "")


def _unclear(frames: Frames, where: pl.Expr, field: str, zh: str, en: str) -> pl.DataFrame:
    return found(frames.persons.filter(where), field, zh, en)


COVER: tuple[Check, ...] = (
    Check(
        "C4",
        "doubt",
        "医疗、大病、养老保险是否填写清楚？",
        "Are medical, serious-illness and pension cover clear?",
        ("medical_cover", "serious_illness_cover", "pension_cover"),
        cover_unclear,
        in_parts=True,
    ),
)
