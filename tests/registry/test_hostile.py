"""More hostile files: each ends in a refusal or a marked row, in a process of little memory; none comes back live."""

from __future__ import annotations

import io
import multiprocessing
import resource
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import openpyxl
import pytest

from services.registry.forms import write_answer
from shared.errors import Problem
from tests.registry.ground import Ground
from tests.registry.hostile import MARKS as FIRST_MARKS
from tests.registry.hostile import MEMORY_BYTES, SECONDS
from tests.registry.hostile import PROBLEMS as FIRST
from tests.registry.hostile_more import MARKS, PROBLEMS, dangerous, old_dangerous
from tests.registry.sheets import read


class Bounded:
    """One process of little memory that reads file after file; who is not answered in time has met an endless one."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._child = context.Process(target=_reads, args=(theirs,), daemon=True)
        self._child.start()
        theirs.close()

    def read(self, path: Path) -> Problem | set[tuple[str, str]]:
        """The refusal of the whole, or field and code of each mark."""
        self._ours.send(path)
        assert self._ours.poll(SECONDS), "still reading"
        said: Problem | set[tuple[str, str]] = self._ours.recv()
        return said

    def end(self) -> None:
        self._child.kill()
        self._child.join()


def _reads(asked: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        try:
            path = asked.recv()
        except EOFError:
            return
        try:
            reading = read(path)
            asked.send(set(reading.refusals.select("field", "code").rows()))
        except Problem as problem:
            asked.send(problem)


@pytest.fixture(scope="module")
def bounded() -> Iterator[Bounded]:
    child = Bounded()
    yield child
    child.end()


def test_there_are_more_than_forty_kinds() -> None:
    assert len(PROBLEMS) + len(MARKS) + len(FIRST) + len(FIRST_MARKS) > 70


@pytest.mark.parametrize("at", range(len(PROBLEMS)), ids=[name for name, _, _ in PROBLEMS])
def test_a_hostile_file_ends_in_a_clear_refusal(at: int, bounded: Bounded, tmp_path: Path) -> None:
    _, make, problem = PROBLEMS[at]
    path = tmp_path / "t"
    path.write_bytes(make())
    said = bounded.read(path)
    assert isinstance(said, problem), said
    for text in (said.detail_zh, said.detail_en, said.hint):
        assert len(text) > 5
        assert "{" not in text


@pytest.mark.parametrize("at", range(len(MARKS)), ids=[name for name, _, _, _ in MARKS])
def test_a_hostile_cell_ends_in_a_marked_row(at: int, bounded: Bounded, tmp_path: Path) -> None:
    _, make, field, code = MARKS[at]
    path = tmp_path / "t"
    path.write_bytes(make())
    said = bounded.read(path)
    assert not isinstance(said, Problem), said
    assert (field, code) in said


@pytest.mark.parametrize("make", [dangerous, old_dangerous])
def test_no_text_of_a_file_comes_back_live_or_unseen(make: object, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes((dangerous if make is dangerous else old_dangerous)())
    reading = read(path)
    answer = write_answer(reading.layout, refusals=reading.refusals, doubts=reading.doubts, summary={})
    cells = [cell for page in openpyxl.load_workbook(io.BytesIO(answer)) for line in page.iter_rows() for cell in line]
    texts = [cell for cell in cells if isinstance(cell.value, str)]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    risky = [cell for cell in texts if cell.value.lstrip("\t\r\n \u202e")[:1] in ("=", "+", "-", "@")]
    assert risky
    assert all(cell.quotePrefix and cell.number_format == "@" for cell in risky)
    assert not [one for one in reading.ignored if not one.isprintable()]


HANDED_IN = (
    "a workbook behind a password", "macros of an old workbook", "a path that climbs", "torn records", "40 sheets",
    "billion laughs",
)  # fmt: skip


async def test_hostile_files_end_their_own_job_and_leave_nothing(ground: Ground) -> None:
    chosen = [one for one in PROBLEMS if one[0] in HANDED_IN]
    jobs = [await ground.upload(make(), filename=f"{name}.xlsx") for name, make, _ in chosen]
    await ground.run_jobs()
    for (name, _, problem), job in zip(chosen, jobs, strict=True):
        found = await ground.look(job)
        assert (found["job"]["state"], found["job"]["problem"]["code"]) == ("failed", problem.code), name
        assert found["job"]["problem"]["hint"], name
    assert await ground.value("select count(*) from household") == 0
    assert await ground.value("select count(*) from intake_file") == 0


async def test_what_nobody_sees_in_headings_and_cells_hurts_no_step_of_the_intake(ground: Ground) -> None:
    jobs = [await ground.upload(make(), filename="f") for make in (dangerous, old_dangerous)]
    await ground.run_jobs()
    for job in jobs:
        found = await ground.look(job)
        assert (found["job"]["state"], found["rows"]) == ("done", 6), found["job"]
        assert "备注" in [one["heading"] for one in found["columns"] if one["field"] is None]
        assert (await ground.get(f"/intakes/{job}/answer")).status_code == 200
