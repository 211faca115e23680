"""`python -m stack` is the `tuopin` command. What the watcher starts goes past the command line's own library: eleven
processes at once each save a good part of their start.
"""

import sys

from stack.problems import plain
from stack.provision import SERVICES


def _run(arguments: list[str]) -> None:
    match arguments:
        case ["supervise"]:
            from stack.supervising import supervise

            supervise()
        case ["job", name]:
            from stack.jobs import run_job

            run_job(name)
        case ["api" | "worker" as kind, service] if service in SERVICES:
            from stack.serve import serve

            serve(kind, service)
        case _:
            from stack.command import main

            main()


try:
    _run(sys.argv[1:])
except Exception as error:
    problem = plain(error)
    if problem is None:
        raise
    sys.exit(f"tuopin: {problem}")
