"""What goes wrong while setting up or starting is said plainly, with what to do; nothing is changed on the way."""

import ast
import asyncio
import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

from stack import bootstrap, preflight
from stack.command import app
from stack.home import PROJECT, Ports, find, forget, free_port_base, open_home
from stack.postgres import dsn
from stack.problems import StackProblem, plain
from stack.processes import free_ports, port_answers
from stack.supervisor import hold, holder
from stack.tokens import signing_key
from tests.conftest import Cluster
from tests.stack.homes import reachable_folder

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
CLOSED = "http://127.0.0.1:9"  # the discard port: nobody listens


def tuopin(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stack", *arguments]
    told = {**os.environ, **environment}
    return subprocess.run(command, cwd=PROJECT, env=told, capture_output=True, text=True, check=False, timeout=120)


def assert_plain(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "What to do:" in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("version", "machine", "libc", "told"),
    [
        ((3, 10), ("Linux", "x86_64"), ("glibc", "2.36"), "Python 3.10 is too old"),
        ((3, 11), ("Linux", "aarch64"), ("glibc", "2.36"), "Linux aarch64"),
        ((3, 11), ("Darwin", "arm64"), ("", ""), "Darwin arm64"),
        ((3, 11), ("Linux", "x86_64"), ("glibc", "2.28"), "2.28"),
        ((3, 11), ("Linux", "x86_64"), ("", ""), "not glibc"),
    ],
)
def test_a_machine_that_will_not_do_is_named(
    version: tuple[int, int], machine: tuple[str, str], libc: tuple[str, str], told: str
) -> None:
    with pytest.raises(StackProblem, match=told):
        preflight.check_machine(version, machine, libc)


def test_this_machine_will_do() -> None:
    preflight.check_machine()
    preflight.check_machine((3, 13), ("Linux", "x86_64"), ("glibc", "2.31"))


def test_a_full_disk_is_told_with_what_is_missing(tmp_path: Path) -> None:
    preflight.check_disk(tmp_path, free=preflight.DISK_FOR_A_STACK)
    with pytest.raises(StackProblem, match=r"has 12 MB left; 1500 MB are needed"):
        preflight.check_disk(tmp_path / "not" / "yet" / "there", free=12_345_678)


def test_a_taken_port_is_named_before_anything_starts() -> None:
    with reachable_folder() as folder, socket.socket() as other:
        base = free_port_base()
        other.bind(("127.0.0.1", Ports(base).kafka))
        other.listen()
        done = tuopin("up", TUOPIN_HOME=str(folder / "home"), TUOPIN_PORT_BASE=str(base))
        assert_plain(done, f"{base + 2} (kafka)", "TUOPIN_PORT_BASE")
        assert not (folder / "home" / "postgres").exists()


@pytest.mark.parametrize("base", ["80", "sixty", "65001", "-1"])
def test_a_port_base_that_cannot_be_is_refused(base: str, tmp_path: Path) -> None:
    assert_plain(tuopin("up", TUOPIN_HOME=str(tmp_path / "home"), TUOPIN_PORT_BASE=base), repr(base))


def test_a_folder_that_nobody_may_enter_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    """As root the database runs as `nobody`; as an ordinary user there is nothing to reach."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    done = tuopin("up", TUOPIN_HOME=str(locked / "home"), TUOPIN_PORT_BASE=str(free_port_base()))
    if os.geteuid() == 0:
        assert_plain(done, "cannot be entered by `nobody`", "chmod o+x")
    else:
        assert done.returncode == 0
        assert tuopin("clean", TUOPIN_HOME=str(locked / "home")).returncode == 0
    assert stat.S_IMODE(locked.stat().st_mode) == 0o700


def test_a_folder_that_is_no_stack_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    assert_plain(tuopin("up", TUOPIN_HOME=str(tmp_path), TUOPIN_PORT_BASE=str(free_port_base())), "is no stack's home")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("record", ['{"made_by":"tuopin"', '{"made_by":"tuopin"}', "[]"])
def test_a_damaged_record_is_told_plainly(record: str, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(record)
    for command in (["up"], ["status"]):
        assert_plain(tuopin(*command, TUOPIN_HOME=str(tmp_path)), "stack.json")


def test_a_folder_that_cannot_be_made_is_told_plainly(tmp_path: Path) -> None:
    """Not even root makes one in /proc, or inside a file."""
    (tmp_path / "file").touch()
    for folder in ("/proc/tuopin", str(tmp_path / "file"), str(tmp_path / "file" / "home")):
        done = tuopin("up", TUOPIN_HOME=folder, TUOPIN_PORT_BASE=str(free_port_base()))
        assert_plain(done, folder, "TUOPIN_HOME")
    assert (tmp_path / "file").exists()


def test_commands_without_a_stack_say_so(tmp_path: Path) -> None:
    for command in (["down"], ["status"], ["logs"], ["token", "--sub", "a", "--role", "clerk", "--division", "5"]):
        assert_plain(tuopin(*command, TUOPIN_HOME=str(tmp_path / "none")), "there is no stack in")


def test_an_ordinary_home_never_becomes_one_for_practice_nor_the_reverse(tmp_path: Path) -> None:
    for practice in (True, False):
        folder = tmp_path / str(practice)
        home = open_home(folder, practice=practice)
        assert open_home(folder, practice=practice) == home
        (folder / "postgres").mkdir()  # it was started
        with pytest.raises(StackProblem, match="was made as"):
            open_home(folder, practice=not practice)
        assert (folder / "clock.json").exists() == practice


def test_a_running_stack_keeps_its_ports_and_kind(tmp_path: Path) -> None:
    """A second start with another base is refused before anything is written: `status` must still find the stack."""
    base = free_port_base()
    home = open_home(tmp_path / "home", practice=False, port_base=base)
    told = {"TUOPIN_HOME": str(home.folder)}
    with hold(home.run):
        assert_plain(tuopin("up", **told, TUOPIN_PORT_BASE=str(free_port_base())), "already running")
        assert_plain(tuopin("up", "--practice", **told), "already running")
        assert find(home.folder) == home
    moved = open_home(home.folder, practice=False, port_base=20_000)
    assert moved.ports == Ports(20_000)


def test_a_home_is_held_before_anything_is_made_in_it() -> None:
    """Of two starts at the same moment one is refused; neither tears down the database that the other is making."""
    with reachable_folder() as folder:
        home = open_home(folder / "home", practice=False, port_base=free_port_base())
        command = [sys.executable, "-m", "stack", "supervise"]
        told = {**os.environ, "TUOPIN_HOME": str(home.folder)}
        watcher = subprocess.Popen(command, cwd=PROJECT, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(home.folder / "postgres", watcher)
            assert holder(home.run) == watcher.pid
            wait_for(home.run / "state.json", watcher)
        finally:
            watcher.terminate()
            watcher.wait(90)


def wait_for(path: Path, watcher: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and watcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def test_secrets_wanted_by_many_at_once_are_made_once(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home", practice=False)
    with ThreadPoolExecutor(8) as pool:
        keys = {key.kid for key in pool.map(lambda _: signing_key(home), range(8))}
        passwords = {found["postgres"] for found in pool.map(lambda _: home.passwords(), range(8))}
    assert (len(keys), len(passwords)) == (1, 1)


def test_a_home_whose_first_start_was_refused_may_still_become_either(tmp_path: Path) -> None:
    """Ports were taken, say: nothing has been decided yet."""
    open_home(tmp_path / "home", practice=False, port_base=20_000).passwords()
    second = open_home(tmp_path / "home", practice=True)
    assert second.practice
    assert second.ports == Ports(20_000)
    assert (tmp_path / "home" / "clock.json").exists()


def test_commands_on_a_stack_that_stands_still_say_so(tmp_path: Path) -> None:
    """Its ports may be another stack's by now, so nothing is asked there."""
    open_home(tmp_path / "home", practice=False)
    for command in (["verify"], ["republish", "notify"], ["replay", "notify"], ["migrate", "notify"]):
        assert_plain(tuopin(*command, TUOPIN_HOME=str(tmp_path / "home")), "is not running", "tuopin up")


@pytest.mark.parametrize(("role", "division", "told"), [("boss", "623023", "boss"), ("clerk", "62302", "62302")])
def test_a_token_that_would_open_nothing_is_not_signed(role: str, division: str, told: str, tmp_path: Path) -> None:
    open_home(tmp_path / "home", practice=False)
    arguments = ("token", "--sub", "a", "--role", role, "--division", division)
    assert_plain(tuopin(*arguments, TUOPIN_HOME=str(tmp_path / "home")), told)


def test_secrets_are_for_their_owner_alone_and_kept(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home", practice=False)
    passwords = home.passwords()
    home.key_ring()
    assert len(set(passwords.values())) == len(passwords) == 13
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.secrets.iterdir()} == {0o600}
    assert open_home(tmp_path / "home", practice=False).passwords() == passwords
    assert open_home(tmp_path / "other", practice=False).passwords() != passwords


def test_forgetting_a_home_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home", practice=True)
    home.passwords()
    (home.folder / "letter.txt").write_text("mine")
    forget(home)
    assert [path.name for path in home.folder.iterdir()] == ["letter.txt"]


NOBODY_LISTENS = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("command", "environment", "words"),
    [
        (["topics"], {"TUOPIN_KAFKA_BOOTSTRAP": NOBODY_LISTENS}, ("Kafka does not answer", "TUOPIN_KAFKA_BOOTSTRAP")),
        (["migrate", "notify"], {"TUOPIN_DATABASE_URL": f"postgresql://a:b@{NOBODY_LISTENS}/c"}, ("Connect call",)),
        (["replay", "notify"], {"TUOPIN_DATABASE_URL": f"postgresql://a:b@{NOBODY_LISTENS}/c"}, ("tuopin status",)),
        (["gateway-config", "/dev/full"], {"TUOPIN_JWKS_URI": "https://a.example/keys"}, ("No space", "free some")),
        (["sample", "--out", "/proc/none", "--households", "400"], {}, ("/proc/none", "run the same command again")),
        (["backup", "/proc/none"], {}, ("there is no stack in",)),
    ],
)
def test_what_the_system_refuses_is_told_plainly(
    command: list[str], environment: dict[str, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    assert_plain(tuopin(*command, TUOPIN_HOME=str(tmp_path / "none"), **environment), *words)


async def test_a_password_that_does_not_fit_is_told_plainly(cluster: Cluster) -> None:
    wrong = dsn(cluster.port, "postgres", "registry_worker", "not-it")
    for command in ("migrate", "replay"):
        told = {"TUOPIN_DATABASE_URL": wrong}
        assert_plain(await asyncio.to_thread(tuopin, command, "registry", **told), "the database refused", "password")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_what_belongs_to_another_user_is_told_so(number: int) -> None:
    problem = plain(OSError(number, os.strerror(number), "/home/li/.stack/secrets/passwords.json"))
    assert problem is not None
    assert problem.what.startswith("/home/li/.stack/secrets/passwords.json: ")
    assert "belongs to another user" in problem.remedy


def test_a_fault_of_ours_keeps_its_trace() -> None:
    fault = asyncpg.UndefinedTableError("relation does not exist")
    assert [plain(one) for one in (KeyError("x"), AssertionError(), fault)] == [None, None, None]


def test_every_command_is_there_and_tells_of_itself() -> None:
    """`--help` of each, with what it does and each of its options; an unknown one ends with 2."""
    wanted = (
        "up down status logs clean api worker migrate topics token clock sample demo replay republish backup restore"
        " inspect"
    )
    missing = {*wanted.split(), "verify"} - COMMANDS.keys()
    assert missing == set()
    options = {name for one in COMMANDS["token"].params for name in one.opts}
    assert options >= {"--sub", "--name", "--role", "--division"}
    for name, one in COMMANDS.items():
        told = CliRunner().invoke(app, [name, "--help"], terminal_width=200)
        assert told.exit_code == 0, name
        assert (one.help or "").splitlines()[0][:40] in told.output, name
    for wrong in (["frob"], ["token", "--frob"], ["api"], ["token", "--sub", "a"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2, wrong


# --- the set-up of `make` ---------------------------------------------------------------------------------------------


def set_up(project: Path, pretence: str = "pass", **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make` does first, by a Python that is made to believe something."""
    script = f"import sys, runpy; {pretence}; runpy.run_path('stack/bootstrap.py', run_name='__main__')"
    told = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=told, capture_output=True, text=True, check=False
    )


def test_old_pythons_can_read_the_set_up_and_are_told_so() -> None:
    source = (PROJECT / "stack" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert_plain(set_up(PROJECT, "sys.version_info = (3, 8, 10)"), "Python 3.8 is too old", "make PYTHON=")


@pytest.mark.parametrize(
    ("pretence", "words"),
    [
        ("import platform; platform.machine = lambda: 'aarch64'", ("Linux aarch64", "docker-compose.yml")),
        ("import platform; platform.system = lambda: 'Darwin'", ("Darwin x86_64", "docker-compose.yml")),
        ("import platform; platform.libc_ver = lambda: ('glibc', '2.28')", ("glibc 2.28", "newer distribution")),
        ("import platform; platform.libc_ver = lambda: ('', '')", ("unknown", "newer distribution")),
        (
            "import shutil, types; shutil.disk_usage = lambda _: types.SimpleNamespace(free=12_345_678)",
            ("has 12 MB left; a first set-up needs 2500 MB", "free some space"),
        ),
    ],
)
def test_a_machine_that_will_not_do_is_named_before_anything_is_fetched(
    pretence: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    assert_plain(set_up(bare_project(tmp_path), pretence), *words)
    assert not (tmp_path / "project" / ".venv").exists()


@pytest.fixture
def cloned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as cloned, and the set-up's module as it would see itself there."""
    project = bare_project(tmp_path)
    monkeypatch.setattr(bootstrap, "PROJECT", str(project))
    monkeypatch.setattr(bootstrap, "VENV", str(project / ".venv"))
    monkeypatch.setattr(bootstrap, "STAMP", str(project / ".venv" / ".tuopin-stamp"))
    return project


def filled(project: Path) -> Path:
    """As a set-up leaves it; answers the interpreter's place."""
    interpreter = project / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(sys.executable)
    (project / ".venv" / ".tuopin-stamp").write_text(f"{bootstrap.fingerprint()}\n")
    return interpreter


def test_the_second_time_nothing_is_set_up_again_unless_something_changed(cloned: Path) -> None:
    """Quick: a stamp tells what the environment was filled from. A lock, the place or a lost interpreter undoes it."""
    wanted = bootstrap.fingerprint()
    assert not bootstrap.is_ready(wanted), "nothing is there yet"
    interpreter = filled(cloned)
    assert bootstrap.is_ready(wanted)
    for name in (*bootstrap.LOCKS, "pyproject.toml"):
        before = (cloned / name).read_bytes()
        (cloned / name).write_bytes(before + b"\n")
        assert not bootstrap.is_ready(bootstrap.fingerprint()), name
        (cloned / name).write_bytes(before)
    assert bootstrap.is_ready(bootstrap.fingerprint())
    interpreter.unlink()
    interpreter.symlink_to("/nowhere/python3")
    assert not bootstrap.is_ready(wanted), "the system's Python was upgraded, or the folder moved"


def test_of_two_set_ups_at_once_the_second_waits_and_has_nothing_left_to_do(cloned: Path) -> None:
    turn = bootstrap.wait_for_turn()
    try:
        script = "import runpy; runpy.run_path('stack/bootstrap.py', run_name='__main__')"
        second = subprocess.Popen([sys.executable, "-c", script], cwd=cloned, stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert "another set-up is under way here" in second.stdout.readline()
        assert second.poll() is None
        filled(cloned)
    finally:
        os.close(turn)
    rest, _ = second.communicate(timeout=60)
    assert (second.returncode, rest) == (0, ""), "nothing was installed a second time"


def bare_project(folder: Path) -> Path:
    """As cloned, as far as the set-up is concerned."""
    project = folder / "project"
    (project / "stack").mkdir(parents=True)
    shutil.copy(PROJECT / "stack" / "bootstrap.py", project / "stack")
    for name in ("requirements-bootstrap.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copy(PROJECT / name, project)
    return project


def test_set_up_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    cut_off = {"PIP_INDEX_URL": CLOSED, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    done = set_up(bare_project(tmp_path), **cut_off)
    assert_plain(done, "installing the installer failed", "check the network")
    assert not (tmp_path / "project" / ".venv" / ".tuopin-stamp").exists()


def test_fetching_kafka_without_a_network_says_so(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"), CLOSED)
    done = tuopin("fetch", XDG_CACHE_HOME=str(tmp_path), **proxies)
    assert_plain(done, "could not fetch", "check the network")


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(port_answers(port) for port in ports)
