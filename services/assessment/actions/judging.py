"""Judging on hearing, and judging a division as a job: load → decide → save → announce.

A judgement is written, and told, when something is new: another version of the circumstances, another pack, other
numbers, another result. So each version heard has its judgement, listeners hold exactly the versions that stand here,
and judging again the next day writes nothing where nothing changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from services.assessment.actions.explaining import pack_of
from services.assessment.domain.catalogue import decode, encode, layout
from services.assessment.domain.judging import Finding, Judged, Judgement, judge, judged
from services.assessment.rules import packs
from services.assessment.store import heard as heard_store
from services.assessment.store import judgements as store
from services.assessment.store import reference
from services.assessment.store.heard import Subject, Told
from shared.clock import today
from shared.db import Transaction
from shared.events.registry import CircumstancesRecorded
from shared.hearing import Heard, newest
from shared.jobs import Job, JobState, Step
from shared.outbox import Said, announce_many
from shared.parameters import Parameters
from shared.values import DivisionCode, new_id

CHUNK = 5_000
RUN = "run"


async def hear_circumstances(tx: Transaction, heard: Sequence[Heard[CircumstancesRecorded]]) -> None:
    """Keep every version; judge each household's newest for the day on which it was said."""
    await heard_store.keep_circumstances(tx, [Told(one.fact, one.said_at) for one in heard])
    latest = newest(heard)
    known = await heard_store.lock_subjects(tx, [one.fact.household for one in latest])
    fresh = [one for one in latest if one.fact.version > known.get(one.fact.household, (0, 0))[0]]
    if not fresh:
        return
    told = [(Told(one.fact, one.said_at), encode(one.fact)) for one in fresh]
    await heard_store.save_subjects(tx, layout(), told)
    moves = [
        (one.facts.household, one.division.value)
        for one, _ in told
        if known.get(one.facts.household, (0, one.division.value))[1] != one.division.value
    ]
    if moves:
        await heard_store.move_rows(tx, moves)
    await _judge_heard(tx, fresh)


async def _judge_heard(tx: Transaction, fresh: Sequence[Heard[CircumstancesRecorded]]) -> None:
    parameters = await reference.all_parameters(tx)
    traces = {one.fact.household: one.traceparent for one in fresh}
    for day in sorted({today(one.said_at) for one in fresh}):
        said = [one for one in fresh if today(one.said_at) == day]
        subjects = await heard_store.load_subjects(tx, [one.fact.household for one in said])
        at = max(one.said_at for one in said)
        await _judge(tx, subjects, parameters, day, at, traces=traces)


async def _judge(
    tx: Transaction,
    subjects: Sequence[Subject],
    parameters: Parameters,
    asof: date,
    at: datetime,
    *,
    run: UUID | None = None,
    kept_for: DivisionCode | None = None,
    traces: dict[UUID, str | None] | None = None,
) -> int:
    """Judge, write what is news, tell it; answers how many were."""
    found, marks = await asyncio.to_thread(_found, subjects, parameters, asof)
    news = [place for place, (one, mark) in enumerate(zip(subjects, marks, strict=True)) if mark != one.digest]
    if not news:
        return 0
    told = [subjects[place] for place in news]
    findings = found.findings(news)
    used = {part.numbers_hash for parts in findings for part in parts}
    await reference.keep_numbers(tx, {one: found.numbers[one].as_json() for one in used}, kept_for)
    made = [
        (_judgement(one, parts, asof, run), one.verdicts, marks[number])
        for one, parts, number in zip(told, findings, news, strict=True)
    ]
    saving = asyncio.create_task(store.save_judgements(tx, made, at))
    try:
        said = await asyncio.to_thread(_said, made, traces or {})  # made while the database writes
    finally:
        await saving
    await announce_many(tx, said, at=at)
    return len(made)


