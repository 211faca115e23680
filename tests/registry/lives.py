"""A village of dictionaries: who lives where, under which head, at home or away, on each day.

Every verb of life is done to it in its own words; the register must answer of any day as it does (`test_comings`).

Deeds come in any order of days: each follows only the last deed of the households that it touches.
"""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from shared.values import new_id

BEGINNING = date(2019, 2, 1)
VERBS = (
    "birth", "death", "change-head", "split", "merge", "marry-in", "adopt-in", "marry-out", "adopt-out", "leave",
    "return", "move", "close", "reopen",
)  # fmt: skip
INTO_HOMES = ("merge", "marry-in", "adopt-in")


@dataclass
class Home:
    """A household of one day: its people (whether head), its village, whether it stands."""

    who: dict[str, bool]
    place: str
    closed_on: date | None = None
    was: dict[str, bool] = field(default_factory=dict)
    """Who belonged to it when it was closed."""


@dataclass
class Village:
    """Every household day by day, who is away since when, who belongs to nobody since when, and who has died."""

    chance: random.Random
    villages: tuple[str, str]
    days: dict[str, list[tuple[date, Home]]] = field(default_factory=dict)
    away: dict[str, list[tuple[date, bool]]] = field(default_factory=dict)
    free: dict[str, date] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    serial: int = 700

    def begin(self, home: str, who: dict[str, bool]) -> None:
        self.days[home] = [(BEGINNING, Home(who, self.villages[0]))]

    def now(self, home: str) -> Home:
        return self.days[home][-1][1]

    def on(self, home: str, day: date) -> Home | None:
        found = [one for since, one in self.days[home] if since <= day]
        return found[-1] if found else None

    def is_away(self, person: str, day: date) -> bool:
        found = [away for since, away in self.away.get(person, []) if since <= day]
        return bool(found) and found[-1]

    def last(self, *homes: str) -> date:
        return max(self.days[home][-1][0] for home in homes)

    def put(self, home: str, day: date, after: Home) -> None:
        self.days.setdefault(home, []).append((day, after))

    # What may be asked next

    def next(self) -> tuple[str, str, date, dict[str, Any]] | None:
        """A household, a verb, a day and what is said; None where the verb has nothing to be done to."""
        verb = self.chance.choice(VERBS)
        wanted = [home for home in self.days if (self.now(home).closed_on is not None) == (verb == "reopen")]
        wanted = [home for home in wanted if not self.now(home).was.get("merged", False)]
        if not wanted:
            return None
        home = self.chance.choice(wanted)
        body = getattr(self, "_ask_" + verb.replace("-", "_"))(home)
        if body is None:
            return None
        touched = [home, *body.pop("touched", [])]
        day = max(self.last(*touched), body.pop("after", BEGINNING)) + timedelta(days=self.chance.randrange(1, 12))
        return home, verb, body.pop("day", None) or day, body

    def _others(self, home: str) -> list[str]:
        return [one for one, is_head in self.now(home).who.items() if not is_head]

    def _head(self, home: str) -> str:
        return next(one for one, is_head in self.now(home).who.items() if is_head)

    def _ask_birth(self, home: str) -> dict[str, Any]:
        self.serial += 1
        return {"child": {"relation": "other", "name": f"新{self.serial}", "id": str(new_id()), "present": True}}

    def _followed(self, home: str, person: str, *, names: tuple[str, str] = ("head", "relations")) -> dict[str, Any]:
        rest = [one for one in self.now(home).who if one != person]
        if person != self._head(home) or not rest:
            return {}
        return {names[0]: rest[0], names[1]: dict.fromkeys(rest[1:], "other")}

    def _ask_death(self, home: str) -> dict[str, Any]:
        person = self.chance.choice(list(self.now(home).who))
        return {"person": person, **self._followed(home, person)}

    def _ask_change_head(self, home: str) -> dict[str, Any] | None:
        others = self._others(home)
        if not others:
            return None
        return {"head": others[0], "relations": dict.fromkeys([self._head(home), *others[1:]], "sibling")}

    def _ask_split(self, home: str) -> dict[str, Any] | None:
        others = self._others(home)
        if not others:
            return None
        self.serial += 1
        leaving = self.chance.sample(others, self.chance.randrange(1, len(others) + 1))
        said = {"id": str(new_id()), "number": f"{self.villages[0]}{self.serial:04d}", "head": leaving[0]}
        return {**said, "relations": dict.fromkeys(leaving[1:], "other")}

    def _another(self, home: str) -> str | None:
        standing = [one for one in self.days if one != home and self.now(one).closed_on is None]
        return self.chance.choice(standing) if standing else None

    def _ask_merge(self, home: str) -> dict[str, Any] | None:
        into = self._another(home)
        if into is None:
            return None
        return {"into": into, "relations": dict.fromkeys(self.now(home).who, "other"), "touched": [into]}

    def _ask_marry_in(self, home: str) -> dict[str, Any] | None:
        body = self._ask_adopt_in(home)
        if body is not None:
            body["spouse"] = self._head(home)
            body["member"]["relation"] = "spouse"
        return body

    def _ask_adopt_in(self, home: str) -> dict[str, Any] | None:
        if self.free and self.chance.random() < 0.4:
            person = self.chance.choice(list(self.free))
            return {"member": {"id": person, "relation": "other"}, "after": self.free[person]}
        other = self._another(home)
        if other is None or len(self.now(other).who) < 2:
            return None
        person = self.chance.choice(list(self.now(other).who))
        origin = {"household": other, **self._followed(other, person)}
        return {"member": {"id": person, "relation": "other"}, "origin": origin, "touched": [other]}

    def _ask_marry_out(self, home: str) -> dict[str, Any] | None:
        return self._ask_death(home) if len(self.now(home).who) > 1 else None

    _ask_adopt_out = _ask_marry_out

    def _ask_leave(self, home: str, *, is_away: bool = False) -> dict[str, Any] | None:
        who = [one for one in self.now(home).who if self.is_away(one, date.max) == is_away]
        return {"person": self.chance.choice(who), "reason": "work"} if who else None

    def _ask_return(self, home: str) -> dict[str, Any] | None:
        body = self._ask_leave(home, is_away=True)
        return None if body is None else {"person": body["person"]}

    def _ask_move(self, home: str) -> dict[str, Any]:
        return {"division": next(one for one in self.villages if one != self.now(home).place)}

    def _ask_close(self, _home: str) -> dict[str, Any]:
        return {"reason": "moved_away"}

    def _ask_reopen(self, home: str) -> dict[str, Any] | None:
        now = self.now(home)
        back = [one for one in now.was if one in self.free]
        if not back:
            return None
        after = max(self.free[one] for one in back)
        headed = any(now.was[one] for one in back)
        said = {} if headed else {"head": back[0], "relations": dict.fromkeys(back[1:], "other")}
        same_day = self.chance.random() < 0.5 and after == now.closed_on
        return {**said, "after": after, **({"day": now.closed_on} if same_day else {})}

    # What each does

    def do(self, home: str, verb: str, day: date, body: dict[str, Any]) -> None:
        after = deepcopy(self.now(home))
        getattr(self, "_do_" + verb.replace("-", "_"))(home, after, day, body)
        self.put(home, day, after)

    def _do_birth(self, _home: str, after: Home, _day: date, body: dict[str, Any]) -> None:
        after.who[body["child"]["id"]] = False

    def _removed(self, after: Home, person: str, said: dict[str, Any]) -> None:
        del after.who[person]
        if "head" in said:
            after.who = {one: one == said["head"] for one in after.who}

    def _do_death(self, _home: str, after: Home, day: date, body: dict[str, Any]) -> None:
        self.gone.add(body["person"])
        self._removed(after, body["person"], body)
        if not after.who:
            after.closed_on = day

    def _do_change_head(self, _home: str, after: Home, _day: date, body: dict[str, Any]) -> None:
        after.who = {one: one == body["head"] for one in after.who}

    def _do_split(self, _home: str, after: Home, day: date, body: dict[str, Any]) -> None:
        going = [body["head"], *body["relations"]]
        self.put(body["id"], day, Home({one: one == body["head"] for one in going}, after.place))
        after.who = {one: is_head for one, is_head in after.who.items() if one not in going}

    def _do_merge(self, _home: str, after: Home, day: date, body: dict[str, Any]) -> None:
        into = deepcopy(self.now(body["into"]))
        into.who |= dict.fromkeys(after.who, False)
        self.put(body["into"], day, into)
        after.who, after.closed_on, after.was = {}, day, {"merged": True}

    def _do_marry_in(self, _home: str, after: Home, day: date, body: dict[str, Any]) -> None:
        person = body["member"]["id"]
        after.who[person] = False
        self.free.pop(person, None)
        if "origin" in body:
            old = deepcopy(self.now(body["origin"]["household"]))
            self._removed(old, person, body["origin"])
            self.put(body["origin"]["household"], day, old)

    _do_adopt_in = _do_marry_in

    def _do_marry_out(self, _home: str, after: Home, day: date, body: dict[str, Any]) -> None:
        self._removed(after, body["person"], body)
        self.free[body["person"]] = day

    _do_adopt_out = _do_marry_out

    def _do_leave(self, _home: str, _after: Home, day: date, body: dict[str, Any]) -> None:
        self.away.setdefault(body["person"], []).append((day, "reason" in body))

    _do_return = _do_leave

    def _do_move(self, _home: str, after: Home, _day: date, body: dict[str, Any]) -> None:
        after.place = body["division"]

    def _do_close(self, _home: str, after: Home, day: date, _body: dict[str, Any]) -> None:
        self.free |= dict.fromkeys(after.who, day)
        after.was, after.who, after.closed_on = after.who, {}, day

    def _do_reopen(self, _home: str, after: Home, _day: date, body: dict[str, Any]) -> None:
        back = {one: is_head for one, is_head in after.was.items() if one in self.free}
        for one in back:
            del self.free[one]
        after.who = {one: one == body["head"] for one in back} if "head" in body else back
        after.was, after.closed_on = {}, None
