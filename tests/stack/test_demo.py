"""The demonstration notices one fen, one row, one cause, one doubt: in its answer file, and in a database.

The story is told once, against an altered answer file; while its stack still stands, what was read back is held against
other answers, and rows are altered behind every guard's back and read back anew.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from aiokafka import TopicPartition
from markupsafe import escape
from rich.console import Console
from typer.testing import CliRunner

from services.assessment.rules import pack
from shared.clock import SHANGHAI, Clock, make_practice, today
from stack.command import app
from stack.demo import comparison as comparison_module
from stack.demo import run as run_module
from stack.demo.comparison import RULES, Comparison, digest
from stack.demo.quiet import Look, Watch
from stack.demo.report import Household, Report
from stack.demo.run import FIGURES, conclude, demonstrate
from stack.demo.scenes import SCENES
from stack.demo.script import Script
from stack.demo.stage import morning
from stack.demo.story import APPROVED, FIRST_DAY, Figures, Story, look_again
from stack.home import RECORD, Home, Ports, alone_in
from stack.practice import wipe
from stack.problems import StackProblem
from stack.programs import postgres_of
from stack.sample import write_sample
from tests.stack.homes import reachable_folder
from tests.stack.test_preflight import assert_plain, tuopin

COUNTY = "623023"
HOUSEHOLDS = 400
Answers = dict[str, Any]

# ── one thing altered in the answer file ──────────────────────────────────────────────────────────────────────────────


def _one_fen_of_a_dividend(answers: Answers) -> None:
    answers["members"][7]["fen"] += 1


def _one_fen_of_a_household_that_is_no_member(answers: Answers) -> None:
    members = {one["number"] for one in answers["members"]}
    answers["net_fen"][next(number for number in answers["net_fen"] if number not in members)] -= 1


def _another_code(answers: Answers) -> None:
    answers["refused"][0]["code"] = "number.wrong"


def _one_row_fewer_refused(answers: Answers) -> None:
    answers["refused"].pop()


def _a_doubt_one_row_further(answers: Answers) -> None:
    answers["doubted"][0]["row"] += 1


def _a_doubt_of_another_check(answers: Answers) -> None:
    answers["doubted"][-1]["check"] = "I6"


def _another_cause(answers: Answers) -> None:
    next(one for one in answers["changed"] if one["cause"] == "payout")["cause"] = "birthday"


def _a_change_that_was_none(answers: Answers) -> None:
    answers["changed"].pop()


def _a_verdict_before(answers: Answers) -> None:
    next(iter(answers["before"].values()))["risk"] = "unknown"


def _a_verdict_after(answers: Answers) -> None:
    next(iter(answers["after"].values()))["risk"] = "unknown"


def _two_members_change_numbers(answers: Answers) -> None:
    one, other, *_ = answers["members"]
    one["member_number"], other["member_number"] = other["member_number"], one["member_number"]


def _one_exit_fewer(answers: Answers) -> None:
    answers["exits"].pop()


def _one_person_more(answers: Answers) -> None:
    answers["persons"] += 1


def _one_more(name: str) -> Callable[[Answers], None]:
    def alter(answers: Answers) -> None:
        answers[name] += 1

    alter.__name__ = f"_one_more_in_{name}"
    return alter


def _another_village_exits(answers: Answers) -> None:
    answers["exit_village"] = f"{COUNTY}999999"


def _another_doubt_was_closed(answers: Answers) -> None:
    answers["looked_into"]["row"] += 1


def _one_person_more_stays(answers: Answers) -> None:
    answers["parting"]["stay"] += 1


def _one_person_more_lived_there(answers: Answers) -> None:
    answers["parting"]["before"] += 1


def _the_new_household_has_another_number(answers: Answers) -> None:
    answers["parting"]["new_number"] = answers["parting"]["number"]


IN_THE_ANSWERS: tuple[tuple[Callable[[Answers], None], set[str]], ...] = (
    (_one_fen_of_a_dividend, {"payout, fen", "net income after, fen"}),
    (_one_fen_of_a_household_that_is_no_member, {"net income before, fen", "net income after, fen"}),
    (_another_code, {"rows refused, why", "answer book: rows that came back, why"}),
    (_one_row_fewer_refused, {"rows refused, why", "answer book: rows that came back, why"}),
    (_a_doubt_one_row_further, {"doubt", "answer book: rows in doubt, checks"}),
    (_a_doubt_of_another_check, {"doubt", "answer book: rows in doubt, checks"}),
    (_another_cause, {"cause of change"}),
    (_a_change_that_was_none, {"verdict change", "cause of change", "verdicts_changed"}),
    (_a_verdict_before, {"verdicts before the payment"}),
    (_a_verdict_after, {"verdicts on 15 October"}),
    (_two_members_change_numbers, {"member number"}),
    (_one_exit_fewer, {"fit to exit", "marked as lifted", "cases_decided", "households on the notice"}),
    (_one_person_more, {"persons"}),
    (_one_more("households"), {"households"}),
    (_one_more("households_stored"), {"households_stored", "judged", "judged after the parting"}),
    (_one_more("persons_stored"), {"persons_stored"}),
    (_one_more("rows"), {"rows", "rows stored + unchanged + refused"}),
    (_one_more("rows_refused"), {"rows_refused", "rows_refused when only looked at"}),
    (_one_more("doubts_total"), {"doubts", "rows doubtful", "doubts left"}),
    (_one_more("payout_fen"), {"payout_fen"}),
    (_another_village_exits, {"households on the notice"}),
    (_another_doubt_was_closed, {"doubt closed"}),
    (_one_person_more_stays, {"members of the household that parts: stay"}),
    (
        _one_person_more_lived_there,
        {
            "members of the household that parts: before",
            "its members as of the day before",
            "its members as it was believed",
        },
    ),
    (_the_new_household_has_another_number, {"both judged"}),
)

# ── one thing altered in a database ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Hand:
    """One value of one row, changed by somebody whom no trigger and no policy stops, and put back afterwards."""

    service: str
    table: str
    key: str
    value: str
    other: str
    where: str | Callable[[Story], str]
    differs: frozenset[str]

    @asynccontextmanager
    async def at_work(self, story: Story) -> AsyncIterator[None]:
        """The row is another while this is open."""
        connection = await asyncpg.connect(postgres_of(story.home).dsn(self.service), ssl=False)
        change = f"update {self.table} set {self.value} ="
        where = self.where if isinstance(self.where, str) else self.where(story)
        try:
            await connection.execute("set session_replication_role = replica")
            [row] = await connection.fetch(
                f"select {self.key} as key, {self.value} as was from {self.table} where {where}"
            )
            assert await connection.execute(f"{change} {self.other} where {self.key} = $1", row["key"]) == "UPDATE 1"
            yield
            assert await connection.execute(f"{change} $2 where {self.key} = $1", row["key"], row["was"]) == "UPDATE 1"
        finally:
            await connection.close()


NET = f"figures[{pack('risk').outputs.index('near_line.number') + 1}]"
OF_RISK = ("assessment", "finding", "judgement::text || pack")


def _standing(story: Story) -> str:
    """The standing finding of a household whose verdicts did not change, so that a change of one is one more."""
    changed = {key.split(" ")[0] for key in story.known["causes"]}
    household = story.numbers[min(story.numbers.keys() - changed)]
    return f"pack = 'risk' and judgement in (select judgement from subject where household = '{household}')"


KEPT = "job in (select job from intake where not dry_run order by job limit 1)"
HANDS = {
    "the check of a doubt": Hand(
        "registry", "doubt", "no", "check_id", "'I6'", "no = (select min(no) from doubt where check_id <> 'I6')",
        frozenset({"doubt"}),
    ),
    "the code of a refusal": Hand(
        "registry", "intake_refusal", "no", "code", "'number.wrong'",
        f"no = (select max(no) from intake_refusal where code <> 'number.wrong' and {KEPT})",
        frozenset({"rows refused, why", "answer book: rows that came back, why"}),
    ),
    "one fen of an income": Hand(*OF_RISK, NET, f"{NET} + 1", _standing, frozenset({"net income after, fen"})),
    "a verdict": Hand(
        *OF_RISK, "verdict", "'unknown'", _standing,
        frozenset({"verdicts on 15 October", "verdict change", "verdicts_changed", "cause of change"}),
    ),
    "the number of a member": Hand(
        "cooperative", "member", "id", "number", "number + 100000", "id = (select min(id) from member)",
        frozenset({"member number"}),
    ),
    "one fen of a payout": Hand(
        "cooperative", "payout", "entry_id", "fen", "fen + 1", "entry_id = (select min(entry_id) from payout)",
        frozenset({"payout, fen", "payout_fen", "verify: everything equal"}),
    ),
    "one fen of the income that a payout made": Hand(
        "registry", "income", "no", "fen", "fen + 1", "no = (select min(no) from income where source = 'payout')",
        frozenset({"verify: everything equal"}),
    ),
    "somebody of a household": Hand(
        "registry", "person", "no", "household_no", "null",
        "no = (select max(no) from person where household_no is not null)",
        frozenset({"persons", "persons_stored", "verify: everything equal"}),
    ),
}  # fmt: skip

# ── told once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Outcome:
    """How one comparison ended: the exit code, and which figures differ."""

    code: int
    names: set[str]

    @classmethod
    def of(cls, story: Story, comparison: Comparison) -> Outcome:
        """The end of the demonstration, had this been its comparison."""
        told, story.comparison = story.comparison, comparison
        try:
            code = conclude(story, Console(file=io.StringIO()), 0)
        finally:
            story.comparison = told
        return cls(
            code, {name.removesuffix(" (that agree)") for name, should, read in comparison.rows if should != read}
        )


@dataclass
class Told:
    """What the one telling left behind."""

    folder: Path
    code: int
    words: str
    last: dict[str, Any]
    untouched: list[Outcome]
    of_answers: dict[str, Outcome]
    of_hands: dict[str, Outcome]
    figures: dict[str, object]
    shown: list[Household]


@dataclass
class Meddling:
    """A scene before the last, whose register is another one: the same story under other answers, and with other rows.

    What the last scene reads back is told as the answers have it; how it ends stands in the last words.
    """

    sound: Answers
    untouched: list[Outcome] = field(default_factory=list)
    of_answers: dict[str, Outcome] = field(default_factory=dict)
    of_hands: dict[str, Outcome] = field(default_factory=dict)
    figures: dict[str, object] = field(default_factory=dict)
    shown: list[Household] = field(default_factory=list)

    async def __call__(self, story: Story) -> Figures:
        story.comparison.read_back |= _as_it_will_be(self.sound)
        read = dict(story.comparison.read_back)
        self.figures = {name: told for name, _, told in story.comparison.rows}
        self.shown = list(story.report.households)
        self.untouched.append(Outcome.of(story, Comparison(self.sound, read)))
        for alter, _ in IN_THE_ANSWERS:
            answers = deepcopy(self.sound)
            alter(answers)
            self.of_answers[alter.__name__] = Outcome.of(story, Comparison(answers, read))
        for name, hand in HANDS.items():
            async with hand.at_work(story):
                self.of_hands[name] = await self._read_anew(story)
        self.untouched.append(await self._read_anew(story))
        return {}

    async def _read_anew(self, story: Story) -> Outcome:
        told = story.comparison
        story.comparison = fresh = Comparison(self.sound, dict(told.read_back))
        try:
            await look_again(story)
        finally:
            story.comparison = told
        return Outcome.of(story, fresh)


def _as_it_will_be(sound: Answers) -> dict[str, Any]:
    parting, counts = sound["parting"], ("before", "stay", "leave")
    before = dict.fromkeys(("as of the day before", "as it was believed"), parting["before"])
    judged = {
        "judged": [parting["number"], parting["new_number"]],
        "judged in all": sound["households_stored"] + 1,
    }
    untouched = {"nothing changed by the preview": True}
    return {
        "a doubt closed": {
            "closed": [sound["looked_into"]],
            "left": sound["doubts_total"] - 1,
            "household untouched": True,
        },
        "a household parted": untouched | {name: parting[name] for name in counts} | before | judged,
    }


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Told against an answer file with one fen too much, the meddling at its end."""
    words = io.StringIO()
    with reachable_folder() as folder:
        write_sample(COUNTY, HOUSEHOLDS, folder)
        sound = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        altered = deepcopy(sound)
        _one_fen_of_a_dividend(altered)
        (folder / "altered.json").write_text(json.dumps(altered), encoding="utf-8")
        meddling, printed = Meddling(sound), io.StringIO()
        with redirect_stdout(printed):
            code = demonstrate(
                folder, COUNTY, HOUSEHOLDS, Console(file=words, width=200),
                answers=folder / "altered.json", scenes=[*SCENES[:-1], ("meddling", meddling), SCENES[-1]],
            )  # fmt: skip
        last = json.loads(printed.getvalue().strip().splitlines()[-1])
        yield Told(folder, code, words.getvalue(), last, **{one: getattr(meddling, one) for one in OUTCOMES})
        wipe(folder / "home")


