"""A stack's home: the one folder that holds its data, logs, passwords and keys, and remembers its ports.

Two stacks live side by side by having two homes (`TUOPIN_HOME`) and two port bases (`TUOPIN_PORT_BASE`).
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.clock import make_practice
from shared.crypto import new_key_ring
from stack.problems import StackProblem
from stack.processes import port_is_free
from stack.provision import SERVICES, make_passwords
from stack.supervisor import refuse_running

PROJECT = Path(__file__).resolve().parents[1]
DEFAULT_PORT_BASE = 18400
RECORD = "stack.json"
KEPT = ("port_base", "practice")
ANOTHER_FOLDER = "choose another folder with TUOPIN_HOME"
DEMO = "demo"  # the demo's own home lies inside the default one
OWN_ENTRIES = ("config", "kafka", "logs", "postgres", "run", "secrets", "clock.json", RECORD)


@dataclass(frozen=True)
class Ports:
    """Every port of a stack, counted from its base, so that one number moves them all."""

    base: int

    @property
    def gateway(self) -> int:
        return self.base

    @property
    def postgres(self) -> int:
        return self.base + 1

    @property
    def kafka(self) -> int:
        return self.base + 2

    @property
    def kafka_controller(self) -> int:
        return self.base + 3

    @property
    def gateway_admin(self) -> int:
        return self.base + 4

    def api(self, service: str) -> int:
        return self.base + 10 + SERVICES.index(service)

    def worker(self, service: str) -> int:
        return self.base + 20 + SERVICES.index(service)

    def all(self) -> dict[str, int]:
        named = {
            "gateway": self.gateway,
            "postgres": self.postgres,
            "kafka": self.kafka,
            "kafka's controller": self.kafka_controller,
            "gateway's admin": self.gateway_admin,
        }
        named.update({f"{service} api": self.api(service) for service in SERVICES})
        named.update({f"{service} worker": self.worker(service) for service in SERVICES})
        return named


@dataclass(frozen=True)
class Home:
    """An existing home and what it was made with."""

    folder: Path
    ports: Ports
    practice: bool

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def log_of(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def passwords(self) -> dict[str, str]:
        """The password of every login, made once."""
        return kept_secret(self.secrets / "passwords.json", make_passwords)

    def key_ring(self) -> Path:
        """The file with the keys of sealed fields and blind indexes, made once; its path is what the services get."""
        path = self.secrets / "key_ring.json"
        kept_secret(path, new_key_ring)
        return path


def chosen_folder(environment: Mapping[str, str] = os.environ) -> Path:
    return Path(environment.get("TUOPIN_HOME") or PROJECT / ".stack").resolve()


def chosen_port_base(environment: Mapping[str, str] = os.environ) -> int | None:
    text = environment.get("TUOPIN_PORT_BASE")
    if not text:
        return None
    if not text.isdecimal() or not 1024 <= int(text) <= 65000:
        raise StackProblem(
            f"TUOPIN_PORT_BASE is {text!r}", "give a number from 1024 to 65000; 24 ports from it are used"
        )
    return int(text)


def find(folder: Path | None = None) -> Home:
    """The home that exists, or a plain word that there is none."""
    folder = folder or chosen_folder()
    record = _read(folder / RECORD)
    if record is None:
        raise StackProblem(f"there is no stack in {folder}", "`tuopin up` makes one; TUOPIN_HOME names another folder")
    return Home(folder, Ports(record["port_base"]), record["practice"])


def free_port_base() -> int:
    """A base of which every port is free, below the range from which outgoing connections take theirs."""
    for _ in range(200):
        base = random.randrange(20_000, 31_000, 30)
        if all(port_is_free(port) for port in Ports(base).all().values()):
            return base
    raise StackProblem("no free range of ports was found", "end some programs that listen on ports 20000 to 31000")


def open_home(
    folder: Path, *, practice: bool, practice_start: datetime | None = None, port_base: int | None = None
) -> Home:
    """The home in this folder, made if missing. An ordinary home never becomes one for practice, nor the reverse."""
    base = port_base or chosen_port_base()
    record = _read(folder / RECORD)
    if record is None:
        try:
            return _make(folder, base or DEFAULT_PORT_BASE, practice=practice, practice_start=practice_start)
        except OSError as error:
            raise StackProblem(f"{folder} cannot be made: {error.strerror}", ANOTHER_FOLDER) from None
    if record["practice"] != practice:
        unused = Home(folder, Ports(record["port_base"]), record["practice"])
        refuse_running(unused.run)
        if not _was_started(unused):  # its first start was refused: nothing has been decided yet
            forget(unused)
            return _make(folder, base or record["port_base"], practice=practice, practice_start=practice_start)
        kind, asked = ("practice", "an ordinary") if record["practice"] else ("ordinary", "a practice")
        raise StackProblem(
            f"the stack in {folder} was made as {kind}, and this is {asked} start",
            "start it as what it is, or choose another folder with TUOPIN_HOME",
        )
    if base is not None and base != record["port_base"]:
        refuse_running(folder / "run")  # or every later command would ask at ports where it does not listen
        record["port_base"] = base
        write_whole(folder / RECORD, record)
    home = Home(folder, Ports(record["port_base"]), practice)
    _make_folders(home)
    return home


def _was_started(home: Home) -> bool:
    return any((home.folder / name).exists() for name in ("postgres", "kafka"))


def _make(folder: Path, base: int, *, practice: bool, practice_start: datetime | None) -> Home:
    if folder.exists() and {entry.name for entry in folder.iterdir()} - {DEMO}:
        raise StackProblem(
            f"{folder} exists, is not empty and is no stack's home", "choose an empty or new folder with TUOPIN_HOME"
        )
    folder.mkdir(parents=True, exist_ok=True)
    home = Home(folder, Ports(base), practice)
    _make_folders(home)
    if practice:
        make_practice(folder, practice_start or datetime.now(UTC))
    write_whole(folder / RECORD, {"made_by": "tuopin", "port_base": base, "practice": practice})
    return home


def _make_folders(home: Home) -> None:
    for folder in (home.run, home.logs, home.config):
        folder.mkdir(exist_ok=True)
    home.secrets.mkdir(mode=0o700, exist_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StackProblem(f"{path} cannot be read: {error.strerror}", ANOTHER_FOLDER) from None
    except ValueError as error:
        raise StackProblem(f"{path} cannot be read: {error}", "restore it, or remove the whole folder") from None
    if not isinstance(record, dict) or record.get("made_by") != "tuopin" or not record.keys() >= {*KEPT}:
        raise StackProblem(f"{path} is not a stack's record", ANOTHER_FOLDER)
    return record


def write_whole(path: Path, record: Mapping[str, Any], mode: int = 0o644) -> None:
    """Whole or not at all, and never for a moment readable by others if it is a secret."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=mode)
    fresh.write_text(json.dumps(record, indent=1) + "\n")
    fresh.replace(path)


@contextlib.contextmanager
def alone_in(folder: Path, refusal: StackProblem | None = None) -> Iterator[None]:
    """Wait for whoever holds the folder, or refuse. The folder itself is the lock: no file is left, not by a kill."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if refusal is None else fcntl.LOCK_NB))
        except BlockingIOError as taken:
            raise refusal or taken from None
        yield
    finally:
        os.close(descriptor)


def kept_secret(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Made once and then kept: of two who want it at the same moment, both get the same."""
    if not path.exists():
        with alone_in(path.parent):
            if not path.exists():
                write_whole(path, make(), mode=0o600)
    kept = json.loads(path.read_text())
    assert isinstance(kept, dict)
    return kept


def forget(home: Home) -> None:
    """Remove what a stack made in its home, and nothing else that may lie there. The mark goes last."""
    for name in OWN_ENTRIES:
        path = home.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        home.folder.rmdir()
