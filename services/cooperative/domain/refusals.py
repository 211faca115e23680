"""拒绝理由: what the cooperative refuses, each by name, in Chinese and English, with what to do next."""

from __future__ import annotations

from shared.errors import Busy, Conflict, Invalid, Missing, Refused


class BookMissing(Missing):
    """账簿不存在."""

    code = "book.missing"
    zh = "未找到账簿 {book}"
    en = "Book {book} was not found"


class BookTwice(Conflict):
    """账簿重复: this id stands for another book."""

    code = "book.twice"
    zh = "编号 {book} 已用于另一本账簿"
    en = "Id {book} already stands for another book"
    hint_zh = "请为新账簿生成新的编号"
    hint_en = "Make a fresh id for a new book"


class ChartMissing(Invalid):
    """科目表不存在."""

    code = "chart.missing"
    zh = "未找到会计科目表 {chart}"
    en = "Chart of accounts {chart} was not found"
    hint_zh = "可用的科目表见 /charts"
    hint_en = "See /charts for those at hand"


class ChartNotInForce(Invalid):
    """科目表未施行: the book opens on a day when its chart was not the law."""

    code = "chart.not_in_force"
    zh = "科目表 {chart}（{basis}）在账簿启用日 {opened_on} 尚未施行或已废止"
    en = "Chart {chart} ({basis}) is not in force on {opened_on}, the day the book opens"
    hint_zh = "请改用当日施行的科目表；确需例外时填写 chart_exception 说明理由，系统将记录并在报表上打印"
    hint_en = "Use the chart in force that day, or give chart_exception with the reason: it is recorded and printed"


class ExceptionNeedless(Invalid):
    """无须例外: the chart is in force, so there is nothing to except."""

    code = "chart.exception_needless"
    zh = "科目表 {chart} 在账簿启用日 {opened_on} 已施行，无须例外"
    en = "Chart {chart} is in force on {opened_on}: no exception is needed"
    hint_zh = "请删去 chart_exception 后重新提交"
    hint_en = "Leave chart_exception out"


class MonthMissing(Missing):
    """会计期间未开."""

    code = "month.missing"
    zh = "账簿没有会计期间 {period}"
    en = "The book has no month {period}"
    hint_zh = "请先开启该会计期间"
    hint_en = "Open that month first"


class MonthClosed(Conflict):
    """会计期间已结账."""

    code = "month.closed"
    zh = "会计期间 {period} 已结账，不能再记账"
    en = "Month {period} is closed: nothing more can be posted into it"
    hint_zh = "请记入尚未结账的期间，并在摘要中说明所属期间"
    hint_en = "Post into an open month and say in the memo where it belongs"


class MonthOrder(Conflict):
    """期间顺序有误: months open and close one after the other."""

    code = "month.order"
    zh = "会计期间须逐月开启、逐月结账：{period} 之前还有 {earlier}"
    en = "Months open and close one after the other: {earlier} comes before {period}"
    hint_zh = "请先处理较早的期间"
    hint_en = "Deal with the earlier month first"


class MonthAhead(Invalid):
    """期间未到: it has not begun."""

    code = "month.ahead"
    zh = "会计期间 {period} 尚未开始"
    en = "Month {period} has not begun"
    hint_zh = "请在该月开始后再开启"
    hint_en = "Open it once it has begun"


class DraftsWaiting(Conflict):
    """尚有未审凭证: a month with undecided drafts is not closed."""

    code = "month.drafts_waiting"
    zh = "会计期间 {period} 尚有 {drafts} 份凭证草稿未审核"
    en = "Month {period} still has {drafts} undecided drafts"
    hint_zh = "请先审核或退回这些草稿"
    hint_en = "Approve or reject them first"


class EntryUnbalanced(Invalid):
    """借贷不平."""

    code = "entry.unbalanced"
    zh = "凭证“{memo}”借贷不平，计量单位 {unit} 相差 {difference}"
    en = "Entry '{memo}' does not balance: unit {unit} is off by {difference}"
    hint_zh = "请核对各分录金额"
    hint_en = "Check the amounts of its legs"


