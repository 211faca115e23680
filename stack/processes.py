"""Programs as child processes: how each is started, known to be up, and certain to end with its parent."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.problems import StackProblem

LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """One long-running program of the stack, with all that starting, watching and stopping it needs."""

    name: str
    argv: tuple[str, ...]
    probe: Callable[[], Awaitable[bool]]
    needs: tuple[str, ...] = ()
    stops_before: tuple[str, ...] = ()  # ended before these, though it can start without them
    once: bool = False  # a job: up when it has ended well, run again when it has not
    before: Callable[[], None] = lambda: None
    drain: Callable[[], Awaitable[None]] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    stop: signal.Signals = signal.SIGTERM
    dies_with_us: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    patience_seconds: float = 60.0
    unprivileged: bool = False
    ports: tuple[int, ...] = ()


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends this signal to the child when the thread that spawned it ends.

    It runs after the change of user, which would have cleared it; a parent that died meanwhile is noticed at once.
    """
    parent = os.getpid()

    def arrange() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def unprivileged_user() -> dict[str, Any]:
    """Arguments of Popen that make the child `nobody` when we are root, and nothing otherwise."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give_away(path: Path) -> None:
    """Hand a file or folder that we have just made to the unprivileged user, if we are root."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def popen_arguments(program: Program) -> dict[str, Any]:
    """What `subprocess.Popen` and asyncio's spawn have in common for one program."""
    who = unprivileged_user() if program.unprivileged else {}
    return {
        "stdin": subprocess.DEVNULL,
        "env": {**os.environ, **program.environment},
        "cwd": program.folder,
        "start_new_session": True,
        "preexec_fn": die_with_parent(program.dies_with_us),
        **who,
    }


def port_is_free(port: int) -> bool:
    """Nobody listens on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def port_answers(port: int) -> bool:
    """Somebody accepts a connection there: cheaper and quieter than starting a client in vain."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range from which outgoing connections take theirs.

    Above it a client that retries a broker which is down can end up connected to itself, and hold the broker's port.
    """
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for _ in range(1000):
            if len(ports) == count:
                return ports
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind((LOOPBACK, random.randrange(20_000, 32_000)))
                ports.append(one.getsockname()[1])
    raise StackProblem("no free port was found", "end some programs that listen on ports 20000 to 32000")


def require_free(name: str, ports: tuple[int, ...]) -> None:
    """A probe could be answered by somebody else's leftover: refuse to start on a taken port."""
    for port in ports:
        if not port_is_free(port):
            raise StackProblem(
                f"port {port}, which {name} needs, is taken by another program",
                f"end that program (ss -ltnp 'sport = :{port}' names it), or choose other ports with TUOPIN_PORT_BASE",
            )


def processes_in(folder: Path, executable: str) -> Iterator[int]:
    """Processes running `executable` with `folder` as their working directory: what a dead parent left behind."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder and (entry / "exe").readlink().name.startswith(executable):
                yield int(entry.name)


def sweep(folder: Path, executable: str) -> int:
    """End every leftover of `executable` in `folder`: a busy backend outlives its postmaster and blocks a restart."""
    folder = folder.resolve()
    swept = 0
    for _ in range(100):
        left = list(processes_in(folder, executable))
        if not left:
            return swept
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                swept += 1
        time.sleep(0.05)
    raise StackProblem(
        f"processes {left} of an earlier run in {folder} do not end", "end them by hand, then start again"
    )


async def _answers(program: Program) -> bool:
    """A probe may fail in ways that nobody foresaw while its program starts: that is no answer yet, and no more."""
    try:
        return await program.probe()
    except Exception:  # noqa: BLE001
        return False


async def wait_until_up(program: Program, alive: Callable[[], bool]) -> None:
    """Ask until the program answers; it must still live after it answered."""
    deadline = time.monotonic() + program.patience_seconds
    while time.monotonic() < deadline:
        if not alive():
            break
        if await _answers(program) and alive():
            return
        await asyncio.sleep(0.03)
    state = "did not answer in time" if alive() else "ended while starting"
    raise StackProblem(f"{program.name} {state}", "read its log; the last lines say why")


class Child:
    """One program held by plain synchronous code, such as the test run or the training of a cache."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        program.before()
        with log.open("ab") as out:
            self.process = subprocess.Popen(program.argv, stdout=out, stderr=out, **popen_arguments(program))

    async def until_up(self) -> None:
        try:
            await wait_until_up(self.program, lambda: self.process.poll() is None)
        except StackProblem as problem:
            self.stop(signal.SIGKILL)
            raise StackProblem(f"{problem.what}:\n{tail(self.log, 15)}", f"read {self.log}") from None

    def stop(self, number: signal.Signals | None = None) -> None:
        """Stop it by its own signal, or by the given one, and kill what does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(number or self.program.stop)
        try:
            self.process.wait(self.program.grace_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def tail(path: Path, lines: int) -> str:
    """The last lines of a log, or nothing when there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
