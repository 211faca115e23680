"""The ledger's guards and the only doors into it.

Two statement-level triggers prove every set of legs and entries whatever path it came by (function, ad-hoc SQL, COPY);
the same triggers move balances and numbers. Services may execute the functions and read the tables, nothing more.
Refusals carry the name of the guard as their constraint, which the store turns into a named error.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

SERVICE = "cooperative"

# Key look-ups must stay index probes whatever the planner believes of an array's or a transition table's size.
PLANS = "set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off"
PINNED = f"set search_path = public, pg_temp {PLANS}"
IMMUTABLE = ("entry", "leg", "block", "month_close", "payout")
DOORS = (
    "open_accounts", "open_leaves", "open_month", "lock_month", "close_month", "post_many", "record_payouts",
)  # fmt: skip

REFUSE = """
create function refuse(guard text, about text) returns void language plpgsql as $$
begin
  raise exception using errcode = 'check_violation', constraint = guard, message = guard, detail = about;
end $$
"""

DENY = """
create function deny_change() returns trigger language plpgsql as $$
begin
  perform refuse('ledger_immutable', tg_table_name);
  return null;
end $$
"""

DRAFT_GUARD = """
create function guard_draft() returns trigger language plpgsql as $$
begin
  if old.state <> 'waiting' then
    perform refuse('draft_decided', old.id::text);
  end if;
  if (new.id, new.book_id, new.posting, new.period, new.terms, new.entries, new.hash, new.drafted_by, new.drafted_at)
     is distinct from
     (old.id, old.book_id, old.posting, old.period, old.terms, old.entries, old.hash, old.drafted_by, old.drafted_at)
  then
    perform refuse('draft_frozen', old.id::text);
  end if;
  return new;
end $$
"""

# Trigger A. All legs of a statement at once: balanced, complete, in the right book; then they move the balances.
LEG_GUARD = f"""
create function guard_legs() returns trigger language plpgsql {PINNED} as $$
declare
  books integer[];
  unbalanced bigint;
  several boolean;
  partial bigint;
  strange bigint;
  accounts integer;
  moved integer;
  guarded bigint[];
begin
  -- `offset 0` keeps a look-up a look-up: one index probe a row, whatever the planner believes of the sizes.
  select array_agg(distinct e.book_id),
         min(g.entry_id) filter (where g.first_unit = g.last_unit and g.value <> 0),
         bool_or(g.first_unit <> g.last_unit),
         min(g.entry_id) filter (where e.id is null or e.legs <> g.legs or e.legs <> g.last
                                    or e.eff <> g.first_on or e.eff <> g.last_on)
    into books, unbalanced, several, partial
    from (select n.entry_id, sum(n.side * n.amount) as value, count(*) as legs, max(n.n) as last,
                 min(n.unit_id) as first_unit, max(n.unit_id) as last_unit,
                 min(n.eff) as first_on, max(n.eff) as last_on
            from new_legs n group by n.entry_id) g
    left join lateral (select e.id, e.book_id, e.legs, e.eff from entry e where e.id = g.entry_id offset 0) e on true;
  if several and unbalanced is null then
    select n.entry_id into unbalanced from new_legs n
     group by n.entry_id, n.unit_id having sum(n.side * n.amount) <> 0 limit 1;
  end if;
  if unbalanced is not null then
    perform refuse('ledger_balanced', unbalanced::text);
  end if;
  if partial is not null then
    perform refuse('ledger_whole', partial::text);
  end if;

  if cardinality(books) = 1 then
    select count(*), min(g.account_id) filter (where a.id is null or a.unit_id <> g.unit_id or a.book_id <> books[1])
      into accounts, strange
      from (select n.account_id, n.unit_id from new_legs n group by n.account_id, n.unit_id) g
      left join lateral (select a.id, a.unit_id, a.book_id from account a where a.id = g.account_id offset 0) a on true;
  else
    select count(*), min(g.account_id) filter (where a.id is null or a.unit_id <> g.unit_id or a.book_id <> g.book_id)
      into accounts, strange
      from (select n.account_id, n.unit_id, e.book_id from new_legs n
              join lateral (select e.book_id from entry e where e.id = n.entry_id offset 0) e on true
             group by n.account_id, n.unit_id, e.book_id) g
      left join lateral (select a.id, a.unit_id, a.book_id from account a where a.id = g.account_id offset 0) a on true;
  end if;
  if strange is not null then
    perform refuse('ledger_account', strange::text);
  end if;

  with done as (
    update balance b set dr = b.dr + d.dr, cr = b.cr + d.cr
      from (select n.account_id, count(*) as touches, coalesce(sum(n.amount) filter (where n.side = 1), 0) as dr,
                   coalesce(sum(n.amount) filter (where n.side = -1), 0) as cr
              from new_legs n group by n.account_id order by n.account_id) d
     where b.account_id = d.account_id returning b.account_id, b.guard, d.touches)
  select count(*), array_agg(d.account_id) filter (where d.guard <> 0 and d.touches > 1) into moved, guarded
    from done d;
  if moved <> accounts then
    perform refuse('ledger_account', 'without a balance');
  end if;

  -- The table's own check has seen the end of the batch; sums would hide a payment before its receipt. So guarded
  -- accounts are replayed entry by entry. The update above holds their rows: what stood before is what stands now less
  -- what this statement added.
  if guarded is not null then
    select g.account_id into strange
      from (select r.account_id, max(r.added) as added, min(r.running) as lowest, max(r.running) as highest
              from (select n.account_id, sum(n.side * n.amount) over (partition by n.account_id) as added,
                           sum(n.side * n.amount) over (partition by n.account_id order by n.entry_id) as running
                      from new_legs n where n.account_id = any (guarded)) r
             group by r.account_id) g
      join lateral (select b.guard, b.dr - b.cr as value, b.held from balance b where b.account_id = g.account_id
                    offset 0) b on true
     where (b.guard = 1 and b.value - g.added + g.lowest - b.held < 0)
        or (b.guard = 2 and -(b.value - g.added + g.highest) - b.held < 0) limit 1;
    if found then
      perform refuse('balance_guard', strange::text);
    end if;
  end if;

  insert into balance_month as m (account_id, period, dr, cr)
  select n.account_id, (date_part('year', n.eff) * 100 + date_part('month', n.eff))::int as period,
         coalesce(sum(n.amount) filter (where n.side = 1), 0), coalesce(sum(n.amount) filter (where n.side = -1), 0)
    from new_legs n group by n.account_id, period order by n.account_id, period
  on conflict (account_id, period) do update set dr = m.dr + excluded.dr, cr = m.cr + excluded.cr;
  return null;
