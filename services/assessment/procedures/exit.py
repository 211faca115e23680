"""贫困户退出程序: village meeting, verification, the household's consent, days in the village, the town's decision.

Basis: 关于建立贫困退出机制的意见 (厅字〔2016〕16号): 由村“两委”组织民主评议后提出，经村“两委”和驻村工作队核实、
拟退出贫困户认可，在村内公示无异议后，公告退出，并在建档立卡贫困人口中销号. Quorum and majority of the meeting:
村民委员会组织法 第二十六条. How many days, which quorum and which majority are dated parameters
(`exit.publicity_days`, `exit.meeting_quorum`, `exit.meeting_majority`).
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from services.assessment.domain.cases import CitedJudgement, HouseholdElsewhere, HouseholdNotJudged
from services.assessment.domain.machine import Attempt, Door, Entry, EntryKind, Guard, Procedure, State, Step, Way
from services.assessment.domain.publicity import PublicityState
from shared.errors import Conflict, FieldError, Invalid, Refused
from shared.values import Level

MEETING_QUORUM = "exit.meeting_quorum"
MEETING_MAJORITY = "exit.meeting_majority"
PUBLICITY_DAYS = "exit.publicity_days"


class MeetingCountsWrong(Invalid):
    """评议人数有误: more present than due, or more votes than people."""

    code = "meeting.counts"
    zh = "评议人数不合：应到{due}，实到{present}，同意{votes_for}，反对{votes_against}"
    en = "The counts do not fit: {due} due, {present} present, {votes_for} for, {votes_against} against"
    hint_zh = "实到不多于应到，同意与反对之和不多于实到"
    hint_en = "No more present than due, no more votes than people present"


class MeetingWithoutQuorum(Conflict):
    """到会人数不足: such a meeting decides nothing."""

    code = "meeting.no_quorum"
    zh = "应到{due}人、实到{present}人，不足{quorum}，评议无效"
    en = "{present} of {due} were present, fewer than {quorum}: the meeting decides nothing"
    hint_zh = "请按法定人数重新召开评议会；依据：{basis}"
    hint_en = "Hold the meeting again with enough people; basis: {basis}"


class DayOutOfOrder(Invalid):
    """日期先后有误: the day lies in the future, or before what must have come first."""

    code = "step.day"
    zh = "日期 {day} 有误：应在 {first} 至 {last} 之间"
    en = "The date {day} must lie between {first} and {last}"
    hint_zh = "请按实际办理日期填写"
    hint_en = "Enter the day on which it really took place"


class SamePerson(Invalid):
    """核实人重复: village and team must be two people."""

    code = "verify.same_person"
    zh = "村级核实人与工作队核实人不能为同一人"
    en = "The village's and the team's verifier must be two people"
    hint_zh = "请由村“两委”和驻村工作队分别签字"
    hint_en = "Let the village committee and the team sign separately"


class ObjectionStillOpen(Conflict):
    """异议未办结: an open objection holds this case."""

    code = "case.objection_open"
    zh = "该案件尚有{count}件异议未办结"
    en = "{count} objection(s) to this case are still open"
    hint_zh = "请先核查并办结异议"
    hint_en = "Look into them and close them first"


class NewerJudgementFails(Conflict):
    """新研判未达标: since the case was opened, the household was judged again, and no longer meets the standard."""

    code = "case.newer_judgement"
    zh = "立案后的新研判 {judgement} 结论为“{verdict}”，不能直接批准"
    en = "A newer judgement {judgement} says '{verdict}': approval is blocked"
    hint_zh = "请由经办人或审核人对该研判作出书面说明，或不予退出"
    hint_en = "Have a clerk or reviewer record why the case goes on, or refuse the exit"


class NothingToExplain(Conflict):
    """无需说明: the newest judgement meets the standard, or is not the one that was read."""

    code = "case.nothing_to_explain"
    zh = "最近一次研判为 {judgement}（{verdict}），与所说明的研判不符或无需说明"
    en = "The newest judgement is {judgement} ({verdict}): not the one explained, or nothing to explain"
    hint_zh = "请读取最近一次研判后再办理"
    hint_en = "Read the newest judgement first"


class ApproverTookPart(Refused):
    """职责未分离: who recorded a step may not approve it."""

    code = "duties.separate"
    zh = "您已参与本案办理，不能作出决定"
    en = "You recorded a step of this case and may not decide it"
    hint_zh = "请由未经办本案的审批人决定"
    hint_en = "Let an approver decide who took no part in it"


class PublicityUnfinished(Conflict):
    """公示不符: the list that ended is not the one this case hangs on, or it was withdrawn."""

    code = "case.publicity"
    zh = "案件所在的公示未期满"
    en = "The publicity of this case has not run its days"
    hint_zh = "请等待公示期满"
    hint_en = "Wait until its days have passed"


def _counts_fit(attempt: Attempt) -> None:
    due, present = attempt.count("due"), attempt.count("present")
    votes_for, votes_against = attempt.count("for"), attempt.count("against")
    if not 0 < present <= due or votes_for + votes_against > present:
        culprit = FieldError("counts", "人数不合", "the counts do not fit", pointer="/evidence/present")
        raise MeetingCountsWrong(
            due=due, present=present, votes_for=votes_for, votes_against=votes_against, errors=[culprit]
        )


def _quorum_present(attempt: Attempt) -> None:
    quorum = attempt.standing.numbers[MEETING_QUORUM]
    due, present = attempt.count("due"), attempt.count("present")
    if Fraction(present, due) < Fraction(quorum.value):
        raise MeetingWithoutQuorum(due=due, present=present, quorum=quorum.value, basis=quorum.basis_zh)


def _majority_for(attempt: Attempt) -> bool:
    """过半数 is more than the share, never equal to it."""
    majority = attempt.standing.numbers[MEETING_MAJORITY]
    return Fraction(attempt.count("for"), attempt.count("present")) > Fraction(majority.value)


def _day_in_round(name: str, after_step: str | None) -> Guard:
    """The day is not in the future, not before this round began, not before the step that it builds on."""

    def check(attempt: Attempt) -> None:
        before = attempt.case.last(after_step) if after_step else None
        earliest = attempt.case.round_since
        if before is not None:
            earliest = max([earliest, *(day for day in before.evidence.values() if isinstance(day, date))])
        if not earliest <= attempt.day(name) <= attempt.on:
            culprit = FieldError("day", "日期先后有误", "the date is out of order", pointer=f"/evidence/{name}")
            raise DayOutOfOrder(day=attempt.day(name), first=earliest, last=attempt.on, errors=[culprit])

    return Guard(
        f"day_of_{name}", "日期不早于前一环节，不晚于今日", "not before the step it builds on, not in the future", check
    )


def _two_people(attempt: Attempt) -> None:
    if attempt.text("village_by").casefold() == attempt.text("team_by").casefold():
        raise SamePerson()


def _on_its_list(attempt: Attempt) -> None:
    hung = attempt.standing.publicity
    if hung is None or attempt.case.id not in {item.case for item in hung.items}:
        raise PublicityUnfinished()


def _its_list_ended(attempt: Attempt) -> None:
    hung = attempt.standing.publicity
    if hung is None or hung.id != attempt.case.publicity or hung.state is not PublicityState.ENDED:
        raise PublicityUnfinished()


def _no_objection_open(attempt: Attempt) -> None:
    if attempt.standing.objections_open:
        raise ObjectionStillOpen(count=attempt.standing.objections_open)


def _newest(attempt: Attempt) -> CitedJudgement:
    if attempt.standing.latest is None:
        raise HouseholdNotJudged(household=attempt.case.household)
    return attempt.standing.latest


def _newest_judgement_stands(attempt: Attempt) -> None:
    latest = _newest(attempt)
    if latest.verdict != "met" and str(latest.id) not in attempt.case.explained:
        raise NewerJudgementFails(judgement=latest.id, verdict=latest.verdict)


def _explains_the_newest(attempt: Attempt) -> None:
    latest = _newest(attempt)
    if latest.verdict == "met" or attempt.text("judgement") != str(latest.id):
        raise NothingToExplain(judgement=latest.id, verdict=latest.verdict)


def _still_of_this_village(attempt: Attempt) -> None:
    """The village that read its name is the one it lives in, and the status that ends is one it has."""
    strange = attempt.standing.strange
    if strange is not None:
        raise HouseholdElsewhere(village=strange.village, statuses="、".join(strange.statuses) or "—")


def _second_person(attempt: Attempt) -> None:
    """Whose decision came to nothing in the register took no other part, and may decide again."""
    if attempt.by.sub in attempt.case.people_beside("approve", "refuse"):
        raise ApproverTookPart()


def _effective_after_publicity(attempt: Attempt) -> None:
    hung = attempt.standing.publicity
    earliest = attempt.case.round_since if hung is None or hung.ended_on is None else hung.ended_on
    if not earliest <= attempt.day("effective_on") <= attempt.on:
        culprit = FieldError("day", "生效日期有误", "the effective date is wrong", pointer="/evidence/effective_on")
        raise DayOutOfOrder(day=attempt.day("effective_on"), first=earliest, last=attempt.on, errors=[culprit])


COUNTS = Guard("counts_fit", "人数合理", "the counts fit one another", _counts_fit)
QUORUM = Guard("quorum", "到会人数达到法定比例", "enough people were present", _quorum_present)
TWO_PEOPLE = Guard("two_people", "村级与工作队由不同人核实", "village and team are two people", _two_people)
ON_ITS_LIST = Guard("on_its_list", "案件在该公示名单上", "the case is on the list", _on_its_list)
LIST_ENDED = Guard("list_ended", "所在公示已期满", "the days of its list have passed", _its_list_ended)
NO_OBJECTION = Guard("no_objection_open", "无未办结异议", "no objection is open", _no_objection_open)
JUDGEMENT_STANDS = Guard(
    "judgement_stands",
    "最近研判仍达标，或已书面说明",
    "the newest judgement is met, or explained",
    _newest_judgement_stands,
)
EXPLAINS = Guard("explains_the_newest", "说明最近未达标研判", "explains the newest, failing one", _explains_the_newest)
STILL_HERE = Guard(
    "still_here", "户仍在本村且身份未变", "the household still lives here and is still poor", _still_of_this_village
)
SECOND_PERSON = Guard("second_person", "决定人未经办本案", "the decider recorded no step", _second_person)
EFFECTIVE = Guard(
    "effective_after_publicity",
    "生效日期不早于公示期满日",
    "in force no earlier than the end of publicity",
    _effective_after_publicity,
)

STATES = (
    State("listed", "已列入，待评议", "listed, to be discussed"),
    State("reviewed", "评议通过，待核实", "passed by the meeting, to be verified"),
    State("verified", "已核实，待户主意见", "verified, to be put to the household"),
    State("agreed", "户主同意，待公示", "agreed by the household, to be published"),
    State("in_publicity", "公示中", "hanging in the village"),
    State("publicity_passed", "公示期满，待乡镇决定", "published its days, to be decided by the town"),
    State("approved", "已批准，待系统标注", "approved, to be marked in the register"),
    State("marked", "已标注", "marked in the register", is_final=True),
    State("refused", "不予退出", "exit refused", is_final=True),
)

_WHY = Entry("why", EntryKind.TEXT, "理由", "reason", longest=1000)
_DECIDED = (
    Entry("document_number", EntryKind.TEXT, "文号", "document number", longest=80),
    Entry("effective_on", EntryKind.DATE, "生效日期", "in force from"),
)
_VILLAGE = ("clerk", "reviewer")
_HUNG = ("in_publicity", "publicity_passed")
_OBJECTED = ("listed", "agreed", *_HUNG)  # where a case can stand while an objection to it is open
_OBJECTION = Entry("objection", EntryKind.TEXT, "异议编号", "id of the objection", longest=36)

STEPS = (
    Step(
        "meeting",
        "民主评议",
        "village meeting",
        froms=("listed",),
        ways=(Way("reviewed", when=_majority_for), Way("listed", returned="meeting_against")),
        roles=_VILLAGE,
        entries=(
            Entry("held_on", EntryKind.DATE, "评议日期", "held on"),
            Entry("due", EntryKind.COUNT, "应到人数", "people due"),
            Entry("present", EntryKind.COUNT, "实到人数", "people present"),
            Entry("for", EntryKind.COUNT, "同意", "votes for"),
            Entry("against", EntryKind.COUNT, "反对", "votes against"),
        ),
        numbers=(MEETING_QUORUM, MEETING_MAJORITY),
        guards=(NO_OBJECTION, _day_in_round("held_on", None), COUNTS, QUORUM),
    ),
    Step(
        "verify",
        "村“两委”和驻村工作队核实",
        "verification by village committee and team",
        froms=("reviewed",),
        ways=(Way("verified"),),
        roles=_VILLAGE,
        entries=(
            Entry("verified_on", EntryKind.DATE, "核实日期", "verified on"),
            Entry("village_by", EntryKind.TEXT, "村级核实人", "verified for the village by", longest=60),
            Entry("team_by", EntryKind.TEXT, "工作队核实人", "verified for the team by", longest=60),
        ),
        guards=(_day_in_round("verified_on", "meeting"), TWO_PEOPLE),
    ),
    Step(
        "consent",
        "户主签字认可",
        "the household agrees",
        froms=("verified",),
        ways=(Way("agreed"),),
        roles=_VILLAGE,
        entries=(
            Entry("signed_on", EntryKind.DATE, "签字日期", "signed on"),
            Entry("document", EntryKind.TEXT, "签字材料编号", "number of the signed paper", longest=80),
        ),
        guards=(_day_in_round("signed_on", "verify"),),
    ),
    Step(
        "refusal",
        "户主不认可",
        "the household does not agree",
        froms=("verified", "agreed"),
        ways=(Way("listed", returned="household_refused"),),
        roles=_VILLAGE,
        entries=(Entry("refused_on", EntryKind.DATE, "日期", "refused on"), _WHY),
        guards=(_day_in_round("refused_on", "verify"),),
    ),
    Step(
        "publish",
        "列入村内公示",
        "put on the village's list",
        froms=("agreed",),
        ways=(Way("in_publicity", joins_publicity=True),),
        roles=_VILLAGE,
        door=Door.PUBLICITY,
        numbers=(PUBLICITY_DAYS,),
        guards=(ON_ITS_LIST, NO_OBJECTION),
    ),
    Step(
        "publicity_ended",
        "公示期满",
        "its days have passed",
        froms=("in_publicity",),
        ways=(Way("publicity_passed"),),
        door=Door.PUBLICITY,
        guards=(LIST_ENDED, NO_OBJECTION),
    ),
    Step(
        "publicity_withdrawn",
        "公示撤回",
        "the list was withdrawn",
        froms=("in_publicity",),
        ways=(Way("agreed", returned="publicity_withdrawn"),),
        roles=_VILLAGE,
        door=Door.PUBLICITY,
        entries=(_WHY,),
    ),
    Step(
        "objection_received",
        "收到异议",
        "an objection came in",
        froms=_HUNG,
        ways=(Way(),),
        roles=_VILLAGE,
        door=Door.OBJECTION,
        entries=(_OBJECTION,),
    ),
    Step(
        "objection_rejected",
        "异议不成立",
        "an objection was found without ground",
        froms=_OBJECTED,
        ways=(Way(),),
        roles=_VILLAGE,
        door=Door.OBJECTION,
        entries=(_OBJECTION,),
    ),
    Step(
        "objection_upheld",
        "异议成立，退回评议",
        "an objection was upheld, back to the meeting",
        froms=_OBJECTED,
        ways=(Way("listed", returned="objection_upheld"),),
        roles=_VILLAGE,
        door=Door.OBJECTION,
        entries=(_OBJECTION,),
    ),
    Step(
        "explain",
        "对新研判作出说明",
        "why the case goes on in spite of a newer judgement",
        froms=("listed", "reviewed", "verified", "agreed", "in_publicity", "publicity_passed"),
        ways=(Way(),),
        roles=_VILLAGE,
        entries=(Entry("judgement", EntryKind.TEXT, "研判编号", "id of the judgement", longest=36), _WHY),
        guards=(EXPLAINS,),
    ),
    Step(
        "approve",
        "乡镇审定，批准退出",
        "the town approves",
        froms=("publicity_passed",),
        ways=(Way("approved", decides="exit_approved"),),
        roles=("approver",),
        level=Level.TOWNSHIP,
        entries=_DECIDED,
        guards=(SECOND_PERSON, NO_OBJECTION, STILL_HERE, JUDGEMENT_STANDS, EFFECTIVE),
    ),
    Step(
        "refuse",
        "乡镇审定，不予退出",
        "the town refuses",
        froms=("listed", "reviewed", "verified", "agreed", "publicity_passed"),
        ways=(Way("refused", decides="exit_refused"),),
        roles=("approver",),
        level=Level.TOWNSHIP,
        entries=(*_DECIDED, _WHY),
        guards=(SECOND_PERSON, NO_OBJECTION, EFFECTIVE),
    ),
    Step(
        "mark",
        "系统标注",
        "marked in the register",
        froms=("approved",),
        ways=(Way("marked"),),
        door=Door.REGISTER,
        entries=(Entry("household_version", EntryKind.TEXT, "户信息版本", "version of the household", longest=20),),
    ),
    Step(
        "register_refused",
        "登记系统未能执行，退回乡镇",
        "the register could not apply it, back to the town",
        froms=("approved",),
        ways=(Way("publicity_passed", returned="register_refused", undecides=True),),
        door=Door.REGISTER,
        entries=(
            Entry("decision", EntryKind.TEXT, "决定编号", "id of the decision", longest=36),
            Entry("reason", EntryKind.TEXT, "原因代码", "code of the reason", longest=80),
        ),
    ),
)

EXIT = Procedure(
    name="exit",
    zh="贫困户退出",
    en="household exit",
    basis="关于建立贫困退出机制的意见（厅字〔2016〕16号）；中华人民共和国村民委员会组织法第二十六条",
    pack="exit",
    subject_status="poor",
    publicity_days=PUBLICITY_DAYS,
    start="listed",
    states=STATES,
    steps=STEPS,
)
