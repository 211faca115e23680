"""The one place that opens the answer file: whatever was read back stands beside what it must be.

The story hands in what it read, one thing at a time (`see`); which answer that is held against is decided here alone.
Nothing is compared before somebody asks, so the same readings can be held against another answer file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN = 5


def digest(path: Path) -> str:
    """SHA-256 of the answer file, printed before anything is uploaded."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Findings:
    """核对结果: each figure with what it must be, and where it differs."""

    rows: list[tuple[str, object, object]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def figure(self, name: str, read_back: object, expected: object) -> None:
        """One number, or one text."""
        self.rows.append((name, expected, read_back))
        if expected != read_back:
            self.differences.append(f"{name}: expected {expected}, read back {read_back}")

    def every(self, name: str, read_back: Mapping[str, object], expected: Mapping[str, object]) -> None:
        """One value a key, and the same keys; the first differences are told."""
        wrong = [
            f"{name} of {key}: expected {expected.get(key)}, read back {read_back.get(key)}"
            for key in sorted(expected.keys() | read_back.keys())
            if expected.get(key) != read_back.get(key)
        ]
        self.rows.append((f"{name} (that agree)", len(expected), len(expected) - len(wrong)))
        self.differences += wrong[:SHOWN]
        if len(wrong) > SHOWN:
            self.differences.append(f"{name}: {len(wrong) - SHOWN} more")


@dataclass
class Comparison:
    """核对: the answers, and what was read back so far."""

    expected: Mapping[str, Any]
    read_back: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def against(cls, path: Path) -> Comparison:
        """Open the answers."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def see(self, what: str, read_back: Any) -> None:
        """Something was read back through the gateway; read anew, it takes the place of what was read before."""
        if what not in RULES:
            raise KeyError(what)
        self.read_back[what] = read_back

    @property
    def findings(self) -> Findings:
        """All that was read back, held against the answers, in the order in which it was first read."""
        found = Findings()
        for what, read in self.read_back.items():
            RULES[what](found, read, self.expected)
        return found

    @property
    def missing(self) -> list[str]:
        """What must be compared and was never read back."""
        return [what for what in RULES if what not in self.read_back]

    @property
    def rows(self) -> list[tuple[str, object, object]]:
        """(figure, expected, read back)."""
        return self.findings.rows

    @property
    def differences(self) -> list[str]:
        """In words; empty when everything that was read back agrees."""
        return self.findings.differences


# ── what each reading is held against ─────────────────────────────────────────────────────────────────────────────────

Answers = Mapping[str, Any]
Rule = Callable[[Findings, Any, Answers], None]


def _as_keys(items: Iterable[object]) -> dict[str, object]:
    """How often each stands there."""
    return dict(Counter(str(one) for one in items))


def _by_row(marked: Iterable[Mapping[str, Any]], name: str) -> dict[str, object]:
    """Row of the sheet → what is wrong with it."""
    found: dict[str, set[str]] = {}
    for one in marked:
        found.setdefault(str(one["row"]), set()).add(str(one[name]))
    return {row: sorted(codes) for row, codes in found.items()}


def _intake(found: Findings, read: Any, answers: Answers) -> None:
    looked, kept, again = read["looked"], read["kept"], read["again"]
    found.figure("rows", kept["rows"], answers["rows"])
    found.figure("rows_refused", kept["refused"], answers["rows_refused"])
    found.figure("rows_refused when only looked at", looked["refused"], answers["rows_refused"])
    stored = kept["new"] + kept["changed"] + kept["unchanged"]
    found.figure("rows stored + unchanged + refused", stored + kept["refused"], answers["rows"])
    found.figure("rows changed by the same file again", again["new"] + again["changed"], 0)
    found.figure("rows doubtful", kept["doubts"], answers["doubts_total"])


def _refused(found: Findings, read: Any, answers: Answers) -> None:
    found.every("rows refused, why", _by_row(read, "code"), _by_row(answers["refused"], "code"))


def _came_back(found: Findings, read: Any, answers: Answers) -> None:
    found.every("answer book: rows that came back, why", read, _by_row(answers["refused"], "code"))


def _book_doubts(found: Findings, read: Any, answers: Answers) -> None:
    found.every("answer book: rows in doubt, checks", _by_row(read, "check"), _by_row(answers["doubted"], "check"))


def _counts(found: Findings, read: Any, answers: Answers) -> None:
    for name in ("households_stored", "persons_stored", "households", "persons"):
        found.figure(name, read[name], answers[name])


def _doubts(found: Findings, read: Any, answers: Answers) -> None:
    found.figure("doubts", len(read), answers["doubts_total"])
    told = ([f"{one['check']} in row {one['row']}" for one in rows] for rows in (read, answers["doubted"]))
    found.every("doubt", *(_as_keys(one) for one in told))


def _judged(found: Findings, read: Any, answers: Answers) -> None:
    found.figure("judged", read, answers["households_stored"])


def _poor(found: Findings, read: Any, answers: Answers) -> None:
    found.every("poor on 20 August 2019", _as_keys(read), _as_keys(one["number"] for one in answers["members"]))


def _members(found: Findings, read: Any, answers: Answers) -> None:
    found.every("member number", read, {one["number"]: one["member_number"] for one in answers["members"]})


def _exits(found: Findings, read: Any, answers: Answers) -> None:
    found.every("fit to exit", _as_keys(read), _as_keys(answers["exits"]))


def _decided(found: Findings, read: Any, answers: Answers) -> None:
    found.every("marked as lifted", _as_keys(read), _as_keys(answers["exits"]))
    found.figure("cases_decided", len(read), len(answers["exits"]))


def _notices(found: Findings, read: Any, answers: Answers) -> None:
    found.every("households on the notice", read, {answers["exit_village"]: len(answers["exits"])})
    found.figure("notices", len(read), 1)


def _verdicts(when: str, words: str) -> Rule:
    def rule(found: Findings, read: Any, answers: Answers) -> None:
        found.every(f"verdicts {words}", read, answers[when])

    return rule


def _nets_before(found: Findings, read: Any, answers: Answers) -> None:
    found.every("net income before, fen", read, answers["net_fen"])


def _nets_after(found: Findings, read: Any, answers: Answers) -> None:
    paid = {one["number"]: one["fen"] for one in answers["members"]}
    should = {number: fen + paid.get(number, 0) for number, fen in answers["net_fen"].items()}
    found.every("net income after, fen", read, should)


def _payouts(found: Findings, read: Any, answers: Answers) -> None:
    found.every("payout, fen", read, {one["number"]: one["fen"] for one in answers["members"]})
    found.figure("payout_fen", sum(read.values()), answers["payout_fen"])


def _changed(found: Findings, read: Any, answers: Answers) -> None:
    should = {f"{one['number']} {one['pack']}": [one["before"], one["after"]] for one in answers["changed"]}
    found.every("verdict change", read, should)
    numbers = {key.split(" ")[0] for key in read}
    found.figure("verdicts_changed", len(numbers), len({one["number"] for one in answers["changed"]}))


def _causes(found: Findings, read: Any, answers: Answers) -> None:
    kinds = {"payout": ["payout"], "birthday": ["birthday"], "both": ["birthday", "payout"]}
    found.every(
        "cause of change", read, {f"{one['number']} {one['pack']}": kinds[one["cause"]] for one in answers["changed"]}
    )


def _true(words: str) -> Rule:
    def rule(found: Findings, read: Any, _answers: Answers) -> None:
        found.figure(words, read, True)

    return rule


def _verified(found: Findings, read: Any, _answers: Answers) -> None:
    found.figure("verify: everything equal", read["equal"], True)
    if not read["equal"]:
        found.differences += [f"verify: {line}" for line in read["lines"]]


def _a_doubt_closed(found: Findings, read: Any, answers: Answers) -> None:
    found.figure("doubt closed", read["closed"], [answers["looked_into"]])
    found.figure("doubts left", read["left"], answers["doubts_total"] - 1)
    found.figure("household untouched by the finding", read["household untouched"], True)


def _a_household_parted(found: Findings, read: Any, answers: Answers) -> None:
    parting = answers["parting"]
    found.figure("household untouched by the preview", read["nothing changed by the preview"], True)
    for name in ("before", "stay", "leave"):
        found.figure(f"members of the household that parts: {name}", read[name], parting[name])
    for name in ("as of the day before", "as it was believed"):
        found.figure(f"its members {name}", read[name], parting["before"])
    found.figure("both judged", read["judged"], sorted([parting["number"], parting["new_number"]]))
    found.figure("judged after the parting", read["judged in all"], answers["households_stored"] + 1)


RULES: Mapping[str, Rule] = {
    "intake": _intake,
    "refused": _refused,
    "came back": _came_back,
    "doubts in the answer book": _book_doubts,
    "counts": _counts,
    "doubts": _doubts,
    "judged": _judged,
    "poor": _poor,
    "members": _members,
    "exits": _exits,
    "decided": _decided,
    "notices": _notices,
    "verdicts before": _verdicts("before", "before the payment"),
    "nets before": _nets_before,
    "payouts": _payouts,
    "trial balance": _true("trial balance balanced"),
    "verdicts after": _verdicts("after", "on 15 October"),
    "changed": _changed,
    "causes": _causes,
    "nets after": _nets_after,
    "verified": _verified,
    "a doubt closed": _a_doubt_closed,
    "a household parted": _a_household_parted,
}
"""What is read back → how it is held against the answers."""
