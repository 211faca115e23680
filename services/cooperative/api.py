"""What may be asked of the cooperative over HTTP, by whom, in what shape."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field, ValidationError

from services.cooperative import actions, domain, reports, store
from services.cooperative.actions import BookWish
from services.cooperative.domain import Admission, Book, Chart, Draft, DraftState, Entry, MemberRow, Month
from services.cooperative.domain import refusals as why
from services.cooperative.postings import POSTINGS, AnyPostingTerms
from services.cooperative.reports import BookLine, EntryLine, LegLine, MemberLine, PayoutLine, TrialBalance, TrialLine
from shared.errors import FieldError
from shared.events.registry import StatusKind
from shared.parameters import ParameterMissing
from shared.values import Money, new_id
from shared.web import (
    ROWS,
    Body,
    DivisionField,
    HouseholdNumberField,
    MoneyField,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Role,
    Router,
    Tx,
    UploadedFile,
)

router = Router("合作社")
ROUTERS = (router,)
READERS = (Role.ACCOUNTANT, Role.APPROVER, Role.AUDITOR)
ACCOUNTANTS = (Role.ACCOUNTANT,)
APPROVERS = (Role.APPROVER,)
ROWS_LIMIT = 10_000
PREFIX = "/cooperative/v1"
Period = Annotated[int, Field(ge=190001, le=999912, description="会计期间，如 201909", examples=[201909])]


def check_period(period: int) -> int:
    """201913 names no month."""
    if not domain.is_period(period):
        raise why.MonthMissing(period=period)
    return period


# ── charts and books ──────────────────────────────────────────────────────────────────────────────────────────────────


class ChartAccountOut(Out):
    """科目."""

    code: str
    zh: str
    en: str
    account_class: str
    normal: str
    guard: str
    by_member: bool
    optional: bool


class ChartOut(Out):
    """会计科目表."""

    code: str
    zh: str
    en: str
    basis: str
    accounts: list[ChartAccountOut]

    @classmethod
    def of(cls, chart: Chart) -> ChartOut:
        accounts = [ChartAccountOut.model_validate(account) for account in chart.accounts]
        return cls(code=chart.code, zh=chart.zh, en=chart.en, basis=chart.basis, accounts=accounts)


class AdmissionBody(Body):
    """入社条件: households that had this status on this day."""

    status: StatusKind
    on: date


class BookBody(Body):
    """建账."""

    id: UUID | None = Field(None, description="客户端生成的编号；不填则由系统生成")
    division: DivisionField
    name: Annotated[str, Field(min_length=2, max_length=100)]
    opened_on: Annotated[date, Field(ge=date(1980, 1, 1))]
    chart: str | None = Field(None, max_length=50, description="不填则取当日施行的科目表")
    chart_exception: Annotated[str, Field(min_length=4, max_length=500)] | None = Field(
        None, description="使用当日未施行的科目表的理由，记录并打印"
    )
    admission: AdmissionBody | None = None


class ChartExceptionOut(Out):
    """科目表例外: printed wherever the book is."""

    reason: str
    by: str
    at: datetime


class BookOut(Out):
    """账簿."""

    id: UUID
    division: DivisionField
    name: str
    chart: str
    opened_on: date
    admission_status: str | None
    admission_on: date | None
    chart_exception: ChartExceptionOut | None

    @classmethod
    def of(cls, book: Book) -> BookOut:
        return cls(
            id=book.id,
            division=book.division,
            name=book.name,
            chart=book.chart,
            opened_on=book.opened_on,
            admission_status=book.admission.status if book.admission else None,
            admission_on=book.admission.on if book.admission else None,
            chart_exception=(ChartExceptionOut.model_validate(book.chart_exception) if book.chart_exception else None),
        )


class BookLineOut(Out):
    """账簿行."""

    id: UUID
    division: DivisionField
    name: str
    chart: str
    opened_on: date
    chart_exception: str | None

    @classmethod
    def of(cls, line: BookLine) -> BookLineOut:
        return cls.model_validate(line)


@router.get("/charts", roles=READERS)
async def list_charts(tx: Tx) -> list[ChartOut]:
    """Charts of accounts with their legal basis."""
    return [ChartOut.of(chart) for chart in await store.load_charts(tx)]


@router.post(
    "/books",
    roles=ACCOUNTANTS,
    status=201,
    problems=(
        why.BookTwice,
        why.ChartMissing,
        why.ChartNotInForce,
        why.ExceptionNeedless,
        why.MonthAhead,
        ParameterMissing,
    ),
)
async def open_book(body: BookBody, tx: Tx, officer: Officer, now: Now, response: Response) -> BookOut:
    """Open a book with its chart's accounts and its first month."""
    admission = Admission(body.admission.status, body.admission.on) if body.admission else None
    wish = BookWish(
        id=body.id or new_id(),
        division=body.division,
        name=body.name,
        opened_on=body.opened_on,
        chart=body.chart,
        chart_exception=body.chart_exception,
        admission=admission,
    )
    book = await actions.open_book(tx, officer.scope, wish, officer.sub, now)
    response.headers["Location"] = f"{PREFIX}/books/{book.id}"
    return BookOut.of(book)


