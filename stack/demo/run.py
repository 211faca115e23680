"""`tuopin demo`: make the sample, raise the stage, tell the story, compare, print one last line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stack.demo.comparison import Comparison, digest
from stack.demo.quiet import Watch
from stack.demo.report import Report
from stack.demo.scenes import SCENES, Scene
from stack.demo.script import Script
from stack.demo.stage import morning
from stack.demo.story import FIRST_DAY, Cast, Story, scene
from stack.home import Home, alone_in
from stack.practice import practice_stack
from stack.problems import StackProblem
from stack.sample import write_sample

MARKS = {"failed": "✗", "unknown": "?"}
FIGURES = (
    "households",
    "persons",
    "rows_refused",
    "doubts",
    "judged",
    "cases_decided",
    "notices",
    "payout_fen",
    "verdicts_changed",
)


def demonstrate(
    folder: Path,
    county: str,
    households: int,
    console: Console,
    *,
    answers: Path | None = None,
    scenes: Sequence[Scene] = SCENES,
) -> int:
    """Run it all; 0 only if every figure read back is the expected one. `answers` names another answer file.

    One at a time in a folder: a second one would write other papers under the first and stop its stack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    already = StackProblem(
        f"a demonstration is already running in {folder}",
        "wait until it has ended, or name another folder: `tuopin demo --folder /tmp/another`",
    )
    with alone_in(folder, already):
        return _demonstrate(folder, county, households, console, answers, scenes)


def _demonstrate(
    folder: Path, county: str, households: int, console: Console, answers: Path | None, scenes: Sequence[Scene]
) -> int:
    began = time.monotonic()
    console.print(f"[bold]样本 sample[/bold]: {households} households of {county}")
    write_sample(county=county, households=households, folder=folder)
    answer_file = answers or folder / "answers.json"
    console.print(f"answer file, SHA-256 {digest(answer_file)}  (made before anything is uploaded)")
    with practice_stack(
        morning(FIRST_DAY), lambda text: console.print(f"  {text}", highlight=False), folder / "home"
    ) as home:
        story = asyncio.run(_tell(home, folder, Comparison.against(answer_file), console, scenes))
    return _end(story, folder, console, time.monotonic() - began)


async def _tell(home: Home, folder: Path, comparison: Comparison, console: Console, scenes: Sequence[Scene]) -> Story:
    script = Script.read(folder)
    intro = f"{script.county}: 虚构的户与人 households and persons are synthetic"
    people = Cast.of(home, script.county, script.village)
    async with Watch(home) as watch:
        with people as cast, console.status("…") as status:
            story = Story(
                home=home,
                watch=watch,
                cast=cast,
                comparison=comparison,
                report=Report(intro=intro),
                folder=folder,
                tell=lambda title, figures: _print_table(console, title, figures),
                progress=status.update,
            )
            for title, play in scenes:
                await scene(story, title, play)
    return story


def _print_table(console: Console, title: str, figures: Mapping[str, object]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
    console.print(table)


def _end(story: Story, folder: Path, console: Console, seconds: float) -> int:
    story.report.comparison = list(story.comparison.rows)
    story.report.write(folder / "report.html")
    for one in story.report.households:
        console.print(f"[bold]{one.number}[/bold] {one.title}")
        for when, sentences in (("兑付前 before", one.before), ("2019-10-15", one.after)):
            console.print(f"  {when}")
            for kind, sentence in sentences:
                console.print(f"    {MARKS.get(kind, '✓')} {sentence}", highlight=False, soft_wrap=True)
    console.print(
        f"report {folder / 'report.html'}, notice {folder / 'notice.html'}, answer book {folder / 'answer-book.xlsx'}"
    )
    return conclude(story, console, seconds)


def conclude(story: Story, console: Console, seconds: float) -> int:
    """Say where it differs, and the last line; 0 only if all was read back and every figure is the expected one."""
    differences = [*story.comparison.differences, *(f"{one}: never read back" for one in story.comparison.missing)]
    for words in differences:
        console.print(f"[red]differs[/red] {words}", soft_wrap=True)
    figures = {name: story.known[name] for name in FIGURES}
    outcome = "differs" if differences else "ok"
    print(json.dumps({"demo": outcome, **figures, "seconds": round(seconds, 1)}, ensure_ascii=False), flush=True)
    return 1 if differences else 0
