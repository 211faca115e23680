"""A second register, of dictionaries: it remembers only what was done, in order, and replays it up to a moment.

It shares nothing with the services: no table, no interval, no version. What it answers of a day at a moment is what the
register must answer (`test_past_replayed`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

YEAR_BEGINS = date(2018, 10, 1)


@dataclass(frozen=True)
class Deed:
    """One line of the log: when it became known, of which household, what was done."""

    known: datetime
    household: str
    kind: str
    on: date
    said: dict[str, Any]


@dataclass
class Span:
    """From a day up to another, not including it."""

    what: tuple[str, ...]
    since: date
    until: date | None = None

    def holds(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


@dataclass
class Home:
    """One household as the deeds so far leave it."""

    seen: list[tuple[date, dict[str, Any]]] = field(default_factory=list)
    health: dict[str, list[tuple[date, str]]] = field(default_factory=dict)
    members: list[Span] = field(default_factory=list)
    statuses: list[Span] = field(default_factory=list)
    wage: int | None = None
    paid: dict[str, tuple[date, int]] = field(default_factory=dict)

    def do(self, deed: Deed) -> None:
        getattr(self, f"_{deed.kind}")(deed)

    def _form(self, deed: Deed) -> None:
        before = self.seen[-1][1] if self.seen else {}
        self.seen.append((deed.on, before | deed.said["facts"]))
        if (members := deed.said.get("members")) is not None:
            relations = {name: relation for name, (relation, _) in members.items()}
            self.members = _again(self.members, list(relations.items()), deed.on)
            for name, (_, health) in members.items():
                self.health.setdefault(name, []).append((deed.on, health))
        if "minimum_living" in deed.said:
            self._minimum(deed.said["minimum_living"], deed.on)
        if "poor" in deed.said:
            self.statuses.append(Span(("poor",), deed.said["poor"]))
        if "wage" in deed.said:
            self.wage = deed.said["wage"]

    def _minimum(self, since: date | None, on: date) -> None:
        ended = [one.until for one in self.statuses if one.what == ("minimum_living",) and one.until is not None]
        kept = []
        for one in self.statuses:
            if one.what == ("minimum_living",) and one.until is None:
                if since is None and one.since < on:
                    kept.append(replace(one, until=on))
            else:
                kept.append(one)
        if since is not None:
            kept.append(Span(("minimum_living",), max([since, *ended])))
        self.statuses = kept

    def _decision(self, deed: Deed) -> None:
        poor = next((one for one in self.statuses if one.what == ("poor",) and one.until is None), None)
        if poor is not None and poor.since < deed.on:
            poor.until = deed.on
            self.statuses.append(Span(("lifted",), deed.on))

    def _payout(self, deed: Deed) -> None:
        self.paid[deed.said["id"]] = (deed.on, deed.said["fen"])

    def on(self, day: date) -> dict[str, Any] | None:
        """What was true of it on a day; None when nothing was."""
        members = [one for one in self.members if one.holds(day)]
        kinds = sorted(one.what[0] for one in self.statuses if one.holds(day))
        seen = [facts for on, facts in self.seen if on <= day]
        if not (members or kinds or seen):
            return None
        first = self.seen[0][1]
        facts = seen[-1] if seen else {"division": first["division"], "group": first["group"], "housing": None}
        return {
            **facts,
            "members": sorted(
                (relation, name, self._health(name, day)) for name, relation in (m.what for m in members)
            ),
            "statuses": kinds,
            "wage": self.wage if day >= YEAR_BEGINS else None,
            "paid": sum(fen for on, fen in self.paid.values() if on <= day),
        }

    def _health(self, name: str, day: date) -> str:
        return [health for on, health in self.health[name] if on <= day][-1]


def _again(held: list[Span], said: list[tuple[str, ...]], on: date) -> list[Span]:
    """A form names all members: who is left out or stands otherwise ends, what is new begins."""
    after = []
    for one in held:
        if one.until is not None or one.what in said:
            after.append(one)
        elif one.since < on:
            after.append(replace(one, until=on))
    standing = [one.what for one in after if one.until is None]
    return after + [Span(what, on) for what in said if what not in standing]


def replayed(log: list[Deed], household: str, day: date, known_at: datetime) -> dict[str, Any] | None:
    """The household on that day, by all that was known at that moment; None when nothing was."""
    home = Home()
    deeds = [deed for deed in log if deed.household == household and deed.known <= known_at]
    for deed in deeds:
        home.do(deed)
    return home.on(day) if deeds else None
