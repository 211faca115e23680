"""What is handed to operators: compose file, image, locks, `make`, the script of continuous integration."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml

from gateway.template import configuration
from stack import envoy
from stack.command import app
from stack.containers import provision_from, write_gateway_config, write_secrets
from stack.home import PROJECT, open_home
from stack.jars import locked_jars
from stack.problems import StackProblem
from stack.processes import free_ports
from stack.programs import gateway_of, limit_from
from stack.provision import KINDS, SERVICES, roles_of
from tests.conftest import Cluster
from tests.stack.gateways import bearer, running_gateway

COMPOSE = PROJECT / "docker-compose.yml"
JOBS = {"provision", "topics", "gateway-config", *(f"{service}-migrate" for service in SERVICES)}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def commands() -> set[str]:
    return {str(one.name or getattr(one.callback, "__name__", "")) for one in app.registered_commands}


def test_the_compose_file_follows_the_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_check_of_the_compose_file_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("depends_on:", "depends_upon:", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_every_process_of_the_stack_is_in_the_compose_file(compose: dict[str, Any]) -> None:
    processes = {f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker")}
    assert set(compose["services"]) == {"postgres", "kafka", "gateway"} | processes | JOBS
    for service in SERVICES:
        for kind in ("api", "worker"):
            one = compose["services"][f"{service}-{kind}"]
            assert one["command"] == [kind, service]
            assert one["environment"]["TUOPIN_SERVICE"] == service
            assert f"{service}_{kind}:" in one["environment"]["TUOPIN_DATABASE_URL"]
            assert "TUOPIN_PRACTICE" not in one["environment"]


def test_commands_of_the_compose_file_exist(compose: dict[str, Any]) -> None:
    ours = [one for one in compose["services"].values() if one["image"] == "tuopin:local"]
    assert len(ours) == len(JOBS) + 2 * len(SERVICES)
    for one in ours:
        assert one["command"][0] in commands() | {name.replace("_", "-") for name in commands()}


def test_every_container_is_hardened_and_bounded(compose: dict[str, Any]) -> None:
    for name, one in compose["services"].items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["mem_limit"], name
        assert not one.get("privileged"), name
        if name not in JOBS:
            assert one["healthcheck"]["test"], name
            assert one["restart"] == "unless-stopped", name
            assert one["stop_grace_period"], name
    published = {name for name, one in compose["services"].items() if one.get("ports")}
    assert published == {"gateway"}
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["postgres"]["networks"] == compose["services"]["kafka"]["networks"] == ["inside"]


def test_no_container_runs_as_root(compose: dict[str, Any]) -> None:
    """Official images that name a user of their own need no word; ours and the others say who they are."""
    assert "USER 10001:10001" in (PROJECT / "Dockerfile").read_text()
    for name, one in compose["services"].items():
        user = str(one.get("user", ""))
        assert user.split(":")[0] not in ("0", "root"), name
        if one["image"].startswith(("postgres", "envoyproxy")):
            assert user, name


def test_every_variable_of_the_compose_file_is_made_or_has_a_default(tmp_path: Path) -> None:
    made = write_secrets(tmp_path)
    assert len(made) == 2
    env_file, key_ring = tmp_path / ".env", tmp_path / "secrets" / "key_ring.json"
    assert stat.S_IMODE(env_file.stat().st_mode) == stat.S_IMODE(key_ring.stat().st_mode) == 0o600
    names = {line.partition("=")[0] for line in env_file.read_text().splitlines() if not line.startswith("#")}
    required = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text()))
    assert required <= names
    assert required >= {f"TUOPIN_PASSWORD_{role.upper()}" for service in SERVICES for role in roles_of(service)}
    before = env_file.read_text(), key_ring.read_text()
    assert write_secrets(tmp_path) == []
    assert (env_file.read_text(), key_ring.read_text()) == before


def test_the_gateway_of_containers_is_the_same_gateway(tmp_path: Path) -> None:
    """The same filters and routes as the embedded one; only addresses and the place of the keys differ."""
    written = tmp_path / "envoy.json"
    write_gateway_config(written, {"TUOPIN_JWKS_URI": "https://provider.example/keys"})
    valid = subprocess.run(
        [envoy.binary(), "--mode", "validate", "-c", written], capture_output=True, text=True, check=False
    )
    assert valid.returncode == 0, valid.stderr
    theirs = json.loads(written.read_text())
    ours = configuration(gateway_of(open_home(tmp_path / "home", practice=False), {}))
    assert _manager(theirs)["route_config"] == _manager(ours)["route_config"]
    for their_filter, our_filter in zip(_manager(theirs)["http_filters"], _manager(ours)["http_filters"], strict=True):
        if their_filter["name"].endswith("jwt_authn"):
            keys = their_filter["typed_config"]["providers"]["token"].pop("remote_jwks")
            assert keys["http_uri"]["uri"] == "https://provider.example/keys"
            our_filter["typed_config"]["providers"]["token"].pop("local_jwks")
        assert their_filter == our_filter
    hosts = {cluster["name"] for cluster in theirs["static_resources"]["clusters"]}
    assert hosts == {*SERVICES, "identity_provider"}
    assert theirs["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


async def test_the_gateway_of_containers_lets_a_running_request_end_when_it_is_stopped(
    tmp_path: Path, compose: dict[str, Any]
) -> None:
    """The compose file's own entrypoint and health check, with this machine's Envoy and ports."""
    wanted = compose["services"]["gateway"]
    async with running_gateway(tmp_path) as like:
        config = json.loads((tmp_path / "envoy.json").read_text())
        port, admin_port = free_ports(2)
        config["admin"]["address"]["socket_address"]["port_value"] = admin_port
        config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "envoy.json").write_text(json.dumps(config))

        def here(text: str) -> str:
            placed = text.replace("$$", "$").replace("/config/", f"{tmp_path}/config/").replace("9901", str(admin_port))
            return placed.replace("--concurrency 2", "--concurrency 1 --disable-hot-restart")

        health = ("/bin/bash", "-c", here(wanted["healthcheck"]["test"][3]))
        path = {**os.environ, "PATH": f"{envoy.binary().parent}:{os.environ['PATH']}"}
        container = await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", here(wanted["entrypoint"][2]), env=path, stdout=DEVNULL, stderr=DEVNULL
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                await becomes_well(client, container)
                assert await exit_code(*health) == 0
                running = asyncio.create_task(client.get("/registry/v1/things?wait=3", headers=bearer()))
                await asyncio.sleep(0.5)
                container.terminate()
                await asyncio.sleep(0.5)
                assert await exit_code(*health) != 0
                assert (await running).status_code == 200
            assert await asyncio.wait_for(container.wait(), 20) == 0
        finally:
            with suppress(ProcessLookupError):
                container.kill()
        assert like.child.process.poll() is None


async def exit_code(*command: str) -> int:
    asked = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    return await asked.wait()


async def becomes_well(client: httpx.AsyncClient, container: Process) -> None:
    for _ in range(100):
        assert container.returncode is None
        with suppress(httpx.TransportError):
            if (await client.get("/registry/docs")).status_code == 200:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the gateway did not come up")


def _manager(whole: dict[str, Any]) -> dict[str, Any]:
    manager = whole["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert isinstance(manager, dict)
    return manager


def test_a_gateway_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match="no token keys"):
        write_gateway_config(tmp_path / "envoy.json", {})
    with pytest.raises(StackProblem, match="whole number"):
        limit_from({"TUOPIN_LIMIT_PER_CALLER": "many"}, "TUOPIN_LIMIT_PER_CALLER", gateway_limit())


def gateway_limit() -> Any:
    from gateway.template import PER_CALLER

    return PER_CALLER


async def test_provisioning_an_external_server_makes_every_login_and_closes_the_doors(cluster: Cluster) -> None:
    names = [role for service in SERVICES for role in roles_of(service)]
    told = {f"TUOPIN_PASSWORD_{name.upper()}": cluster.passwords[name] for name in names}
    with pytest.raises(StackProblem, match="TUOPIN_PASSWORD_REGISTRY_OWNER is not set"):
        await provision_from({"TUOPIN_ADMIN_URL": cluster.admin})
    for _ in range(2):  # a job may run again
        await provision_from({"TUOPIN_ADMIN_URL": cluster.admin, **told})
    for service in SERVICES:
        database = cluster.database(service, service)
        for kind in KINDS:
            connection = await asyncpg.connect(getattr(database, kind), ssl=False)
            assert await connection.fetchval("select current_setting('tuopin.practice')") == "off"
            await connection.close()
        neighbour = cluster.database(service, SERVICES[SERVICES.index(service) - 1])
        for kind in KINDS:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(getattr(neighbour, kind), ssl=False)


# --- papers -----------------------------------------------------------------------------------------------------------


def test_make_alone_prints_every_target() -> None:
    done = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "up", "down", "status", "logs", "clean", "check", "bench", "prove"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.MULTILINE), target


def test_continuous_integration_does_what_a_newcomer_does() -> None:
    script = PROJECT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    lines = script.read_text().splitlines()
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test", "make demo"]
    assert "set -euo pipefail" in lines


@pytest.mark.parametrize("name", ["requirements-bootstrap.lock", "requirements.lock", "requirements-dev.lock"])
def test_locks_pin_every_package_by_hash_and_name_no_address(name: str) -> None:
    text = (PROJECT / name).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "--index" not in text


def test_the_lock_of_the_image_is_part_of_the_lock_of_development() -> None:
    pins = [re.findall(r"^([a-z0-9._-]+)==(\S+)", (PROJECT / name).read_text(), re.MULTILINE) for name in LOCKS]
    assert set(pins[0]) <= set(pins[1])


LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_the_locks_hold_what_the_project_asks_for() -> None:
    asked = (PROJECT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("\n]")[0]
    names = {name.lower() for name in re.findall(r'^  "([A-Za-z0-9._-]+)', asked, re.MULTILINE)}
    assert len(names) > 20
    assert names <= {name for name, _ in re.findall(r"^([a-z0-9._-]+)(==)", _lock_text(), re.MULTILINE)}


def _lock_text() -> str:
    return re.sub(r"\[[a-z,-]+\]==", "==", (PROJECT / "requirements.lock").read_text())


def test_jars_are_pinned_once_each() -> None:
    jars = locked_jars()
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert {("kafka_2.13", "4.4.0"), ("slf4j-simple", "1.7.36")} <= {(jar.artifact, jar.version) for jar in jars}


def test_the_image_is_built_from_the_lock_and_needs_no_foreign_frontend() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert "# syntax" not in text
    assert text.count("--require-hashes") == 2
    for package in ("shared", "services", "gateway", "stack"):
        assert f"COPY {package} ./{package}" in text
        assert f"!{package}" in (PROJECT / ".dockerignore").read_text()
