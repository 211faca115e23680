"""Asking for a run: every household of a division judged for one day, as a job under the asker's own rights."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from services.assessment.actions.judging import RUN
from services.assessment.store import heard as heard_store
from services.assessment.store import judgements as store
from shared.auth import Officer
from shared.clock import today
from shared.db import Transaction
from shared.errors import Conflict, ScopeRefused
from shared.jobs import Job, submit_job
from shared.values import DivisionCode, new_id


class RunAhead(Conflict):
    """日期未到: nothing can be judged for a day that has not come."""

    code = "run.day_ahead"
    zh = "研判日期 {judged_on} 晚于今天 {today}"
    en = "The day to judge for, {judged_on}, lies after today, {today}"
    hint_zh = "请选择今天或之前的日期"
    hint_en = "Choose today or an earlier day"


class RunBehind(Conflict):
    """日期倒退: standing judgements are not replaced by older ones."""

    code = "run.day_behind"
    zh = "该区划已有 {latest} 的研判，不能再按更早的 {judged_on} 研判"
    en = "This division was already judged for {latest}; it cannot be judged for the earlier {judged_on}"
    hint_zh = "查看过去的研判请按版本读取"
    hint_en = "Read past judgements by version"


async def ask_for_run(
    tx: Transaction, officer: Officer, division: DivisionCode, judged_on: date | None, now: datetime
) -> Job:
    """Queue it; the run's own record stays when the job is gone."""
    if not officer.scope.contains(division) or not officer.scope.contains(DivisionCode(division.hi - 1)):
        raise ScopeRefused(division=division.text)
    day = judged_on or today(now)
    if day > today(now):
        raise RunAhead(judged_on=day, today=today(now))
    latest = await store.latest_day(tx, division)
    if latest is not None and day < latest:
        raise RunBehind(judged_on=day, latest=latest)
    run: UUID = new_id()
    total = await heard_store.count_subjects(tx, division)
    await store.open_run(tx, run, division, day, officer.sub, now)
    parameters = {"division": division.text, "judged_on": day.isoformat()}
    return await submit_job(tx, officer, RUN, parameters, job_id=run, now=now, total=total)
