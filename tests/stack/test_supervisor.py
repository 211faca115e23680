"""The watcher: order, return, patience, and nothing left behind."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stack.home import PROJECT, open_home
from stack.processes import free_ports, port_is_free
from stack.programs import kafka_of, postgres_of, programs_of
from stack.provision import SERVICES
from stack.supervisor import KEPT_LOGS, LARGEST_LOG_BYTES, holder, pause_after, rotate, stop_levels, trim

Wanted = dict[str, Any]


class Watching:
    """A watcher that runs in a folder."""

    def __init__(self, folder: Path, *wanted: Wanted) -> None:
        self.folder = folder
        (folder / "programs.json").write_text(json.dumps(wanted))
        self.process = self.start_another()

    def start_another(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.stack.watching", str(self.folder)]
        return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def states(self) -> dict[str, Any]:
        try:
            rows = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}
        assert isinstance(rows, dict)
        return rows

    def is_up(self, *names: str) -> bool:
        rows = self.states()
        return bool(rows) and all(rows[name]["state"] in ("up", "done") for name in names)

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def events(self) -> list[str]:
        log = self.folder / "events.log"
        return log.read_text().splitlines() if log.exists() else []

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def start(*wanted: Wanted) -> Watching:
        started.append(Watching(tmp_path, *wanted))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        assert one.process.stderr is not None
        one.process.stderr.close()


def three_levels() -> list[Wanted]:
    ports = free_ports(3)
    return [
        {"name": "door", "kind": "server", "port": ports[0], "needs": ["middle"]},
        {"name": "middle", "kind": "server", "port": ports[1], "needs": ["ground", "job"]},
        {"name": "ground", "kind": "server", "port": ports[2]},
        {"name": "job", "kind": "job", "port": 0, "needs": ["ground"]},
    ]


def test_programs_start_when_their_needs_are_up_and_stop_in_reverse(watch: Callable[..., Watching]) -> None:
    watching = watch(*three_levels())
    until(lambda: watching.is_up("door", "middle", "ground", "job"))
    assert watching.events() == ["ground started", "job done", "middle started", "door started"]
    watching.end()
    assert watching.events()[4:] == ["door stopped", "middle stopped", "ground stopped"]
    assert {row["state"] for row in watching.states().values()} == {"stopped"}
    assert not list(watching.folder.glob("[!s]*.pid"))


def test_the_stack_stops_from_the_door_inwards(tmp_path: Path) -> None:
    """What an api says last is still sent by its worker; the broker outlives who sends, the database all of them."""
    home = open_home(tmp_path / "home", practice=False, port_base=20_000)
    levels = stop_levels(programs_of(home, postgres_of(home), kafka_of(home)))
    place = {name: number for number, level in enumerate(levels) for name in level}
    for service in SERVICES:
        order = [place[name] for name in ("gateway", f"{service}-api", f"{service}-worker", "kafka", "postgres")]
        assert order == sorted(set(order)), service
    assert levels[-1] == ["postgres"]


def test_what_stops_before_another_need_not_wait_for_it(watch: Callable[..., Watching]) -> None:
    gateway, service = free_ports(2)
    watching = watch(
        {"name": "gateway", "kind": "server", "port": gateway, "stops_before": ["service"]},
        {"name": "service", "kind": "server", "port": service, "needs": ["never"]},
        {"name": "never", "kind": "crasher", "port": 0},
    )
    until(lambda: watching.is_up("gateway"))
    watching.end()
    assert "service started" not in watching.events()


def test_a_killed_program_comes_back_alone(watch: Callable[..., Watching]) -> None:
    watching = watch(*three_levels())
    until(lambda: watching.is_up("door"))
    untouched = watching.pid("middle"), watching.pid("door")
    killed = watching.pid("ground")
    os.kill(killed, signal.SIGKILL)
    until(lambda: watching.is_up("ground") and watching.pid("ground") != killed)
    assert (watching.pid("middle"), watching.pid("door")) == untouched
    assert watching.states()["ground"]["restarts"] == 1
    assert watching.states()["ground"]["last_exit"] == "killed by SIGKILL"
    watching.end()


def test_a_note_that_cannot_be_written_does_not_end_the_watching(watch: Callable[..., Watching]) -> None:
    """As on a full disk: the pid file's place is taken by a folder."""
    watching = watch(*three_levels())
    until(lambda: watching.is_up("door"))
    killed = watching.pid("ground")
    (watching.folder / "ground.pid").unlink()
    (watching.folder / "ground.pid").mkdir()
    os.kill(killed, signal.SIGKILL)
    until(lambda: watching.is_up("ground") and watching.states()["ground"]["pid"] != killed)
    watching.end()
    assert watching.process.returncode == 0


