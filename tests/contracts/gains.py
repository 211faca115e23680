"""What a document of JSON Schemas lost between two versions: the one that was released, and the one of the code.

Two directions. `sent` is what callers give us: whatever was taken must still be taken. `told` is what we give: whatever
could be relied on must still be there. A code list may gain values both ways; that is what "only ever add" means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["sent", "told"]
Schema = Mapping[str, Any]
LEAST = ("minLength", "minimum", "exclusiveMinimum", "minItems")
MOST = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
FORMS = ("pattern", "format")
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass
class Comparing:
    """Two documents, each with the parts that its references name, compared in one direction."""

    old: Schema
    new: Schema
    direction: Direction
    _met: set[tuple[str, str]] = field(default_factory=set)

    def losses(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        """What the second schema lost against the first."""
        named = (str(before.get("$ref", "")), str(after.get("$ref", "")))
        if all(named):
            if named in self._met:
                return
            self._met.add(named)
        before, after = _resolved(before, self.old), _resolved(after, self.new)
        if "anyOf" in before or "anyOf" in after:
            yield from self._of_alternatives(before, after, where)
            return
        yield from self._of_types(before, after, where)
        yield from self._of_codes(before, after, where)
        yield from self._of_bounds(before, after, where)
        yield from self._of_properties(before, after, where)
        for name in ("items", "additionalProperties"):
            if isinstance(before.get(name), Mapping):
                yield from self._inside(before[name], after.get(name), f"{where}[]")

    def _inside(self, before: Schema, after: Any, where: str) -> Iterator[str]:
        if isinstance(after, Mapping):
            yield from self.losses(before, after, where)
        elif self.direction == "told" or after is False:
            yield f"{where}: no longer said what stands in it"

    def _of_alternatives(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        """Sent: each old way is still taken. Told: each new way is one of the old."""
        olds, news = before.get("anyOf", [before]), after.get("anyOf", [after])
        for one in olds if self.direction == "sent" else news:
            pairs = [(one, other) for other in news] if self.direction == "sent" else [(other, one) for other in olds]
            trials = [list(self._tried(*pair, where)) for pair in pairs]
            if all(trials):
                yield from min(trials, key=len)

    def _tried(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        """A comparison that is only an attempt: what it met may be met again."""
        yield from Comparing(self.old, self.new, self.direction, set(self._met)).losses(before, after, where)

    def _of_types(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        was, now = _types(before), _types(after)
        wider, narrower = (now, was) if self.direction == "sent" else (was, now)
        if wider and (not narrower or not narrower <= wider):
            yield f"{where}: {'/'.join(sorted(was)) or 'anything'} became {'/'.join(sorted(now)) or 'anything'}"

    def _of_codes(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        was, now = _codes(before), _codes(after)
        if self.direction == "sent" and now is not None and (was is None or not was <= now):
            yield f"{where}: no longer takes {', '.join(sorted(map(str, (was or {'any text'}) - now)))}"
        if self.direction == "told" and was is not None and now is None:
            yield f"{where}: no longer one of a list"

    def _of_bounds(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        for name in FORMS:
            was, now = before.get(name), after.get(name)
            if was != now and (now if self.direction == "sent" else was) is not None:
                yield f"{where}: {name} {was} became {now}"
        if self.direction == "told":
            return
        for names, is_tighter in ((LEAST, _is_more), (MOST, _is_less)):
            yield from (
                f"{where}: {name} {before.get(name)} became {after[name]}"
                for name in names
                if name in after and is_tighter(after[name], before.get(name))
            )

    def _of_properties(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        was, now = before.get("properties", {}), after.get("properties", {})
        for name, one in was.items():
            if name in now:
                yield from self.losses(one, now[name], f"{where}.{name}")
            else:
                yield f"{where}: gone: {name}"
        demanded, promised = set(after.get("required", [])), set(before.get("required", []))
        if self.direction == "sent":
            yield from (f"{where}: newly demands {name}" for name in sorted(demanded - promised))
        else:
            yield from (f"{where}: no longer promised: {name}" for name in sorted((promised - demanded) & now.keys()))


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _types(schema: Schema) -> set[str]:
    said = schema.get("type", [])
    return {said} if isinstance(said, str) else set(said)


def _codes(schema: Schema) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _is_more(now: float, was: float | None) -> bool:
    return was is None or now > was


def _is_less(now: float, was: float | None) -> bool:
    return was is None or now < was


def lost_facts(old: Schema, new: Schema) -> list[str]:
    """Of a fact: what a listener of the old schema misses, and what makes facts said before unreadable today."""
    told = Comparing(old, new, "told").losses(old, new, "fact")
    sent = (one for one in Comparing(old, new, "sent").losses(old, new, "fact") if ": gone: " not in one)
    return [*told, *sent]


def lost_routes(old: Schema, new: Schema) -> list[str]:
    """Of an API: what a caller of the old document would miss, or be refused, in the new one."""
    faults: list[str] = []
    for path, methods in old["paths"].items():
        for method in (name for name in METHODS if name in methods):
            now = new["paths"].get(path, {}).get(method)
            where = f"{method} {path}"
            faults += [f"gone: {where}"] if now is None else _lost_in_route(methods[method], now, old, new, where)
    return faults


def _lost_in_route(was: Schema, now: Schema, old: Schema, new: Schema, where: str) -> Iterator[str]:
    yield from _newly_refused(was, now, where)
    yield from _lost_parameters(was, now, old, new, where)
    yield from _lost_body(was, now, old, new, where)
    for status, answer in was.get("responses", {}).items():
        found = now.get("responses", {}).get(status)
        if found is None:
            if status.startswith("2"):
                yield f"{where}: no longer answers {status}"
            continue
        yield from _lost_content(answer, found, Comparing(old, new, "told"), f"{where} → {status}")


def _newly_refused(was: Schema, now: Schema, where: str) -> Iterator[str]:
    """A role that may no longer ask, or a token where none was needed."""
    before, after = (one.get("x-tuopin", {}).get("roles", []) for one in (was, now))
    if before == "public" and after != "public":
        yield f"{where}: public no more"
    elif before != after and after != "public":
        yield from (f"{where}: refused to {role}" for role in sorted(set(before) - set(after)))


def _lost_parameters(was: Schema, now: Schema, old: Schema, new: Schema, where: str) -> Iterator[str]:
    """An unknown parameter is refused, so one that is gone is a loss too."""
    before, after = ({(one["in"], one["name"]): one for one in said.get("parameters", [])} for said in (was, now))
    for place, one in before.items():
        if place not in after:
            yield f"{where}: gone: {place[1]}"
            continue
        if after[place].get("required") and not one.get("required"):
            yield f"{where}: newly demands {place[1]}"
        comparing = Comparing(old, new, "sent")
        yield from comparing.losses(one.get("schema", {}), after[place].get("schema", {}), f"{where}?{place[1]}")
    yield from (
        f"{where}: newly demands {place[1]}"
        for place, one in after.items()
        if place not in before and one.get("required")
    )


def _lost_body(was: Schema, now: Schema, old: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = was.get("requestBody"), now.get("requestBody")
    if before is None:
        if after is not None and after.get("required"):
            yield f"{where}: newly demands a body"
        return
    if after is None:
        yield f"{where}: takes no body any more"
        return
    if after.get("required") and not before.get("required"):
        yield f"{where}: newly demands its body"
    yield from _lost_content(before, after, Comparing(old, new, "sent"), where)


def _lost_content(was: Schema, now: Schema, comparing: Comparing, where: str) -> Iterator[str]:
    for kind, said in was.get("content", {}).items():
        found = now.get("content", {}).get(kind)
        if found is None:
            yield f"{where}: no longer {kind}"
        else:
            yield from comparing.losses(said.get("schema", {}), found.get("schema", {}), where)
