"""The demonstration notices one fen: in its answer file, and in a database. Its papers are there to look at.

That it agrees when nothing was touched is shown by the journeys and by `make demo` itself.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from stack.demo.run import demonstrate
from stack.demo.story import SCENES, Figures, Scene, Story
from stack.home import RECORD
from stack.practice import wipe
from stack.problems import StackProblem
from stack.programs import postgres_of
from stack.sample import write_sample
from tests.stack.homes import reachable_folder

COUNTY = "623023"
HOUSEHOLDS = 400


async def meddle(story: Story) -> Figures:
    """One fen more in one income row that a payout made, behind every guard's back."""
    connection = await asyncpg.connect(postgres_of(story.home).dsn("registry"), ssl=False)
    try:
        await connection.execute("set session_replication_role = replica")
        changed = await connection.execute(
            "update income set fen = fen + 1 where no = (select min(no) from income where source = 'payout')"
        )
    finally:
        await connection.close()
    assert changed == "UPDATE 1"
    return {}


def with_meddling() -> list[Scene]:
    """The scenes, the hand in the database just before the last look."""
    return [*SCENES[:-1], ("meddling", meddle), SCENES[-1]]


def test_one_fen_in_the_answers_or_in_a_database_ends_it_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    with reachable_folder() as folder:
        write_sample(COUNTY, HOUSEHOLDS, folder)
        answers: dict[str, Any] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        altered = answers["members"][7]
        altered["fen"] += 1
        crossing = next(one["number"] for one in answers["changed"] if one["cause"] == "payout")
        answers["net_fen"][crossing] -= 1
        answers["refused"][0]["code"] = "number.wrong"
        other = folder / "altered.json"
        other.write_text(json.dumps(answers), encoding="utf-8")
        words = io.StringIO()
        console = Console(file=words, width=200)
        code = demonstrate(folder, COUNTY, HOUSEHOLDS, console, answers=other, scenes=with_meddling())
        told = words.getvalue()
        last = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        papers = {path.name for path in folder.iterdir()}
        report = (folder / "report.html").read_text(encoding="utf-8")
        notice = (folder / "notice.html").read_text(encoding="utf-8")
        wipe(folder / "home")
    differences = [line for line in told.splitlines() if line.startswith("differs")]
    assert (code, last["demo"]) == (1, "differs")
    assert [line for line in differences if f"payout, fen of {altered['number']}" in line]
    assert [line for line in differences if "verify: everything equal" in line]
    assert [line for line in differences if f"net income before, fen of {crossing}" in line]
    assert [line for line in differences if f"net income after, fen of {crossing}" in line]
    assert [line for line in differences if f"net income after, fen of {altered['number']}" in line]
    assert [line for line in differences if f"rows refused, why of {answers['refused'][0]['row']}" in line]
    assert len([line for line in differences if "verify" not in line]) == 5, "these and no other"
    assert last["payout_fen"] == answers["payout_fen"]
    assert {"report.html", "notice.html", "answer-book.xlsx", "register.xlsx", "answers.json"} <= papers
    assert report.count("<svg") >= 3
    assert "演练" in notice


def test_a_home_that_is_not_for_practice_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"made_by": "tuopin", "port_base": 18400, "practice": False}))
    kept = tmp_path / "kept"
    kept.write_text("somebody's")
    with pytest.raises(StackProblem):
        wipe(tmp_path)
    assert kept.exists()