class EntryMisshapen(Invalid):
    """凭证不成立: fewer than two legs, more than allowed, a leg of zero, or no memo."""

    code = "entry.misshapen"
    zh = "凭证“{memo}”不成立：须有2至{limit}条分录、金额不为零、摘要1至200字"
    en = "Entry '{memo}' cannot stand: it needs 2 to {limit} legs, none of zero, and a memo of 1 to 200 characters"
    hint_zh = "请修改后重新提交"
    hint_en = "Correct it and submit again"


class EntryAhead(Invalid):
    """业务日期未到."""

    code = "entry.ahead"
    zh = "业务日期 {on} 晚于今天 {today}"
    en = "The effective date {on} lies after today, {today}"
    hint_zh = "请在业务发生之后记账"
    hint_en = "Post it once it has happened"


class EntryMissing(Missing):
    """凭证不存在."""

    code = "entry.missing"
    zh = "未找到凭证 {entry}"
    en = "Entry {entry} was not found"


class AccountMissing(Invalid):
    """科目不存在."""

    code = "account.missing"
    zh = "账簿没有科目 {account}"
    en = "The book has no account {account}"
    hint_zh = "账簿的科目见 /books/…/accounts"
    hint_en = "See /books/…/accounts"


class AccountOverdrawn(Conflict):
    """余额不足: an account that may not fall below zero would."""

    code = "account.overdrawn"
    zh = "记账后有科目余额将小于零（科目序号 {account}）"
    en = "The posting would leave an account below zero (account {account})"
    hint_zh = "请核对银行存款与应付剩余盈余的余额"
    hint_en = "Check the balances of bank deposits and of surplus payable"


class KeyConflict(Conflict):
    """凭证键重复: the same key with another content."""

    code = "entry.key_conflict"
    zh = "凭证键 {key} 已用于内容不同的凭证"
    en = "Entry key {key} was used before for other content"
    hint_zh = "请勿对不同的业务使用同一个键"
    hint_en = "Use a fresh key for another transaction"


class PostingRefused(Conflict):
    """记账被数据库拒绝: a guard of the ledger held."""

    code = "entry.refused"
    zh = "账簿守卫拒绝了这次记账：{guard}"
    en = "A guard of the ledger refused this posting: {guard}"
    hint_zh = "请把 trace_id 告诉管理员"
    hint_en = "Give the trace_id to your administrator"


class LedgerBusy(Busy):
    """账簿忙: another posting holds the month."""

    code = "ledger.busy"
    zh = "该会计期间正在记账，请稍后重试"
    en = "Another posting holds this month; try again shortly"


class OpeningTwice(Conflict):
    """期初重复: a book has one opening entry."""

    code = "opening.twice"
    zh = "账簿已有期初凭证 {number}"
    en = "The book already has its opening entry, {number}"
    hint_zh = "期初有误时请先冲销原凭证"
    hint_en = "Reverse it first if it was wrong"


class OpeningLate(Invalid):
    """期初日期有误: it belongs into the month the book opens."""

    code = "opening.late"
    zh = "期初凭证须记在账簿启用当月（{period}）"
    en = "The opening entry belongs into the month the book opens ({period})"
    hint_zh = "请修改业务日期"
    hint_en = "Correct the effective date"


class MembersNone(Conflict):
    """没有成员."""

    code = "distribution.no_members"
    zh = "{on} 没有在册成员，无法分配"
    en = "There is no member on {on}: nothing can be distributed"
    hint_zh = "请先登记成员"
    hint_en = "Enter the members first"


class SurplusShort(Conflict):
    """可分配盈余不足."""

    code = "distribution.surplus_short"
    zh = "盈余分配（332）余额 {available} 元，少于拟分配的 {asked} 元"
    en = "Surplus distribution (332) holds {available} yuan, less than the {asked} yuan asked for"
    hint_zh = "请核对期初余额，或减少分配金额"
    hint_en = "Check the opening entry, or distribute less"


