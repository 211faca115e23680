"""Why the register says no, by name."""

from __future__ import annotations

from shared.errors import Conflict, Invalid, Missing, Refused


class HouseholdMissing(Missing):
    """户不存在."""

    code = "household.missing"
    zh = "未找到该户"
    en = "No such household"


class HouseholdSuperseded(Conflict):
    """户已并户: the household was merged into another one and changes no more."""

    code = "household.superseded"
    zh = "户{number}已并入其他户，不能再修改"
    en = "Household {number} was merged into another one and can no longer be changed"
    hint_zh = "请到并入后的户办理"
    hint_en = "Work on the household that it was merged into"


class NotExactlyOneHead(Invalid):
    """户主不唯一: each household has exactly one head on each day (checks I7, I8; held by the database too)."""

    code = "household.heads"
    zh = "户{number}应恰有一名户主，实为{heads}名"
    en = "Household {number} must have exactly one head, it has {heads}"
    hint_zh = "请核对“与户主关系”"
    hint_en = "Check the relation to the head"


class PersonRepeated(Invalid):
    """成员重复: the same person stands twice in one household."""

    code = "household.person_repeated"
    zh = "户{number}中同一成员出现了两次"
    en = "The same person stands twice in household {number}"
    hint_zh = "请删除重复的一行"
    hint_en = "Remove the repeated entry"


class StatusContradiction(Invalid):
    """户类型矛盾: poor and lifted exclude one another."""

    code = "status.contradiction"
    zh = "户{number}不能同时是贫困户和脱贫户"
    en = "Household {number} cannot be poor and lifted at once"
    hint_zh = "请只保留现在的户类型"
    hint_en = "Keep only what it is now"


class StatusNeedsDecision(Conflict):
    """户类型须经决定: a form would end or shorten 贫困户, 脱贫户 or 监测户, or say 脱贫户, of a household on record."""

    code = "status.needs_decision"
    zh = "户{number}：{claim_zh}"
    en = "Household {number}: {claim_en}"
    hint_zh = "脱贫请走退出程序：在研判服务立案，决定生效后户类型自动变更；其余内容可不填户类型另行提交"
    hint_en = (
        "Open an exit case in assessment: the decision changes the status. The rest of the form can be sent without it"
    )


class DecisionBeforeStatus(Conflict):
    """决定早于身份: the decision takes effect before the status it would end began."""

    code = "decision.too_early"
    zh = "决定生效日{effective_on}不晚于户{number}成为贫困户之日{since}"
    en = "The decision takes effect on {effective_on}, not after household {number} became poor on {since}"
    hint_zh = "请核对决定的生效日期"
    hint_en = "Check the date on which the decision takes effect"


class NothingToExit(Conflict):
    """无可退出的身份: the household is no poor household on that day."""

    code = "decision.not_poor"
    zh = "户{number}当前不是贫困户，退出决定无从生效"
    en = "Household {number} is not a poor household, so an exit decision cannot take effect"
    hint_zh = "请核对该户的身份区间"
    hint_en = "Check the household's status intervals"


class PayoutUnknown(Conflict):
    """原兑付不存在: a reversal names a payout that this household never received."""

    code = "payout.unknown"
    zh = "冲销所指的兑付{payout}不在户{number}名下"
    en = "The reversed payout {payout} is not one of household {number}"
    hint_zh = "请等待原兑付到达后重放"
    hint_en = "Replay after the original payout has arrived"


class ReversalUnequal(Conflict):
    """冲销金额不符: a reversal takes back exactly what was paid, once."""

    code = "payout.unequal"
    zh = "冲销金额{fen}分与原兑付{paid}分不相抵，或原兑付已被冲销"
    en = "The reversal of {fen} fen does not cancel the {paid} fen paid, or was made before"
    hint_zh = "请与合作社核对凭证"
    hint_en = "Check the voucher with the cooperative"


class PersonElsewhere(Conflict):
    """成员在他户: a person belongs to one household on each day (held by the database)."""

    code = "person.elsewhere"
    zh = "户{number}中有成员在同一天属于另一户，或其证件号码已为他人所用"
    en = "A member of household {number} belongs to another household on the same day, or has another person's number"
    hint_zh = "请先在原户办理迁出"
    hint_en = "Let the person leave the other household first"