OUTCOMES = ("untouched", "of_answers", "of_hands", "figures", "shown")


def test_nothing_altered_ends_with_zero_as_it_was_told_and_as_it_is_read_anew(told: Told) -> None:
    assert [(one.code, one.names) for one in told.untouched] == [(0, set()), (0, set())]


@pytest.mark.parametrize(("alter", "differs"), IN_THE_ANSWERS, ids=[alter.__name__ for alter, _ in IN_THE_ANSWERS])
def test_one_thing_altered_in_the_answers_ends_it_with_one(told: Told, alter: Any, differs: set[str]) -> None:
    outcome = told.of_answers[alter.__name__]
    assert (outcome.code, outcome.names) == (1, differs), "these and no other"


@pytest.mark.parametrize("name", HANDS)
def test_one_thing_altered_in_a_database_ends_it_with_one(told: Told, name: str) -> None:
    outcome = told.of_hands[name]
    assert (outcome.code, outcome.names) == (1, set(HANDS[name].differs)), "these and no other"


def test_what_was_never_read_back_does_not_count_as_equal() -> None:
    assert set(Comparison({}).missing) == set(RULES)
    with pytest.raises(KeyError):
        Comparison({}).see("something else", 1)


def test_the_last_line_and_the_papers(told: Told) -> None:
    assert (told.code, told.last["demo"], told.last["households"]) == (1, "differs", HOUSEHOLDS)
    differs = [line.split(" of ")[0] for line in told.words.splitlines() if line.startswith("differs")]
    assert set(differs) == {"differs payout, fen", "differs net income after, fen"}, (
        "the scene after the meddling is sound"
    )
    papers = {path.name for path in told.folder.iterdir()}
    assert {"report.html", "notice.html", "answer-book.xlsx", "register.xlsx", "answers.json", "script.json"} <= papers
    page = (told.folder / "report.html").read_text(encoding="utf-8")
    pictures = (
        "各乡镇退出研判 exit by township",
        "各乡镇风险研判 risk by township",
        "收入与扶贫标准之差",
        "时间线 time line",
    )
    assert [title for title in pictures if not re.search(rf"<h2>{title}[^<]*</h2><svg", page)] == []
    assert [day for day in ("2019-08-23", "2019-08-31", "2019-09-20", "2019-10-15") if day not in page] == []
    assert "演练" in (told.folder / "notice.html").read_text(encoding="utf-8")


