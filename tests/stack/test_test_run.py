"""The test run's own manners: each worker a database of its own, one server for all, nothing left if it is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stack.home import PROJECT, chosen_folder, chosen_port_base
from stack.processes import port_answers

SLEEPER = """
import time
from pathlib import Path
import psutil
def test_sleeps(cluster, kafka_bootstrap):
    children = psutil.Process().children(recursive=True)
    Path({note!r}).write_text(" ".join(str(child.pid) for child in children))
    time.sleep(300)
"""
SHARED = """
from pathlib import Path
import pytest
@pytest.mark.parametrize("number", range(4))
def test_notes(number, cluster, make_database, worker_id):
    mine = make_database()
    with Path({note!r}).open("a") as note:
        note.write(f"{{worker_id}} {{cluster.port}} {{mine.name}}\\n")
"""


def pytest_in(folder: Path, source: str, note: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A run of its own over one file, with the project's fixtures."""
    (folder / "test_inner.py").write_text(source.format(note=str(note)))
    environment = {name: value for name, value in os.environ.items() if name != "TUOPIN_TEST_STACK"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "--rootdir", str(folder), "-c", os.devnull]
    return subprocess.Popen(
        [*command, *arguments, str(folder / "test_inner.py")],
        cwd=PROJECT, env={**environment, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def test_a_killed_run_leaves_nothing_behind(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    run = pytest_in(tmp_path, SLEEPER, note)
    deadline = time.monotonic() + 60
    while not note.exists() or not note.read_text():
        assert run.poll() is None, "the inner run ended early"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = [psutil.Process(int(pid)) for pid in note.read_text().split()]
    assert {"postgres", "java"} <= {process.name() for process in started}
    run.kill()
    run.wait()
    _gone, alive = psutil.wait_procs(started, timeout=20)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_workers_share_one_server_and_no_database(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    note = tmp_path / "notes"
    run = pytest_in(tmp_path, SHARED, note, "-n", "2")
    assert run.wait(120) == 0
    lines = [line.split() for line in note.read_text().splitlines()]
    assert len(lines) == 4
    assert {worker for worker, _port, _name in lines} == {"gw0", "gw1"}
    (port,) = {port for _worker, port, _name in lines}
    assert len({name for _worker, _port, name in lines}) == 4
    assert not port_answers(int(port))  # the server ended with the run


def test_a_test_that_names_no_home_finds_no_stack() -> None:
    """Not even one that runs in the project's own folder, or in the one that the caller's shell names."""
    assert chosen_folder() == Path("/proc/no-stack-of-a-test")
    assert chosen_port_base() is None
    done = subprocess.run(
        [sys.executable, "-m", "stack", "status"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "there is no stack in /proc/no-stack-of-a-test" in done.stderr
