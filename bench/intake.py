"""A file's road into the register against binary COPY of the same rows into the same tables with the same indexes.

`python -m bench.intake [--households 27000] [--xlsx] [--lookups 2000]` starts a PostgreSQL of its own (durable), hands
the file in over HTTP, runs its job, and copies the very rows that it made into a second database: guards and policies
off there, indexes on. Then the same file again, and look-ups by sealed number. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import xlsxwriter
from joserfc import jwt
from joserfc.jwk import ECKey

from services.registry import app as registry_app
from services.registry.actions import intake as verbs
from services.registry.actions.intake import Workbooks
from services.registry.app import AppSettings
from services.registry.store.people import people_with_number
from shared.auth import Officer, Role
from shared.crypto import KeyRing, new_key_ring
from shared.db import create_engine, transaction
from shared.jobs import Job, JobRunner, Jobs, Step
from shared.values import DivisionCode, Scope, citizen_id_check
from stack.migrate import migrate
from stack.postgres import Postgres
from stack.processes import Child, free_ports
from stack.provision import Database, make_database, make_passwords, make_roles

COUNTY = "623023"
COPIES = 3
TARGET_RATIO, TARGET_RATE, TARGET_LOOKUP_MS = 0.30, 10_000, 10.0
COPIED = ("household", "person", "membership", "status", "income")
HEADER = (
    *("户编号", "村民小组", "建档日期", "户类型", "识别时间", "主要致贫原因", "家庭人口数", "住房安全等级", "住房面积"),
    *("入户路类型", "耕地面积", "合规自付支出", "收入年度起", "收入年度止", "务工收入", "低保金", "种植业收入"),
    *("种植业支出", "姓名", "与户主关系", "性别", "出生日期", "证件类型", "证件号码", "民族", "政治面貌", "健康状况"),
    *("劳动技能", "参加医疗保险情况", "是否参加大病保险", "参加养老保险情况", "务工所在地", "务工时间", "务工月收入"),
    *("联系电话", "在户状态"),
)


def persons(households: int, villages: list[str]) -> list[list[str]]:
    """Lines of the form: households of three and four, nobody twice."""
    draw, lines, serial = random.Random(7), [], 0
    for at in range(households):
        number = f"{villages[at % len(villages)]}{at // len(villages) + 1:04d}"
        members = 3 + (at % 10 < 7)
        about = [
            number, f"{at % 9 + 1}组", "2014-03-01", "贫困户", "2014-03-01", "因病", str(members), "A级",
            f"{80 + at % 50}.50", "硬化路", "3.50", "1200.00", "2018-10-01", "2019-09-30", f"{9000 + at % 977}.00",
            "1200.50", "2400", "600",
        ]  # fmt: skip
        for member in range(members):
            serial += 1
            told = about if member == 0 else [number, *[""] * (len(about) - 1)]
            lines.append([*told, *_person(serial, member, draw)])
    return lines


def _person(serial: int, member: int, draw: random.Random) -> list[str]:
    adult = member < 2
    born = date(1955 if adult else 2004, 1, 1) + timedelta(days=draw.randrange(9000 if adult else 4000))
    sex = serial % 2
    seventeen = f"629{serial // 500 % 1000:03d}{born:%Y%m%d}{serial % 500 * 2 + sex:03d}"
    number = seventeen + citizen_id_check(seventeen)
    surname = "李王张刘陈杨赵黄周吴"[serial % 10]
    name = f"{surname}{chr(0x4E00 + serial % 5000)}{chr(0x5000 + serial // 7 % 4000)}"
    relation = ("户主", "配偶", "之子" if sex else "之女", "其他")[member]
    cover = ["城乡居民基本医疗保险", "是", "城乡居民基本养老保险"]
    work = ["甘肃省兰州市城关区", "6", "3000"] if adult else ["", "", ""]
    return [
        name, relation, "男" if sex else "女", born.isoformat(), "居民身份证", number, "藏族", "群众", "健康",
        "普通劳动力" if adult else "无劳动力", *cover, *work, f"138{serial % 10**8:08d}", "在户",
    ]  # fmt: skip


def file_of(lines: list[list[str]], *, as_workbook: bool) -> bytes:
    if not as_workbook:
        text = io.StringIO()
        csv.writer(text).writerows([list(HEADER), *lines])
        return text.getvalue().encode()
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        page = book.add_worksheet("登记表")
        for at, line in enumerate([list(HEADER), *lines]):
            page.write_row(at, 0, line)
    return out.getvalue()


class Bench:
    """One server, two databases of the register, one application and its jobs, all for as long as it lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (port,) = free_ports(1)
        self.passwords = make_passwords(("registry",))
        self.server = Postgres(folder / "postgres", port, self.passwords["postgres"])
        self.record_seconds = 0.0
        self._key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        await asyncio.to_thread(self.server.prepare)
        child = Child(self.server.program(), self.folder / "postgres.log")
        try:
            await child.until_up()
            self.made = [await self._database(name) for name in ("registry", "copied")]
            await self._settle()
            self.engine = create_engine(self.made[0].worker, pool_size=6, statement_timeout_ms=0)
            self.app = registry_app.api(self.settings)
            async with self.app.router.lifespan_context(self.app):
                transport = httpx.ASGITransport(self.app)
                async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=600) as self.client:
                    yield self
            await self.engine.dispose()
        finally:
            child.stop()

    async def _database(self, name: str) -> Database:
        admin = await asyncpg.connect(self.server.dsn(), ssl=False)
        try:
            await make_roles(admin, "registry", self.passwords)
            await make_database(admin, name, "registry")
        finally:
            await admin.close()
        database = Database.on(self.server, name, "registry", self.passwords)
        await migrate("registry", database.owner)
        return database

    async def _settle(self) -> None:
        ring, keys = self.folder / "keys.json", self.folder / "jwks.json"
        await asyncio.to_thread(ring.touch, 0o600)
        await asyncio.to_thread(ring.write_text, json.dumps(new_key_ring()))
        await asyncio.to_thread(keys.write_text, json.dumps({"keys": [self._key.as_dict(private=False)]}))
        given = {"service": "registry", "home": self.folder, "database_url": self.made[0].api, "key_ring_file": ring}
        more = {"jwks": str(keys), "upload_limit_bytes": 2**30, "intake_rows": 2_000_000}
        self.settings = AppSettings.model_validate(given | more)
        self.keys = KeyRing.load(ring)

    def token(self) -> str:
        said = {"iss": "tuopin", "aud": "tuopin", "exp": int(time.time()) + 36_000, "sub": "bench", "name": "bench"}
        said |= {"roles": ["clerk"], "divisions": [COUNTY]}
        return jwt.encode({"alg": "ES256", "kid": "k1"}, said, self._key)

    async def villages(self) -> list[str]:
        admin = await asyncpg.connect(self.made[0].admin, ssl=False)
        try:
            code = DivisionCode.parse(COUNTY)
            query = "select code from division where level = 'village' and code >= $1 and code < $2 order by 1"
            return [str(row["code"]) for row in await admin.fetch(query, code.lo, code.hi)]
        finally:
            await admin.close()

    async def hand_in(self, body: bytes, name: str) -> tuple[float, dict[str, Any]]:
        """Seconds from the first byte to the answer workbook, and what became of the rows."""
        began = time.perf_counter()
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/octet-stream"}
        given = {"filename": name, "dry_run": "false", "year_from": "2018-10-01", "year_to": "2019-09-30"}
        headers["Idempotency-Key"] = f"bench-{time.time_ns()}"
        answer = await self.client.post("/registry/v1/intakes", params=given, content=body, headers=headers)
        answer.raise_for_status()
        self.record_seconds = 0.0
        await self._run_jobs()
        seconds = time.perf_counter() - began
        found = await self.client.get(f"/registry/v1/intakes/{answer.json()['id']}", headers=headers)
        return seconds, found.json()

    async def _run_jobs(self) -> None:
        files = registry_app.workbooks(self.settings, self.engine, self.keys)
        jobs = Jobs()
        runner = JobRunner(self.engine, jobs, lambda: datetime.now(UTC), lease_seconds=600)
        jobs.register(
            verbs.KIND, self._timed(files), roles=verbs.SUBMITTERS, prepare=files.prepare, on_end=files.on_end
        )
        while await runner.run_one():
            pass
        files.close()

    def _timed(self, files: Workbooks) -> Any:
        """The database part of each chunk: staging, classifying, writing, announcing (the commit is the runner's)."""

        async def run_chunk(tx: Any, job: Job, now: datetime, prepared: Any) -> Step:
            began = time.perf_counter()
            step = await files.run_chunk(tx, job, now, prepared)
            if prepared.files is not None:
                self.record_seconds += time.perf_counter() - began
            return step

        return run_chunk

    async def checkpoint(self) -> None:
        """So that nobody pays for what was written before him."""
        admin = await asyncpg.connect(self.made[0].admin, ssl=False)
        try:
            await admin.execute("checkpoint")
        finally:
            await admin.close()

    async def copies(self, rounds: int) -> tuple[float, int]:
        """The median of several, each into empty tables and after a checkpoint."""
        taken: list[float] = []
        rows = 0
        for _ in range(rounds):
            target = await asyncpg.connect(self.made[1].admin, ssl=False)
            try:
                await target.execute(f"truncate {', '.join(COPIED)} cascade")
            finally:
                await target.close()
            await self.checkpoint()
            seconds, rows = await self.copy()
            taken.append(seconds)
        return statistics.median(taken), rows

    async def copy(self) -> tuple[float, int]:
        """Binary COPY of the very same rows: guards and policies off, indexes on, one commit a table."""
        source = await asyncpg.connect(self.made[0].admin, ssl=False)
        target = await asyncpg.connect(self.made[1].admin, ssl=False)
        seconds, rows = 0.0, 0
        try:
            await target.execute("set session_replication_role = replica")
            for table in COPIED:
                binary = io.BytesIO()
                await source.copy_from_query(f"select * from {table} order by no", output=binary, format="binary")
                binary.seek(0)
                began = time.perf_counter()
                status = await target.copy_to_table(table, source=binary, format="binary")
                seconds += time.perf_counter() - began
                rows += int(status.split()[-1])
            return seconds, rows
        finally:
            await source.close()
            await target.close()

    async def look_up(self, numbers: list[str], callers: int) -> list[float]:
        """Milliseconds of each exact look-up as a request makes it: index, policies, access log, commit."""
        taken: list[float] = []
        engine = create_engine(self.made[0].api, pool_size=callers)
        waiting = iter(numbers)
        scope = Scope.of([DivisionCode.parse(COUNTY)])
        officer = Officer("bench", "bench", frozenset({Role.CLERK}), (DivisionCode.parse(COUNTY),))

        async def caller() -> None:
            for number in waiting:
                began = time.perf_counter()
                async with transaction(engine, scope, caller="bench") as tx:
                    indexes = self.keys.blind_indexes("citizen_id", number)
                    found = await people_with_number(tx, indexes, self.keys, officer, "bench", "search")
                assert found, number
                taken.append((time.perf_counter() - began) * 1000)

        await asyncio.gather(*(caller() for _ in range(callers)))
        await engine.dispose()
        return taken