def test_a_program_that_keeps_ending_is_failing_but_never_given_up(watch: Callable[..., Watching]) -> None:
    (port,) = free_ports(1)
    watching = watch(
        {"name": "crasher", "kind": "crasher", "port": 0}, {"name": "sound", "kind": "server", "port": port}
    )
    until(lambda: watching.is_up("sound"))
    sound = watching.pid("sound")
    until(lambda: watching.states()["crasher"]["state"] == "failing")
    crashes = crash_times(watching)
    assert len(crashes) >= 5
    until(lambda: len(crash_times(watching)) > len(crashes))  # it is tried again
    moments = crash_times(watching)[:6]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses[-1] > 2 * pauses[0], pauses
    assert watching.pid("sound") == sound
    assert "exit code 3" in watching.states()["crasher"]["last_exit"]
    watching.end()


def test_pauses_double_and_end_at_ten_seconds() -> None:
    pauses = [max(pause_after(failures) for _ in range(200)) for failures in range(1, 12)]
    assert 0.1 < pauses[0] <= 0.13
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses[:6]))
    assert pauses[-3:] == [10.0] * 3, "nobody waits longer, however unlucky the draw"
    assert pause_after(1_000_000) == 10.0, "and it is never given up"


def crash_times(watching: Watching) -> list[float]:
    return [float(line.split()[2]) for line in watching.events() if line.startswith("crasher crashed")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_when_the_watcher_is_killed_nothing_stays_behind(
    watch: Callable[..., Watching], number: signal.Signals
) -> None:
    watching = watch(*three_levels())
    until(lambda: watching.is_up("door"))
    children = watching.descendants()
    assert len(children) == 3
    watching.process.send_signal(number)
    watching.process.wait(10)
    until(lambda: not any(alive(child) for child in children), 10)
    again = watch(*json.loads((watching.folder / "programs.json").read_text()))
    until(lambda: again.is_up("door"))
    again.end()


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_second_watcher_is_refused_and_the_first_unharmed(watch: Callable[..., Watching]) -> None:
    watching = watch(*three_levels())
    until(lambda: watching.is_up("door"))
    before = watching.states()
    second = watching.start_another()
    _out, told = second.communicate(timeout=20)
    assert second.returncode == 1
    assert f"already running, pid {watching.process.pid}" in told
    assert watching.states() == before
    assert holder(watching.folder) == watching.process.pid
    watching.end()
    assert holder(watching.folder) is None


def test_a_taken_port_is_waited_for_and_named(watch: Callable[..., Watching]) -> None:
    import socket

    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        watching = watch({"name": "late", "kind": "server", "port": port})
        until(lambda: "could not start" in log_text(watching, "late"))
        assert f"port {port}" in log_text(watching, "late")
        assert not port_is_free(port)
        assert watching.states()["late"]["state"] != "up"  # though the port answers, by somebody else
    until(lambda: watching.is_up("late"))
    watching.end()


def log_text(watching: Watching, name: str) -> str:
    log = watching.folder / f"{name}.log"
    return log.read_text() if log.exists() else ""


def test_logs_are_kept_by_start_and_trimmed_when_large(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    for number in range(KEPT_LOGS + 3):
        log.write_text(f"start {number}\n")
        rotate(log)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"api.log.{number}" for number in range(1, KEPT_LOGS + 1)]
    assert (tmp_path / "api.log.1").read_text() == f"start {KEPT_LOGS + 2}\n"
    with log.open("ab") as writer:  # a program that goes on writing to the file it was given
        writer.truncate(LARGEST_LOG_BYTES + 1)
        trim(log)
        writer.write(b"next\n")
        writer.flush()
        assert log.read_bytes() == b"next\n"
