"""What a break is, and the list of all of them by part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """One guard removed: in `file`, `old` (standing there exactly once) becomes `new`; then `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str
