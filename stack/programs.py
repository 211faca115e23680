"""Which programs a stack is made of, in which order they start, and what each is told."""

import ast
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace

from gateway.template import PER_ADDRESS, PER_CALLER, Gateway, Limit, render
from stack import envoy
from stack.home import PROJECT, Home
from stack.jars import Progress, ensure_jars
from stack.kafka import Kafka, ensure_aot_cache
from stack.postgres import Postgres
from stack.problems import StackProblem
from stack.processes import LOOPBACK, Program, require_free
from stack.provision import SERVICES, roles_of
from stack.tokens import AUDIENCE, ISSUER, public_keys, write_public_keys


def postgres_of(home: Home) -> Postgres:
    return Postgres(home.folder / "postgres", home.ports.postgres, home.passwords()["postgres"])


def kafka_of(home: Home, progress: Progress = lambda _text: None) -> Kafka:
    jars = ensure_jars(progress)
    return Kafka(
        home.folder / "kafka", home.ports.kafka, home.ports.kafka_controller, jars, ensure_aot_cache(jars, progress)
    )


def built_doors(service: str) -> tuple[str, ...]:
    """Which of a service's two processes exist in this version, read from its `app.py` without importing it."""
    app = PROJECT / "services" / service / "app.py"
    if not app.exists():
        return ()
    nodes = ast.parse(app.read_text()).body
    named = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return tuple(kind for kind in ("api", "worker") if kind in named)


def prepare(home: Home) -> list[Program]:
    """Make what is missing on disk and name every program."""
    postgres, kafka = postgres_of(home), kafka_of(home)
    postgres.prepare()
    kafka.prepare()
    write_public_keys(home)
    home.key_ring()
    return programs_of(home, postgres, kafka)


def programs_of(home: Home, postgres: Postgres, kafka: Kafka) -> list[Program]:
    """Every program. They end from the door inwards: gateway, api, worker (which sends what an api said last), Kafka,
    PostgreSQL.
    """
    programs = [
        postgres.program(),
        replace(kafka.program(), stops_before=("postgres",)),
        _job(home, "migrations", "postgres"),
        _job(home, "topics"),
    ]
    for service in SERVICES:
        programs += [_service_program(home, service, kind) for kind in built_doors(service)]
    apis = tuple(program.name for program in programs if program.name.endswith("-api"))
    return [*programs, gateway_program(home, apis)]


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "stack", *arguments)


def base_environment(home: Home) -> dict[str, str]:
    """What every process of ours is told, whichever service it is."""
    return {
        "TUOPIN_HOME": str(home.folder),
        "TUOPIN_PRACTICE": "true" if home.practice else "false",
        "TUOPIN_HOST": LOOPBACK,
        "TUOPIN_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{home.ports.kafka}",
        "TUOPIN_KEY_RING_FILE": str(home.secrets / "key_ring.json"),
        "TUOPIN_JWKS": str(home.config / "jwks.json"),
        "TUOPIN_TOKEN_AUDIENCE": AUDIENCE,
        "TUOPIN_TOKEN_ISSUER": ISSUER,
    }


def service_environment(home: Home, service: str, kind: str) -> dict[str, str]:
    """The settings of one process: `kind` is owner (migrations), api or worker."""
    role = f"{service}_{kind}"
    assert role in roles_of(service)
    return {
        **base_environment(home),
        "TUOPIN_SERVICE": service,
        "TUOPIN_SLOT": "0",
        "TUOPIN_PORT": str(home.ports.api(service)),
        "TUOPIN_HEALTH_PORT": str(home.ports.worker(service)),
        "TUOPIN_DATABASE_URL": postgres_of(home).dsn(service, role, home.passwords()[role]),
    }


def _job(home: Home, name: str, *needs: str) -> Program:
    return Program(
        name=name,
        argv=_command("job", name),
        probe=_never,
        needs=needs,
        once=True,
        environment=base_environment(home),
        folder=PROJECT,
    )


async def _never() -> bool:
    """A job is known to be done by its end alone."""
    return False


def _service_program(home: Home, service: str, kind: str) -> Program:
    port = home.ports.api(service) if kind == "api" else home.ports.worker(service)
    path = "/readyz" if kind == "api" else "/livez"
    name = f"{service}-{kind}"

    async def probe() -> bool:
        return await envoy.answers_200(port, path)

    return Program(
        name=name,
        argv=_command(kind, service),
        probe=probe,
        needs=("postgres", "migrations") if kind == "api" else ("postgres", "migrations", "topics"),
        stops_before=(f"{service}-worker", "kafka") if kind == "api" else ("kafka",),
        before=lambda: require_free(name, (port,)),
        environment=service_environment(home, service, kind),
        folder=PROJECT,
        grace_seconds=25,
        patience_seconds=120,
        ports=(port,),
    )


def gateway_program(home: Home, apis: tuple[str, ...]) -> Program:
    """Envoy starts by itself (a service not there yet is a 503) and is stopped before the services behind it."""
    config = home.config / "envoy.json"
    config.write_text(render(gateway_of(home)))
    ports = (home.ports.gateway, home.ports.gateway_admin)

    async def probe() -> bool:
        return await envoy.answers_200(home.ports.gateway_admin, "/ready")

    async def drain() -> None:
        await envoy.drain(home.ports.gateway_admin)

    return Program(
        name="gateway",
        argv=(
            str(envoy.binary()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart",
            "--log-level", "warning", "--drain-time-s", "5",
        ),
        probe=probe,
        stops_before=apis,
        before=lambda: require_free("the gateway", ports),
        drain=drain,
        stop=signal.SIGTERM,
        folder=home.config,
        ports=ports,
    )  # fmt: skip


def gateway_of(home: Home, environment: Mapping[str, str] = os.environ) -> Gateway:
    return Gateway(
        upstreams={service: (LOOPBACK, home.ports.api(service)) for service in SERVICES},
        address=environment.get("TUOPIN_GATEWAY_ADDRESS", LOOPBACK),
        port=home.ports.gateway,
        admin_port=home.ports.gateway_admin,
        jwks=json.dumps(public_keys(home)),
        issuer=ISSUER,
        audience=AUDIENCE,
        practice=home.practice,
        origins=tuple(filter(None, environment.get("TUOPIN_CORS_ORIGINS", "").split(","))),
        per_address=limit_from(environment, "TUOPIN_LIMIT_PER_ADDRESS", PER_ADDRESS),
        per_caller=limit_from(environment, "TUOPIN_LIMIT_PER_CALLER", PER_CALLER),
    )


def limit_from(environment: Mapping[str, str], variable: str, otherwise: Limit) -> Limit:
    """So many requests a second, twice as many at once, if the variable is set."""
    text = environment.get(variable)
    if text is None:
        return otherwise
    if not text.isdecimal() or int(text) < 1:
        raise StackProblem(f"{variable} is {text!r}", "give a whole number of requests a second, at least 1")
    return Limit(int(text), 2 * int(text))