def processor_seconds() -> dict[str, float]:
    """Of this process, of the parsing children that have ended, and of the database's: wall time on a busy machine says
    little of the work.
    """
    tick, ours = os.sysconf("SC_CLK_TCK"), os.getpid()
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, _, rest = path.read_text().partition(" (")
            stats[int(pid)] = rest.rpartition(") ")[2].split()
    server = {pid for pid, stat in stats.items() if int(stat[1]) == ours}
    family = server | {pid for pid, stat in stats.items() if int(stat[1]) in server}
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "worker": time.process_time(),
        "child": ended.ru_utime + ended.ru_stime,
        "database": sum(int(stats[pid][11]) + int(stats[pid][12]) for pid in family) / tick,
    }


async def measure(households: int, lookups: int, *, as_workbook: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        folder = Path(home)
        await asyncio.to_thread(folder.chmod, 0o755)
        async with Bench(folder).running() as bench:
            lines = persons(households, await bench.villages())
            body = file_of(lines, as_workbook=as_workbook)
            name = "登记表.xlsx" if as_workbook else "登记表.csv"
            await bench.checkpoint()
            load, spent = os.getloadavg()[0], processor_seconds()
            seconds, found = await bench.hand_in(body, name)
            spent = {who: after - spent[who] for who, after in processor_seconds().items()}
            assert found["job"]["state"] == "done", found["job"]
            recording = bench.record_seconds
            copy_seconds, copied = await bench.copies(COPIES)
            again_seconds, again = await bench.hand_in(body, name)
            draw = random.Random(3)
            numbers = [line[HEADER.index("证件号码")] for line in draw.sample(lines, min(lookups, len(lines)))]
            taken = sorted(await bench.look_up(numbers, 16))
            return {
                "bench": "intake",
                "file": name,
                "megabytes": round(len(body) / 1e6, 1),
                "load_before": round(load, 1),
                **{f"cpu_us_a_person_{who}": round(cpu / found["rows"] * 1e6, 1) for who, cpu in spent.items()},
                "rows": found["rows"],
                "rows_new": found["rows_new"],
                "rows_refused": found["rows_refused"],
                "end_to_end_seconds": round(seconds, 2),
                "persons_a_second_end_to_end": round(found["rows"] / seconds),
                "database_seconds": round(recording, 2),
                "persons_a_second_database": round(found["rows"] / recording),
                "copy_seconds": round(copy_seconds, 2),
                "copied_rows": copied,
                "ratio_to_copy": round(copy_seconds / recording, 3),
                "again_seconds": round(again_seconds, 2),
                "again_unchanged": again["rows_unchanged"],
                "lookup_p50_ms": round(statistics.median(taken), 2),
                "lookup_p95_ms": round(taken[int(len(taken) * 0.95)], 2),
                "peak_mb_children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
                "targets": {"ratio_to_copy": TARGET_RATIO, "persons_a_second": TARGET_RATE, "p95_ms": TARGET_LOOKUP_MS},
                "ratio_reached": copy_seconds / recording >= TARGET_RATIO,
                "rate_reached": found["rows"] / seconds >= TARGET_RATE,
                "lookup_reached": taken[int(len(taken) * 0.95)] < TARGET_LOOKUP_MS,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=27_000)
    parser.add_argument("--lookups", type=int, default=2_000)
    parser.add_argument("--xlsx", action="store_true")
    asked = parser.parse_args()
    result = asyncio.run(measure(asked.households, asked.lookups, as_workbook=asked.xlsx))
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