end $$
"""

# Trigger B. All entries of a statement at once: the month is open, numbers follow without a gap, every entry has legs
# and hangs from a draft that a second person approved, byte for byte.
ENTRY_GUARD = f"""
create function guard_entries() returns trigger language plpgsql {PINNED} as $$
declare
  bad record;
  months integer;
  moved integer;
  ids bigint[];
begin
  select count(distinct (n.book_id, n.period)) into months from new_entries n;
  if exists (select from (select n.book_id, n.period from new_entries n group by n.book_id, n.period) g
               join period_head h on h.book_id = g.book_id and h.period = g.period where h.status <> 'o') then
    perform refuse('ledger_open', 'month closed');
  end if;
  update period_head h set last_no = g.last
    from (select n.book_id, n.period, min(n.no) as first, max(n.no) as last, count(*) as entries
            from new_entries n group by n.book_id, n.period order by n.book_id, n.period) g
   where h.book_id = g.book_id and h.period = g.period and h.status = 'o'
     and g.first = h.last_no + 1 and g.last - g.first + 1 = g.entries;
  get diagnostics moved = row_count;
  if moved <> months then
    perform refuse('ledger_number', 'numbers must follow without a gap');
  end if;

  ids := array(select n.id from new_entries n order by n.id);
  select count(*) into moved from leg l where l.entry_id = any (ids) and l.n = 1;
  if moved <> cardinality(ids) then
    perform refuse('ledger_whole', 'an entry without legs');
  end if;

  select g.draft_id into bad
    from (select n.draft_id, n.book_id, n.posted_by, sha256(string_agg(n.body_hash, ''::bytea order by n.no)) as hash
            from new_entries n group by n.draft_id, n.book_id, n.posted_by) g
    left join draft d on d.id = g.draft_id
   where d.id is null or d.book_id <> g.book_id or d.state <> 'approved' or d.decided_by is distinct from g.posted_by
      or d.hash <> g.hash limit 1;
  if found then
    perform refuse('ledger_approved', bad.draft_id::text);
  end if;
  return null;
end $$
"""

OPEN_ACCOUNTS = f"""
create function open_accounts(the_book integer, codes text[]) returns integer
language plpgsql security definer {PINNED} as $$
declare
  opened bigint[];
