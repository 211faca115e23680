"""The test run's own Kafka, and the proof of its jars."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stack import jars
from stack.kafka import new_cluster_id
from stack.problems import StackProblem


async def test_a_record_goes_in_and_comes_out(kafka_bootstrap: str, make_topic: Callable[..., str]) -> None:
    topic = make_topic(partitions=6)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True, retry_backoff_ms=20)
    await producer.start()
    await producer.send_and_wait(topic, b"value", key=b"key")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, group_id=topic, auto_offset_reset="earliest", retry_backoff_ms=20
    )
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value) == (b"key", b"value")


def test_no_cluster_id_looks_like_an_option() -> None:
    made = {new_cluster_id() for _ in range(2_000)}
    assert len(made) == 2_000
    assert not [one for one in made if one.startswith("-") or len(one) != 22]


def test_every_jar_is_pinned_and_equal_to_its_pin() -> None:
    paths = jars.ensure_jars(lambda _text: None)
    assert paths == sorted(paths)
    pins = {jar.file_name: jar.sha256 for jar in jars.locked_jars()}
    assert {path.name: jars.sha256_of(path) for path in paths} == pins


def test_a_jar_that_differs_from_its_pin_is_refused(tmp_path: Path) -> None:
    """The file is in the fetcher's cache already, so that no network is asked; its content is not what was pinned."""
    good = jars.locked_jars()[0]
    wrong = jars.Jar(good.group, good.artifact, good.version, "0" * 64)
    cached = tmp_path / "incoming" / Path(*good.group.split(".")) / good.artifact / good.version / good.file_name
    cached.parent.mkdir(parents=True)
    shutil.copyfile(jars.cache_folder() / good.file_name, cached)
    with pytest.raises(StackProblem, match="is not the file that"):
        jars.accept(wrong, cached, tmp_path / good.file_name)
    assert not (tmp_path / good.file_name).exists()
    assert not cached.exists()


def test_a_damaged_jar_in_the_cache_is_noticed(tmp_path: Path) -> None:
    good = jars.locked_jars()[0]
    copy = tmp_path / good.file_name
    shutil.copyfile(jars.cache_folder() / good.file_name, copy)
    assert jars.is_right(good, copy)
    with copy.open("r+b") as file:
        file.seek(100)
        file.write(b"\0\0\0\0")
    assert not jars.is_right(good, copy)