def test_every_number_of_the_last_line_is_one_that_was_read_back_and_compared(told: Told) -> None:
    assert set(told.last) == {"demo", *FIGURES, "seconds"}
    assert {name: told.last[name] for name in FIGURES} == {name: told.figures.get(name) for name in FIGURES}


def test_the_seal_of_the_answers_is_printed_before_anything_is_uploaded(told: Told) -> None:
    flat = " ".join(told.words.split())
    assert flat.index(digest(told.folder / "altered.json")) < flat.index(SCENES[0][0])


def test_each_step_is_told_with_its_seconds_and_three_households_with_their_reasons(told: Told) -> None:
    flat = " ".join(told.words.split())  # a title wider than its table stands on two lines
    steps = [re.search(rf"{re.escape(title)} \(\d+\.\d s\)", flat) for title, _ in SCENES]
    assert all(steps)
    places = [step.start() for step in steps if step]
    assert places == sorted(places)
    assert len({one.number for one in told.shown}) == 3
    assert told.words.count("兑付前 before") == 3
    page = (told.folder / "report.html").read_text(encoding="utf-8")
    for one in told.shown:
        assert one.before
        assert one.after
        for _, sentence in (*one.before, *one.after):
            assert sentence in told.words
            assert str(escape(sentence)) in page
    lifted = next(one for one in told.shown if "分红" in one.title)
    assert [kind for kind, sentence in lifted.before if sentence.startswith("人均纯收入")] == ["failed"]
    assert [kind for kind, sentence in lifted.after if sentence.startswith("人均纯收入")] == ["met"]