begin
  with made as (
    insert into account (book_id, code, unit_id, normal, guard, opened_on)
    select b.id, c.code, 1, c.normal, case when c.by_member then 0 else c.guard end, b.opened_on
      from book b join chart_account c on c.chart = b.chart and c.code = any (codes)
     where b.id = the_book
    returning id)
  select array_agg(id) into opened from made;
  -- A second statement: the balance's policy looks at the account, which the first cannot see yet.
  insert into balance (account_id, guard) select a.id, a.guard from account a where a.id = any (opened);
  return coalesce(cardinality(opened), 0);
end $$
"""

# Every member's own leaf of an account that the chart keeps by member; those that stand already are left alone.
OPEN_LEAVES = f"""
create function open_leaves(the_book integer, the_code text) returns integer
language plpgsql security definer {PINNED} as $$
declare
  opened bigint[];
begin
  with made as (
    insert into account (book_id, code, member_id, unit_id, normal, guard, opened_on)
    select b.id, c.code, m.id, 1, c.normal, c.guard, m.joined_on
      from book b join chart_account c on c.chart = b.chart and c.code = the_code and c.by_member
      join member m on m.book_id = b.id
     where b.id = the_book
       and not exists (select from account a
                        where a.book_id = b.id and a.code = c.code and a.member_id = m.id and a.unit_id = 1)
    returning id)
  select array_agg(id) into opened from made;
  -- A second statement: the balance's policy looks at the account, which the first cannot see yet.
  insert into balance (account_id, guard) select a.id, a.guard from account a where a.id = any (opened);
  return coalesce(cardinality(opened), 0);
end $$
"""

# A month's chain starts from the book's own seed, so that no block fits into another book or month.
OPEN_MONTH = f"""
create function open_month(the_book integer, the_period integer) returns void
language plpgsql security definer {PINNED} as $$
begin
  insert into period_head (book_id, period, chain)
  select b.id, the_period, sha256(convert_to('tuopin ' || b.public_id || ' ' || the_period, 'UTF8'))
    from book b where b.id = the_book;
  if not found then
    perform refuse('ledger_book', the_book::text);
  end if;
end $$
"""

LOCK_MONTH = f"""
create function lock_month(the_book integer, the_period integer) returns table (status char, last_no integer)
language sql security definer {PINNED} as $$
  select h.status, h.last_no from period_head h where h.book_id = the_book and h.period = the_period for update
$$
"""

CLOSE_MONTH = f"""
create function close_month(the_book integer, the_period integer, by_whom text, at_moment timestamptz) returns void
language plpgsql security definer {PINNED} as $$
declare
  head record;
begin
  select h.status, h.chain into head from period_head h where h.book_id = the_book and h.period = the_period for update;
  if not found or head.status <> 'o' then
    perform refuse('ledger_open', the_period::text);
  end if;
  if exists (select from draft d where d.book_id = the_book and d.period = the_period and d.state = 'waiting') then
    perform refuse('ledger_drafts', the_period::text);
  end if;
  update period_head set status = 'c' where book_id = the_book and period = the_period;
  insert into month_close (book_id, period, closed_by, closed_at, chain, entries, legs, debit_fen, credit_fen)
  select the_book, the_period, by_whom, at_moment, head.chain, count(distinct e.id), count(l.entry_id),
         coalesce(sum(l.amount) filter (where l.side = 1 and l.unit_id = 1), 0),
         coalesce(sum(l.amount) filter (where l.side = -1 and l.unit_id = 1), 0)
    from entry e join leg l on l.entry_id = e.id where e.book_id = the_book and e.period = the_period;
end $$
"""

# One set of entries, all or none. Arrays in, subscripts instead of joins between unnested sets (a generic plan believes
# that every array has ten elements). The body's hash is made here from what is really stored.
POST_MANY = f"""
create function post_many(
  books integer[], periods integer[], keys text[], effs date[], kinds smallint[], memos text[], public_ids uuid[],
  sources text[], drafts uuid[], reversed bigint[],
  leg_entry integer[], leg_n smallint[], leg_account bigint[], leg_unit smallint[], leg_side smallint[],
  leg_amount bigint[], by_whom text, at_moment timestamptz)
returns table (place integer, id bigint, public_id uuid, number integer, fresh boolean)
language plpgsql security definer {PINNED} as $$
declare
  wanted integer;
  locked integer;
  leg_hashes bytea[];
  nlegs smallint[];
  hashes bytea[];
  known integer[];
  kept integer[];
  ids bigint[];
  numbers integer[];
  month record;
