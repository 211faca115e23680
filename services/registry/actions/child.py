"""The parsing child: one process a file, which reads it once and answers about its chunks. It dies with its parent.

Reading, checking and sealing a county's file takes seconds of processor: never on the event loop. A hostile file that
ends the child ends its own job, nothing else; a child that was killed is started again and reads the file anew.

The file is people in clear: it lies in the temporary folder without a name, so that a kill leaves nothing of it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from services.registry.forms.answer import ANSWER_FOLDER
from services.registry.store.arrivals import Asked, ChunkKeys, Numbered, Opening
from shared.crypto import KeyRing
from shared.errors import Problem

ENCODING = "services.registry.store.encoding"


class ChildGone(RuntimeError):
    """子进程中断: it ended without an answer, by its limits or by a signal."""


def sweep() -> None:
    """Remove what killed children left of answer workbooks: the library that writes them needs files with names."""
    for folder in Path(tempfile.gettempdir()).glob(f"{ANSWER_FOLDER}*"):
        if not Path("/proc", folder.name.split("-")[2]).exists():
            shutil.rmtree(folder, ignore_errors=True)


class ParsingChild:
    """解析子进程: a file that is open in a process of its own."""

    def __init__(self, content: bytes, asked: Asked, keys: KeyRing, memory_bytes: int, seconds: float) -> None:
        sweep()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._file.write(content)
        self._file.flush()
        self._path = Path(f"/proc/{os.getpid()}/fd/{self._file.fileno()}")
        self._seconds = seconds
        ours, theirs = socket.socketpair()
        self._ours = Connection(ours.detach())
        with theirs:
            self._process = _start(theirs.fileno())
        with suppress(OSError):  # a child that is gone already is told of by the first question
            self._ours.send((os.getpid(), memory_bytes, self._path, asked, keys))

    async def opening(self) -> Opening:
        """What the file holds; raises what is wrong with the whole of it."""
        opening: Opening = await self._ask("opening")
        return opening

    async def keys_of(self, chunk: int) -> ChunkKeys:
        """Keys of one chunk."""
        keys: ChunkKeys = await self._ask("keys_of", chunk)
        return keys

    async def encode(self, job: Any, chunk: int, numbered: Numbered) -> dict[str, tuple[list[str], bytes]]:
        """One chunk's rows for COPY."""
        files: dict[str, tuple[list[str], bytes]] = await self._ask("encode", job, chunk, numbered)
        return files

    async def answer(self, *asked: Any) -> bytes:
        """The answer workbook."""
        book: bytes = await self._ask("answer", *asked)
        return book

    async def listed(self) -> tuple[list[int], list[str]]:
        """Villages and numbers of a full list."""
        found: tuple[list[int], list[str]] = await self._ask("listed")
        return found

    async def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(self._exchange, name, arguments)
        except asyncio.CancelledError:
            self._process.kill()  # it may still be answering a question that nobody asks any more
            raise
        except (EOFError, OSError) as error:
            raise ChildGone(f"the parsing process ended with {self._ended(2)}") from error

    def _ended(self, seconds: float) -> int | None:
        """How it ended, if it did in that time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self._ours.send((name, arguments))
        if not self._ours.poll(self._seconds):
            self._process.kill()
            raise EOFError
        said, value = self._ours.recv()
        if said == "answer":
            return value
        raise value if isinstance(value, Problem) else ChildGone(str(value))

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def end(self) -> None:
        """The file is done with; the child goes at once."""
        with suppress(OSError):
            self._ours.close()
        self._process.kill()
        self._ended(5)
        self._file.close()


def _start(answers: int) -> subprocess.Popen[bytes]:
    """A process that imports what it needs and nothing that its parent happens to be made of."""
    path = os.pathsep.join(place for place in sys.path if place)
    program = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({answers})"]
    return subprocess.Popen(
        program, env={**os.environ, "PYTHONPATH": path}, pass_fds=[answers], stdin=subprocess.DEVNULL
    )


def serve(socket_number: int) -> None:
    """The child's life: read the file, then answer until the parent hangs up."""
    answers = Connection(socket_number)
    with suppress(EOFError):
        _answer(answers, *answers.recv())


def _answer(answers: Connection, parent: int, memory_bytes: int, path: Path, asked: Asked, keys: KeyRing) -> None:
    from services.registry.forms.child import bind_to_parent

    bind_to_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    book: Any = None
    while True:
        name, arguments = answers.recv()
        try:
            if book is None:
                book = importlib.import_module(ENCODING).Book(path, asked, keys)
            answers.send(("answer", getattr(book, name)(*arguments)))
        except Problem as problem:
            answers.send(("problem", problem))
        except Exception as error:  # noqa: BLE001 - told to the parent by its kind alone: its text may hold a row
            answers.send(("failed", type(error).__name__))
