"""The `tuopin` command: everything an operator does, in one place."""

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from stack.problems import StackProblem, plain

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(highlight=False)
Service = Annotated[str, typer.Argument(help="registry, assessment, cooperative or notify")]


def main() -> None:
    """Run it; what the operator can mend is told without a traceback."""
    try:
        app()
    except Exception as error:
        problem = plain(error)
        if problem is None:
            raise
        print(f"tuopin: {problem}", file=sys.stderr)
        sys.exit(1)


def tell(text: str) -> None:
    print(f"  {text}", flush=True)


# Modules are imported by the command that needs them: `tuopin token` must not pay for a Kafka client.


@app.command()
def up(
    practice: Annotated[bool, typer.Option(help="a stack whose domain time can be moved")] = False,
    practice_start: Annotated[datetime | None, typer.Option(help="where a new practice stack's time begins")] = None,
) -> None:
    """Start the stack and leave it running."""
    from stack.home import chosen_folder, open_home
    from stack.lifecycle import start
    from stack.preflight import check_machine

    began = time.monotonic()
    check_machine()
    start_at = practice_start.replace(tzinfo=UTC) if practice_start else None
    home = open_home(chosen_folder(), practice=practice, practice_start=start_at)
    start(home, tell)
    _tell_not_built()
    tell(f"the stack is up after {time.monotonic() - began:.1f} s: http://127.0.0.1:{home.ports.gateway}/")


def _tell_not_built() -> None:
    from stack.programs import built_doors
    from stack.provision import SERVICES

    missing = [
        f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker") if kind not in built_doors(service)
    ]
    if missing:
        tell(f"not built in this version: {', '.join(missing)}")


@app.command()
def down() -> None:
    """Stop the stack in order."""
    from stack.home import find
    from stack.lifecycle import stop

    tell("the stack is stopped" if stop(find()) else "the stack was not running")


@app.command()
def clean() -> None:
    """Stop the stack and forget its data; the demo's too. Environment, jars and backups stay."""
    from stack.home import DEMO, RECORD, chosen_folder, find, forget
    from stack.lifecycle import stop

    folders = [folder for folder in (chosen_folder(), chosen_folder() / DEMO / "home") if (folder / RECORD).exists()]
    for folder in reversed(folders):
        home = find(folder)
        stop(home)
        forget(home)
        tell(f"forgotten: {folder}")
    if not folders:
        tell(f"nothing to forget in {chosen_folder()}")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Show processes, ports, memory, waiting and parked facts. Exit code: 0 well, 1 not all up, 3 not running."""
    from dataclasses import asdict

    from stack.home import find
    from stack.status import status_of

    found = asyncio.run(status_of(find()))
    if as_json:
        print(json.dumps({**asdict(found), "well": found.is_well}))
    else:
        _print_status(found)
    if found.watcher is None:
        raise typer.Exit(3)
    raise typer.Exit(0 if found.is_well else 1)


def _print_status(found: Any) -> None:
    kind = "practice stack" if found.practice else "stack"
    running = f"running, watcher {found.watcher}" if found.watcher else "not running"
    console.print(f"{kind} in {found.home}: {running}")
    for words in found.full_disks:
        console.print(f"[bold red]{words}[/bold red]", soft_wrap=True)
    if found.programs:
        console.print(_program_table(found))
    if found.not_built:
        console.print(f"not built: {', '.join(found.not_built)}")
    for service, queues in found.queues.items():
        told = ", ".join(
            f"{name} {row['count']:.0f}" + (f" (oldest {row['age']:.0f} s)" if row["age"] else "")
            for name, row in queues.items()
        )
        console.print(f"{service}: {told}")
    for group, lag in found.lag.items():
        console.print(f"consumer group {group}: {lag} behind")
    for unknown in found.unknown:
        console.print(f"unknown: {unknown}")


def _program_table(found: Any) -> Table:
    table = Table(box=None)
    for heading in ("program", "state", "pid", "ports", "MB", "restarts", "for"):
        table.add_column(heading, no_wrap=True)
    table.add_column("last exit")
    for name, row in found.programs.items():
        ports = " ".join(map(str, row["ports"]))
        cells = (
            name,
            row["state"],
            row["pid"],
            ports,
            row["memory_mb"],
            row["restarts"],
            _ago(row["since"]),
            None if row["state"] == "done" else row["last_exit"],
        )
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    return table


def _ago(moment: str) -> str:
    if not moment:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


@app.command()
def logs(
    program: Annotated[str | None, typer.Argument(help="one program; all if left out")] = None,
    lines: Annotated[int, typer.Option("-n", help="how many lines of each")] = 20,
    follow: Annotated[bool, typer.Option("-f", help="go on as lines come")] = False,
) -> None:
    """Show the programs' logs."""
    from stack.home import find
    from stack.preflight import full_disks
    from stack.reading import follow_logs, last_lines

    home = find()
    paths = sorted(home.logs.glob("*.log")) if program is None else [home.log_of(program)]
    missing = [path.stem for path in paths if not path.exists()]
    if missing:
        known = ", ".join(sorted(path.stem for path in home.logs.glob("*.log")))
        raise StackProblem(f"there is no log of {missing[0]}", f"programs with a log: {known}")
    for line in last_lines(paths, lines):
        print(line)
    for words in full_disks(home):
        print(f"tuopin: {words}", file=sys.stderr)
    if follow:
        follow_logs(paths, print)