begin
  select count(*) into wanted from (select from unnest(books, periods) as p (b, m) group by p.b, p.m) g;
  perform from period_head h where (h.book_id, h.period) in (select p.b, p.m from unnest(books, periods) as p (b, m))
    order by h.book_id, h.period for update;
  get diagnostics locked = row_count;
  if locked <> wanted then
    perform refuse('ledger_month', 'no such month');
  end if;

  select array_agg(g.hash order by g.entry), array_agg(g.legs order by g.entry) into leg_hashes, nlegs from (
    select l.entry, count(*)::smallint as legs, sha256(string_agg(
             int8send(l.account) || int2send(l.unit) || int2send(l.side) || int8send(l.amount), ''::bytea
             order by l.n)) as hash
      from unnest(leg_entry, leg_n, leg_account, leg_unit, leg_side, leg_amount)
             as l (entry, n, account, unit, side, amount)
     group by l.entry) g;
  if coalesce(cardinality(leg_hashes), 0) <> cardinality(keys) then
    perform refuse('ledger_whole', 'an entry without legs, or legs without an entry');
  end if;
  select array_agg(sha256(int2send(p.kind) || date_send(p.eff) || int8send(coalesce(p.reverses, 0))
                          || convert_to(p.memo, 'UTF8') || leg_hashes[p.place]) order by p.place) into hashes
    from unnest(kinds, effs, reversed, memos) with ordinality as p (kind, eff, reverses, memo, place);

  select array_agg(p.place::integer order by p.place) into known
    from unnest(books, keys) with ordinality as p (b, k, place) join entry e on e.book_id = p.b and e.key = p.k;
  if known is not null then
    return query select p.place::integer, e.id, e.public_id, e.no, false
      from unnest(books, keys, hashes) with ordinality as p (b, k, hash, place)
      join entry e on e.book_id = p.b and e.key = p.k and e.body_hash = p.hash;
    get diagnostics locked = row_count;
    if locked <> cardinality(known) then
      perform refuse('ledger_key', 'same key, other content');
    end if;
    select array_agg(p order by p) into kept from generate_series(1, cardinality(keys)) p where p <> all (known);
    if kept is null then
      return;
    end if;
    select array_agg(p.book order by p.place), array_agg(p.period order by p.place), array_agg(p.key order by p.place),
           array_agg(p.eff order by p.place), array_agg(p.kind order by p.place), array_agg(p.memo order by p.place),
           array_agg(p.legs order by p.place), array_agg(p.public_id order by p.place),
           array_agg(p.source order by p.place), array_agg(p.draft order by p.place),
           array_agg(p.reverses order by p.place), array_agg(p.hash order by p.place)
      into books, periods, keys, effs, kinds, memos, nlegs, public_ids, sources, drafts, reversed, hashes
      from unnest(books, periods, keys, effs, kinds, memos, nlegs, public_ids, sources, drafts, reversed, hashes)
             with ordinality
             as p (book, period, key, eff, kind, memo, legs, public_id, source, draft, reverses, hash, place)
     where p.place = any (kept);
    select array_agg(array_position(kept, l.entry) order by l.place), array_agg(l.n order by l.place),
           array_agg(l.account order by l.place), array_agg(l.unit order by l.place),
           array_agg(l.side order by l.place), array_agg(l.amount order by l.place)
      into leg_entry, leg_n, leg_account, leg_unit, leg_side, leg_amount
      from unnest(leg_entry, leg_n, leg_account, leg_unit, leg_side, leg_amount)
             with ordinality as l (entry, n, account, unit, side, amount, place)
     where l.entry = any (kept);
  end if;

  ids := array(select nextval('entry_id') from generate_series(1, cardinality(keys)));
  with heads as materialized (
    select h.book_id, h.period, h.last_no from period_head h
     where (h.book_id, h.period) in (select p.b, p.m from unnest(books, periods) as p (b, m)))
  select array_agg((h.last_no + p.nth)::integer order by p.place) into numbers
    from (select u.b, u.m, u.place, row_number() over (partition by u.b, u.m order by u.place) as nth
            from unnest(books, periods) with ordinality as u (b, m, place)) p
    join heads h on h.book_id = p.b and h.period = p.m;

  with headers as (
    insert into entry (id, public_id, book_id, period, no, kind, eff, key, body_hash, legs, memo, source, draft_id,
                       reverses, posted_by, posted_at)
    select ids[p.place], p.public_id, p.book, p.period, numbers[p.place], p.kind, p.eff, p.key, p.hash, p.legs, p.memo,
           p.source, p.draft, p.reverses, by_whom, at_moment
      from unnest(public_ids, books, periods, kinds, effs, keys, hashes, nlegs, memos, sources, drafts, reversed)
        with ordinality
        as p (public_id, book, period, kind, eff, key, hash, legs, memo, source, draft, reverses, place))
  insert into leg (entry_id, n, account_id, unit_id, side, amount, eff)
  select ids[l.entry], l.n, l.account, l.unit, l.side, l.amount, effs[l.entry]
    from unnest(leg_entry, leg_n, leg_account, leg_unit, leg_side, leg_amount)
           as l (entry, n, account, unit, side, amount);

  for month in
    select p.book, p.period, min(p.number) as first_no, max(p.number) as last_no,
           sha256(string_agg(
             entry_line(p.number, p.id, p.public_id, p.draft, p.hash, p.key, p.source, by_whom, at_moment), ''::bytea
             order by p.number)) as headers
      from unnest(books, periods, numbers, ids, public_ids, drafts, hashes, keys, sources)
             as p (book, period, number, id, public_id, draft, hash, key, source)
     group by p.book, p.period order by p.book, p.period
  loop
    with linked as (
      update period_head h set chain = sha256(h.chain || month.headers)
       where h.book_id = month.book and h.period = month.period returning old.chain as prev, new.chain as hash)
    insert into block (book_id, period, first_no, last_no, prev, hash)
    select month.book, month.period, month.first_no, month.last_no, l.prev, l.hash from linked l;
  end loop;

  return query select coalesce(kept[p.place], p.place::integer), p.id, p.public_id, p.number, true
    from unnest(ids, public_ids, numbers) with ordinality as p (id, public_id, number, place);
