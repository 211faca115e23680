"""Kafka's jars: fetched once into the user's cache, each pinned by SHA-256 in `kafka.lock` and compared by ourselves.

The fetcher's own lock is not trusted: it passed with a falsified checksum.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.problems import StackProblem

LOCK_FILE = Path(__file__).with_name("kafka.lock")
# slf4j-simple: without a binding the broker would log nothing at all.
WANTED = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"

Progress = Callable[[str], None]


@dataclass(frozen=True, order=True)
class Jar:
    """One line of the lock: Maven coordinates and what the file must hash to."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    lines = (line.split() for line in LOCK_FILE.read_text().splitlines() if line and not line.startswith("#"))
    return sorted(_jar(coordinates, sha256) for coordinates, sha256 in lines)


def _jar(coordinates: str, sha256: str) -> Jar:
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256)


def cache_folder() -> Path:
    """One folder a lock, in the user's cache, so that every checkout shares it."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    return root / "tuopin" / f"kafka-{digest}"


@contextlib.contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Two stacks being set up at once must not write the same cache at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_jars(progress: Progress) -> list[Path]:
    """The class path, sorted, with every file proven equal to the lock; missing or damaged ones are fetched."""
    folder = cache_folder()
    jars = locked_jars()
    paths = [folder / jar.file_name for jar in jars]
    if all(is_right(jar, path) for jar, path in zip(jars, paths, strict=True)):
        return sorted(paths)
    with sole_use(folder):
        missing = [(jar, path) for jar, path in zip(jars, paths, strict=True) if not is_right(jar, path)]
        progress(f"fetching {len(missing)} jars of Kafka (once; about 43 MB)")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: _fetch(one[0], one[1], folder), missing))
    return sorted(paths)


def is_right(jar: Jar, path: Path) -> bool:
    return path.exists() and sha256_of(path) == jar.sha256


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(jar: Jar, path: Path, folder: Path) -> None:
    """Fetch one jar, compare it, and only then give it its name. What an interruption left is fetched anew."""
    from jgo.maven import MavenContext  # imported here: only a first set-up needs it
    from requests import RequestException

    store = folder / "incoming"
    context = MavenContext(repo_cache=store, timeout=60)
    shutil.rmtree(store.joinpath(*jar.group.split("."), jar.artifact, jar.version), ignore_errors=True)
    try:
        fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (RequestException, RuntimeError, OSError) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise StackProblem(
            f"could not fetch {jar.file_name} ({reason})",
            "check the network (or proxy) and the free disk space, then run it again; what was fetched is kept",
        ) from error
    accept(jar, fetched, path)


def accept(jar: Jar, fetched: Path, path: Path) -> None:
    """Give a fetched file its place, if it is what the lock pins; otherwise it is thrown away."""
    found = sha256_of(fetched)
    if found != jar.sha256:
        fetched.unlink()
        raise StackProblem(
            f"{jar.file_name} is not the file that stack/kafka.lock pins (sha256 {found}, expected {jar.sha256})",
            "run again; if it happens twice, the repository or a proxy between serves something else: do not use it",
        )
    fetched.rename(path)


def write_lock() -> None:
    """Resolve Kafka and its dependencies anew and pin what was found (`make lock`)."""
    import jgo

    jars = []
    for artifact in jgo.resolve(WANTED):
        path = artifact.resolve()
        jars.append(Jar(artifact.groupId, artifact.artifactId, artifact.version, sha256_of(path)))
    head = "# Kafka's class path: Maven coordinates and SHA-256. Written by `make lock`; checked at every start.\n"
    LOCK_FILE.write_text(head + "".join(f"{j.group}:{j.artifact}:{j.version} {j.sha256}\n" for j in sorted(jars)))


if __name__ == "__main__":
    write_lock()
