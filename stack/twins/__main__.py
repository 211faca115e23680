"""`python -m stack.twins train | measure`: weights from a register that nobody lives in, and what they find in others.

`train` draws three registers. The first gives the weights; the second the thresholds and the shares that are looked up;
the third is measured once and printed (docs/one-person-once.md keeps it). `measure --seed N` looks at another with the
pack that is in force.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from services.registry.likeness.pack import PACK, Pack, Share, pack
from services.registry.likeness.rivals import with_rivals
from services.registry.likeness.scoring import candidates, scored
from stack.twins.faults import make_register
from stack.twins.judging import false_by, judged, keyed, precision_and_recall, recall_by, truth
from stack.twins.register import Register
from stack.twins.training import train

PRECISION, RECALL = 0.983, 0.945
"""What the thresholds are set by on the second register; a little more than is promised of the third."""
BANDS = (-2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
LEAST = -6.0


def look(register: Register, held: Pack) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judged pairs and the true ones."""
    keys, probes = keyed(register)
    true = truth(register)
    found = scored(keys, candidates(keys, probes), held, least=LEAST)
    print(
        f"{found.height:,} pairs kept; of {true.height:,} true pairs {_met(found, true):,} are among them", flush=True
    )
    return judged(found, true), true


def _met(found: pl.DataFrame, true: pl.DataFrame) -> int:
    return true.join(found.select("lo", "hi"), on=["lo", "hi"], how="semi").height


def queued(pairs: pl.DataFrame, held: Pack) -> pl.DataFrame:
    """The same pairs with the score by which they are queued: rivals counted."""
    return with_rivals(pairs, held).with_columns(pl.col("ranked").alias("score"))


def tuned(held: Pack, pairs: pl.DataFrame, true: pl.DataFrame) -> Pack:
    """Thresholds in steps of a tenth, and which share of a band was one person. Twice, since a rival is one that is
    likely.
    """
    for _ in range(2):
        held = _tuned(held, queued(pairs, held), true)
    return held


def _tuned(held: Pack, pairs: pl.DataFrame, true: pl.DataFrame) -> Pack:
    steps = [round(float(one), 1) for one in np.arange(-5, 12, 0.1)]
    likely = next(one for one in steps if one >= 2 and precision_and_recall(pairs, true, one)[0] >= PRECISION)
    possible = next(one for one in reversed(steps) if precision_and_recall(pairs, true, one)[1] >= RECALL)
    edges = [*BANDS, 99.0]
    shares = []
    for low, high in pairwise(edges):
        band = pairs.filter((pl.col("score") >= low) & (pl.col("score") < high))["one"]
        shares.append(Share(low, round(100 * float(band.mean() or 0))))  # type: ignore[arg-type]
    return replace(held, likely=likely, possible=min(possible, likely), shares=tuple(shares))


def write(held: Pack, report: dict[str, object], path: Path = PACK) -> None:
    """The pack as its file holds it: one line a level."""
    said = {
        "version": held.version, "start": held.start, "weights": held.weights, "clusters": held.clusters,
        "thresholds": {"likely": held.likely, "possible": held.possible},
        "shares": [[one.low, one.of_hundred] for one in held.shares],
        "rival": {"margin": held.rival_margin, "weight": held.rival_weight}, "report": report,
    }  # fmt: skip
    text = json.dumps(said, ensure_ascii=False, indent=1)
    path.write_text(_short_lists(text) + "\n", encoding="utf-8")


def _short_lists(text: str) -> str:
    """Lists of numbers on one line."""
    lines: list[str] = []
    for line in text.splitlines():
        inside = bool(lines) and lines[-1].count("[") > lines[-1].count("]")
        bare = line.strip()
        if inside and (bare[0] in "-0123456789]"):
            lines[-1] += bare if bare[0] == "]" or lines[-1].endswith("[") else f" {bare}"
        else:
            lines.append(line)
    return "\n".join(lines)