@router.get("/books", roles=READERS)
async def list_books(tx: Tx, paging: PagingAsked) -> Page[BookLineOut]:
    """Books in the caller's scope."""
    rows = await reports.books(tx, paging.after, paging.limit)
    return paging.page(rows, key=lambda row: [row.key], shape=BookLineOut.of)


@router.get("/books/{book_id}", roles=READERS, problems=(why.BookMissing,))
async def read_book(book_id: UUID, tx: Tx, officer: Officer) -> BookOut:
    """One book, its chart exception included."""
    return BookOut.of(await store.load_book(tx, officer.scope, book_id))


# ── members ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class MemberBody(Body):
    """成员登记行."""

    number: Annotated[int, Field(ge=1, le=10_000_000, description="成员编号")]
    household_number: HouseholdNumberField
    joined_on: date


class RefusedRowOut(Out):
    """被拒行."""

    row: int
    code: str
    detail: str
    detail_en: str

    @classmethod
    def of(cls, error: FieldError) -> RefusedRowOut:
        return cls(row=error.row or 0, code=error.code, detail=error.zh, detail_en=error.en)


class EnrolmentOut(Out):
    """登记结果: rows = entered + unchanged + refused."""

    rows: int
    entered: int
    unchanged: int
    refused: int
    refusals: list[RefusedRowOut]


class MemberOut(Out):
    """成员."""

    number: int
    household: UUID
    joined_on: date
    left_on: date | None
    household_number: str | None
    masked_head: str | None

    @classmethod
    def of(cls, line: MemberLine) -> MemberOut:
        return cls.model_validate(line)


@router.post(
    "/books/{book_id}/members", roles=ACCOUNTANTS, upload=ROWS, problems=(why.BookMissing, why.MembersMalformed)
)
async def enter_members(book_id: UUID, file: UploadedFile, tx: Tx, officer: Officer, now: Now) -> EnrolmentOut:
    """Enter members in bulk: a JSON array (application/json) or NDJSON, one object a row."""
    rows, wrong = await asyncio.to_thread(_read_rows, Path(file.path))
    enrolment = await actions.enter_members(tx, officer.scope, book_id, rows, officer.sub, now)
    refused = sorted((*wrong, *enrolment.refused), key=lambda error: error.row or 0)
    return EnrolmentOut(
        rows=len(rows) + len(wrong),
        entered=len(enrolment.entered),
        unchanged=enrolment.unchanged,
        refused=len(refused),
        refusals=[RefusedRowOut.of(error) for error in refused],
    )


def _read_rows(file: Path) -> tuple[list[MemberRow], list[FieldError]]:
    """Rows that can be read, and those that cannot, by their place in the list (from 1)."""
    given = _split(file.read_bytes())
    if not 1 <= len(given) <= ROWS_LIMIT:
        raise why.MembersMalformed(limit=ROWS_LIMIT)
    rows, wrong = [], []
    for place, one in enumerate(given, 1):
        try:
            member = MemberBody.model_validate(one)
        except ValidationError as error:
            places = {part["loc"][0] for part in error.errors(include_input=False) if part["loc"]}
            # A name that is none of ours may be a person's number put in a wrong place.
            names = "、".join(sorted({str(place) if place in MemberBody.model_fields else "?" for place in places}))
            wrong.append(
                FieldError(
                    "row.invalid", f"该行有误：{names or '不是对象'}", f"not valid: {names or 'no object'}", row=place
                )
            )
        else:
            rows.append(MemberRow(place, member.number, member.household_number.text, member.joined_on))
    return rows, wrong


def _split(content: bytes) -> list[Any]:
    """A JSON array, or one JSON value a line."""
    try:
        text = content.decode("utf-8-sig").strip()
        if text.startswith("["):
            found = json.loads(text)
            return found if isinstance(found, list) else []
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise why.MembersMalformed(limit=ROWS_LIMIT) from None


