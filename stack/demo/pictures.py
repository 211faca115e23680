"""Pictures as SVG text, for people who would rather look than read. Pure: numbers in, markup out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 860
COLOURS = {
    "met": "#2e7d32",
    "unmet": "#c62828",
    "unknown": "#f9a825",
    "not_applicable": "#b0bec5",
    "none": "#b0bec5",
    "attention": "#f9a825",
    "high": "#c62828",
}
OTHER_COLOUR = "#5c6bc0"
BEFORE, AFTER = "#90a4ae", "#1565c0"


def _frame(height: int, inside: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12">{inside}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#263238") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _bar(x: float, y: float, width: float, height: float, colour: str, words: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{colour}">'
        f"<title>{escape(words)}</title></rect>"
    )


def stacked_bars(rows: Mapping[str, Mapping[str, int]], title: str) -> str:
    """One bar a row (a township), cut by kind (a verdict), each as long as its count."""
    kinds = sorted({kind for row in rows.values() for kind in row})
    longest = max((sum(row.values()) for row in rows.values()), default=0) or 1
    parts, left, step = [], 130.0, 22.0
    for number, kind in enumerate(kinds):
        x = left + number * 150
        parts += [_bar(x, 4, 12, 12, COLOURS.get(kind, OTHER_COLOUR), kind), _text(x + 18, 15, kind)]
    for number, (name, row) in enumerate(rows.items()):
        y, x = 28 + number * step, left
        parts.append(_text(left - 8, y + 13, name, "end"))
        for kind in kinds:
            width = row.get(kind, 0) / longest * (WIDTH - left - 60)
            parts.append(_bar(x, y, width, 16, COLOURS.get(kind, OTHER_COLOUR), f"{name} {kind}: {row.get(kind, 0)}"))
            x += width
        parts.append(_text(x + 6, y + 13, str(sum(row.values()))))
    return _frame(36 + 22 * len(rows), "".join(parts), title)


def paired_columns(bins: Sequence[str], before: Sequence[int], after: Sequence[int], title: str) -> str:
    """Two columns a bin: how many before, how many after."""
    highest = max([*before, *after], default=0) or 1
    parts, left, bottom, tall = [], 50.0, 230.0, 190.0
    step = (WIDTH - left - 10) / max(len(bins), 1)
    for number, (name, low, high) in enumerate(zip(bins, before, after, strict=True)):
        x = left + number * step
        for shift, count, colour, words in ((0.08, low, BEFORE, "before"), (0.5, high, AFTER, "after")):
            height = count / highest * tall
            parts.append(
                _bar(x + shift * step, bottom - height, step * 0.4, height, colour, f"{name} {words}: {count}")
            )
        parts.append(_text(x + step / 2, bottom + 15, name, "middle"))
    parts += [_text(left - 6, bottom - tall + 4, str(highest), "end"), _text(left - 6, bottom, "0", "end")]
    for shift, colour, words in ((0, BEFORE, "兑付前 before"), (140, AFTER, "兑付后 after")):
        parts += [_bar(left + shift, 6, 12, 12, colour, words), _text(left + shift + 18, 17, words)]
    return _frame(255, "".join(parts), title)


def time_line(moments: Sequence[tuple[str, str]], title: str) -> str:
    """(date, what happened), in order, along one line."""
    parts = [f'<line x1="90" y1="10" x2="90" y2="{10 + len(moments) * 26}" stroke="#90a4ae" stroke-width="2"/>']
    for number, (day, words) in enumerate(moments):
        y = 24 + number * 26
        parts += [
            _text(80, y + 4, day, "end"),
            f'<circle cx="90" cy="{y}" r="5" fill="#1565c0"/>',
            _text(104, y + 4, words),
        ]
    return _frame(24 + len(moments) * 26, "".join(parts), title)
