"""Looking for planted words wherever a stack leaves something: topics, logs, answers, measures, pages.

A word is found as it stands, as \\uXXXX, percent-encoded, as bytes in hexadecimal, in base64 at any of its three
offsets, and inside gzip, also inside gzip that was written as base64.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stack.home import Home
from stack.processes import LOOPBACK
from stack.provision import SERVICES

GZIP = b"\x1f\x8b\x08"
GZIP_IN_BASE64 = re.compile(rb"H4sI[A-Za-z0-9+/_-]{20,}={0,2}")
MOST_BYTES = 64 * 1024 * 1024
DEPTH = 3
CASELESS = ("escaped", "percent", "hexadecimal", "bytes")


@dataclass(frozen=True)
class Find:
    """Which word was found where, and how it was written."""

    word: str
    written: str
    place: str


class Search:
    """Planted words, by what they are, in every form in which one could leave."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._forms = {
            (name, written): form for name, word in words.items() for written, form in dict(_forms(word)).items()
        }

    def of(self, place: str, content: bytes, depth: int = DEPTH) -> Iterator[Find]:
        """All finds in this, and in what is packed inside it."""
        lowered = content.lower()
        for (name, written), form in self._forms.items():
            if form in content or (written in CASELESS and form.lower() in lowered):
                yield Find(name, written, place)
        if depth:
            for packed in _unpacked(content):
                yield from self.of(f"{place}, gzip", packed, depth - 1)

    def among(self, places: Iterable[tuple[str, bytes]]) -> list[Find]:
        """Everything found in all of them."""
        return [find for place, content in places for find in self.of(place, content)]


def _forms(word: str) -> Iterator[tuple[str, bytes]]:
    raw = word.encode()
    yield "as it stands", raw
    yield "UTF-16", word.encode("utf-16-le")
    yield "hexadecimal", raw.hex().encode()
    escaped = "".join(f"\\u{unit:04x}" for unit in _units(word))
    if not word.isascii():
        yield "escaped", escaped.encode()
        yield "percent", quote(word).encode()
        yield "bytes", "".join(f"\\x{byte:02x}" for byte in raw).encode()
    for offset in range(3):
        for alphabet, encode in (("", base64.b64encode), (", for addresses", base64.urlsafe_b64encode)):
            yield f"base64 at {offset}{alphabet}", _core(encode(b"\0" * offset + raw), offset)


def _units(word: str) -> Iterator[int]:
    units = word.encode("utf-16-be")
    return (int.from_bytes(units[place : place + 2], "big") for place in range(0, len(units), 2))


def _core(encoded: bytes, offset: int) -> bytes:
    """The characters that depend on the word alone, and on nothing before or after it."""
    first = (0, 2, 3)[offset]
    padding = encoded.count(b"=")
    return encoded[first : len(encoded) - padding - (1 if padding else 0)]


def _unpacked(content: bytes) -> Iterator[bytes]:
    """What is gzip in it."""
    for start in _places(content, GZIP):
        if text := _unzip(content[start:]):
            yield text
    for match in GZIP_IN_BASE64.finditer(content):
        if text := _unzip(_from_base64(match[0])):
            yield text


def _places(content: bytes, mark: bytes) -> Iterator[int]:
    place = content.find(mark)
    while place >= 0:
        yield place
        place = content.find(mark, place + 1)


def _from_base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(bare[: len(bare) // 4 * 4])
    except binascii.Error:
        return b""


def _unzip(packed: bytes) -> bytes:
    """As much of it as can be read: it may be cut off, or no gzip at all."""
    try:
        return zlib.decompressobj(wbits=31).decompress(packed, MOST_BYTES)
    except zlib.error:
        return b""


# Where a stack leaves something


async def topics(home: Home) -> list[tuple[str, bytes]]:
    """Every record of every topic from its beginning: key, value and headers."""
    bootstrap = f"{LOOPBACK}:{home.ports.kafka}"
    places = await _partitions(bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        spoken: dict[str, list[bytes]] = {}
        async for topic, part in _records(consumer, ends):
            spoken.setdefault(topic, []).append(part)
        return [(topic, b"\n".join(parts)) for topic, parts in spoken.items()]  # one search a topic, not one a record
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        told = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return [TopicPartition(topic["topic"], one["partition"]) for topic in told for one in topic["partitions"]]


async def _records(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[tuple[str, bytes]]:
    left = {place for place, end in ends.items() if await consumer.position(place) < end}
    while left:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for one in records:
                for part in _parts(one):
                    yield f"topic {one.topic}", part
        left = {place for place in left if await consumer.position(place) < ends[place]}


def _parts(record: ConsumerRecord[bytes, bytes]) -> Iterator[bytes]:
    headers = (part for key, value in record.headers for part in (key.encode(), value))
    return (part for part in (record.key, record.value, *headers) if part)


def logs(home: Home) -> Iterator[tuple[str, bytes]]:
    """Every log file, and what the watcher notes."""
    for folder in (home.logs, home.run):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            yield f"{folder.name}/{path.name}", path.read_bytes()


def measures(home: Home) -> Iterator[tuple[str, bytes]]:
    """Metrics of every process, and the gateway's own."""
    ports = {f"{service}-api": home.ports.api(service) for service in SERVICES}
    ports |= {f"{service}-worker": home.ports.worker(service) for service in SERVICES}
    for name, port in ports.items():
        yield f"metrics of {name}", _fetched(f"http://{LOOPBACK}:{port}/metrics")
    yield "metrics of the gateway", _fetched(f"http://{LOOPBACK}:{home.ports.gateway_admin}/stats/prometheus")


def pages(home: Home, village: str) -> Iterator[tuple[str, bytes]]:
    """What anybody may read: the list of notices and one village's, page and data, in both languages."""
    base = f"http://{LOOPBACK}:{home.ports.gateway}"
    for path in ("notices", "notices.json", f"notices/{village}", f"notices/{village}.json"):
        for language in ("zh", "en"):
            yield f"{path} {language}", _fetched(f"{base}/notify/v1/public/{path}?lang={language}")
    yield "landing page", _fetched(f"{base}/")


def _fetched(address: str) -> bytes:
    answer = httpx.get(address, timeout=30)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return answer.content


def found_at(finds: Iterable[Find], part: str) -> set[str]:
    """Words that were found at such a place."""
    return {find.word for find in finds if part in find.place}