def told(register: Register, pairs: pl.DataFrame, true: pl.DataFrame, held: Pack) -> dict[str, object]:
    """Print what was found; answers the figures that the report keeps."""
    figures: dict[str, object] = {"persons": register.rows.height, "true_pairs": true.height}
    ranked = queued(pairs, held)
    for said, counted in (("", ranked), (" without rivals", pairs)):
        for name, least in (("likely", held.likely), ("possible", held.possible)):
            precision, recall, found = precision_and_recall(counted, true, least)
            print(f"{name + said}, {least} or more: {found:,} pairs, precision {precision:.3f}, recall {recall:.3f}")
            figures[name + said] = {"pairs": found, "precision": round(precision, 4), "recall": round(recall, 4)}
    pairs = ranked
    conflict = pairs.filter((pl.col("score") < held.possible) & (pl.col("id_level") == 1))
    print(f"one number, unlike entries: {conflict.height:,} pairs, {int(conflict['one'].sum())} of them one person")
    figures["id_conflict"] = [conflict.height, int(conflict["one"].sum())]
    figures["by_evidence"] = by_evidence(pairs, true, held)
    for kinds in (["id_fault"], ["move"], ["name_fault"]):
        table = recall_by(pairs, true, kinds, held.likely, held.possible)
        figures[f"recall_by_{kinds[0]}"] = _told_table(table, kinds[0])
    without = true.filter(pl.col("id_fault") == "missing")
    figures["recall_without_number"] = _told_table(
        recall_by(pairs, without, ["name_fault"], held.likely, held.possible), "name_fault"
    )
    looks = [list(row) for row in false_by(pairs, register, held.likely, held.possible)]
    for kind, planted, likely, possible in looks:
        print(f"false: {kind:32} planted {planted:6,}  likely {likely:5}  possible or more {possible:5}")
    figures["false_pairs"] = looks
    return figures


def by_evidence(pairs: pl.DataFrame, true: pl.DataFrame, held: Pack) -> dict[str, float]:
    """Where both carry a number at most one slip apart, as the levels say (`equal` or `slip`)."""
    kinds = true.filter(pl.col("id_fault").is_in(["equal", "old", "slip"]))
    found = pairs.filter((pl.col("score") >= held.likely) & pl.col("id_level").is_in([1, 2]))
    right = kinds.join(pairs.filter(pl.col("score") >= held.likely), on=["lo", "hi"]).height
    precision, recall = float(found["one"].mean() or 0), right / max(kinds.height, 1)  # type: ignore[arg-type]
    print(
        f"numbers at most one slip apart: {kinds.height:,} true pairs, precision {precision:.3f}, recall {recall:.3f}"
    )
    return {"true_pairs": kinds.height, "precision": round(precision, 4), "recall": round(recall, 4)}


def _told_table(table: pl.DataFrame, name: str) -> list[list[object]]:
    for kind, count, likely, possible in table.iter_rows():
        print(f"{name}: {kind:20} {count:6,}  likely {likely:.3f}  possible or more {possible:.3f}")
    return [list(row) for row in table.iter_rows()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="stack.twins", description=__doc__)
    parser.add_argument("verb", choices=("train", "measure"))
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first register; train takes the two after it as well"
    )
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, default=PACK)
    asked = parser.parse_args()
    if asked.verb == "measure":
        register = make_register(asked.persons, asked.seed)
        pairs, true = look(register, pack())
        told(register, pairs, true, pack())
        return
    keys, probes = keyed(make_register(asked.persons, asked.seed))
    held = train(keys, probes, pack(), asked.version)
    del keys, probes
    held = tuned(held, *look(make_register(asked.persons, asked.seed + 1), held))
    last = make_register(asked.persons, asked.seed + 2)
    pairs, true = look(last, held)
    seeds = {"train": asked.seed, "tune": asked.seed + 1, "looked_at_once": asked.seed + 2}
    write(held, {"seeds": seeds, **told(last, pairs, true, held)}, asked.out)


if __name__ == "__main__":
    main()