@router.get("/books/{book_id}/members", roles=READERS, problems=(why.BookMissing,))
async def list_members(book_id: UUID, tx: Tx, officer: Officer, paging: PagingAsked) -> Page[MemberOut]:
    """Members by number, heads masked."""
    book = await store.load_book(tx, officer.scope, book_id)
    rows = await reports.members(tx, book, paging.after, paging.limit)
    return paging.page(rows, key=lambda row: [row.number], shape=MemberOut.of)


# ── months ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class MonthOut(Out):
    """会计期间."""

    period: int
    status: str
    last_number: int

    @classmethod
    def of(cls, month: Month) -> MonthOut:
        return cls(period=month.period, status=month.status.value, last_number=month.last_number)


@router.get("/books/{book_id}/months", roles=READERS, problems=(why.BookMissing,))
async def list_months(book_id: UUID, tx: Tx, officer: Officer) -> list[MonthOut]:
    """All months of a book, oldest first."""
    book = await store.load_book(tx, officer.scope, book_id)
    return [MonthOut.of(month) for month in await store.load_months(tx, book)]


@router.post(
    "/books/{book_id}/months/{period}/open",
    roles=ACCOUNTANTS,
    problems=(why.BookMissing, why.MonthMissing, why.MonthOrder, why.MonthAhead),
)
async def open_month(book_id: UUID, period: Period, tx: Tx, officer: Officer, now: Now) -> MonthOut:
    """Open the month that follows."""
    return MonthOut.of(await actions.open_month(tx, officer.scope, book_id, check_period(period), now))


@router.post(
    "/books/{book_id}/months/{period}/close",
    roles=ACCOUNTANTS,
    problems=(why.BookMissing, why.MonthMissing, why.MonthOrder, why.MonthClosed, why.DraftsWaiting, why.LedgerBusy),
)
async def close_month(book_id: UUID, period: Period, tx: Tx, officer: Officer, now: Now) -> MonthOut:
    """Close the oldest open month for good, with its digest."""
    return MonthOut.of(await actions.close_month(tx, officer.scope, book_id, check_period(period), officer.sub, now))


# ── drafts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class DraftBody(Body):
    """制单."""

    id: UUID | None = Field(None, description="客户端生成的编号；不填则由系统生成")
    terms: AnyPostingTerms


class RejectBody(Body):
    """退回."""

    reason: Annotated[str, Field(min_length=2, max_length=200)]


class DraftOut(Out):
    """凭证草稿."""

    id: UUID
    posting: str
    posting_zh: str
    posting_en: str
    statement_zh: str
    statement_en: str
    period: int
    terms: dict[str, Any]
    entries: int
    debit_total: MoneyField
    state: str
    drafted_by: str
    drafted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, draft: Draft) -> DraftOut:
        posting = POSTINGS[draft.posting]
        return cls(
            id=draft.id,
            posting=draft.posting,
            posting_zh=posting.zh,
            posting_en=posting.en,
            statement_zh=posting.says_zh,
            statement_en=posting.says_en,
            period=draft.period,
            terms=draft.terms,
            entries=len(draft.entries),
            debit_total=Money(sum(entry.debit_total for entry in draft.entries)),
            state=draft.state.value,
            drafted_by=draft.drafted_by,
            drafted_at=draft.drafted_at,
            decided_by=draft.decided_by,
            decided_at=draft.decided_at,
            reason=draft.reason,
        )


class DraftLineOut(Out):
    """草稿行."""

    id: UUID
    posting: str
    period: int
    state: str
    entries: int
    drafted_by: str
    drafted_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @classmethod
    def of(cls, line: reports.DraftLine) -> DraftLineOut:
        return cls.model_validate(line)


class LegOut(Out):
    """分录: on a member's own leaf it names the member's number."""

    account: str
    member: int | None
    side: str
    amount: MoneyField

    @classmethod
    def of(cls, line: LegLine) -> LegOut:
        return cls(account=line.account, member=line.member, side=line.side, amount=Money(line.fen))


class ProposedOut(Out):
    """拟记凭证."""

    place: int
    on: date
    kind: str
    memo: str
    legs: list[LegOut]


class PostedOut(Out):
    """审核结果: what was posted."""

    draft: DraftOut
    first_number: str
    last_number: str
    first_entry: UUID
    entries: int


DRAFTING = (
    why.BookMissing, why.DraftTwice, why.MonthMissing, why.MonthClosed, why.LedgerBusy, why.AccountMissing,
    why.EntryUnbalanced, why.EntryMisshapen, why.EntryAhead, why.EntryMissing, why.OpeningTwice, why.OpeningLate,
    why.MembersNone, why.SurplusShort, why.SharesVanish, why.DistributionMissing, why.NothingOwed, why.ReversedAlready,
    why.ReversalOfReversal, why.ReversalEarly,
)  # fmt: skip
APPROVING = (
    why.DraftMissing, why.DraftDecided, why.DraftStale, why.SamePerson, why.AccountOverdrawn, why.KeyConflict,
    why.PostingRefused, *DRAFTING,
)  # fmt: skip


