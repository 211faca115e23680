"""Run one heavy function in a child process: bounded in memory and time, dead with its parent.

Parsing a county's workbook takes seconds of processor and gigabytes at worst: never on the event loop, and whatever a
hostile file does to the parser, the worker lives on.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from services.registry.forms.limits import Limits
from services.registry.forms.problems import FileTooSlow
from shared.errors import Problem

Answer = TypeVar("Answer")

_PR_SET_PDEATHSIG = 1


class ChildFailed(RuntimeError):
    """子进程异常: it ended without an answer; its own log says why."""


def run_in_child(
    function: Callable[..., Answer], *arguments: object, limits: Limits | None = None, **named: Any
) -> Answer:
    """Call a picklable function in a fresh process and wait; a `Problem` raised there is raised here."""
    bounds = limits or Limits()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    work = (theirs, os.getpid(), bounds.memory_bytes, function, arguments, named)
    child = context.Process(target=_work, args=work, daemon=True)
    child.start()
    theirs.close()
    try:
        answer: Answer = _answer(ours, child, bounds)
        return answer
    finally:
        _end(child)
        ours.close()


def _answer(ours: Connection, child: Any, bounds: Limits) -> Any:
    if not ours.poll(bounds.seconds):
        raise FileTooSlow(limit=f"{bounds.seconds} s")
    try:
        kind, value = ours.recv()
    except EOFError:
        child.join(5)
        raise _why(child.exitcode, bounds) from None
    if kind == "answer":
        return value
    raise value if isinstance(value, Problem) else ChildFailed(str(value))


def _why(exit_code: int | None, bounds: Limits) -> Exception:
    """A child that the memory limit ended dies by abort or kill, without a word."""
    if exit_code in (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGBUS):
        return FileTooSlow(limit=f"{bounds.memory_bytes // 2**20} MiB")
    return ChildFailed(f"exit code {exit_code}")


def _end(child: Any) -> None:
    child.join(0.2)
    if child.is_alive():
        child.kill()
        child.join(5)


def _work(
    answers: Connection,
    parent: int,
    memory_bytes: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> None:
    """The child's life."""
    bind_to_parent(parent)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answers.send(("answer", function(*arguments, **named)))
    except Problem as problem:
        answers.send(("problem", problem))
    except MemoryError:
        answers.send(("problem", FileTooSlow(limit=f"{memory_bytes // 2**20} MiB")))


def bind_to_parent(parent: int) -> None:
    """The kernel kills this process when its parent dies; if that happened already, leave at once."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
