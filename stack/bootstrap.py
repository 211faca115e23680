"""The set-up that `make` does before anything else, run by whatever `python3` there is.

It is kept to syntax that old Pythons can read, so that one of them is told so instead of meeting a SyntaxError, and to
the standard library. It is quick the second time: a stamp in `.venv` remembers the locks it was filled from.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from typing import Dict, NoReturn, Sequence

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 31)
NEEDED_BYTES = 2500000000
PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(PROJECT, ".venv")
STAMP = os.path.join(VENV, ".tuopin-stamp")
LOCKS = ("requirements-bootstrap.lock", "requirements-dev.lock")


def stop(what: str, remedy: str) -> NoReturn:
    sys.exit("tuopin: %s\n  What to do: %s" % (what, remedy))


def check_machine() -> None:
    if sys.version_info[:2] < OLDEST_PYTHON:
        found = "%d.%d" % sys.version_info[:2]
        stop("Python %s is too old; 3.11 or newer is needed" % found, "name a newer one: make PYTHON=python3.12 ...")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        found = "%s %s" % (platform.system(), platform.machine())
        stop(
            "this machine is %s; the embedded stack runs on x86-64 Linux alone" % found,
            "use such a machine, or run docker-compose.yml with a container engine",
        )
    name, number = platform.libc_ver()
    if name != "glibc" or tuple(int(part) for part in number.split(".")[:2]) < OLDEST_GLIBC:
        stop(
            "this system's C library is %s %s; glibc 2.31 or newer is needed" % (name or "unknown", number),
            "use a newer distribution, or run docker-compose.yml with a container engine",
        )


def check_disk() -> None:
    free = shutil.disk_usage(PROJECT).free
    if free < NEEDED_BYTES:
        stop(
            "the disk of %s has %d MB left; a first set-up needs %d MB"
            % (PROJECT, free // 10**6, NEEDED_BYTES // 10**6),
            "free some space, or put the project on another disk",
        )


def fingerprint() -> str:
    """What the environment was made from: the locks, the command's definition, and the interpreter."""
    digest = hashlib.sha256(repr((sys.version_info[:2], PROJECT)).encode())
    for name in (*LOCKS, "pyproject.toml"):
        with open(os.path.join(PROJECT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_ready(wanted: str) -> bool:
    try:
        with open(STAMP) as file:
            same = file.read().strip() == wanted
    except OSError:
        return False
    return same and interpreter_works()


def interpreter_works() -> bool:
    """A moved folder or an upgraded system leaves a `.venv` whose interpreter is gone."""
    if not os.path.exists(venv_python()):
        return False
    return subprocess.call([venv_python(), "-c", ""], stderr=subprocess.DEVNULL) == 0


def venv_python() -> str:
    return os.path.join(VENV, "bin", "python")


def step(text: str, command: Sequence[str], remedy: str) -> None:
    """Run one step of the set-up, telling what it is and how long it took; its output is shown only if it fails."""
    print("  %s ..." % text, end="", flush=True)
    began = time.time()
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
    if done.returncode:
        print(" failed")
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        stop("%s failed:\n    %s" % (text, "\n    ".join(lines[-12:])), remedy)
    print(" %.1f s" % (time.time() - began), flush=True)


def environment() -> Dict[str, str]:
    """uv does not read pip's settings: hand on a mirror that was chosen for pip."""
    told = dict(os.environ)
    if "PIP_INDEX_URL" in told:
        told.setdefault("UV_INDEX_URL", told["PIP_INDEX_URL"])
    return told


NETWORK = "check the network (or proxy) and the free disk space, then run the same command again; it goes on from there"


def fill_environment() -> None:
    if not interpreter_works():
        step(
            "making .venv with Python %d.%d" % sys.version_info[:2],
            [sys.executable, "-m", "venv", "--clear", VENV],
            "the system's Python may lack venv: on Debian and Ubuntu, `apt install python3-venv`",
        )
    python = venv_python()
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    step("installing the installer", [*pip, "-r", LOCKS[0]], NETWORK)
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    step("installing the locked packages (about 800 MB on disk)", [*uv, "--require-hashes", "-r", LOCKS[1]], NETWORK)
    step("installing the tuopin command", [*uv, "--no-deps", "--offline", "-e", PROJECT], "run the same command again")


def prepare_kafka() -> None:
    """Kafka's jars and start-up cache, in the user's cache; the module shows its own progress."""
    if subprocess.call([venv_python(), "-m", "stack", "fetch"], cwd=PROJECT):
        sys.exit(1)


def wait_for_turn() -> int:
    """Two set-ups at once would tear down each other's environment. The folder itself is the lock; a kill frees it."""
    import fcntl  # not every system has it, and those are told so first

    descriptor = os.open(PROJECT, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("  another set-up is under way here; waiting for it ...", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def main() -> None:
    check_machine()
    wanted = fingerprint()
    if is_ready(wanted):
        return
    turn = wait_for_turn()
    if not is_ready(wanted):
        check_disk()
        fill_environment()
        prepare_kafka()
        with open(STAMP, "w") as file:
            file.write(wanted + "\n")
    os.close(turn)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        stop("the set-up met: %s" % error, "free some disk space or mend the folder's rights, then run it again")
