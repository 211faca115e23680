"""The binding child: one process an export, which turns lines into a file. It dies with its parent.

A county's workbook takes minutes of processor: never on the event loop. The file lies in the temporary folder without
a name, so that a kill leaves nothing of it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

from services.registry.actions.child import ChildGone, sweep
from services.registry.domain.exports import Line
from services.registry.forms.binding import Binding, bind

Batch = Sequence[Line]


async def bound_here(binding: Binding, batches: Sequence[Batch]) -> BinaryIO:
    """The file of a village: a thread has it in less time than a process takes to begin."""
    sweep()
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's to close
    await asyncio.to_thread(bind, binding, batches, Path(f"/proc/self/fd/{file.fileno()}"))
    return file


async def bound(binding: Binding, batches: AsyncIterator[Batch], seconds: float) -> BinaryIO:
    """The file, open at its beginning; whoever asked closes it."""
    sweep()
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's to close
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    path = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    work = (theirs, os.getpid(), binding, path)
    process = context.Process(target=_serve, args=work, daemon=True, name="registry-binding")
    process.start()
    theirs.close()
    try:
        async for batch in batches:
            await asyncio.to_thread(ours.send, batch)
        await asyncio.to_thread(_ended, ours, seconds)
    except (EOFError, OSError) as error:
        file.close()
        raise ChildGone("the binding process ended without a file") from error
    except BaseException:
        file.close()
        raise
    finally:
        with suppress(OSError):
            ours.close()
        process.kill()
        process.join(5)
    file.seek(0)
    return file


def _ended(ours: Connection, seconds: float) -> None:
    ours.send(None)
    if not ours.poll(seconds):
        raise EOFError
    said = ours.recv()
    if said is not None:
        raise ChildGone(str(said))


def _serve(lines: Connection, parent: int, binding: Binding, path: Path) -> None:
    """The child's life: take lines until there are no more, and say that the file is whole."""
    from services.registry.forms.child import bind_to_parent

    bind_to_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        bind(binding, _received(lines), path)
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - told to the parent by its kind alone: its text may hold a line
        lines.send(type(error).__name__)
    else:
        lines.send(None)


def _received(lines: Connection) -> Iterator[Batch]:
    while (batch := lines.recv()) is not None:
        yield batch
