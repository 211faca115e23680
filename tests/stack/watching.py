"""A watcher over small programs, run as a process of its own: `python -m tests.stack.watching FOLDER`.

`programs.json` in the folder says what they do; every start and stop is written to `events.log`, one line each.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from stack.problems import StackProblem
from stack.processes import Program, port_answers, require_free
from stack.supervisor import Supervisor, hold

# Serves on a port until SIGTERM; notes both. It stands for any program of the stack.
SERVER = """
import signal, socket, sys, time
name, port, events = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def note(text):
    with open(events, "a") as log: log.write(f"{name} {text}\\n")
def stop(*_):
    note("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("started")
listener = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listener.accept(); connection.close()
"""
# Ends at once, with a time stamp.
CRASHER = """
import sys, time
with open(sys.argv[3], "a") as log: log.write(f"{sys.argv[1]} crashed {time.monotonic()}\\n")
sys.exit(3)
"""
JOB = """
import sys
with open(sys.argv[3], "a") as log: log.write(f"{sys.argv[1]} done\\n")
"""
KINDS = {"server": SERVER, "crasher": CRASHER, "job": JOB}


def program_of(folder: Path, wanted: dict[str, Any]) -> Program:
    name, port, kind = wanted["name"], wanted["port"], wanted["kind"]

    async def probe() -> bool:
        return await asyncio.to_thread(port_answers, port)

    return Program(
        name=name,
        argv=(sys.executable, "-c", KINDS[kind], name, str(port), str(folder / "events.log")),
        probe=probe,
        needs=tuple(wanted.get("needs", ())),
        stops_before=tuple(wanted.get("stops_before", ())),
        before=lambda: require_free(name, (port,) if port else ()),
        once=kind == "job",
        patience_seconds=5,
        ports=(port,) if port else (),
    )


def main(folder: Path) -> None:
    programs = [program_of(folder, wanted) for wanted in json.loads((folder / "programs.json").read_text())]
    try:
        with hold(folder):
            asyncio.run(Supervisor(folder, lambda name: folder / f"{name}.log", programs).main())
    except StackProblem as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
