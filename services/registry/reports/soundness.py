"""What must hold and what no single guard can see: asked by `tuopin verify`, each answer one thing that is wrong."""

from __future__ import annotations

from shared.db import Transaction

CHILDREN = ("membership", "status", "income", "income_match", "doubt", "decision", "deed")
STRAY = """select count(*) from {table} c join household h on h.no = c.household_no where c.division <> h.division"""
ORPHANS = """select count(*) from {table} c where not exists (select 1 from household h where h.no = c.household_no)"""
QUESTIONS = {
    "households without exactly one head": """select count(*) from (
        select household_no from membership where known_to = 'infinity' and upper_inf(during) group by household_no
        having count(*) filter (where relation = 'head') <> 1) wrong""",
    "persons whose household is not that of their membership": """select count(*) from person p
        left join membership m on m.person_no = p.no and m.known_to = 'infinity' and upper_inf(m.during)
        where m.household_no is distinct from p.household_no""",
    "persons who lie elsewhere than their household": """select count(*) from person p
        join household h on h.no = p.household_no where p.division <> h.division""",
    "payouts that became income twice": """select count(*) from (select reference from income
        where source = 'payout' and known_to = 'infinity' group by reference having count(*) > 1) wrong""",
    "amounts that payouts document beyond what was declared": """select count(*) from (
        select declared_no from income_match where known_to = 'infinity' group by declared_no
        having sum(fen) > (select fen from income i where i.no = declared_no and i.known_to = 'infinity')) wrong""",
    "matches of rows that are held no more": """select count(*) from income_match m where known_to = 'infinity'
        and 2 <> (select count(*) from income i where i.no in (m.declared_no, m.payout_no)
        and i.known_to = 'infinity')""",
    "approved exits without the status that they open": """select count(*) from decision d
        where d.outcome = 'exit_approved' and d.withdrawn_at is null and d.refused_because is null
        and not exists (select 1 from status s
        where s.opened_by = d.id and s.known_to = 'infinity')""",
    "finished files whose rows do not add up": """select count(*) from intake i join job j on j.id = i.job
        where j.state = 'done'
        and i.rows is distinct from (select sum(c.rows) from intake_chunk c where c.job = i.job)""",
    "rows left on their way in": "select count(*) from staging_person",
}


async def faults(tx: Transaction) -> list[str]:
    """What is wrong, each in one line with its count; empty when all holds."""
    asked = dict(QUESTIONS)
    for table in CHILDREN:
        asked[f"{table} rows that lie elsewhere than their household"] = STRAY.format(table=table)
        asked[f"{table} rows without household"] = ORPHANS.format(table=table)
    found = {name: await tx.driver.fetchval(query) for name, query in asked.items()}
    return [f"{count} {name}" for name, count in found.items() if count]