class SharesVanish(Invalid):
    """份额不足一分: the total is smaller than one fen a member."""

    code = "distribution.too_small"
    zh = "拟分配 {asked} 元，不足 {members} 名成员每人一分"
    en = "{asked} yuan is less than one fen for each of {members} members"
    hint_zh = "请增加分配金额"
    hint_en = "Distribute more"


class DistributionMissing(Invalid):
    """不是分配凭证: payments settle a distribution."""

    code = "payment.no_distribution"
    zh = "凭证 {number} 不是有效的盈余分配凭证"
    en = "Entry {number} is not a standing distribution"
    hint_zh = "请引用未被冲销的盈余分配凭证"
    hint_en = "Refer to a distribution that was not reversed"


class NothingOwed(Conflict):
    """已无应付."""

    code = "payment.nothing_owed"
    zh = "分配凭证 {number} 项下已无应付未付的盈余"
    en = "Nothing is owed any more under distribution {number}"
    hint_zh = "如有退票，请先冲销该笔兑付"
    hint_en = "If a payment bounced, reverse it first"


class ReversedAlready(Conflict):
    """已冲销."""

    code = "reversal.twice"
    zh = "凭证 {number} 已被冲销"
    en = "Entry {number} was reversed before"
    hint_zh = "一张凭证只能冲销一次"
    hint_en = "An entry is reversed once"


class ReversalOfReversal(Invalid):
    """不冲销冲销凭证."""

    code = "reversal.of_reversal"
    zh = "凭证 {number} 本身是冲销凭证，不能再冲销"
    en = "Entry {number} is itself a reversal and is not reversed"
    hint_zh = "请重新填制原业务的凭证"
    hint_en = "Post the original transaction afresh"


class ReversalEarly(Invalid):
    """冲销早于原凭证."""

    code = "reversal.early"
    zh = "冲销日期 {on} 早于原凭证日期 {original_on}"
    en = "The reversal's date {on} lies before that of the original, {original_on}"
    hint_zh = "请修改业务日期"
    hint_en = "Correct the effective date"


class DraftMissing(Missing):
    """草稿不存在."""

    code = "draft.missing"
    zh = "未找到凭证草稿 {draft}"
    en = "Draft {draft} was not found"


class DraftTwice(Conflict):
    """草稿编号重复."""

    code = "draft.twice"
    zh = "编号 {draft} 已用于另一份草稿"
    en = "Id {draft} already stands for another draft"
    hint_zh = "请为新草稿生成新的编号"
    hint_en = "Make a fresh id for a new draft"


class DraftDecided(Conflict):
    """草稿已有结论."""

    code = "draft.decided"
    zh = "凭证草稿 {draft} 已审核或退回"
    en = "Draft {draft} was decided before"


class DraftStale(Conflict):
    """草稿已过时: what it was computed from has changed."""

    code = "draft.stale"
    zh = "凭证草稿 {draft} 制单之后，成员、余额或已付金额有变动"
    en = "Members, balances or payments have changed since draft {draft} was made"
    hint_zh = "请退回此草稿并重新制单"
    hint_en = "Reject this draft and make a new one"


class SamePerson(Refused):
    """制单与审核不得为同一人."""

    code = "draft.same_person"
    zh = "制单人不得审核自己的凭证"
    en = "Who made a draft may not approve it"
    hint_zh = "请由另一位有审核权限的人员审核"
    hint_en = "Ask another person with the right to approve"


class MembersMalformed(Invalid):
    """成员名单有误: not rows at all."""

    code = "members.malformed"
    zh = "成员名单须为 JSON 数组或 NDJSON，1 至 {limit} 行"
    en = "Members come as a JSON array or as NDJSON, 1 to {limit} rows"
    hint_zh = "请检查文件格式"
    hint_en = "Check the format"
