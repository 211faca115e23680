"""Whole stacks for tests: homes of their own, on ports of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from stack.home import PROJECT, Home, find, free_port_base


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that the database's unprivileged user may enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="tuopin-stack-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Stack:
    """A stack under test, driven by the command alone."""

    folder: Path
    base: int

    def tuopin(
        self, *arguments: str, fails: bool | None = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        told = {**os.environ, "TUOPIN_HOME": str(self.folder), "TUOPIN_PORT_BASE": str(self.base), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            cwd=PROJECT, env=told, capture_output=True, text=True, check=False, timeout=420,
        )  # fmt: skip
        assert fails is None or (done.returncode != 0) == fails, done.stdout + done.stderr
        return done

    @property
    def home(self) -> Home:
        return find(self.folder)

    def states(self) -> dict[str, Any]:
        rows = json.loads((self.folder / "run" / "state.json").read_text())
        assert isinstance(rows, dict)
        return rows

    def watcher(self) -> int:
        return int((self.folder / "run" / "supervisor.pid").read_text())

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this stack: the watcher and all below it."""
        watcher = psutil.Process(self.watcher())
        return [watcher, *watcher.children(recursive=True)]


@contextmanager
def a_stack(*arguments: str) -> Iterator[Stack]:
    """A whole stack, up; gone at the end whatever happened."""
    with reachable_folder() as folder:
        stack = Stack(folder / "home", free_port_base())
        try:
            stack.tuopin("up", *arguments)
            yield stack
        finally:
            if (stack.folder / "stack.json").exists():
                stack.tuopin("clean")


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about: {what}"
        time.sleep(0.05)