@router.post("/books/{book_id}/drafts", roles=ACCOUNTANTS, status=201, problems=DRAFTING)
async def draft_posting(
    book_id: UUID, body: DraftBody, tx: Tx, officer: Officer, now: Now, response: Response
) -> DraftOut:
    """Make a draft: opening, distribution, payment or reversal, for a second person to decide on."""
    draft_id = body.id or new_id()
    draft = await actions.draft_posting(tx, officer.scope, book_id, draft_id, body.terms, officer.sub, now)
    response.headers["Location"] = f"{PREFIX}/drafts/{draft.id}"
    return DraftOut.of(draft)


@router.get("/books/{book_id}/drafts", roles=READERS, problems=(why.BookMissing,))
async def list_drafts(
    book_id: UUID, tx: Tx, officer: Officer, paging: PagingAsked, state: DraftState | None = None
) -> Page[DraftLineOut]:
    """Drafts of a book, oldest first."""
    book = await store.load_book(tx, officer.scope, book_id)
    rows = await reports.drafts(tx, book, state, paging.after, paging.limit)
    return paging.page(rows, key=lambda row: [row.drafted_at.isoformat(), str(row.id)], shape=DraftLineOut.of)


@router.get("/drafts/{draft_id}", roles=READERS, problems=(why.DraftMissing,))
async def read_draft(draft_id: UUID, tx: Tx, officer: Officer) -> DraftOut:
    """A draft with its terms and totals."""
    _, draft = await store.load_draft(tx, officer.scope, draft_id)
    return DraftOut.of(draft)


@router.get("/drafts/{draft_id}/entries", roles=READERS, problems=(why.DraftMissing,))
async def list_draft_entries(draft_id: UUID, tx: Tx, officer: Officer, paging: PagingAsked) -> Page[ProposedOut]:
    """What the draft would post, entry by entry."""
    _, draft = await store.load_draft(tx, officer.scope, draft_id)
    begin = int(paging.after[0]) if paging.after else 0
    shown = draft.entries[begin : begin + paging.limit + 1]
    legs = await reports.draft_entries(tx, draft, shown)
    rows = list(enumerate(zip(shown, legs, strict=True), begin + 1))
    return paging.page(rows, key=lambda row: [row[0]], shape=lambda row: _proposed(row[0], *row[1]))


def _proposed(place: int, entry: Entry, legs: list[LegLine]) -> ProposedOut:
    shown = [LegOut.of(leg) for leg in legs]
    return ProposedOut(place=place, on=entry.on, kind=entry.kind.value, memo=entry.memo, legs=shown)


@router.post("/drafts/{draft_id}/approve", roles=APPROVERS, problems=APPROVING)
async def approve_draft(draft_id: UUID, tx: Tx, officer: Officer, now: Now) -> PostedOut:
    """Approve another person's draft: all of its entries are posted, or none."""
    draft, posted = await actions.approve_draft(tx, officer.scope, draft_id, officer.sub, now)
    return PostedOut(
        draft=DraftOut.of(draft),
        first_number=posted[0].text,
        last_number=posted[-1].text,
        first_entry=posted[0].id,
        entries=len(posted),
    )


@router.post(
    "/drafts/{draft_id}/reject",
    roles=(Role.ACCOUNTANT, Role.APPROVER),
    problems=(why.DraftMissing, why.DraftDecided),
)
async def reject_draft(draft_id: UUID, body: RejectBody, tx: Tx, officer: Officer, now: Now) -> DraftOut:
    """Send a draft back with a reason, or withdraw one's own."""
    return DraftOut.of(await actions.reject_draft(tx, officer.scope, draft_id, body.reason, officer.sub, now))


# ── entries, trial balance, payouts ───────────────────────────────────────────────────────────────────────────────────


class EntryLineOut(Out):
    """凭证行."""

    id: UUID
    number: str
    kind: str
    on: date
    memo: str
    posting: str
    draft: UUID
    legs: int
    posted_by: str
    posted_at: datetime
    reverses: UUID | None
    reversed_by: UUID | None

    @classmethod
    def of(cls, line: EntryLine) -> EntryLineOut:
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


class EntryOut(Out):
    """凭证."""

    head: EntryLineOut
    legs: list[LegOut]


