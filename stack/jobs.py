"""The jobs of a start: logins and databases, migrations, topics. Each can be repeated at any time."""

from shared.bus import ensure_topics
from shared.events import TOPICS
from stack.home import Home
from stack.migrate import has_migrations, migrate
from stack.problems import StackProblem
from stack.programs import postgres_of
from stack.provision import SERVICES, Database, provision


async def provision_and_migrate(home: Home) -> str:
    server, passwords = postgres_of(home), home.passwords()
    await provision(server, passwords, practice=home.practice)
    done = []
    for service in SERVICES:
        if has_migrations(service):
            owner = Database.on(server, service, service, passwords).owner
            done.append(f"{service} at {await migrate(service, owner)}")
    return f"migrated: {', '.join(done) or 'nothing, no service has a revision'}"


async def migrate_service(service: str, owner_dsn: str) -> str:
    if not has_migrations(service):
        raise StackProblem(f"{service} has no migrations in this version", "choose another service")
    return f"{service} is at {await migrate(service, owner_dsn)}"


async def make_topics(bootstrap: str, replicas: int) -> str:
    made = await ensure_topics(bootstrap, TOPICS, replicas)
    return f"{len(TOPICS)} topics in place, {len(made)} of them new"
