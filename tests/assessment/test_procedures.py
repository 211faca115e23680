"""The exit procedure as it is declared: what each step records and refuses, at its edges, and the seven days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.assessment.domain.cases import (
    Actor,
    Case,
    CitedJudgement,
    Objection,
    ObjectionClosed,
    ObjectionMisdated,
    ShownHousehold,
    Standing,
    VerdictNotMet,
    close_objection,
    receive_objection,
)
from services.assessment.domain.machine import (
    Door,
    EvidenceWrong,
    Procedure,
    Step,
    StepNotYours,
    StepOutOfTurn,
    read_evidence,
    start,
    take,
)
from services.assessment.domain.publicity import (
    Publicity,
    PublicityEmpty,
    PublicityItem,
    PublicityNotPosted,
    PublicityOver,
    PublicityRunning,
    PublicityState,
    Term,
    end,
    open_publicity,
    posted,
    taken_down,
    withdraw,
)
from services.assessment.procedures import EXIT, PROCEDURES
from services.assessment.procedures.exit import (
    MEETING_MAJORITY,
    MEETING_QUORUM,
    ApproverTookPart,
    DayOutOfOrder,
    MeetingCountsWrong,
    MeetingWithoutQuorum,
    SamePerson,
)
from shared.errors import Problem, all_problems
from shared.events import Fact
from shared.events.assessment import CaseAdvanced, CaseDecided, CaseOpened, CaseReturned, PublicityEnded
from shared.parameters import Parameter, Unit
from shared.values import DivisionCode, Scope, new_id

VILLAGE = DivisionCode.parse("522630101201")
TOWN = Scope.of([DivisionCode.parse("522630101")])
CLERK = Actor("clerk", "陈", frozenset({"clerk"}), TOWN)
APPROVER = Actor("approver", "方", frozenset({"approver"}), TOWN)
NOON = datetime(2019, 8, 20, 4, tzinfo=UTC)  # noon of 20 August in Shanghai


def parameter(key: str, value: str, unit: Unit) -> Parameter:
    law = "村民委员会组织法第二十六条"
    return Parameter(key, None, date(2016, 4, 23), None, value, unit, law, "Organic law, art. 26", "a", "b")


NUMBERS = {
    MEETING_QUORUM: parameter(MEETING_QUORUM, "2/3", "share"),
    MEETING_MAJORITY: parameter(MEETING_MAJORITY, "1/2", "share"),
    "exit.publicity_days": parameter("exit.publicity_days", "7", "days"),
}


def make_case(verdict: str = "met", at: datetime = NOON) -> tuple[Case, list[Fact]]:
    return start(EXIT, new_id(), new_id(), VILLAGE, CitedJudgement(new_id(), 7, verdict), CLERK, at)


def act(
    case: Case,
    step: str,
    evidence: Mapping[str, object],
    by: Actor = CLERK,
    at: datetime = NOON,
    hung: Publicity | None = None,
    door: Door = Door.CASE,
    decision: UUID | None = None,
) -> tuple[Case, list[Fact]]:
    declared = EXIT.step(step, door)
    standing = Standing(case.judged, hung, 0, NUMBERS)
    return take(EXIT, declared, case, read_evidence(declared, evidence), by, at, standing, decision)


def votes(
    due: int = 30, present: int = 20, votes_for: int = 11, against: int = 9, on: str = "2019-08-20"
) -> dict[str, object]:
    return {"held_on": on, "due": due, "present": present, "for": votes_for, "against": against}


def agreed_case() -> Case:
    case, _ = make_case()
    case, _ = act(case, "meeting", votes())
    case, _ = act(case, "verify", {"verified_on": "2019-08-20", "village_by": "王强", "team_by": "李敏"})
    case, _ = act(case, "consent", {"signed_on": "2019-08-20", "document": "认字2019-1"})
    return case


def make_publicity(case: Case, on: date = date(2019, 8, 23)) -> Publicity:
    item = PublicityItem(case.id, "王*明", "二组", "poor", 4)
    hung, _ = open_publicity(new_id(), "exit", VILLAGE, Term(7, "依据"), [item], "村委会 0855-1234567", "clerk", on)
    return hung


def test_a_case_opens_only_on_a_judgement_that_is_met() -> None:
    case, facts = make_case()
    assert isinstance(facts[0], CaseOpened)
    assert (facts[0].judgement, facts[0].opened_on) == (case.judged.id, date(2019, 8, 20))
    for verdict in ("unmet", "unknown", "not_applicable"):
        with pytest.raises(VerdictNotMet):
            make_case(verdict)


@pytest.mark.parametrize(
    ("present", "votes_for", "state"),
    [(20, 11, "reviewed"), (20, 10, "listed"), (21, 11, "reviewed"), (21, 10, "listed")],
)
def test_a_majority_is_more_than_half_of_those_present(present: int, votes_for: int, state: str) -> None:
    case, facts = act(make_case()[0], "meeting", votes(present=present, votes_for=votes_for, against=0))
    assert case.state == state
    expected = CaseAdvanced if state == "reviewed" else CaseReturned
    assert [type(fact) for fact in facts] == [expected]


def test_two_thirds_are_exact() -> None:
    assert act(make_case()[0], "meeting", votes(due=3, present=2, votes_for=2, against=0))[0].state == "reviewed"
    with pytest.raises(MeetingWithoutQuorum) as refusal:
        act(make_case()[0], "meeting", votes(due=31, present=20))
    assert "村民委员会组织法第二十六条" in refusal.value.hint


@pytest.mark.parametrize(("due", "present", "votes_for", "against"), [(20, 21, 1, 0), (20, 20, 11, 10), (20, 0, 0, 0)])
def test_counts_that_cannot_be(due: int, present: int, votes_for: int, against: int) -> None:
    with pytest.raises(MeetingCountsWrong):
        act(make_case()[0], "meeting", votes(due, present, votes_for, against))


def test_the_numbers_used_stay_with_the_step() -> None:
    case, _ = act(make_case()[0], "meeting", votes())
    used = {number.key: (number.value, number.basis_zh) for number in case.trail[-1].numbers}
    assert used[MEETING_QUORUM] == ("2/3", "村民委员会组织法第二十六条")


@pytest.mark.parametrize("day", ["2019-08-19", "2019-08-21"])
def test_a_meeting_is_neither_older_than_its_round_nor_in_the_future(day: str) -> None:
    with pytest.raises(DayOutOfOrder):
        act(make_case()[0], "meeting", votes(on=day))


def test_a_day_is_counted_in_shanghai() -> None:
    """17:00 UTC on the 20th is already the 21st where the village lies."""
    evening = datetime(2019, 8, 20, 17, tzinfo=UTC)
    case, _ = act(make_case()[0], "meeting", votes(on="2019-08-21"), at=evening)
    assert case.trail[-1].on == date(2019, 8, 21)


def test_verification_follows_its_meeting_and_is_made_by_two() -> None:
    case, _ = act(make_case()[0], "meeting", votes(on="2019-08-22"), at=NOON + timedelta(days=2))
    record = {"verified_on": "2019-08-21", "village_by": "王强", "team_by": "李敏"}
    with pytest.raises(DayOutOfOrder):
        act(case, "verify", record, at=NOON + timedelta(days=3))
    with pytest.raises(SamePerson):
        act(case, "verify", {**record, "verified_on": "2019-08-22", "team_by": " 王强 "}, at=NOON + timedelta(days=3))


def test_a_refusing_household_goes_back_to_the_list_and_needs_a_new_meeting() -> None:
    case, facts = act(agreed_case(), "refusal", {"refused_on": "2019-08-20", "why": "收入不稳定"})
    assert (case.state, case.round) == ("listed", 2)
    assert isinstance(facts[0], CaseReturned)
    assert facts[0].reason == "household_refused"
    with pytest.raises(StepOutOfTurn):
        act(case, "consent", {"signed_on": "2019-08-20", "document": "认字2019-2"})


def test_seven_days_from_23_august_end_on_the_30th() -> None:
    hung = posted(make_publicity(agreed_case()), new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    assert (hung.first_day, hung.last_day) == (date(2019, 8, 24), date(2019, 8, 30))
    with pytest.raises(PublicityRunning):
        end(hung, date(2019, 8, 30))
    ended, facts = end(hung, date(2019, 8, 31))
    assert ended.state is PublicityState.ENDED
    assert (facts[0].reason, facts[0].ended_on) == ("days_passed", date(2019, 8, 31))


def test_late_posting_moves_the_days() -> None:
    """Asked for on the 23rd, hung on the 26th at two in the morning of the village: the 27th is the first day."""
    hung = posted(make_publicity(agreed_case()), new_id(), datetime(2019, 8, 25, 18, tzinfo=UTC), "hash")
    assert (hung.first_day, hung.last_day) == (date(2019, 8, 27), date(2019, 9, 2))


def test_an_unposted_list_never_ends() -> None:
    with pytest.raises(PublicityNotPosted):
        end(make_publicity(agreed_case()), date(2030, 1, 1))


def test_posted_twice_counts_once() -> None:
    hung = posted(make_publicity(agreed_case()), new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    assert posted(hung, new_id(), datetime(2019, 8, 29, 1, tzinfo=UTC), "other") == hung


def test_a_withdrawn_list_stays_withdrawn() -> None:
    gone, facts = withdraw(make_publicity(agreed_case()), "名单有误", date(2019, 8, 24))
    assert isinstance(facts[0], PublicityEnded)
    assert facts[0].reason == "withdrawn"
    heard_late = posted(gone, new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    assert heard_late.state is PublicityState.WITHDRAWN
    with pytest.raises(PublicityOver):
        end(heard_late, date(2019, 9, 30))


def test_taking_down_is_evidence_and_no_gate() -> None:
    hung = posted(make_publicity(agreed_case()), new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    down = taken_down(hung, datetime(2019, 8, 25, 1, tzinfo=UTC))
    assert down.state is PublicityState.POSTED
    with pytest.raises(PublicityRunning):
        end(down, date(2019, 8, 30))


def test_an_empty_list_is_not_opened() -> None:
    with pytest.raises(PublicityEmpty):
        open_publicity(new_id(), "exit", VILLAGE, Term(7, "依据"), [], "村委会", "clerk", date(2019, 8, 23))


def decided_case() -> tuple[Case, list[Fact]]:
    case = agreed_case()
    hung = make_publicity(case)
    case, _ = act(case, "publish", {}, hung=hung, door=Door.PUBLICITY)
    hung = posted(hung, new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    hung, _ = end(hung, date(2019, 8, 31))
    system = Actor("system", "系统", frozenset({"system"}), Scope.everything())
    late = NOON + timedelta(days=11)
    case, _ = act(case, "publicity_ended", {}, by=system, at=late, hung=hung, door=Door.PUBLICITY)
    for day in ("2019-08-30", "2019-09-01"):
        with pytest.raises(DayOutOfOrder):
            act(case, "approve", {"document_number": "x", "effective_on": day}, APPROVER, late, hung, decision=new_id())
    paper = {"document_number": "镇发〔2019〕31号", "effective_on": "2019-08-31"}
    return act(case, "approve", paper, APPROVER, late, hung, decision=new_id())


def test_a_decision_carries_what_registry_needs() -> None:
    case, facts = decided_case()
    [fact] = facts
    assert isinstance(fact, CaseDecided)
    assert case.decision is not None
    assert (fact.decision, fact.version_judged, fact.outcome) == (case.decision.id, 7, "exit_approved")
    assert (fact.effective_on, fact.document_number) == (date(2019, 8, 31), "镇发〔2019〕31号")


@dataclass(frozen=True)
class Try:
    """An attempt that nothing but one guard stands against."""

    case: Case
    evidence: dict[str, object] = field(default_factory=dict)
    by: Actor = CLERK
    standing: dict[str, object] = field(default_factory=dict)

    def take(self, procedure: Procedure, declared: Step) -> Case:
        """Late on the first day on which the town may decide."""
        standing = replace(Standing(self.case.judged, None, 0, NUMBERS), **self.standing)  # type: ignore[arg-type]
        read = read_evidence(declared, self.evidence)
        at = NOON + timedelta(days=11)
        return take(procedure, declared, self.case, read, self.by, at, standing, new_id())[0]


def tries() -> dict[tuple[str, str], Try]:
    """For each guard of each step what it alone refuses."""
    listed, _ = make_case()
    reviewed, _ = act(listed, "meeting", votes())
    record: dict[str, object] = {"verified_on": "2019-08-20", "village_by": "王强", "team_by": "李敏"}
    verified, _ = act(reviewed, "verify", record)
    agreed, other = agreed_case(), agreed_case()
    hung = make_publicity(agreed)
    published, _ = act(agreed, "publish", {}, hung=hung, door=Door.PUBLICITY)
    hung = posted(hung, new_id(), datetime(2019, 8, 23, 1, tzinfo=UTC), "hash")
    ended, _ = end(hung, date(2019, 8, 31))
    system = Actor("system", "系统", frozenset({"system"}), Scope.everything())
    passed, _ = act(published, "publicity_ended", {}, system, NOON + timedelta(days=11), ended, Door.PUBLICITY)
    paper: dict[str, object] = {"document_number": "镇发1号", "effective_on": "2019-08-31"}
    why: dict[str, object] = {**paper, "why": "材料不全"}
    early: dict[str, object] = {"effective_on": "2019-08-30"}
    over: dict[str, object] = {"publicity": ended}
    both = replace(CLERK, roles=frozenset({"clerk", "approver"}))
    unmet = CitedJudgement(new_id(), 8, "unmet")
    next_village = DivisionCode.parse("522630101202")
    elsewhere = ShownHousehold(passed.household, "5226301012010001", next_village, "二组", "王*明", 4, ("poor",))
    objected: dict[str, object] = {"objections_open": 1}
    day_before = "2019-08-19"
    return {
        ("meeting", "no_objection_open"): Try(listed, votes(), standing=objected),
        ("meeting", "day_of_held_on"): Try(listed, votes(on=day_before)),
        ("meeting", "counts_fit"): Try(listed, votes(votes_for=11, against=10)),
        ("meeting", "quorum"): Try(listed, votes(present=19, votes_for=19, against=0)),
        ("verify", "day_of_verified_on"): Try(reviewed, {**record, "verified_on": day_before}),
        ("verify", "two_people"): Try(reviewed, {**record, "team_by": "王强"}),
        ("consent", "day_of_signed_on"): Try(verified, {"signed_on": day_before, "document": "认字1号"}),
        ("refusal", "day_of_refused_on"): Try(verified, {"refused_on": day_before, "why": "不同意"}),
        ("publish", "on_its_list"): Try(agreed, standing={"publicity": make_publicity(other)}),
        ("publish", "no_objection_open"): Try(agreed, standing={"publicity": make_publicity(agreed), **objected}),
        ("publicity_ended", "list_ended"): Try(published, by=system, standing={"publicity": hung}),
        ("publicity_ended", "no_objection_open"): Try(published, by=system, standing={**over, **objected}),
        ("explain", "explains_the_newest"): Try(listed, {"judgement": str(listed.judged.id), "why": "已核实"}),
        ("approve", "second_person"): Try(passed, paper, both, over),
        ("approve", "no_objection_open"): Try(passed, paper, APPROVER, {**over, **objected}),
        ("approve", "still_here"): Try(passed, paper, APPROVER, {**over, "strange": elsewhere}),
        ("approve", "judgement_stands"): Try(passed, paper, APPROVER, {**over, "latest": unmet}),
        ("approve", "effective_after_publicity"): Try(passed, {**paper, **early}, APPROVER, over),
        ("refuse", "second_person"): Try(passed, why, both, over),
        ("refuse", "no_objection_open"): Try(passed, why, APPROVER, {**over, **objected}),
        ("refuse", "effective_after_publicity"): Try(passed, {**why, **early}, APPROVER, over),
    }


def test_every_guard_of_every_step_has_something_that_it_alone_refuses() -> None:
    assert set(tries()) == {(step.code, guard.code) for step in EXIT.steps for guard in step.guards}


@pytest.mark.parametrize(("step", "guard"), sorted(tries()))
def test_a_guard_refuses_what_would_be_granted_without_it(step: str, guard: str) -> None:
    one = tries()[step, guard]
    declared = next(each for each in EXIT.steps if each.code == step)
    with pytest.raises(Problem):
        one.take(EXIT, declared)
    open_door = replace(declared, guards=tuple(each for each in declared.guards if each.code != guard))
    moved = one.take(EXIT, open_door)
    assert moved.trail[-1].step == step


def test_who_opened_a_case_may_not_refuse_it_either() -> None:
    both = replace(CLERK, roles=frozenset({"clerk", "approver"}))
    paper = {"document_number": "镇发1号", "effective_on": "2019-08-20", "why": "材料不全"}
    with pytest.raises(ApproverTookPart):
        act(make_case()[0], "refuse", paper, both, decision=new_id())
    case, facts = act(make_case()[0], "refuse", paper, APPROVER, decision=new_id())
    assert case.state == "refused"
    assert isinstance(facts[0], CaseDecided)
    assert facts[0].outcome == "exit_refused"


@pytest.mark.parametrize("role", ["auditor", "operator", "accountant", "system", "approver"])
def test_other_roles_record_no_step(role: str) -> None:
    with pytest.raises(StepNotYours):
        act(make_case()[0], "meeting", votes(), by=Actor("x", "x", frozenset({role}), TOWN))


def test_a_village_approver_is_no_town() -> None:
    villager = replace(APPROVER, scope=Scope.of([VILLAGE]))
    paper = {"document_number": "镇发1号", "effective_on": "2019-08-20", "why": "材料不全"}
    with pytest.raises(StepNotYours, match="township"):
        act(make_case()[0], "refuse", paper, villager, decision=new_id())


HOSTILE = {
    "held_on": ["2019-02-30", "20190820", 20190820, None, "", "2019-08-20T00:00"],
    "due": [-1, 1.5, "30", True, 100_001, None],
    "present": [float("nan"), [], {}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HOSTILE.items() for value in values])
def test_evidence_that_cannot_be_read(name: str, value: object) -> None:
    with pytest.raises(EvidenceWrong) as refusal:
        act(make_case()[0], "meeting", {**votes(), name: value})
    assert [error.pointer for error in refusal.value.errors] == [f"/evidence/{name}"]


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001, "a\x00b", "a\u202eb", "a\u200bb", "\ud800", 7, None])
def test_texts_that_are_not_kept(text: object) -> None:
    with pytest.raises(EvidenceWrong):
        act(agreed_case(), "refusal", {"refused_on": "2019-08-20", "why": text})


def test_unknown_entries_are_refused_with_all_other_faults_at_once() -> None:
    with pytest.raises(EvidenceWrong) as refusal:
        act(make_case()[0], "meeting", {"held_on": "x", "votes": 3})
    pointers = {error.pointer for error in refusal.value.errors}
    assert pointers == {f"/evidence/{name}" for name in ("votes", "held_on", "due", "present", "for", "against")}


def make_objection(received_on: date) -> Objection:
    return Objection(new_id(), new_id(), new_id(), VILLAGE, "赵某", "家有商铺", received_on, "clerk", NOON)


def test_an_objection_is_dated_within_its_list_and_closed_once() -> None:
    hung = make_publicity(agreed_case())
    for day in (date(2019, 8, 22), date(2019, 8, 25)):
        with pytest.raises(ObjectionMisdated):
            receive_objection(make_objection(day), hung, date(2019, 8, 24))
    received = receive_objection(make_objection(date(2019, 8, 24)), hung, date(2019, 8, 24))
    closed = close_objection(received, "rejected", "经查不实", CLERK, NOON)
    assert (closed.finding, closed.closed_by) == ("rejected", "clerk")
    with pytest.raises(ObjectionClosed):
        close_objection(closed, "upheld", "再查", CLERK, NOON)


def spoken() -> Iterator[tuple[str, str]]:
    for procedure in PROCEDURES.values():
        yield procedure.zh, procedure.en
        yield from ((state.zh, state.en) for state in procedure.states)
        for step in procedure.steps:
            yield step.zh, step.en
            yield from ((entry.zh, entry.en) for entry in step.entries)
            yield from ((guard.zh, guard.en) for guard in step.guards)


def test_every_declared_word_is_said_in_both_languages() -> None:
    words = list(spoken())
    assert len(words) > 50
    for zh, en in words:
        assert any("\u4e00" <= char <= "\u9fff" for char in zh), zh
        assert en, zh
        assert en.isascii(), en


def test_every_refusal_of_the_procedures_is_said_in_both_languages() -> None:
    ours = [one for one in all_problems(Problem) if one.__module__.startswith("services.assessment")]
    assert len(ours) >= 20
    for one in ours:
        assert any("\u4e00" <= char <= "\u9fff" for char in one.zh), one
        assert one.en.isascii(), one
