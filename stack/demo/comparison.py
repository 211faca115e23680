"""The one place that opens the answer file: each figure read back stands beside what it must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN = 5


def digest(path: Path) -> str:
    """SHA-256 of the answer file, printed before anything is uploaded."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Comparison:
    """Expected against read back. Every row must be equal; `differences` says where not."""

    expected: Mapping[str, Any]
    rows: list[tuple[str, object, object]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @classmethod
    def against(cls, path: Path) -> Comparison:
        """Open the answers."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def figure(self, name: str, read_back: object, expected: object | None = None) -> None:
        """One number (or text) of the answer file, or one that follows from it."""
        should = self.expected[name] if expected is None else expected
        self.rows.append((name, should, read_back))
        if should != read_back:
            self.differences.append(f"{name}: expected {should}, read back {read_back}")

    def every(self, name: str, read_back: Mapping[str, object], expected: Mapping[str, object]) -> None:
        """One value a household; the first differences are told."""
        wrong = [
            f"{name} of {key}: expected {expected.get(key)}, read back {read_back.get(key)}"
            for key in sorted(expected.keys() | read_back.keys())
            if expected.get(key) != read_back.get(key)
        ]
        self.rows.append((f"{name} (households that agree)", len(expected), len(expected) - len(wrong)))
        self.differences += wrong[:SHOWN]
        if len(wrong) > SHOWN:
            self.differences.append(f"{name}: {len(wrong) - SHOWN} more")

    @property
    def agrees(self) -> bool:
        return not self.differences