def _said(made: Sequence[tuple[Judgement, Mapping[str, str], bytes]], traces: Mapping[UUID, str | None]) -> list[Said]:
    by_hash = {pack.hash: pack for pack in packs()}
    return [Said(one.household, judged(one, by_hash, before), traces.get(one.household)) for one, before, _ in made]


def _found(subjects: Sequence[Subject], parameters: Parameters, asof: date) -> tuple[Judged, list[bytes]]:
    """The part that costs CPU, in a thread of its own so that the loop goes on breathing."""
    batch = decode([one.packed for one in subjects])
    found = judge(packs(), parameters, asof, [one.division for one in subjects], batch)
    return found, found.digests([one.circumstance_version for one in subjects])


def _judgement(one: Subject, findings: tuple[Finding, ...], asof: date, run: UUID | None) -> Judgement:
    return Judgement(
        id=new_id(),
        household=one.household,
        version=one.version + 1,
        household_version=one.circumstance_version,
        division=one.division,
        judged_on=asof,
        findings=findings,
        run=run,
    )


# --- a run: every household of a division, for one day ---------------------------------------------------------------


async def judge_chunk(tx: Transaction, job: Job, now: datetime, _: object) -> Step:
    """The next households of the run, in the order of their ids; the cursor is the last of them."""
    division = DivisionCode.parse(job.parameters["division"])
    asof = date.fromisoformat(job.parameters["judged_on"])
    total = job.total if job.total is not None else await heard_store.count_subjects(tx, division)
    after = None if job.cursor is None else UUID(job.cursor["after"])
    so_far = {"judged": 0, "changed": 0} if job.cursor is None else job.cursor
    subjects = await heard_store.next_subjects(tx, division, after, CHUNK)
    changed = 0
    if subjects:
        subjects = await _repacked(tx, subjects)
        parameters = await reference.all_parameters(tx)
        changed = await _judge(tx, subjects, parameters, asof, now, run=job.id, kept_for=division)
    await store.advance_run(tx, job.id, len(subjects), changed)
    done = job.done + len(subjects)
    result = {"judged": so_far["judged"] + len(subjects), "changed": so_far["changed"] + changed}
    if len(subjects) < CHUNK:
        await store.end_run(tx, job.id, JobState.DONE.value, now)
        return Step(job.cursor, done, total, "judging", is_last=True, result=result)
    return Step({"after": str(subjects[-1].household), **result}, done, total, "judging")


async def _repacked(tx: Transaction, subjects: list[Subject]) -> list[Subject]:
    """After a release that changed the packed form, old rows are packed anew from the circumstances themselves."""
    households = [one.household for one in subjects]
    stale = await heard_store.stale_subjects(tx, layout(), households)
    if not stale:
        return subjects
    await heard_store.save_subjects(tx, layout(), [(one, encode(one.facts)) for one in stale])
    return await heard_store.load_subjects(tx, households)


async def end_run(tx: Transaction, job: Job, state: JobState) -> None:
    """A run that was cancelled or failed says so in its own record; the job is forgotten one day, the run is not."""
    if state is not JobState.DONE:
        await store.end_run(tx, job.id, state.value, None)


# --- saying everything again -----------------------------------------------------------------------------------------


async def judgements_again(tx: Transaction, epoch: int) -> AsyncIterator[list[Said]]:
    """Every standing judgement once more, above an epoch."""
    after: UUID | None = None
    while raised := await store.raise_versions(tx, epoch, after, 1_000):
        ids = [judgement for _, _, judgement in raised]
        previous = await store.previous_verdicts(tx, ids)
        versions = {household: version for household, version, _ in raised}
        standing = await store.judgements_of(tx, ids)
        hashes = {finding.pack_hash for one in standing for finding in one.findings}
        by_hash = {pack_hash: await pack_of(tx, pack_hash) for pack_hash in hashes}
        facts = [judged(one, by_hash, previous.get(one.id, {})) for one in standing]
        yield [Said(fact.household, fact.model_copy(update={"version": versions[fact.household]})) for fact in facts]
        after = raised[-1][0]
