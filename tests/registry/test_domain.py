"""What may become of a household, decided without any machine."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.checks import doubts_of
from services.registry.domain import (
    Decision,
    Household,
    HouseholdEntry,
    IncomeRow,
    Living,
    MemberEntry,
    Payout,
    Person,
    StatusSpan,
    amend,
    apply_decision,
    apply_payout,
    circumstances,
    record,
    recorded,
)
from services.registry.domain.codes import CODE_LISTS
from services.registry.domain.fields import BY_NAME, FIELDS, INCOME_ITEM_NAMES, Level, Privacy, by_header, stored_in
from services.registry.domain.refusals import (
    DecisionBeforeStatus,
    HouseholdSuperseded,
    NotExactlyOneHead,
    NothingToExit,
    PayoutUnknown,
    PersonRepeated,
    ReversalUnequal,
    StatusContradiction,
    StatusNeedsDecision,
)
from services.registry.domain.statuses import ENDED_BY_DECISION, claim_of, merge_statuses
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded, Member, StatusKind
from shared.values import DivisionCode, HouseholdNumber, Period
from tests.registry.sheets import NUMBERS, citizen_id

YEAR = Period(date(2018, 10, 1), date(2019, 9, 30))
DAY = date(2019, 8, 20)
LATER = date(2019, 8, 31)


def person(name: str, order: int, **more: Any) -> Person:
    number = citizen_id("19800305", order)
    return Person(UUID(int=order), UUID(int=order + 10**6), name, id_number=number, present=True, **more)


def wage(fen: int, year: Period = YEAR) -> IncomeRow:
    return IncomeRow(year, "A", "wage_work", "declared", "wage_work", fen)


def entry(**more: Any) -> HouseholdEntry:
    """李秀英, her husband and their son; poor since 2014."""
    given: dict[str, Any] = {
        "number": HouseholdNumber.parse("6230231002000001"),
        "division": DivisionCode.parse("623023100200"),
        "members": (
            MemberEntry(person("李秀英", 2, sex="female"), "head"),
            MemberEntry(person("王建国", 3, sex="male"), "spouse"),
            MemberEntry(person("王小明", 5, sex="male"), "son"),
        ),
        "statuses": (("poor", date(2014, 3, 1)),),
        "living": Living(housing_level="A", housing_area_m2=Decimal("80.5")),
        "income": (wage(900_000),),
    }
    return HouseholdEntry(**{**given, **more})


def household(**more: Any) -> Household:
    return record(uuid4(), entry(**more), DAY)[0]


def test_a_recorded_household_says_both_facts_with_one_version() -> None:
    found, facts = record(uuid4(), entry(), DAY)
    assert [type(fact) for fact in facts] == [HouseholdRecorded, CircumstancesRecorded]
    assert {fact.version for fact in facts} == {1} == {found.version}  # type: ignore[attr-defined]
    assert [one.since for one in found.members] == [DAY] * 3


@pytest.mark.parametrize("relations", [("spouse", "son"), ("head", "head")])
def test_a_household_without_exactly_one_head_is_refused(relations: tuple[Any, Any]) -> None:
    members = tuple(MemberEntry(person("王", at), relation) for at, relation in enumerate(relations))
    with pytest.raises(NotExactlyOneHead):
        household(members=members)
    with pytest.raises(NotExactlyOneHead):
        amend(household(), entry(members=members), LATER)


def test_nobody_stands_twice_in_a_household() -> None:
    [head, *_] = entry().members
    with pytest.raises(PersonRepeated):
        household(members=(head, replace(head, relation="son")))
    twin = replace(head.person, id=uuid4())
    with pytest.raises(PersonRepeated):
        household(members=(head, MemberEntry(twin, "son")))


def test_poor_and_lifted_at_once_is_refused() -> None:
    with pytest.raises(StatusContradiction):
        household(statuses=(("poor", DAY), ("lifted", DAY)))


def test_the_same_form_again_changes_nothing_and_says_nothing() -> None:
    before = household()
    after, facts = amend(before, entry(), LATER)
    assert after is before
    assert facts == []


def test_a_changed_form_is_a_new_version() -> None:
    after, facts = amend(household(), entry(living=Living(housing_level="C")), LATER)
    assert (after.version, after.living.housing_level, len(facts)) == (2, "C", 2)


def test_a_superseded_household_changes_no_more() -> None:
    with pytest.raises(HouseholdSuperseded):
        amend(replace(household(), superseded_by=uuid4()), entry(), LATER)


def test_who_leaves_ends_who_comes_begins_and_a_new_head_takes_over() -> None:
    head, husband, _ = entry().members
    daughter = MemberEntry(person("王小红", 8), "daughter")
    members = (MemberEntry(husband.person, "head"), MemberEntry(head.person, "spouse"), daughter)
    after, _ = amend(household(), entry(members=members), LATER)
    spans = {(one.person.name, one.relation): (one.since, one.until) for one in after.memberships}
    assert spans == {
        ("李秀英", "head"): (DAY, LATER), ("王建国", "spouse"): (DAY, LATER), ("王小明", "son"): (DAY, LATER),
        ("王建国", "head"): (LATER, None), ("李秀英", "spouse"): (LATER, None), ("王小红", "daughter"): (LATER, None),
    }  # fmt: skip
    assert len(after.heads) == 1


def test_a_correction_on_the_day_of_recording_leaves_no_empty_interval() -> None:
    [head, husband, _] = entry().members
    after, _ = amend(household(), entry(members=(head, husband)), DAY)
    assert all(one.until is None or one.since < one.until for one in after.memberships)
    assert len(after.members) == 2


# --- decisions --------------------------------------------------------------------------------------------------------


def test_an_exit_ends_poor_and_begins_lifted_once() -> None:
    decision = Decision(uuid4(), "exit_approved", LATER)
    after, facts = apply_decision(household(), decision)
    poor, lifted = after.statuses
    assert (poor.until, poor.closed_by, lifted.kind, lifted.since) == (LATER, decision.id, "lifted", LATER)
    assert after.status_on(LATER - timedelta(days=1)) == ("poor",)
    assert after.status_on(LATER) == ("lifted",)
    assert facts[0].decisions == (decision.id,)  # type: ignore[attr-defined]
    assert apply_decision(after, decision) == (after, [])


def test_a_refused_exit_changes_no_status_but_is_heard_back() -> None:
    before, refused = household(), Decision(uuid4(), "exit_refused", LATER)
    after, facts = apply_decision(before, refused)
    assert after.statuses == before.statuses
    assert apply_decision(after, refused) == (after, [])
    assert len(after.decisions) == 1
    assert len(facts) == 2


LIFTED_ALREADY = apply_decision(household(), Decision(uuid4(), "exit_approved", LATER))[0]


@pytest.mark.parametrize(
    ("before", "effective_on", "reason"),
    [
        (household(statuses=(("ordinary", DAY),)), LATER, NothingToExit.code),
        (LIFTED_ALREADY, LATER, NothingToExit.code),
        (household(), date(2014, 3, 1), DecisionBeforeStatus.code),
    ],
)
def test_an_exit_that_cannot_hold_changes_nothing_and_says_why(
    before: Household, effective_on: date, reason: str
) -> None:
    decision = Decision(uuid4(), "exit_approved", effective_on)
    after, facts = apply_decision(before, decision)
    assert (after.statuses, after.decisions) == (before.statuses, before.decisions)
    assert after.refused == ((decision.id, reason),)
    [said] = [fact for fact in facts if isinstance(fact, HouseholdRecorded)]
    assert [(one.decision, one.reason) for one in said.decisions_refused] == [(decision.id, reason)]
    assert apply_decision(after, decision) == (after, [])


def test_an_exit_the_day_after_the_status_began_holds() -> None:
    after, _ = apply_decision(household(), Decision(uuid4(), "exit_approved", date(2014, 3, 2)))
    assert after.refused == ()


def test_a_form_cannot_undo_a_decision() -> None:
    decided, _ = apply_decision(household(), Decision(uuid4(), "exit_approved", LATER))
    for since in (date(2018, 1, 1), LATER + timedelta(days=1)):
        again = entry(statuses=(("lifted", since),), living=Living(housing_level="B"))
        after, _ = amend(decided, again, LATER + timedelta(days=9))
        assert after.statuses == decided.statuses
    for statuses in ((("poor", date(2014, 3, 1)),), ()):
        with pytest.raises(StatusNeedsDecision):
            amend(decided, entry(statuses=statuses), date(2019, 9, 5))


POOR, MONITORED = ("poor", date(2014, 3, 1)), ("monitored", date(2019, 3, 1))
LIFTED, ORDINARY = ("lifted", date(2018, 12, 31)), ("ordinary", date(2014, 3, 1))
COVERED = ("minimum_living", date(2015, 1, 1))


@pytest.mark.parametrize(
    ("held", "said", "kept"),
    [
        ((POOR,), (LIFTED,), ("poor",)),
        ((POOR,), (), ("poor",)),
        ((POOR,), (ORDINARY,), ("poor",)),
        ((POOR,), (MONITORED,), ("poor",)),
        ((POOR,), (("poor", date(2019, 9, 1)),), ("poor",)),
        ((POOR,), (("poor", POOR[1] + timedelta(days=1)),), ("poor",)),
        ((POOR, MONITORED), (POOR, ("monitored", MONITORED[1] + timedelta(days=1))), ("monitored",)),
        ((LIFTED,), (POOR,), ("lifted",)),
        ((LIFTED,), (), ("lifted",)),
        ((LIFTED, MONITORED), (LIFTED,), ("monitored",)),
        ((ORDINARY,), (LIFTED,), ()),
        ((POOR, MONITORED), (COVERED,), ("poor", "monitored")),
    ],
)
def test_only_a_decision_ends_poor_lifted_or_monitored_or_lifts_a_household(held: Any, said: Any, kept: Any) -> None:
    """The form is refused where an officer sends it; from a file the rest is stored, and the status stays."""
    before = household(statuses=held)
    with pytest.raises(StatusNeedsDecision) as refused:
        amend(before, entry(statuses=said), LATER)
    assert "决定" in refused.value.detail_zh
    claim = claim_of(before.statuses, said, LATER)
    assert claim is not None
    assert claim.kept == kept
    merged = merge_statuses(before.statuses, said, LATER)
    open_kinds = {span.kind for span in merged if span.until is None}
    assert set(kept) <= open_kinds
    assert ("lifted" in open_kinds) == (LIFTED in held)
    assert ("ordinary" in open_kinds) == (ORDINARY in held), "what it is does not move while that is disputed"
    assert (COVERED[0] in open_kinds) == (COVERED in said), "what lies over it follows the form"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ((), (LIFTED,)),
        ((POOR,), (("poor", date(2013, 12, 1)),)),
        ((POOR, COVERED), (POOR, ("minimum_living", COVERED[1] + timedelta(days=1)))),
        ((POOR, COVERED), (POOR,)),
        ((ORDINARY,), (POOR,)),
        ((POOR,), (POOR, MONITORED)),
        ((LIFTED,), (LIFTED, MONITORED)),
        ((ORDINARY,), (COVERED,)),
    ],
)
def test_what_no_decision_of_ours_makes_follows_the_form(held: Any, said: Any) -> None:
    """Identification and the lists of other offices reach the register by file; a first statement may say anything."""
    before = household(statuses=held)
    after, _ = amend(before, entry(statuses=said), LATER)
    assert {(span.kind, span.since) for span in after.statuses if span.until is None} == set(said)


SPANS = st.lists(
    st.tuples(
        st.sampled_from(["poor", "lifted", "monitored", "minimum_living", "ordinary"]),
        st.dates(date(2014, 1, 1), date(2019, 8, 30)),
    ),
    max_size=3,
    unique_by=lambda pair: "axis" if pair[0] in ("poor", "lifted") else pair[0],
)


@given(forms=st.lists(SPANS, min_size=1, max_size=5))
def test_however_forms_change_no_status_overlaps_itself_and_none_lifts(
    forms: list[list[tuple[StatusKind, date]]],
) -> None:
    spans: tuple[StatusSpan, ...] = ()
    for step, form in enumerate(forms):
        on = DAY + timedelta(days=step)
        before, claim = spans, claim_of(spans, tuple(form), on)
        spans = merge_statuses(spans, tuple(form), on)
        held, were = ({one.kind for one in these if one.until is None} for these in (spans, before))
        assert were & set(ENDED_BY_DECISION) <= held, "a form ended what a decision alone ends"
        assert not before or "lifted" not in held - were, "a form lifted a household"
        for one in before:
            if one.kind in ENDED_BY_DECISION and one.until is None:
                after = next(span for span in spans if span.kind == one.kind and span.until is None)
                assert after.since <= one.since, "a form took days away that a decision alone ends"
        if claim is None:
            assert held == {kind for kind, _ in form}
        for axis in ({"poor", "lifted"}, {"monitored"}, {"minimum_living"}, {"ordinary"}):
            on_axis = sorted((span for span in spans if span.kind in axis), key=lambda span: span.since)
            for first, second in pairwise(on_axis):
                assert first.until is not None
                assert first.since < first.until <= second.since
        assert merge_statuses(spans, tuple(form), on) == spans


# --- payouts ----------------------------------------------------------------------------------------------------------


def payout(fen: int = 63_120, **more: Any) -> Payout:
    return Payout(uuid4(), fen, date(2019, 9, 20), "C", "property_dividend", YEAR, **more)


def test_a_payout_becomes_one_income_row_once() -> None:
    paid = payout()
    after, facts = apply_payout(household(), paid)
    [row] = [row for row in after.income if row.source == "payout"]
    assert (row.fen, row.component, row.paid_on, row.reference) == (63_120, "C", date(2019, 9, 20), str(paid.id))
    assert facts[1].income[-1].source == "payout"  # type: ignore[attr-defined]
    assert apply_payout(after, paid) == (after, [])


def test_a_reversal_takes_back_exactly_what_was_paid_in_its_year_once() -> None:
    paid = payout()
    after, _ = apply_payout(household(), paid)
    back = replace(
        payout(-63_120),
        reverses=paid.id,
        paid_on=date(2019, 10, 9),
        year=Period(date(2019, 10, 1), LATER.replace(year=2020)),
    )
    undone, _ = apply_payout(after, back)
    assert sum(row.fen for row in undone.income if row.source == "payout") == 0
    assert {row.year for row in undone.income if row.source == "payout"} == {YEAR}
    assert apply_payout(undone, back) == (undone, [])
    with pytest.raises(ReversalUnequal):
        apply_payout(undone, replace(back, id=uuid4()))
    with pytest.raises(ReversalUnequal):
        apply_payout(after, replace(back, fen=-63_119))
    with pytest.raises(PayoutUnknown):
        apply_payout(household(), back)


def test_a_form_never_touches_what_was_paid() -> None:
    paid, _ = apply_payout(household(), payout())
    after, _ = amend(paid, entry(income=(wage(1),)), LATER)
    assert [(row.source, row.fen) for row in after.income] == [("payout", 63_120), ("declared", 1)]
    forged = IncomeRow(YEAR, "C", "property_dividend", "payout", "forged", 99)
    again, _ = amend(paid, entry(income=(wage(900_000), forged)), LATER)
    assert again is paid


def test_a_declaration_of_another_year_leaves_the_old_one() -> None:
    next_year = Period(date(2019, 10, 1), date(2020, 9, 30))
    after, _ = amend(household(), entry(income=(wage(5, next_year),)), date(2020, 10, 9))
    assert [(row.year, row.fen) for row in after.income] == [(YEAR, 900_000), (next_year, 5)]
    assert circumstances(after).income_declared == ((YEAR.first, YEAR.last), (next_year.first, next_year.last))


# --- facts ------------------------------------------------------------------------------------------------------------


def test_no_fact_carries_what_identifies() -> None:
    head = person(
        "欧阳·娜娜", 2, phone="13800138000", disability_card=citizen_id("19800305", 2) + "43", person_number="623"
    )
    found = household(members=(MemberEntry(head, "head"),), group="二组")
    text = recorded(found).model_dump_json() + circumstances(found).model_dump_json()
    for secret in (head.name, head.id_number, head.phone, head.disability_card, str(head.id), "阳"):
        assert str(secret) not in text
    assert recorded(found).masked_head == "欧*·娜*"
    assert repr(head).count("None") > 0
    assert not [
        secret for secret in (head.name, head.id_number, head.phone, str(head.pseudonym)) if str(secret) in repr(found)
    ]


def test_the_circumstances_carry_every_travelling_field() -> None:
    living = Living(**{one.name: VALUES[one.name] for one in fields(Living) if one.name in VALUES})
    [member, *_] = entry().members
    about = {name: value for name, value in VALUES.items() if name in PERSON_FIELDS}
    found = household(living=living, members=(MemberEntry(replace(member.person, **about), "head"),))
    fact = circumstances(found)
    for name, value in VALUES.items():
        part: Any = fact.members[0] if name in PERSON_FIELDS else fact.living
        assert getattr(part, name) == (f"{value:.2f}" if isinstance(value, Decimal) else value), name
    travelling = {
        one.name for one in FIELDS if one.travels and one.into is None and one.table in ("person", "household")
    }
    elsewhere = {"number", "division", "group"}
    assert travelling - elsewhere == VALUES.keys() | {"headcount_on_form"}


PERSON_FIELDS = {one.name for one in FIELDS if one.level is Level.PERSON} | {"disability_kind", "disability_level"}
VALUES: dict[str, Any] = {
    "main_cause": "illness",
    "other_causes": ("capital",),
    "food_assured": "yes",
    "clothing_assured": "refused",
    "housing_level": "B",
    "housing_area_m2": Decimal("80.5"),
    "water_safe": "no",
    "road": "gravel",
    "electricity": "yes",
    "self_paid_medical_fen": 320_000,
    "insurance_paid_fen": 5,
    "disaster_kind": "flood",
    "disaster_on": DAY,
    "disaster_loss_fen": 7,
    "sex": "female",
    "birth_on": date(1980, 3, 5),
    "schooling": "not_student",
    "education": "junior",
    "health": "serious",
    "labour": "weak",
    "medical_cover": "resident",
    "serious_illness_cover": "yes",
    "pension_cover": "none",
    "work_months": 6,
    "work_monthly_pay_fen": 150_000,
    "job_lost_on": DAY,
    "present": False,
}


def test_impossible_months_are_recorded_but_nothing_is_judged_by_them() -> None:
    [head, *_] = entry().members
    found = household(members=(MemberEntry(replace(head.person, work_months=13), "head"),))
    assert found.members[0].person.work_months == 13
    assert circumstances(found).members[0].work_months is None


def test_only_present_memberships_are_told() -> None:
    head, husband, _ = entry().members
    after, _ = amend(household(), entry(members=(head, husband)), LATER)
    assert recorded(after).headcount == 2
    assert len(circumstances(after).members) == 2


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_the_catalogue_names_each_field_and_wording_once() -> None:
    assert len(BY_NAME) == len(FIELDS)
    assert len(by_header()) >= 500
    assert len(INCOME_ITEM_NAMES) == len(set(INCOME_ITEM_NAMES))
    for codes in CODE_LISTS:
        assert len(set(codes.names)) == len(codes.codes)


def test_nothing_identifying_travels() -> None:
    assert [field.name for field in FIELDS if field.travels and field.privacy is Privacy.IDENTIFYING] == []
    assert {field.name for field in FIELDS if field.privacy is Privacy.IDENTIFYING} == {
        "name", "id_number", "phone", "disability_card", "person_number",
    }  # fmt: skip


def test_the_coded_fields_hold_the_codes_of_the_facts() -> None:
    from typing import get_args

    for name, model in [("relation", Member), ("schooling", Member), ("education", Member), ("health", Member)]:
        field = BY_NAME[name]
        assert field.codes is not None
        annotation = model.model_fields[name].annotation
        told = {
            code
            for part in (get_args(annotation) or ())
            for code in (get_args(part) or (part,))
            if code is not type(None)
        }
        assert set(field.codes.names) == told, name


def test_sealed_fields_have_a_cipher_text_and_an_index() -> None:
    assert BY_NAME["id_number"].columns == ("id_number_sealed", "id_number_index")
    assert BY_NAME["phone"].columns == ("phone_sealed", "phone_index")
    assert BY_NAME["housing_level"].columns == ("housing_level",)
    assert BY_NAME["wage_work"].columns == ()
    assert {field.name for field in stored_in("person")} <= PERSON_FIELDS


def test_one_entry_is_checked_like_a_file() -> None:
    living = Living(headcount_on_form=4, main_cause="illness", other_causes=("illness",))
    doubts, asked = doubts_of(entry(living=living), DAY, NUMBERS)
    assert {"A4", "M1"} <= set(asked)
    assert "C3" not in asked, "no monitoring line is in force yet"
    found = set(doubts.select("check", "row", "field").iter_rows())
    assert {("I13", 1, "headcount_on_form"), ("M2", 1, "other_causes")} <= found
    assert not [check for check, _, _ in found if check in ("I2", "I3", "F1")]