def _known(service: str) -> str:
    from stack.provision import SERVICES

    if service not in SERVICES:
        raise StackProblem(f"there is no service {service!r}", f"name one of {', '.join(SERVICES)}")
    return service


def _built(service: str, kind: str) -> None:
    from stack.serve import require_built

    require_built(_known(service), kind)


@app.command()
def api(service: Service) -> None:
    """Run the api process of a service in the foreground (settings from TUOPIN_… variables)."""
    from stack.serve import serve

    serve("api", _known(service))


@app.command()
def worker(service: Service) -> None:
    """Run the worker process of a service in the foreground (settings from TUOPIN_… variables)."""
    from stack.serve import serve

    serve("worker", _known(service))


@app.command()
def migrate(service: Service) -> None:
    """Bring a service's database to the newest revision and load its reference rows.

    Uses TUOPIN_DATABASE_URL (the owner's login) if it is set, otherwise the running stack in TUOPIN_HOME.
    """
    from stack.jobs import migrate_service
    from stack.programs import service_environment

    given = (
        os.environ.get("TUOPIN_DATABASE_URL")
        or service_environment(_running_home(), _known(service), "owner")["TUOPIN_DATABASE_URL"]
    )
    tell(asyncio.run(migrate_service(_known(service), given)))


@app.command()
def topics(replicas: Annotated[int, typer.Option(help="copies of each record")] = 1) -> None:
    """Make every topic of the catalogue and put its settings right."""
    from stack.jobs import make_topics

    tell(asyncio.run(make_topics(_bootstrap(), replicas)))


def _bootstrap() -> str:
    return os.environ.get("TUOPIN_KAFKA_BOOTSTRAP") or f"127.0.0.1:{_running_home().ports.kafka}"


@app.command()
def token(
    sub: Annotated[str, typer.Option(help="who: the caller's id")],
    role: Annotated[
        list[str], typer.Option(help="clerk, reviewer, approver, accountant, auditor, operator or system; repeatable")
    ],
    division: Annotated[list[str], typer.Option(help="a division code or its beginning; repeatable")],
    name: Annotated[str, typer.Option(help="the caller's name")] = "",
    minutes: Annotated[int, typer.Option(min=1, max=60 * 24 * 30, help="how long it is good")] = 60,
) -> None:
    """Sign a token with this stack's own key."""
    from stack.home import find
    from stack.tokens import check_claims, make_token

    home = find()
    check_claims(role, division)
    print(make_token(home, sub=sub, name=name or sub, roles=role, divisions=division, minutes=minutes))


@app.command()
def clock(
    to: Annotated[datetime | None, typer.Option(help="move domain time forward to this moment (Asia/Shanghai)")] = None,
) -> None:
    """Show domain time; on a practice stack, move it forward."""
    from shared.clock import SHANGHAI, Clock, ClockRefused
    from stack.home import find

    home = find()
    time_here = Clock(home.folder)
    if to is not None:
        try:
            time_here.move_to(to.replace(tzinfo=SHANGHAI))
        except ClockRefused as refused:
            remedy = "name a later moment" if home.practice else "start a practice stack with `tuopin up --practice`"
            raise StackProblem(str(refused), remedy) from None
    print(time_here.now().astimezone(SHANGHAI).isoformat(timespec="seconds"))


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="the folder to write into")],
    county: Annotated[str, typer.Option(help="the six digits of a county")] = "623023",
    households: Annotated[int, typer.Option(min=1, max=200_000, help="how many households")] = 20_000,
    seed: Annotated[int, typer.Option(help="another seed makes another county")] = 20190820,
) -> None:
    """Invent a county's register: a workbook, the same as text, and what should come of it (answers.json)."""
    from rich.progress import Progress

    from stack.sample import write_sample

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("households", total=households)
        counts = write_sample(
            county, households, out, seed=seed, tell=lambda done: progress.update(task, completed=done)
        )
    tell(f"{out}: {json.dumps(counts)}")


@app.command()
def demo(
    county: Annotated[str, typer.Option(help="the six digits of a county")] = "623023",
    households: Annotated[int, typer.Option(min=400, max=200_000, help="20000 is the demonstration")] = 20_000,
    folder: Annotated[Path | None, typer.Option(help="where its papers go; its home is in it")] = None,
    answers: Annotated[Path | None, typer.Option(help="compare with another answer file than the sample's")] = None,
) -> None:
    """Lead a county once round the loop on a practice stack; exit code 1 if any figure is not as it must be."""
    from stack.demo.run import demonstrate
    from stack.practice import DEMO_HOME

    raise typer.Exit(demonstrate(folder or DEMO_HOME.parent, county, households, console, answers=answers))


