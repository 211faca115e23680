"""Plant the breaks one by one: `python -m tests.prove [PART OF A NAME …]`; `--list` shows them.

Exit code 1 if one of them goes unnoticed, if a test is red before anything was broken, or if nothing was chosen.
"""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tests.prove
from tests.prove.breaks import Break

PROJECT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".stack", "__pycache__", ".ruff_cache", ".pytest_cache")
LONGEST_TEST_SECONDS = 300
ASSERTED = tuple(f"failure: {how}" for how in ("assert ", "AssertionError", "Failed: DID NOT RAISE"))


@dataclass(frozen=True)
class Outcome:
    """How a break ended: noticed or not, and why."""

    noticed: bool
    words: str


def all_breaks() -> list[Break]:
    """Those of each part's file, in order."""
    found: list[Break] = []
    for module in sorted(pkgutil.iter_modules(tests.prove.__path__), key=lambda one: one.name):
        if module.name.startswith("of_"):
            found += importlib.import_module(f"tests.prove.{module.name}").BREAKS
    return found


def listed(breaks: list[Break]) -> str:
    """All of them as a table: what is broken, where, and who must notice."""
    rows = [f"| {one.name} | `{one.file}` | `{one.test.partition('::')[2]}` |\n" for one in breaks]
    return "".join(["| guard removed | in | noticed by |\n", "|---|---|---|\n", *rows])


def run_tests(copy: Path, tests_named: Iterable[str], *more: str, within: float) -> tuple[int, dict[str, str]]:
    """(exit code of pytest, what went wrong by the name of the test) in the copy."""
    report = copy / "prove.xml"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *more, *tests_named],
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=within,
        check=False,
    )
    if not report.exists():
        return done.returncode, {"no report": done.stdout[-400:]}
    # our own pytest wrote this file a moment ago
    cases = ET.parse(report).getroot().iter("testcase")
    wrong = {
        f"{case.get('classname')}::{case.get('name')}": f"{child.tag}: {child.get('message', '')[:160]}"
        for case in cases
        for child in case
        if child.tag in ("failure", "error", "skipped")
    }
    return done.returncode, wrong


def plant(copy: Path, one: Break) -> None:
    """Change the copy; a text that does not stand there exactly once is a stale break."""
    path = copy / one.file
    text = path.read_text(encoding="utf-8")
    if text.count(one.old) != 1:
        raise LookupError(f"{one.name}: the text to break stands {text.count(one.old)} times in {one.file}")
    path.write_text(text.replace(one.old, one.new), encoding="utf-8")


def still_well_formed(copy: Path, one: Break) -> str:
    """Empty if the broken file passes mypy and imports; else what is wrong."""
    if not one.file.endswith(".py"):
        return ""
    for command in (
        [sys.executable, "-m", "mypy", one.file],
        [sys.executable, "-c", f"import runpy; runpy.run_path({one.file!r}, run_name='planted')"],
    ):
        if "migrations" in one.file and "mypy" not in command:
            continue
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return (done.stdout + done.stderr)[-300:]
    return ""


def prove(copy: Path, one: Break) -> Outcome:
    """Plant, look, put back."""
    path = copy / one.file
    kept = path.read_bytes()
    try:
        plant(copy, one)
        if told := still_well_formed(copy, one):
            return Outcome(False, f"the broken tree is not well formed: {told}")
        code, wrong = run_tests(copy, [one.test], "-x", within=LONGEST_TEST_SECONDS)
        if code == 0:
            return Outcome(False, "the test passes although the guard is gone")
        asserted = [kind for kind in wrong.values() if kind.startswith(ASSERTED)]
        if not asserted:
            return Outcome(False, f"it fails, but not by assertion: {', '.join(wrong.values()) or 'nothing ran'}")
        return Outcome(True, asserted[0])
    except (LookupError, subprocess.TimeoutExpired) as error:
        return Outcome(False, str(error))
    finally:
        path.write_bytes(kept)


def baseline(copy: Path, tests_named: list[str]) -> list[str]:
    """What of the named tests is not green in the unbroken copy; they run on one set of servers."""
    code, wrong = run_tests(copy, tests_named, within=len(tests_named) * LONGEST_TEST_SECONDS)
    return [f"{test}: {how}" for test, how in wrong.items()] or ([f"pytest ended with {code}"] if code else [])


def main(names: list[str]) -> int:
    """Prove all, or those whose names contain one of the texts given."""
    chosen = [one for one in all_breaks() if not names or any(name in one.name for name in names)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuopin-prove-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(PROJECT, copy, ignore=LEFT_OUT)
        Path(folder).chmod(0o755)
        red = baseline(copy, sorted({one.test for one in chosen}))
        if red:
            print("not green before anything was broken:", *red, sep="\n  ")
            return 1
        print(f"baseline green; {len(chosen)} breaks", flush=True)
        unnoticed = 0
        for one in chosen:
            began = time.monotonic()
            outcome = prove(copy, one)
            unnoticed += not outcome.noticed
            mark = "noticed " if outcome.noticed else "UNNOTICED"
            print(f"{mark} {one.name} ({time.monotonic() - began:.1f} s)\n    {outcome.words}", flush=True)
    print(f"{len(chosen) - unnoticed} noticed, {unnoticed} unnoticed, {time.monotonic() - started:.0f} seconds")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(listed(all_breaks()), end="")
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