class Counting(Watch):
    """Always quiet; keeps at which moment of the stack it was asked."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def until_quiet(
        self, clock: Callable[[], datetime], tell: Callable[[str], None] = lambda _text: None
    ) -> Look:
        self.asked.append(clock())
        return Look()


def test_the_clock_goes_a_day_at_a_time_and_each_day_is_waited_for(tmp_path: Path) -> None:
    make_practice(tmp_path, morning(FIRST_DAY))
    watch = Counting()
    acted = cast(Any, None)  # nobody acts
    story = Story(
        Home(tmp_path, Ports(20_000), True), watch, acted, Comparison({}), Report(""), tmp_path,
        lambda _title, _figures: None, lambda _words: None,
    )  # fmt: skip
    asyncio.run(story.until(APPROVED))
    asyncio.run(story.until(APPROVED))
    assert [today(moment) for moment in watch.asked] == [FIRST_DAY + timedelta(days=days) for days in range(1, 12)]
    assert {moment.astimezone(SHANGHAI).hour for moment in watch.asked} == {8}
    assert today(Clock(tmp_path).now()) == APPROVED


class Scripted(Watch):
    """Sees what it was given, look by look."""

    def __init__(self, *looks: Look) -> None:
        self.left = list(looks)

    async def look(self, now: datetime) -> Look:
        return self.left.pop(0)

    async def _put_aside(self) -> str:
        return "a fact of somebody's"


@pytest.mark.parametrize("what", ["unsent", "unheard", "overdue", "jobs"])
def test_quiet_is_said_when_nothing_is_under_way_twice_running(what: str) -> None:
    """A fact between two services is in no database: only the same ends, seen twice, say that none is."""
    busy, still = Look(**cast(Any, {what: 1})), Look()
    moved = Look(ends={TopicPartition("a", 0): 1})
    assert not busy.is_quiet
    watch = Scripted(still, busy, still, busy, still, moved, moved, still)
    asyncio.run(watch.until_quiet(lambda: morning(FIRST_DAY)))
    assert watch.left == [still], "not before two looks in a row saw the same"


@pytest.mark.parametrize("what", ["parked", "dead"])
def test_what_was_put_aside_ends_the_waiting_with_a_word(what: str) -> None:
    with pytest.raises(StackProblem, match="a fact of somebody's"):
        asyncio.run(Scripted(Look(**cast(Any, {what: 1})), Look(), Look()).until_quiet(lambda: morning(FIRST_DAY)))


@pytest.mark.parametrize("code", [0, 1])
def test_the_command_ends_as_the_demonstration_does(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def tell(*_: Any, **named: Any) -> int:
        asked.append(named)
        return code

    monkeypatch.setattr(run_module, "demonstrate", tell)
    assert CliRunner().invoke(app, ["demo", "--answers", "altered.json"]).exit_code == code
    assert asked == [{"answers": Path("altered.json")}]


def test_the_actors_never_see_the_answers() -> None:
    assert {one.name for one in fields(Script)} == {
        "county",
        "village",
        "income_year",
        "dividend_fen",
        "parting",
        "looked_into",
    }
    rooms = Path(comparison_module.__file__).parent.glob("*.py")
    others = {room.name: room.read_text(encoding="utf-8") for room in rooms if room.name != "comparison.py"}
    assert {name for name, text in others.items() if ".expected" in text} == set()
    assert {name for name, text in others.items() if "answers.json" in text} == {"run.py"}, "which only names it"


def test_a_home_that_is_not_for_practice_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"made_by": "tuopin", "port_base": 18400, "practice": False}))
    kept = tmp_path / "kept"
    kept.write_text("somebody's")
    with pytest.raises(StackProblem):
        wipe(tmp_path)
    assert kept.exists()


def test_a_second_demonstration_in_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """It would write other papers under the first and stop its stack."""
    (tmp_path / "answers.json").write_text("the first one's")
    with alone_in(tmp_path), pytest.raises(StackProblem), alone_in(tmp_path, StackProblem("still held", "")):
        pass
    with alone_in(tmp_path):
        done = tuopin("demo", "--folder", str(tmp_path), "--households", str(HOUSEHOLDS))
    assert_plain(done, f"a demonstration is already running in {tmp_path}", "--folder")
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]
    assert (tmp_path / "answers.json").read_text() == "the first one's"
    with alone_in(tmp_path, StackProblem("still held", "")):
        pass