@app.command()
def inspect(
    division: Annotated[str, typer.Option(help="a county, township or village: its code or the beginning of it")],
) -> None:
    """Have every data check asked of all households of a division, and say what became of the doubts."""
    from stack.inspecting import inspect as look
    from stack.tokens import check_claims

    check_claims(["operator"], [division])
    result = look(_running_home(), division, tell)
    tell(", ".join(f"{count} {name}" for name, count in result.items()))


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="a new folder for the dump")]) -> None:
    """Write all four databases and the stack's keys into a folder."""
    from stack.backups import back_up
    from stack.home import find

    back_up(find(), folder, tell)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="a folder that `tuopin backup` wrote")],
    only: Annotated[str | None, typer.Option(help="one service's database alone")] = None,
) -> None:
    """Put a backup's databases in the place of the present ones. A running stack is stopped and started again."""
    from stack.backups import note_of, restore_from
    from stack.home import find
    from stack.lifecycle import start, stop

    home = find()
    only = None if only is None else _known(only)
    note_of(folder, home)  # before anything is stopped
    if was_running := stop(home):
        tell("the stack is stopped")
    restore_from(home, folder, tell, only)
    if was_running:
        start(home, tell)
    tell("next: `tuopin republish` for every service, then `tuopin verify`")


@app.command()
def replay(
    service: Service,
    key: Annotated[str | None, typer.Option(help="only facts of this noun")] = None,
    reason: Annotated[str | None, typer.Option(help="only facts parked for this reason")] = None,
    consumer: Annotated[str | None, typer.Option(help="only what this consumer parked")] = None,
) -> None:
    """Have a service's parked facts applied again, by the consumers that parked them."""
    from stack.recovering import replay as mark
    from stack.recovering import worker_url

    _built(service, "worker")
    count = asyncio.run(mark(worker_url(_home_or_none(), service), consumer, key, reason))
    tell(f"{service}: {count} parked facts will be applied again")


@app.command()
def republish(service: Service) -> None:
    """Announce again everything that a service holds: the way back after a lost broker or a restored backup."""
    from shared.clock import Clock
    from stack.recovering import say_again, worker_url

    _built(service, "worker")
    home = _home_or_none()
    clock = Clock(home.folder if home is not None and home.practice else None)
    for noun, count in asyncio.run(say_again(service, worker_url(home, service), clock)).items():
        tell(f"{service}: {count} facts of {noun} said again")


@app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Compare what each service said with what the others keep of it. Exit code 1 with the first differences."""
    from stack.recovering import verify as compare_all

    verdict = asyncio.run(compare_all(_running_home()))
    if as_json:
        print(json.dumps(verdict.as_json()))
    else:
        for line in verdict.lines():
            print(line)
    raise typer.Exit(0 if verdict.is_equal else 1)


def _home_or_none() -> Any:
    """The running stack's home; in a container there is none, and the environment says all."""
    return None if "TUOPIN_DATABASE_URL" in os.environ else _running_home()


def _running_home() -> Any:
    """Of a stack that stands still, the ports may belong to another one by now: do not knock there."""
    from stack.home import find
    from stack.supervisor import holder

    home = find()
    if holder(home.run) is None:
        raise StackProblem(f"the stack in {home.folder} is not running", "start it with `tuopin up`")
    return home


@app.command()
def papers(
    release: Annotated[bool, typer.Option(help="also keep them as released: from now on they only gain")] = False,
) -> None:
    """Write the papers in docs/ that are made from the code: schemas, AsyncAPI, OpenAPI, roles, rule book."""
    from stack.papers import release_papers, write_papers

    changed = write_papers()
    if release:
        release_papers()
    tell("\n  ".join(str(path) for path in changed) or "nothing changed")


@app.command("gateway-config")
def gateway_config(output: Annotated[Path, typer.Argument(help="where to write it")]) -> None:
    """Render the gateway's configuration for containers, from TUOPIN_… variables."""
    from stack.containers import write_gateway_config

    write_gateway_config(output, os.environ)


@app.command("compose-secrets")
def compose_secrets(project: Annotated[Path, typer.Argument(help="the folder of docker-compose.yml")]) -> None:
    """Write the `.env` and `secrets/` that docker-compose.yml needs; what exists is left alone."""
    from stack.containers import write_secrets

    for path in write_secrets(project) or ["nothing: both exist"]:
        tell(f"written: {path}")


@app.command()
def fetch() -> None:
    """Fetch Kafka's jars and train its start-up cache, so that the first start is quick."""
    from stack.jars import ensure_jars
    from stack.kafka import ensure_aot_cache
    from stack.preflight import check_jar_room

    check_jar_room()
    ensure_aot_cache(ensure_jars(tell), tell)


@app.command()
def provision() -> None:
    """Make databases and logins on an external server: TUOPIN_ADMIN_URL and a password variable for each login."""
    from stack.containers import provision_from

    asyncio.run(provision_from(os.environ))


@app.command(hidden=True)
def supervise() -> None:
    """The watcher itself; `up` starts it."""
    from stack.supervising import supervise

    supervise()


@app.command(hidden=True)
def job(name: str) -> None:
    """One of the watcher's jobs: migrations or topics."""
    from stack.jobs import run_job

    run_job(name)
