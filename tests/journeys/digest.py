"""The end digest: what people would call the same county, whatever happened on the way there.

Sorted natural keys and business columns over all four databases; no ids, moments, versions or batch counts. References
between nouns are written as natural keys: a household's number, a member's number, an entry's number in its month.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice

from tests.journeys.make import Rehearsal

SHOWN = 8

# The columns that are not business: who a row is inside the machine, when it was written, how often.
REGISTRY = "array['no','id','household_no','person_no','version','known_from','batch','batch_row','superseded_by']"
QUERIES: dict[str, dict[str, str]] = {
    "registry": {
        "division": "select code::text as key, to_jsonb(d) - array['version','known_from'] as row from division d",
        "household": f"select number as key, to_jsonb(h) - {REGISTRY} as row from household h",
        "person": "select h.number || '/' || p.person_number || '/' || p.name as key, to_jsonb(p)"
        f" - {REGISTRY} - array['pseudonym','identity_index','id_number_index','disability_card_index','phone_index',"
        "'id_number_sealed','disability_card_sealed','phone_sealed'] as row"
        " from person p join household h on h.no = p.household_no",
        "membership": "select h.number || '/' || p.person_number || '/' || p.name as key,"
        " jsonb_build_object('relation', m.relation, 'during', m.during::text) as row"
        " from membership m join household h on h.no = m.household_no join person p on p.no = m.person_no"
        " where m.known_to = 'infinity'",
        "status": "select h.number || '/' || s.kind as key, jsonb_build_object('during', s.during::text,"
        " 'opened', s.opened_by is not null, 'ended', s.ended_by is not null) as row"
        " from status s join household h on h.no = s.household_no where s.known_to = 'infinity'",
        "income": "select h.number || '/' || i.year_from || '/' || i.component || '/' || i.item as key,"
        " jsonb_build_object('fen', i.fen, 'source', i.source, 'paid_on', i.paid_on, 'year_to', i.year_to,"
        " 'reverses', i.reverses is not null) as row"
        " from income i join household h on h.no = i.household_no where i.known_to = 'infinity'",
        "doubt": "select h.number || '/' || coalesce(p.person_number, '') || '/' || d.check_id as key,"
        " jsonb_build_object('severity', d.severity, 'field', d.field, 'zh', d.detail_zh, 'en', d.detail_en,"
        " 'row', d.batch_row, 'open', d.closed_at is null) as row"
        " from doubt d join household h on h.no = d.household_no left join person p on p.no = d.person_no",
        "decision": "select h.number as key, jsonb_build_object('outcome', d.outcome, 'effective_on', d.effective_on,"
        " 'document', d.document_number, 'withdrawn', d.withdrawn_at is not null) as row"
        " from decision d join household h on h.no = d.household_no",
        "intake": "select i.filename || '/' || i.dry_run as key, jsonb_build_object('rows', i.rows, 'state', j.state,"
        " 'year', array[i.year_from, i.year_to], 'observed_on', i.observed_on, 'answered', i.answered_at is not null,"
        ' \'came_back\', (select jsonb_agg(jsonb_build_array(r.row, r."column", r.code) order by r.row, r."column",'
        " r.code) from intake_refusal r where r.job = i.job)) as row from intake i join job j on j.id = i.job",
    },
    "assessment": {
        "division": "select code::text as key, to_jsonb(d) - 'version' as row from division d",
        "household": "select number as key, jsonb_build_object('division', division, 'group', \"group\", 'statuses',"
        " (select jsonb_agg(s - 'decision' order by s - 'decision') from jsonb_array_elements(statuses) s),"
        " 'head', masked_head, 'headcount', headcount, 'decisions', cardinality(decisions)) as row from household",
        "verdict": "select h.number || '/' || f.pack as key, jsonb_build_object('verdict', f.verdict, 'fail', f.fail,"
        " 'unknown', f.unknown, 'score', f.score, 'figures', f.figures) as row"
        " from subject s join household h on h.id = s.household join judgement j on j.id = s.judgement"
        " join finding f on f.judgement = j.id",
        "case": "select h.number as key, jsonb_build_object('kind', c.kind, 'state', c.state, 'round', c.round,"
        " 'outcome', c.outcome, 'effective_on', c.effective_on, 'document', c.document_number, 'verdict', c.verdict,"
        " 'opened', array[c.opened_on::text, c.opened_by], 'decided_by', c.decided_by) as row"
        " from case_file c join household h on h.id = c.household",
        "case step": "select h.number || '/' || lpad(s.sequence::text, 3, '0') as key, jsonb_build_object('step',"
        " s.step, 'states', array[s.state_before, s.state_after], 'by', s.taken_by, 'on', s.taken_on,"
        " 'remark', s.remark) as row"
        " from case_step s join case_file c on c.id = s.case_id join household h on h.id = c.household",
        "publicity": "select village::text || '/' || opened_on as key, jsonb_build_object('days', days,"
        " 'state', state, 'hung', array[first_day, last_day], 'ended_on', ended_on, 'objections', objections_to,"
        " 'opened_by', opened_by, 'down', taken_down_at is not null) as row from publicity",
        "publicity item": "select h.number as key, jsonb_build_object('head', i.masked_head, 'group', i.group_name,"
        " 'category', i.category, 'headcount', i.headcount) as row from publicity_item i"
        " join case_file c on c.id = i.case_id join household h on h.id = c.household",
        "run": "select division::text || '/' || judged_on as key, jsonb_build_object('outcome', outcome, 'judged',"
        " judged, 'by', asked_by) as row from run",
    },
    "cooperative": {
        "division": "select code::text as key, to_jsonb(d) - 'version' as row from division d",
        "household": "select number as key, jsonb_build_object('division', division, 'statuses',"
        " (select jsonb_agg(s - 'decision' order by s - 'decision') from jsonb_array_elements(statuses) s),"
        " 'head', masked_head) as row from household",
        "book": "select division::text || '/' || name as key, to_jsonb(b) - array['id','public_id','opened_at',"
        "'chart_exception_at'] as row from book b",
        "member": "select lpad(m.number::text, 6, '0') as key, jsonb_build_object('household', h.number, 'joined',"
        " m.joined_on, 'left', m.left_on, 'by', m.entered_by) as row"
        " from member m join household h on h.id = m.household",
        "entry": "select e.period || '/' || lpad(e.no::text, 6, '0') as key, jsonb_build_object('kind', e.kind,"
        " 'on', e.eff, 'memo', e.memo, 'by', e.posted_by, 'reverses', e.reverses is not null, 'legs', (select"
        " jsonb_agg(jsonb_build_array(a.code, m.number, l.side, l.amount) order by l.n) from leg l"
        " join account a on a.id = l.account_id left join member m on m.id = a.member_id"
        " where l.entry_id = e.id)) as row from entry e",
        "balance": "select a.code || '/' || coalesce(lpad(m.number::text, 6, '0'), '') as key, jsonb_build_object("
        "'dr', b.dr, 'cr', b.cr, 'held', b.held) as row from balance b join account a on a.id = b.account_id"
        " left join member m on m.id = a.member_id",
        "payout": "select h.number || '/' || p.paid_on as key, jsonb_build_object('kind', p.kind, 'fen', p.fen,"
        " 'reverses', p.reverses is not null) as row from payout p join household h on h.id = p.household",
        "draft": "select d.posting || '/' || d.period as key, jsonb_build_object('state', d.state, 'by', d.drafted_by,"
        " 'decided_by', d.decided_by) as row from draft d",
        "month": "select period::text as key, jsonb_build_object('status', status, 'last', last_no) as row"
        " from period_head",
    },
    "notify": {
        "division": "select code::text as key, to_jsonb(d) - 'version' as row from division d",
        "notice": "select village::text || '/' || asked_on as key, jsonb_build_object('days', days, 'state', state,"
        " 'hung', array[first_day, last_day], 'objections', objections_to, 'unfit', unfit, 'items', (select jsonb_agg("
        "i - array['case','item','id'] order by i ->> 'masked_head', i - array['case','item','id'])"
        " from jsonb_array_elements(items) i)) as row from notice",
        "public page": "select village::text as key, jsonb_build_object('last_day', last_day, 'hangs',"
        " board is not null) as row from public_notice",
    },
}


@dataclass(frozen=True)
class Digest:
    """Every business row as a line `service noun key: columns`, sorted; a row that is there twice is two lines."""

    lines: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Rows of each noun: so that an empty digest is never taken for an equal one."""
        counts: dict[str, int] = {}
        for line in self.lines:
            noun = line.split(" | ", 1)[0]
            counts[noun] = counts.get(noun, 0) + 1
        return counts

    def differences(self, other: Digest) -> list[str]:
        """The first lines that only one of the two has, and how many there are."""
        mine, theirs = _tallied(self.lines), _tallied(other.lines)
        missing, added = sorted(mine - theirs), sorted(theirs - mine)
        told = [f"- {line}" for line, _ in islice(missing, SHOWN)] + [f"+ {line}" for line, _ in islice(added, SHOWN)]
        return [f"{len(missing)} lines gone, {len(added)} new", *told] if missing or added else []


def _tallied(lines: tuple[str, ...]) -> set[tuple[str, int]]:
    """Equal lines are told apart by their number, so that one row too many is a difference."""
    seen: dict[str, int] = {}
    numbered = set()
    for line in lines:
        seen[line] = seen.get(line, 0) + 1
        numbered.add((line, seen[line]))
    return numbered


def digest_of(one: Rehearsal) -> Digest:
    """Read it as the superuser."""
    lines = [
        f"{service} {noun} | {row['key']}: {json.dumps(json.loads(row['row']), ensure_ascii=False, sort_keys=True)}"
        for service, queries in QUERIES.items()
        for noun, query in queries.items()
        for row in one.rows(service, query)
    ]
    return Digest(tuple(sorted(lines)))