class PersonHidden(Conflict):
    """成员在辖区外: the identity is on record outside the caller's scope; nothing else is told."""

    code = "person.out_of_scope"
    zh = "户{number}中有成员已登记在您的管辖范围之外"
    en = "A member of household {number} is on record outside your scope"
    hint_zh = "请联系上级核对后办理"
    hint_en = "Ask the office above you to check"


class PersonDead(Conflict):
    """成员已去世: who died belongs to no household."""

    code = "person.dead"
    zh = "户{number}中有成员已登记去世（{on}）"
    en = "A member of household {number} is on record as having died on {on}"
    hint_zh = "请从名单中去掉此人；同名者请填写本人的证件号码"
    hint_en = "Leave the person out; for a namesake give the number of his own"


class StatusOverlap(Conflict):
    """身份重叠: one status twice on one day, or poor and lifted at once (held by the database)."""

    code = "status.overlap"
    zh = "户{number}的身份区间重叠"
    en = "Statuses of household {number} overlap"
    hint_zh = "请核对各身份的起止日期"
    hint_en = "Check the days of its statuses"


class ObservationOlder(Conflict):
    """资料较旧: what is on record was seen later; an older form cannot replace it."""

    code = "observation.older"
    zh = "调查日期{on}早于在册资料的{known}"
    en = "Observed on {on}, before what is on record ({known})"
    hint_zh = "请核对调查日期"
    hint_en = "Check the day of the visit"


class DivisionUnknown(Invalid):
    """区划未登记: no village of that code is in force."""

    code = "division.unknown"
    zh = "村级区划{division}未登记"
    en = "There is no village division {division}"
    hint_zh = "请核对12位村级区划代码"
    hint_en = "Check the twelve-digit code of the village"


class MemberNameless(Invalid):
    """成员无姓名: a new member needs a name; who is on record is named by his id."""

    code = "person.nameless"
    zh = "新成员必须填写姓名；在册成员请填写其标识"
    en = "A new member needs a name; somebody on record is named by his id"
    hint_zh = "请补填姓名或人标识"
    hint_en = "Give the name, or the id of the person on record"


class DoubtMissing(Missing):
    """疑点不存在."""

    code = "doubt.missing"
    zh = "未找到该疑点"
    en = "No such doubt"


class DoubtClosed(Conflict):
    """疑点已办: closed, or answered and waiting for the second person."""

    code = "doubt.closed"
    zh = "该疑点已有结论（{state}），不能再办理此步"
    en = "This doubt has its answer ({state}), so this step cannot be taken"
    hint_zh = "结论待复核的可退回；事实变化后疑点会再次提出"
    hint_en = "A finding that waits can be returned; the doubt is asked again when its facts change"


class DoubtWithoutFinding(Conflict):
    """疑点尚无结论."""

    code = "doubt.no_finding"
    zh = "该疑点尚无书面结论，无从复核"
    en = "This doubt has no written finding yet, so there is nothing to confirm"
    hint_zh = "请先录入核查结论"
    hint_en = "Record the finding first"


class DoubtSamePerson(Conflict):
    """核查与复核为同一人: who recorded a step may not approve it."""

    code = "doubt.same_person"
    zh = "结论由您录入，须由另一人复核"
    en = "You recorded this finding; another person has to confirm it"
    hint_zh = "请由另一名审核人员复核"
    hint_en = "Ask another reviewer"


class DoubtAssignedElsewhere(Refused):
    """疑点已分派他人."""

    code = "doubt.assigned_elsewhere"
    zh = "该疑点已分派他人核查"
    en = "This doubt is assigned to somebody else"
    hint_zh = "请由被分派人办理，或由审核人员改派"
    hint_en = "Its assignee has to answer it, or a reviewer assigns it anew"


class ExceptionUndated(Invalid):
    """例外无期限: only an exception has a last day, and that lies ahead."""

    code = "doubt.exception_undated"
    zh = "例外须写明今后的有效期止；属实、已更正不写"
    en = "An exception needs a last day that lies ahead; kept and corrected have none"
    hint_zh = "请填写 until，或改用其他结论"
    hint_en = "Give `until`, or choose another finding"
