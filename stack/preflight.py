"""What is looked at before a stack starts, so that what is wrong is said plainly and at once."""

import contextlib
import os
import platform
import shutil
import sys
from pathlib import Path

from stack.home import Home
from stack.jars import cache_folder, locked_jars
from stack.postgres import require_reachable
from stack.problems import StackProblem
from stack.processes import port_is_free
from stack.supervisor import refuse_running

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 31)
DISK_FOR_A_STACK = 1_500_000_000
DISK_FOR_THE_JARS = 250_000_000
LOW_BYTES = 32_000_000  # two segments of PostgreSQL's log: with less it may stop at any moment


def check_machine(
    version: tuple[int, ...] = tuple(sys.version_info[:2]),
    machine: tuple[str, str] | None = None,
    libc: tuple[str, str] | None = None,
) -> None:
    """The wheels of Java, PostgreSQL and Envoy exist for x86-64 Linux with glibc."""
    if version < OLDEST_PYTHON:
        found = ".".join(map(str, version))
        raise StackProblem(f"Python {found} is too old", "use Python 3.11 or newer: make PYTHON=python3.12 …")
    system, processor = machine or (platform.system(), platform.machine())
    if (system, processor) != ("Linux", "x86_64"):
        raise StackProblem(
            f"this machine is {system} {processor}; the embedded stack runs on x86-64 Linux alone",
            "use such a machine, or run docker-compose.yml with a container engine",
        )
    name, number = libc or platform.libc_ver()
    if name != "glibc" or tuple(int(part) for part in number.split(".")[:2]) < OLDEST_GLIBC:
        raise StackProblem(
            f"this system's C library is {name or 'not glibc'} {number}; glibc 2.31 or newer is needed",
            "use a newer distribution, or run docker-compose.yml with a container engine",
        )


def check_disk(home: Path, free: int | None = None) -> None:
    """Room for a stack's data, and for the jars if they have not been fetched."""
    _require_room(home, DISK_FOR_A_STACK, free)
    check_jar_room(free)


def check_jar_room(free: int | None = None) -> None:
    cache = cache_folder()
    if any(not (cache / jar.file_name).exists() for jar in locked_jars()):
        _require_room(cache, DISK_FOR_THE_JARS, free)


def _require_room(folder: Path, wanted: int, free: int | None) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    left = shutil.disk_usage(existing).free if free is None else free
    if left < wanted:
        raise StackProblem(
            f"the disk of {existing} has {left // 1_000_000} MB left; {wanted // 1_000_000} MB are needed",
            "free some space, or choose another disk with TUOPIN_HOME (data) or XDG_CACHE_HOME (Kafka's jars)",
        )


def full_disks(home: Home, low: int = LOW_BYTES) -> list[str]:
    """The disks under a stack on which next to nothing can be written any more, a sentence each."""
    told: dict[int, str] = {}
    for folder in (home.folder, home.folder / "postgres", home.folder / "kafka"):
        with contextlib.suppress(OSError):
            left = shutil.disk_usage(folder).free
            if left < low:
                told[folder.stat().st_dev] = (
                    f"the disk of {folder} is full: {left / 1e6:.0f} MB left. Free some space: what could not be"
                    " written is tried again by itself, and nothing that was acknowledged is lost"
                )
    return list(told.values())


def check_ports(home: Home) -> None:
    taken = {name: port for name, port in home.ports.all().items() if not port_is_free(port)}
    if taken:
        listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
        raise StackProblem(
            f"these ports are taken by other programs: {listed}",
            "end them (`ss -ltnp` names them), or move this stack: put another number than "
            f"{home.ports.base} before the same command, such as TUOPIN_PORT_BASE={home.ports.base + 100}",
        )


def check_reachable(home: Home) -> None:
    """As root the database runs as `nobody`, who must reach its folder and its programs."""
    if os.geteuid() == 0:
        require_reachable(home.folder / "postgres")


def check(home: Home) -> None:
    """Everything, the cheapest and likeliest first."""
    check_machine()
    refuse_running(home.run)
    check_ports(home)
    check_disk(home.folder)
    check_reachable(home)