end $$
"""

# What of an entry goes into the chain besides its body's hash; the verifier computes it again from the stored row.
ENTRY_LINE = """
create function entry_line(number integer, id bigint, public_id uuid, draft uuid, hash bytea, key text, source text,
  by_whom text, at_moment timestamptz) returns bytea language sql stable as $$
  select int4send(number) || int8send(id) || uuid_send(public_id) || uuid_send(draft) || hash
         || timestamptz_send(at_moment) || convert_to(key || E'\\n' || source || E'\\n' || by_whom || E'\\n', 'UTF8')
$$
"""

# Amount, day and household are read from the ledger itself: a payout cannot say anything else than its entry.
RECORD_PAYOUTS = f"""
create function record_payouts(entries bigint[], members bigint[], kinds text[], settled bigint[], taken_back uuid[])
returns integer language plpgsql security definer {PINNED} as $$
declare
  written integer;
begin
  insert into payout (entry_id, id, book_id, member_id, household, kind, fen, paid_on, settles, reverses)
  select e.id, e.public_id, e.book_id, m.id, m.household, p.kind, l.amount, e.eff, p.settles, p.reverses
    from unnest(entries, members, kinds, settled, taken_back) as p (entry, member, kind, settles, reverses)
    join entry e on e.id = p.entry
    join member m on m.id = p.member and m.book_id = e.book_id
    join leg l on l.entry_id = e.id and l.side = 1
    join account a on a.id = l.account_id and a.member_id = m.id;
  get diagnostics written = row_count;
  if written <> cardinality(entries) then
    perform refuse('ledger_payout', 'a payout that its entry does not bear out');
  end if;
  return written;
end $$
"""

FUNCTIONS = (
    REFUSE, DENY, DRAFT_GUARD, LEG_GUARD, ENTRY_GUARD, OPEN_ACCOUNTS, OPEN_LEAVES, OPEN_MONTH, LOCK_MONTH, CLOSE_MONTH,
    ENTRY_LINE, POST_MANY, RECORD_PAYOUTS,
)  # fmt: skip


def upgrade() -> None:
    """Functions, triggers, and who may execute what."""
    for statement in (*FUNCTIONS, *_triggers(), *_execution()):
        op.execute(statement)


def _triggers() -> list[str]:
    return [
        "create trigger guard_legs after insert on leg referencing new table as new_legs"
        " for each statement execute function guard_legs()",
        "create trigger guard_entries after insert on entry referencing new table as new_entries"
        " for each statement execute function guard_entries()",
        "create trigger guard_draft before update on draft for each row execute function guard_draft()",
        "create trigger deny_draft before delete or truncate on draft"
        " for each statement execute function deny_change()",
        *(
            f"create trigger deny_change before update or delete or truncate on {table}"
            " for each statement execute function deny_change()"
            for table in IMMUTABLE
        ),
    ]


def _execution() -> list[str]:
    revoked = [f"revoke all on function {door} from public" for door in DOORS]
    return [*revoked, *(f"grant execute on function {door} to {SERVICE}_api, {SERVICE}_worker" for door in DOORS)]
