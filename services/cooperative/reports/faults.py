"""账簿核验: the ledger's invariants as questions whose every row is a fault. `tuopin verify` asks them all.

They prove from the stored rows alone what the guards held when the rows were written: also after a restore, a replica
or the hand of a superuser, none of which the guards see. Asked by the superuser: under the
policies a leg that lost its entry would hide.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.db import Transaction

FIRST_FAULTS = 20

ENTRY_UNBALANCED = """
select e.book_id, e.period, e.no::text as about from leg l join entry e on e.id = l.entry_id
 group by e.id, e.book_id, e.period, e.no, l.unit_id having sum(l.side * l.amount) <> 0
"""
ENTRY_INCOMPLETE = """
select e.book_id, e.period, e.no::text as about from entry e
  left join (select entry_id, count(*) as legs, max(n) as last, min(eff) as first_on, max(eff) as last_on
               from leg group by entry_id) l on l.entry_id = e.id
 where l.entry_id is null or l.legs <> e.legs or l.last <> e.legs or l.first_on <> e.eff or l.last_on <> e.eff
"""
LEG_ORPHANED = """
select null::int as book_id, null::int as period, l.entry_id::text as about from leg l
 where not exists (select from entry e where e.id = l.entry_id)
"""
ACCOUNT_STRANGE = """
select e.book_id, e.period, e.no::text as about from leg l join entry e on e.id = l.entry_id
  left join account a on a.id = l.account_id
 where a.id is null or a.book_id <> e.book_id or a.unit_id <> l.unit_id
"""
NUMBER_GAP = """
select h.book_id, h.period, coalesce(e.entries, 0) || ' of ' || h.last_no as about from period_head h
  left join (select book_id, period, count(*) as entries, min(no) as first, max(no) as last
               from entry group by book_id, period) e on e.book_id = h.book_id and e.period = h.period
 where coalesce(e.entries, 0) <> h.last_no or coalesce(e.last, 0) <> h.last_no or coalesce(e.first, 1) <> 1
union all
select e.book_id, e.period, 'no such month' from (select distinct book_id, period from entry) e
 where not exists (select from period_head h where h.book_id = e.book_id and h.period = e.period)
"""
BALANCE_WRONG = """
select a.book_id, null::int as period, a.code || ' ' || a.id as about from account a
  left join balance b on b.account_id = a.id
  left join (select account_id, coalesce(sum(amount) filter (where side = 1), 0) as dr,
                    coalesce(sum(amount) filter (where side = -1), 0) as cr from leg group by account_id) l
    on l.account_id = a.id
 where b.account_id is null or b.dr <> coalesce(l.dr, 0) or b.cr <> coalesce(l.cr, 0) or b.guard <> a.guard
"""
MONTH_WRONG = """
select a.book_id, coalesce(m.period, l.period) as period, a.code || ' ' || a.id as about from balance_month m
  full join (select account_id, (date_part('year', eff) * 100 + date_part('month', eff))::int as period,
                    coalesce(sum(amount) filter (where side = 1), 0) as dr,
                    coalesce(sum(amount) filter (where side = -1), 0) as cr from leg group by 1, 2) l
    on l.account_id = m.account_id and l.period = m.period
  join account a on a.id = coalesce(m.account_id, l.account_id)
 where m.account_id is null or l.account_id is null or m.dr <> l.dr or m.cr <> l.cr
"""
APPROVAL_MISSING = """
select e.book_id, e.period, e.draft_id::text as about
  from (select book_id, period, draft_id, posted_by, sha256(string_agg(body_hash, ''::bytea order by no)) as hash
          from entry group by book_id, period, draft_id, posted_by) e
  left join draft d on d.id = e.draft_id
 where d.id is null or d.book_id <> e.book_id or d.state <> 'approved' or d.hash <> e.hash
    or d.decided_by is distinct from e.posted_by or d.decided_by = d.drafted_by
"""
BODY_CHANGED = """
select e.book_id, e.period, e.no::text as about from entry e join (
  select entry_id, sha256(string_agg(int8send(account_id) || int2send(unit_id) || int2send(side) || int8send(amount),
                                     ''::bytea order by n)) as hash from leg group by entry_id) l on l.entry_id = e.id
 where e.body_hash <> sha256(int2send(e.kind) || date_send(e.eff) || int8send(coalesce(e.reverses, 0))
                             || convert_to(e.memo, 'UTF8') || l.hash)
