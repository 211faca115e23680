"""Long work in chunks: each with one effect, under its submitter's rights, through cancels, kills and thieves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.auth import Officer, Role
from shared.db import Transaction, transaction
from shared.errors import Conflict
from shared.jobs import (
    Job,
    JobEnded,
    JobMissing,
    JobRefused,
    JobRunner,
    Jobs,
    JobState,
    Step,
    cancel_job,
    list_jobs,
    load_job,
    submit_job,
)
from shared.values import DivisionCode, Scope, new_id
from shared.web import Role as WebRole
from shared.web import create_app, job_router
from stack.provision import Database
from tests.shared.probe import COUNTY, NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, Probe, add_household, make_probe
from tests.shared.probe_api import Tokens, running, settings_for

NOW = datetime(2019, 8, 20, tzinfo=UTC)
CHUNKS = 5


def officer(*divisions: DivisionCode, sub: str = "li", roles: tuple[Role, ...] = (Role.CLERK,)) -> Officer:
    return Officer(sub, "李秀英", frozenset(roles), divisions or (COUNTY,))


@pytest.fixture(scope="module")
async def probe(make_database: Callable[[str], Database]) -> Probe:
    return await make_probe(make_database)


@pytest.fixture
async def api(probe: Probe) -> AsyncIterator[AsyncEngine]:
    async with probe.admin() as admin:
        await admin.execute("delete from job; delete from person; delete from household; delete from staging")
    async with probe.engine("api") as engine:
        yield engine


@pytest.fixture
async def worker(probe: Probe) -> AsyncIterator[AsyncEngine]:
    async with probe.engine("worker") as engine:
        yield engine


async def submit(api: AsyncEngine, by: Officer | None = None, kind: str = "count", **parameters: Any) -> UUID:
    by = by or officer()
    async with transaction(api, by.scope, caller=by.sub, traceparent="00-a-b-01") as tx:
        job = await submit_job(tx, by, kind, parameters, job_id=new_id(), now=NOW, total=CHUNKS)
    return job.id


async def look(api: AsyncEngine, job_id: UUID, by: Officer | None = None) -> Job:
    by = by or officer()
    async with transaction(api, by.scope, caller=by.sub) as tx:
        return await load_job(tx, job_id)


async def names(probe: Probe) -> list[str]:
    async with probe.admin() as admin:
        return [row["name"] for row in await admin.fetch("select name from household order by name")]


async def count(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
    """One household a chunk; twice the same would break the unique name."""
    assert now == NOW
    done = (job.cursor or 0) + 1
    await add_household(tx.driver, VILLAGE, f"{job.id} {done}")
    return Step(cursor=done, done=done, phase="counting", is_last=done == CHUNKS, result={"counted": done})


def jobs(run_chunk: Any = count, **more: Any) -> Jobs:
    kinds = Jobs()
    kinds.register("count", run_chunk, roles=(Role.CLERK,), **more)
    return kinds


def runner(engine: AsyncEngine, kinds: Jobs | None = None, lease_seconds: float = 30.0) -> JobRunner:
    return JobRunner(engine, kinds or jobs(), lambda: NOW, lease_seconds=lease_seconds, poll_seconds=0.02)


async def test_a_job_runs_chunk_by_chunk_to_its_end(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    job_id = await submit(api, file="a.xlsx")
    queued = await look(api, job_id)
    assert (queued.state, queued.done, queued.total, queued.parameters) == (
        JobState.QUEUED,
        0,
        CHUNKS,
        {"file": "a.xlsx"},
    )
    assert (queued.officer, queued.submitted_at, queued.traceparent) == (officer(), NOW, "00-a-b-01")
    assert await runner(worker).run_one() is True
    ended = await look(api, job_id)
    assert (ended.state, ended.done, ended.phase, ended.result) == (
        JobState.DONE,
        CHUNKS,
        "counting",
        {"counted": CHUNKS},
    )
    assert ended.ended_at is not None
    assert await names(probe) == [f"{job_id} {number}" for number in range(1, CHUNKS + 1)]
    assert await runner(worker).run_one() is False


async def test_a_chunk_runs_under_its_submitter_s_scope_and_name(api: AsyncEngine, worker: AsyncEngine) -> None:
    seen: dict[str, Any] = {}

    async def look_around(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        seen["villages"] = [row["division"] for row in await tx.driver.fetch("select distinct division from household")]
        seen["caller"], seen["trace"] = tx.caller, tx.traceparent
        return Step(is_last=True)

    async with transaction(worker, Scope.everything()) as tx:
        await add_household(tx.driver, VILLAGE, "mine")
        await add_household(tx.driver, NEXT_VILLAGE, "next")
    await submit(api, officer(VILLAGE))
    assert await runner(worker, jobs(look_around)).run_one()
    assert seen == {"villages": [VILLAGE.value], "caller": "li", "trace": "00-a-b-01"}


async def test_a_chunk_that_writes_into_the_next_village_fails_and_stores_nothing(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine
) -> None:
    async def stray(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        await add_household(tx.driver, VILLAGE, "mine")
        await add_household(tx.driver, NEXT_VILLAGE, "not mine")
        return Step(is_last=True)

    job_id = await submit(api, officer(VILLAGE))
    assert await runner(worker, jobs(stray)).run_one()
    assert await names(probe) == []
    assert (await look(api, job_id)).state is JobState.RUNNING, "an unforeseen failure is tried again later"


async def test_jobs_are_seen_where_their_scope_lies_in_the_caller_s(api: AsyncEngine) -> None:
    mine = await submit(api, officer(VILLAGE))
    assert (await look(api, mine, officer(COUNTY, sub="zhang"))).id == mine
    for stranger in (officer(NEXT_VILLAGE), officer(OTHER_COUNTY)):
        with pytest.raises(JobMissing):
            await look(api, mine, stranger)
        with pytest.raises(JobMissing):
            async with transaction(api, stranger.scope, caller=stranger.sub) as tx:
                await cancel_job(tx, mine)
    wider = await submit(api, officer(COUNTY))
    with pytest.raises(JobMissing):
        await look(api, wider, officer(VILLAGE))
    async with transaction(api, officer(COUNTY).scope) as tx:
        assert [job.id for job in await list_jobs(tx, kind="count", after=None, limit=10)] == [wider, mine]
        assert [job.id for job in await list_jobs(tx, kind=None, after=wider, limit=10)] == [mine]
        assert await list_jobs(tx, kind="other", after=None, limit=10) == []


async def test_nobody_submits_without_a_scope_or_beyond_it(api: AsyncEngine) -> None:
    nobody = Officer("x", "x", frozenset({Role.CLERK}), ())
    with pytest.raises(JobRefused):
        async with transaction(api, Scope.nothing(), caller="x") as tx:
            await submit_job(tx, nobody, "count", {}, job_id=new_id(), now=NOW)
    with pytest.raises(Exception, match="row-level security"):
        async with transaction(api, officer(VILLAGE).scope, caller="li") as tx:
            await submit_job(tx, officer(COUNTY), "count", {}, job_id=new_id(), now=NOW)


@pytest.mark.parametrize(
    "tampering",
    [
        "update job set roles = '{auditor}'",
        "update job set roles = '{emperor}'",
        "update job set divisions = '{520000000000}'",
        "update job set scope = '{[0,1000000000000)}'",
        "update job set divisions = '{}'",
    ],
)
async def test_rights_are_checked_again_when_it_is_taken_up(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine, tampering: str
) -> None:
    job_id = await submit(api, officer(VILLAGE))
    async with probe.admin() as admin:
        await admin.execute(tampering)
    assert await runner(worker).run_one() is False
    async with probe.admin() as admin:
        row = await admin.fetchrow("select state, problem ->> 'code' as code from job where id = $1", job_id)
    assert (row["state"], row["code"]) == ("failed", "job.refused")
    assert await names(probe) == []


async def test_a_refusal_ends_the_job_and_tells_why(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    class FileTorn(Conflict):
        """文件损坏."""

        code = "file.torn"
        zh = "文件{file}无法读取"
        en = "The file {file} cannot be read"
        hint_zh = "请重新上传"
        hint_en = "Upload it again"

    async def refuse(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        await add_household(tx.driver, VILLAGE, "half done")
        raise FileTorn(file=job.parameters["file"])

    job_id = await submit(api, file="a.xlsx")
    assert await runner(worker, jobs(refuse)).run_one()
    job = await look(api, job_id)
    assert (job.state, job.problem["code"], job.problem["detail"]) == (
        JobState.FAILED,
        "file.torn",
        "文件a.xlsx无法读取",
    )
    assert await names(probe) == []


async def test_an_unforeseen_failure_is_tried_again_and_then_given_up(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine
) -> None:
    tries = 0

    async def stumble(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        nonlocal tries
        tries += 1
        raise KeyError("李秀英")

    job_id = await submit(api)
    loop = runner(worker, jobs(stumble))
    assert await loop.run_one() is True
    assert await loop.run_one() is False, "it rests before the next try"
    async with probe.admin() as admin:
        for _ in range(20):
            await admin.execute("update job set not_before = now()")
            if not await loop.run_one():
                break
    job = await look(api, job_id)
    assert (job.state, job.problem["code"], tries) == (JobState.FAILED, "job.stuck", 10)
    assert "李秀英" not in json.dumps(job.problem, ensure_ascii=False)


@pytest.mark.parametrize("ending", ["done", "refused", "cancelled", "rights lost"])
async def test_clearing_up_that_fails_is_tried_again_and_then_given_up(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine, ending: str
) -> None:
    """However a job ends: what should follow is not tried for ever, and other jobs go on meanwhile."""
    tries: list[JobState] = []

    async def torn(tx: Transaction, job: Job, state: JobState) -> None:
        if job.parameters.get("sound"):
            return
        tries.append(state)
        await add_household(tx.driver, VILLAGE, "told of its end")
        raise KeyError("李秀英")

    async def one(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        if ending == "refused" and not job.parameters.get("sound"):
            raise JobRefused
        return Step(is_last=True)

    job_id = await submit(api)
    kinds = jobs(one, on_end=torn)
    loop = runner(worker, kinds)
    async with probe.admin() as admin:
        if ending == "cancelled":
            await admin.execute("update job set state = 'running', leased_until = now(), cancel_asked = true")
        if ending == "rights lost":
            await admin.execute("update job set roles = '{auditor}'")
        await loop.run_one()
        assert (await look(api, job_id)).state is JobState.RUNNING
        sound = await submit(api, sound=True)
        assert await loop.run_one() is True
        assert (await look(api, sound)).state is JobState.DONE, "it stands in nobody's way"
        assert await loop.run_one() is False, "it rests before the next try"
        for _ in range(30):
            await admin.execute("update job set not_before = now()")
            await loop.run_one()
    job = await look(api, job_id)
    assert (job.state, (job.problem or {}).get("code")) == (JobState.FAILED, "job.uncleared")
    assert 10 <= len(tries) <= 21, "as often as a chunk may fail, for either way it may end"
    assert await names(probe) == []
    assert "李秀英" not in json.dumps(job.problem, ensure_ascii=False)


async def test_clearing_up_that_fails_once_is_made_good(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    tries: list[JobState] = []

    async def torn_once(tx: Transaction, job: Job, state: JobState) -> None:
        tries.append(state)
        if len(tries) == 1:
            raise KeyError
        await add_household(tx.driver, VILLAGE, "told of its end")

    job_id = await submit(api)
    async with probe.admin() as admin:
        await admin.execute("update job set state = 'running', leased_until = now(), cancel_asked = true")
        loop = runner(worker, jobs(on_end=torn_once))
        await loop.run_one()
        await admin.execute("update job set not_before = now()")
        await loop.run_one()
    assert (await look(api, job_id)).state is JobState.CANCELLED
    assert tries == [JobState.CANCELLED] * 2
    assert await names(probe) == ["told of its end"]


async def test_progress_is_not_stumbling(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    stumbled: set[int] = set()

    async def stumble_once_a_chunk(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        step = await count(tx, job, now, prepared)
        if step.done not in stumbled:
            stumbled.add(step.done)
            raise KeyError
        return step

    job_id = await submit(api)
    loop = runner(worker, jobs(stumble_once_a_chunk))
    async with probe.admin() as admin:
        for _ in range(CHUNKS + 1):
            await admin.execute("update job set not_before = now()")
            await loop.run_one()
    assert (await look(api, job_id)).state is JobState.DONE
    assert len(await names(probe)) == CHUNKS


# Cancel


async def test_a_waiting_job_is_cancelled_at_once(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    job_id = await submit(api)
    async with transaction(api, officer().scope) as tx:
        assert (await cancel_job(tx, job_id)).state is JobState.CANCELLED
        assert (await cancel_job(tx, job_id)).state is JobState.CANCELLED
    assert await runner(worker).run_one() is False
    assert await names(probe) == []


async def test_a_running_job_stops_after_the_chunk_in_hand_and_clears_up(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine
) -> None:
    async def count_and_cancel(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        step = await count(tx, job, now, prepared)
        await tx.driver.execute("insert into staging values ($1, 'x')", job.id)
        if step.done == 2:
            async with transaction(api, officer().scope) as other:
                assert (await cancel_job(other, job.id)).state is JobState.RUNNING
        return step

    async def clear(tx: Transaction, job: Job, state: JobState) -> None:
        assert state is JobState.CANCELLED
        await tx.driver.execute("delete from staging where job = $1", job.id)

    job_id = await submit(api)
    assert await runner(worker, jobs(count_and_cancel, on_end=clear)).run_one()
    job = await look(api, job_id)
    assert (job.state, job.done, job.cancel_asked) == (JobState.CANCELLED, 2, True)
    assert len(await names(probe)) == 2
    async with probe.admin() as admin:
        assert await admin.fetchval("select count(*) from staging") == 0


async def test_long_preparation_is_given_up_when_cancelled(api: AsyncEngine, worker: AsyncEngine) -> None:
    given_up = asyncio.Event()

    async def parse_for_ever(job: Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            given_up.set()

    job_id = await submit(api)
    work = asyncio.create_task(runner(worker, jobs(prepare=parse_for_ever), lease_seconds=0.3).run_one())
    await until(lambda: is_running(api, job_id))
    async with transaction(api, officer().scope) as tx:
        await cancel_job(tx, job_id)
    assert await asyncio.wait_for(work, 10)
    assert given_up.is_set()
    assert (await look(api, job_id)).state is JobState.CANCELLED


async def test_an_ended_job_is_not_cancelled(api: AsyncEngine, worker: AsyncEngine) -> None:
    job_id = await submit(api)
    await runner(worker).run_one()
    with pytest.raises(JobEnded):
        async with transaction(api, officer().scope) as tx:
            await cancel_job(tx, job_id)


# Leases


async def until(reached: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await reached():  # noqa: ASYNC110  it is another process or session that changes it
            await asyncio.sleep(0.02)


async def is_running(api: AsyncEngine, job_id: UUID) -> bool:
    return (await look(api, job_id)).state is JobState.RUNNING


async def test_many_workers_do_each_job_once(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    ids = [await submit(api) for _ in range(12)]
    runners = [runner(worker) for _ in range(4)]
    stopping = asyncio.Event()
    loops = [asyncio.create_task(one.run(stopping)) for one in runners]

    async def all_done() -> bool:
        states = [(await look(api, job_id)).state for job_id in ids]
        return all(state is JobState.DONE for state in states)

    with structlog.testing.capture_logs() as logged:
        await until(all_done)
    stopping.set()
    await asyncio.gather(*loops)
    assert len(await names(probe)) == 12 * CHUNKS
    assert [line["event"] for line in logged if line["event"] != "job ended"] == [], "no job was snatched from another"


async def test_who_lost_the_lease_cannot_commit(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    """The slow one wakes after another has taken the job: its chunk is rolled back, the other's stands."""
    asleep, wake = asyncio.Event(), asyncio.Event()

    async def sleepy(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        step = await count(tx, job, now, prepared)
        await tx.driver.execute("update household set version = 99 where name = $1", f"{job.id} 1")
        asleep.set()
        await wake.wait()
        return step

    job_id = await submit(api)
    slow = asyncio.create_task(runner(worker, jobs(sleepy)).run_one())
    await asleep.wait()
    async with probe.admin() as admin:
        await admin.execute("update job set leased_until = now() - interval '1 second'")
    quick = runner(worker, jobs(elsewhere))
    assert await quick.run_one() is True
    wake.set()
    assert await slow is True
    assert (await look(api, job_id)).result == {"by": "the quick one"}
    assert await names(probe) == [f"{job_id} quick"]


async def elsewhere(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
    await add_household(tx.driver, VILLAGE, f"{job.id} quick")
    return Step(is_last=True, result={"by": "the quick one"})


async def test_a_long_chunk_keeps_its_lease(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    async def slow(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        await tx.driver.execute("select pg_sleep(1.2)")
        return Step(is_last=True)

    job_id = await submit(api)
    first = asyncio.create_task(runner(worker, jobs(slow), lease_seconds=0.4).run_one())
    await until(lambda: is_running(api, job_id))
    thief = runner(worker, jobs(slow), lease_seconds=0.4)
    taken = []
    while not first.done():
        taken.append(await thief.run_one())
        await asyncio.sleep(0.05)
    assert len(taken) > 5
    assert not any(taken)
    assert (await look(api, job_id)).state is JobState.DONE


async def test_a_graceful_stop_leaves_the_rest_to_the_next(probe: Probe, api: AsyncEngine, worker: AsyncEngine) -> None:
    stopping = asyncio.Event()

    async def count_and_stop(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        step = await count(tx, job, now, prepared)
        if step.done == 2:
            stopping.set()
        return step

    job_id = await submit(api)
    await asyncio.wait_for(runner(worker, jobs(count_and_stop)).run(stopping), 10)
    assert (await look(api, job_id)).done == 2
    assert await runner(worker).run_one() is True
    assert (await look(api, job_id)).state is JobState.DONE
    assert len(await names(probe)) == CHUNKS


async def test_a_database_that_drops_the_session_costs_a_chunk_and_no_more(
    probe: Probe, api: AsyncEngine, worker: AsyncEngine
) -> None:
    dropped = False

    async def lose_the_session(tx: Transaction, job: Job, now: datetime, prepared: Any) -> Step:
        nonlocal dropped
        step = await count(tx, job, now, prepared)
        if step.done == 3 and not dropped:
            dropped = True
            session = await tx.driver.fetchval("select pg_backend_pid()")
            async with probe.admin() as admin:
                await admin.execute("select pg_terminate_backend($1, 5000)", session)
            await tx.driver.execute("select 1")
        return step

    job_id = await submit(api)
    stopping = asyncio.Event()
    task = asyncio.create_task(runner(worker, jobs(lose_the_session)).run(stopping))

    async def is_done() -> bool:
        return (await look(api, job_id)).state is JobState.DONE

    await until(is_done)
    stopping.set()
    await task
    assert dropped
    assert len(await names(probe)) == CHUNKS


WORKER = """
import asyncio, sys
from datetime import UTC, datetime
from shared.db import create_engine
from shared.jobs import JobRunner, Step
from tests.shared.test_jobs import count, jobs, NOW

async def slowly(tx, job, now, prepared):
    step = await count(tx, job, now, prepared)
    await tx.driver.execute("select pg_sleep(0.15)")
    return step

async def main():
    engine = create_engine(sys.argv[1])
    await JobRunner(engine, jobs(slowly), lambda: NOW, lease_seconds=0.5, poll_seconds=0.05).run(asyncio.Event())

asyncio.run(main())
"""


@pytest.mark.parametrize("kill_at", [0, 1, 3])
async def test_a_killed_worker_s_job_is_resumed_with_one_effect_a_chunk(
    probe: Probe, api: AsyncEngine, kill_at: int
) -> None:
    job_id = await submit(api)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WORKER, probe.database.worker]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    first = await asyncio.to_thread(subprocess.Popen, command, cwd=root, env=environment)
    second: subprocess.Popen[bytes] | None = None
    try:

        async def far_enough() -> bool:
            job = await look(api, job_id)
            return job.state is JobState.RUNNING and job.done >= kill_at

        await until(far_enough)
        first.send_signal(signal.SIGKILL)
        assert (await look(api, job_id)).state is JobState.RUNNING, "the kill came under way"
        second = await asyncio.to_thread(subprocess.Popen, command, cwd=root, env=environment)

        async def is_done() -> bool:
            return (await look(api, job_id)).state is JobState.DONE

        await until(is_done)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                await asyncio.to_thread(process.wait)
    assert await names(probe) == [f"{job_id} {number}" for number in range(1, CHUNKS + 1)]


# Over HTTP


async def test_jobs_over_http(probe: Probe, api: AsyncEngine, worker: AsyncEngine, tmp_path: Path) -> None:
    clerks = (WebRole.CLERK,)
    tokens = Tokens(tmp_path)
    router = job_router(read=(*clerks, WebRole.AUDITOR), cancel=clerks)
    app = create_app(settings_for(probe, tmp_path, tokens), [router], title="x")
    ids = [await submit(api) for _ in range(3)]
    await runner(worker).run_one()
    async with running(app) as client:
        mine = {"Authorization": f"Bearer {tokens.make()}"}
        auditor = {"Authorization": f"Bearer {tokens.make('sun', roles=('auditor',))}"}
        stranger = {"Authorization": f"Bearer {tokens.make('wang', divisions=(OTHER_COUNTY.text,))}"}
        first = (await client.get("/shared/v1/jobs?limit=2", headers=mine)).json()
        following = f"/shared/v1/jobs?limit=2&cursor={first['next']}"
        rest = (await client.get(following, headers=mine)).json()
        assert (await client.get(following, headers=auditor)).status_code == 400  # a cursor is its caller's
        assert len((await client.get("/shared/v1/jobs", headers=auditor)).json()["items"]) == len(ids)
        assert [job["id"] for job in first["items"] + rest["items"]] == [str(job_id) for job_id in reversed(ids)]
        assert (rest["items"][0]["state"], rest["items"][0]["result"], rest["next"]) == (
            "done",
            {"counted": CHUNKS},
            None,
        )
        one = (await client.get(f"/shared/v1/jobs/{ids[1]}", headers=mine)).json()
        assert (one["state"], one["total"], one["divisions"]) == ("queued", CHUNKS, [COUNTY.text])
        assert "parameters" not in one
        assert (await client.get(f"/shared/v1/jobs/{ids[1]}", headers=stranger)).status_code == 404
        key = {"Idempotency-Key": "cancel-the-job"}
        cancel = f"/shared/v1/jobs/{ids[1]}/cancel"
        assert (await client.post(cancel, headers=auditor | key)).status_code == 403
        assert (await client.post(cancel, headers=stranger | key)).status_code == 404
        answer = await client.post(cancel, headers=mine | key)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        ended = await client.post(f"/shared/v1/jobs/{ids[0]}/cancel", headers=mine | {"Idempotency-Key": "another-key"})
        assert (ended.status_code, ended.json()["code"]) == (409, "job.ended")
