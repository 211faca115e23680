"""最大余额法: a total in whole fen shared by weights, so that the parts always add up to the total.

Each part is cut down to the whole fen; what is left goes fen by fen to the largest remainders, ties to the lowest
member number. Rounding each part by itself would miss the declared total; giving the rest to the first in a list would
favour the same members whatever their weights.
"""

from __future__ import annotations

from collections.abc import Mapping


def apportion(total: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Share `total` (not negative) by `weights` (member number to weight, none negative, one at least positive)."""
    whole = sum(weights.values())
    if total < 0 or whole <= 0 or min(weights.values()) < 0:
        raise ValueError("a total and weights that are not negative, and one weight above zero")
    parts = {number: total * weight // whole for number, weight in weights.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(weights, key=lambda number: (-(total * weights[number] % whole), number))
    for number in by_remainder[:left]:
        parts[number] += 1
    return parts