"""
CHAIN_BROKEN = """
with linked as (
  select b.book_id, b.period, b.first_no, b.last_no, b.prev, b.hash,
         coalesce(lag(b.hash) over w, sha256(convert_to('tuopin ' || k.public_id || ' ' || b.period, 'UTF8')))
           as want_prev,
         coalesce(lag(b.last_no) over w, 0) + 1 as want_first,
         (select sha256(string_agg(
                   entry_line(e.no, e.id, e.public_id, e.draft_id, e.body_hash, e.key, e.source, e.posted_by,
                              e.posted_at), ''::bytea order by e.no))
            from entry e where e.book_id = b.book_id and e.period = b.period and e.no between b.first_no and b.last_no)
           as headers
    from block b join book k on k.id = b.book_id
  window w as (partition by b.book_id, b.period order by b.last_no))
select book_id, period, first_no || '-' || last_no as about from linked
 where prev <> want_prev or first_no <> want_first or hash is distinct from sha256(prev || headers)
union all
select h.book_id, h.period, 'head' from period_head h join book k on k.id = h.book_id
 where h.chain <> coalesce((select b.hash from block b where b.book_id = h.book_id and b.period = h.period
                             order by b.last_no desc limit 1),
                           sha256(convert_to('tuopin ' || k.public_id || ' ' || h.period, 'UTF8')))
    or h.last_no <> coalesce((select max(b.last_no) from block b
                               where b.book_id = h.book_id and b.period = h.period), 0)
"""
CLOSE_CHANGED = """
select h.book_id, h.period, 'digest' as about from period_head h
  left join month_close c on c.book_id = h.book_id and c.period = h.period
  left join lateral (
    select count(distinct e.id) as entries, count(*) as legs,
           coalesce(sum(l.amount) filter (where l.side = 1 and l.unit_id = 1), 0) as debit_fen
      from entry e join leg l on l.entry_id = e.id where e.book_id = h.book_id and e.period = h.period) n on true
 where h.status = 'c' and (c.book_id is null or c.chain <> h.chain or c.entries <> n.entries or c.legs <> n.legs
                           or c.debit_fen <> n.debit_fen or c.debit_fen <> c.credit_fen)
"""
REVERSAL_WRONG = """
select r.book_id, r.period, r.no::text as about from entry r left join entry o on o.id = r.reverses
 where r.kind = 4 and (o.id is null or o.book_id <> r.book_id or o.kind = 4 or r.eff < o.eff or exists (
   select from leg a left join leg b on b.entry_id = o.id and b.n = a.n and b.account_id = a.account_id
      and b.side = a.side and b.amount = -a.amount
    where a.entry_id = r.id and b.entry_id is null) or r.legs <> o.legs)
"""
PAYOUT_WRONG = """
select p.book_id, null::int as period, p.id::text as about from payout p
  left join entry e on e.id = p.entry_id
  left join member m on m.id = p.member_id
  left join leg l on l.entry_id = p.entry_id and l.side = 1
  left join account a on a.id = l.account_id
  left join payout o on o.id = p.reverses
 where e.id is null or e.public_id <> p.id or e.book_id <> p.book_id or e.eff <> p.paid_on
    or l.amount is distinct from p.fen or a.member_id is distinct from p.member_id
    or m.household is distinct from p.household
    or (p.reverses is not null and (o.id is null or o.fen <> -p.fen or o.household <> p.household))
"""
PAYOUT_MISSING = """
select e.book_id, e.period, e.no::text as about from entry e
 where (e.source = 'payment' or exists (select from payout o where o.entry_id = e.reverses))
   and not exists (select from payout p where p.entry_id = e.id)
"""

CHECKS: dict[str, str] = {
    "entry.unbalanced": ENTRY_UNBALANCED,
    "entry.incomplete": ENTRY_INCOMPLETE,
    "leg.orphaned": LEG_ORPHANED,
    "leg.account": ACCOUNT_STRANGE,
    "entry.number": NUMBER_GAP,
    "balance.wrong": BALANCE_WRONG,
    "balance_month.wrong": MONTH_WRONG,
    "entry.approval": APPROVAL_MISSING,
    "entry.changed": BODY_CHANGED,
    "chain.broken": CHAIN_BROKEN,
    "month.digest": CLOSE_CHANGED,
    "reversal.wrong": REVERSAL_WRONG,
    "payout.wrong": PAYOUT_WRONG,
    "payout.missing": PAYOUT_MISSING,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """账簿差错: which invariant fails, where."""

    check: str
    book: int | None
    period: int | None
    about: str

    def __str__(self) -> str:
        return f"{self.check}: book {self.book}, month {self.period}, {self.about}"


async def ledger_faults(tx: Transaction) -> list[Fault]:
    """All faults of all books, at most the first few of each kind; none when the ledger is sound."""
    found: list[Fault] = []
    for check, sql in CHECKS.items():
        rows = await tx.driver.fetch(f"select book_id, period, about from ({sql}) f limit $1", FIRST_FAULTS)
        found += [Fault(check, row["book_id"], row["period"], row["about"]) for row in rows]
    return found