@router.get("/books/{book_id}/entries", roles=READERS, problems=(why.BookMissing,))
async def list_entries(
    book_id: UUID,
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    period: Annotated[int | None, Query(ge=190001, le=999912)] = None,
    draft: UUID | None = None,
) -> Page[EntryLineOut]:
    """Entries by month and number; of one month or one draft if asked."""
    book = await store.load_book(tx, officer.scope, book_id)
    rows = await reports.entries(tx, book, period, draft, paging.after, paging.limit)
    return paging.page(rows, key=lambda row: [row.period, row.no], shape=EntryLineOut.of)


@router.get("/books/{book_id}/entries/{entry_id}", roles=READERS, problems=(why.BookMissing, why.EntryMissing))
async def read_entry(book_id: UUID, entry_id: UUID, tx: Tx, officer: Officer) -> EntryOut:
    """One entry with all its legs."""
    book = await store.load_book(tx, officer.scope, book_id)
    head, legs = await reports.entry(tx, book, entry_id)
    return EntryOut(head=EntryLineOut.of(head), legs=[LegOut.of(leg) for leg in legs])


class TrialLineOut(Out):
    """科目余额."""

    account: str
    zh: str
    en: str
    opening_debit: MoneyField
    opening_credit: MoneyField
    month_debit: MoneyField
    month_credit: MoneyField
    closing_debit: MoneyField
    closing_credit: MoneyField

    @classmethod
    def of(cls, line: TrialLine) -> TrialLineOut:
        amounts = {name: Money(getattr(line, name)) for name in cls.model_fields if name.endswith(("debit", "credit"))}
        return cls(account=line.account, zh=line.zh, en=line.en, **amounts)


class TrialBalanceOut(Out):
    """科目余额表: prints the chart, its exception, and which kinds of entry are counted."""

    book: UUID
    name: str
    period: int
    chart: str
    chart_exception: ChartExceptionOut | None
    kinds: list[str]
    balanced: bool
    totals: dict[str, MoneyField]
    lines: list[TrialLineOut]

    @classmethod
    def of(cls, book: Book, trial: TrialBalance) -> TrialBalanceOut:
        printed = BookOut.of(book)
        return cls(
            book=book.id,
            name=book.name,
            period=trial.period,
            chart=book.chart,
            chart_exception=printed.chart_exception,
            kinds=list(reports.KINDS_COUNTED),
            balanced=trial.is_balanced,
            totals={name: Money(fen) for name, fen in trial.totals.items()},
            lines=[TrialLineOut.of(line) for line in trial.lines if line.is_used],
        )


@router.get("/books/{book_id}/trial-balance", roles=READERS, problems=(why.BookMissing, why.MonthMissing))
async def read_trial_balance(
    book_id: UUID, tx: Tx, officer: Officer, period: Annotated[int, Query(ge=190001, le=999912)]
) -> TrialBalanceOut:
    """The trial balance of one month; accounts on which nothing ever moved are left out."""
    book = await store.load_book(tx, officer.scope, book_id)
    return TrialBalanceOut.of(book, await reports.trial_balance(tx, book, check_period(period)))


class PayoutOut(Out):
    """兑付."""

    id: UUID
    kind: str
    household: UUID
    member: int
    amount: MoneyField
    paid_on: date
    entry: UUID
    entry_number: str
    reverses: UUID | None

    @classmethod
    def of(cls, line: PayoutLine) -> PayoutOut:
        same = {name: getattr(line, name) for name in cls.model_fields if name != "amount"}
        return cls(**same, amount=Money(line.fen))


class PayoutTotalOut(Out):
    """兑付合计: signed, payments taken back included."""

    payouts: int
    taken_back: int
    fen: int
    amount: MoneyField


@router.get("/books/{book_id}/payouts", roles=READERS, problems=(why.BookMissing,))
async def list_payouts(book_id: UUID, tx: Tx, officer: Officer, paging: PagingAsked) -> Page[PayoutOut]:
    """Payouts in the order in which they were posted."""
    book = await store.load_book(tx, officer.scope, book_id)
    rows = await reports.payouts(tx, book, paging.after, paging.limit)
    return paging.page(rows, key=lambda row: [row.key], shape=PayoutOut.of)


@router.get("/books/{book_id}/payouts/total", roles=READERS, problems=(why.BookMissing,))
async def read_payout_total(book_id: UUID, tx: Tx, officer: Officer) -> PayoutTotalOut:
    """How much was paid, less what was taken back."""
    book = await store.load_book(tx, officer.scope, book_id)
    payouts, taken_back, fen = await reports.payout_total(tx, book)
    return PayoutTotalOut(payouts=payouts, taken_back=taken_back, fen=fen, amount=Money(fen))
