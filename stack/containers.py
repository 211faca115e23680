"""What the compose file's one-shot jobs do: the same template and the same logins, told by environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from gateway.template import PER_ADDRESS, PER_CALLER, Gateway, render
from shared.crypto import new_key_ring
from stack.home import write_whole
from stack.kafka import new_cluster_id
from stack.problems import StackProblem
from stack.programs import limit_from
from stack.provision import SERVICES, close_to_strangers, make_database, make_passwords, make_roles, mark_kind, roles_of


def write_gateway_config(output: Path, environment: Mapping[str, str]) -> None:
    """Production points at an identity provider by TUOPIN_JWKS_URI, or at a file of keys by TUOPIN_JWKS."""
    uri, path = environment.get("TUOPIN_JWKS_URI"), environment.get("TUOPIN_JWKS")
    if not uri and not path:
        raise StackProblem("no token keys are given", "set TUOPIN_JWKS_URI (a provider) or TUOPIN_JWKS (a file)")
    gateway = Gateway(
        upstreams={service: (f"{service}-api", 8000) for service in SERVICES},
        address="0.0.0.0",
        port=8080,
        admin_port=9901,
        jwks=None if uri else Path(str(path)).read_text(),
        jwks_uri=uri,
        issuer=environment.get("TUOPIN_TOKEN_ISSUER", "tuopin"),
        audience=environment.get("TUOPIN_TOKEN_AUDIENCE", "tuopin"),
        claims={
            "sub": "sub",
            "name": environment.get("TUOPIN_CLAIM_NAME", "name"),
            "roles": environment.get("TUOPIN_CLAIM_ROLES", "roles"),
            "divisions": environment.get("TUOPIN_CLAIM_DIVISIONS", "divisions"),
        },
        origins=tuple(filter(None, environment.get("TUOPIN_CORS_ORIGINS", "").split(","))),
        trusted_hops=int(environment.get("TUOPIN_TRUSTED_HOPS", "0")),
        per_address=limit_from(environment, "TUOPIN_LIMIT_PER_ADDRESS", PER_ADDRESS),
        per_caller=limit_from(environment, "TUOPIN_LIMIT_PER_CALLER", PER_CALLER),
    )
    output.write_text(render(gateway))


async def provision_from(environment: Mapping[str, str]) -> None:
    """TUOPIN_ADMIN_URL names the server; TUOPIN_PASSWORD_REGISTRY_API and the like hold the passwords."""
    passwords = {
        role: _required(environment, f"TUOPIN_PASSWORD_{role.upper()}") for s in SERVICES for role in roles_of(s)
    }
    connection = await asyncpg.connect(_required(environment, "TUOPIN_ADMIN_URL"))
    try:
        await close_to_strangers(connection, "postgres", "template1")
        for service in SERVICES:
            await make_roles(connection, service, passwords)
            await make_database(connection, service, service)
            await mark_kind(connection, service, practice=False)
    finally:
        await connection.close()


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise StackProblem(f"{name} is not set", "give it in the environment")
    return value


def write_secrets(project: Path) -> list[str]:
    """The `.env` and `secrets/` of docker-compose.yml, made once: random passwords, and the keys of sealed fields."""
    env_file, key_ring = project / ".env", project / "secrets" / "key_ring.json"
    made = []
    if not env_file.exists():
        lines = [f"TUOPIN_PASSWORD_{name.upper()}={password}" for name, password in make_passwords().items()]
        lines += [f"TUOPIN_UID={os.getuid()}", f"TUOPIN_GID={os.getgid()}"]
        lines += [
            "# Another one whenever the broker's volume is made anew:",
            f"TUOPIN_KAFKA_CLUSTER={new_cluster_id()}",
        ]
        lines += ["# The identity provider's key address, issuer and audience:", "TUOPIN_JWKS_URI="]
        lines += ["TUOPIN_TOKEN_ISSUER=tuopin", "TUOPIN_TOKEN_AUDIENCE=tuopin"]
        env_file.touch(mode=0o600)
        env_file.write_text("\n".join(lines) + "\n")
        made.append(str(env_file))
    if not key_ring.exists():
        key_ring.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(key_ring, new_key_ring(), mode=0o600)
        made.append(str(key_ring))
    return made
