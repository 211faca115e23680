"""Commands that our papers tell people to type are typed here, on a real practice stack, in the order of the page.

Every fenced block of `sh` (or of no language) is run; what is not run here stands in `NOT_RUN` with its reason. Each
command and option that a paper or a message names must exist.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from stack.command import app
from stack.home import DEFAULT_PORT_BASE, PROJECT
from tests.stack.homes import Stack, a_stack

LONGEST_PAGE_SECONDS = 240
pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PAGES = sorted(
    path
    for pattern in ("README*.md", "CONTRIBUTING.md", "docs/*.md", "docs/recipes/*.md", "services/*/*.md")
    for path in PROJECT.glob(pattern)
)
TELLING = sorted(
    path
    for folder in ("stack", "shared", "services", "gateway", "bench", "docs")
    for path in (PROJECT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".csv", ".yaml") and "__pycache__" not in path.parts
)
STARTED_ALREADY = "the stack of this test is up; starting and stopping is tests/stack/test_whole.py's"
ELSEWHERE = "minutes long; .ci/run does it on a clean clone"
NO_ENGINE = "needs a container engine; compose file and jobs are tests/stack/test_delivery.py's"
NOT_RUN = {
    "make demo": ELSEWHERE,
    "make test": ELSEWHERE,
    "make check": ELSEWHERE,
    "make prove": "hours long: every break and every kill",
    "make bench": "measures, and would measure other tests",
    '.venv/bin/python -m tests.prove "inbox" "relay:"': "breaks a copy of the tree: minutes",
    "make up": STARTED_ALREADY,
    "make down": STARTED_ALREADY,
    "make clean": STARTED_ALREADY,
    "tuopin up": STARTED_ALREADY,
    "tuopin up --practice --practice-start 2019-08-20T00:00": STARTED_ALREADY + ", and by these very words",
    "tuopin down": STARTED_ALREADY,
    "tuopin clean": STARTED_ALREADY,
    "TUOPIN_HOME=/tmp/second TUOPIN_PORT_BASE=18500 tuopin up": "a second stack: tests/stack/test_whole.py",
    "TUOPIN_HOME=/tmp/second tuopin status": "a second stack: tests/stack/test_whole.py",
    "TUOPIN_HOME=/tmp/second tuopin clean": "a second stack: tests/stack/test_whole.py",
    "export TUOPIN_HOME=/tmp/rehearsal TUOPIN_PORT_BASE=18600": "the stack of this test has a home and ports already",
    "tuopin restore FOLDER": "stops and starts the stack; tests/journeys goes back to a backup and verifies",
    "rm -rf .stack/kafka": "the lost broker is tests/journeys's",
    "docker build -t tuopin:local .": NO_ENGINE,
    'docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/project" tuopin:local compose-secrets /project': (
        NO_ENGINE
    ),
    "docker compose up --detach --wait": NO_ENGINE,
    "docker compose run --rm registry-worker replay registry": NO_ENGINE,
    "docker compose run --rm registry-worker republish registry": NO_ENGINE,
}
# Never typed by a test, whoever writes it into a page: it needs its line and its reason above.
TOO_MUCH = re.compile(r"^(make (?!status|logs|help)|docker |rm |sudo |apt|.*\b(pytest|tests\.prove|bench)\b)")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Told:
    """One command of one page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}: {self.text}"


def told_by(page: Path) -> Iterator[Told]:
    """The commands of a page's blocks; a line that ends with a backslash goes on, what stands behind ` #` is talk."""
    language, begun, parts = None, 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence := re.match(r"\s*```(\w*)", line):
            language = fence[1] if language is None else None
        elif language in ("", "sh"):
            begun = begun if parts else number
            text = re.split(r"(?:^|\s)# ?", line.strip())[0].strip()
            parts.append(text.removesuffix("\\").strip())
            if not text.endswith("\\"):
                joined = " ".join(filter(None, parts))
                parts = []
                yield from (Told(page, begun, one) for one in pieces(joined))


def pieces(text: str) -> list[str]:
    """`a && b` is two commands, each judged by itself."""
    return [one.strip() for one in text.split(" && ") if one.strip()]


ALL = [told for page in PAGES for told in told_by(page)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with a_stack("--practice", "--practice-start", "2019-08-20T00:00") as one:
        yield one


def placed(text: str, stack: Stack) -> str:
    """The page's words with this stack's home and ports, and with its place-holders filled in."""
    text = re.sub(r"(?<=127\.0\.0\.1:)(184|186)(\d\d)", lambda port: str(stack.base + int(port[2])), text)
    folder = stack.folder.parent
    filled = {"FOLDER": str(folder / "backup"), "HOUSEHOLD": "0197f5a0-0000-7000-8000-000000000000"}
    for name, value in filled.items():
        text = re.sub(rf"\b{name}\b", value, text)
    return text.replace("/tmp/sample", str(folder / "sample"))


def typed(told: list[Told], stack: Stack) -> str:
    """What a shell is given: each command under its number, ending at the first that fails."""
    return "\n".join(f"echo '::{number}'\n{placed(one.text, stack)}" for number, one in enumerate(told))


def run_page(told: list[Told], stack: Stack) -> subprocess.CompletedProcess[str]:
    """All that a page says, in one shell, so that a variable of an earlier line holds in a later one."""
    tools = stack.folder.parent / "bin"
    tools.mkdir(exist_ok=True)
    for name, words in {
        "tuopin": f"exec {sys.executable} -m stack",
        "make": f"exec /usr/bin/make -o setup BIN={sys.executable}",  # the environment of the test is set up already
    }.items():
        (tools / name).write_text(f'#!/bin/sh\n{words} "$@"\n')
        (tools / name).chmod(0o755)
    told_environment = {**os.environ, **homes(stack), "PATH": f"{tools}:{os.environ['PATH']}"}
    command = ["bash", "-eu", "-o", "pipefail", "-c", typed(told, stack)]
    with subprocess.Popen(
        command, cwd=PROJECT, env=told_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            said, complained = shell.communicate(timeout=LONGEST_PAGE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            said, complained = shell.communicate()
    return subprocess.CompletedProcess(command, shell.returncode, said, complained)


def homes(stack: Stack) -> dict[str, str]:
    return {"TUOPIN_HOME": str(stack.folder), "TUOPIN_PORT_BASE": str(stack.base)}


def failed(told: list[Told], stack: Stack) -> str | None:
    """The first command that did not end well, with what it said."""
    done = run_page(told, stack)
    if done.returncode == 0:
        return None
    reached = int(re.findall(r"^::(\d+)$", done.stdout, re.MULTILINE)[-1])
    return f"{told[reached]}\nexit code {done.returncode}\n{done.stdout[-600:]}\n{done.stderr[-1200:]}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(told_by(page))], ids=lambda page: str(page.relative_to(PROJECT))
)
def test_what_a_page_tells_people_to_type_works(page: Path, stack: Stack) -> None:
    told = {one.text: one for one in told_by(page) if one.text not in NOT_RUN}  # what a page repeats is typed once
    run = list(told.values())
    assert [str(one) for one in run if TOO_MUCH.match(one.text)] == []
    assert failed(run, stack) is None


def test_a_command_that_does_not_work_is_noticed_with_its_place(stack: Stack) -> None:
    good, bad = (Told(PROJECT / "README.md", line, text) for line, text in ((1, "tuopin clock"), (2, "tuopin frob")))
    assert failed([good], stack) is None
    assert str(failed([good, bad, good], stack)).startswith("README.md:2: tuopin frob\nexit code 2")


def test_every_page_with_commands_is_read() -> None:
    read = {str(told.page.relative_to(PROJECT)) for told in ALL}
    assert {"README.md", "README.zh.md", "docs/operate.md", "docs/demo.md"} <= read
    assert len(ALL) - sum(told.text in NOT_RUN for told in ALL) >= 20


def test_what_is_not_run_is_really_told_by_a_page() -> None:
    assert set(NOT_RUN) <= {told.text for told in ALL} | {"make check", "make prove", "make bench"}


# --- commands that are only named -------------------------------------------------------------------------------------


def wrong_with(text: str) -> str | None:
    """Why `tuopin …` or `make …` would not be understood; place-holders and options' values are not looked at."""
    tool, *words = re.sub(r"[`….,;:)]+$", "", text).split()
    if tool == "make":
        targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
        strange = [word for word in words[:1] if re.fullmatch(r"[a-z]+", word) and word not in targets]
        return f"make has no target {strange[0]}" if strange else None
    if not words or words[0].startswith("-") or not re.fullmatch(r"[a-z-]+", words[0]):
        return None
    if words[0] not in COMMANDS:
        return f"tuopin has no command {words[0]}"
    options = {"--help", *(name for one in COMMANDS[words[0]].params for name in one.opts + one.secondary_opts)}
    strange = [word for word in words[1:] if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options]
    return f"tuopin {words[0]} has no option {strange[0]}" if strange else None


NAMED = re.compile(r"`((?:tuopin|make) [^`\n]*)`")


@pytest.mark.parametrize("text", ["tuopin frob", "tuopin verify --frob", "make frob", "tuopin up --to 5 --practice"])
def test_a_command_that_does_not_exist_is_noticed(text: str) -> None:
    assert wrong_with(text) is not None


def test_commands_named_in_papers_and_messages_exist() -> None:
    named = [
        (path, found[1]) for path in {*PAGES, *TELLING} for found in NAMED.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 50
    named += [(told.page, told.text) for told in ALL if re.match(r"(tuopin|make) ", told.text)]
    wrong = [f"{path.relative_to(PROJECT)}: {text}: {why}" for path, text in named if (why := wrong_with(text))]
    assert wrong == []


def test_tests_and_programs_named_in_papers_exist() -> None:
    wrong = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for path in re.findall(
            r"(?<![\w./])((?:tests|stack|services|shared|docs|bench|gateway)/[\w./-]+)(?![\w<./-])", text
        ):
            if not (PROJECT / path.rstrip(".")).exists():
                wrong.append(f"{page.relative_to(PROJECT)}: {path}")
        for module in re.findall(r"python -m ([\w.]+)", text):
            place = PROJECT / module.replace(".", "/")
            if not (place.with_suffix(".py").exists() or (place / "__main__.py").exists()):
                wrong.append(f"{page.relative_to(PROJECT)}: python -m {module}")
    assert wrong == []


def test_links_in_papers_lead_somewhere() -> None:
    wrong = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in link and not (page.parent / link).exists():
                wrong.append(f"{page.relative_to(PROJECT)}: {link}")
    assert wrong == []


def test_measures_that_the_operators_page_names_exist() -> None:
    """Each alarm's name is declared by a module; a counter is scraped with `_total` behind its name."""
    text = (PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")
    section = text.split("## What each alarm means")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)", section, re.MULTILINE)) | set(re.findall(r"`(tuopin_\w+)`", section))
    code = "\n".join(path.read_text() for path in TELLING if path.suffix == ".py" and "docs" not in path.parts)
    declared = set(re.findall(r'(?:Gauge|Counter|Histogram)\(\s*"(\w+)"', code))
    assert len(named) >= 8
    assert {name for name in named if name not in declared and name.removesuffix("_total") not in declared} == set()


def test_ports_that_the_papers_name_are_the_default_ones() -> None:
    named = {int(port) for page in PAGES for port in re.findall(r"127\.0\.0\.1:(184\d\d)", page.read_text())}
    assert named >= {DEFAULT_PORT_BASE}
    assert named <= {DEFAULT_PORT_BASE + offset for offset in (0, 4, 10, 11, 12, 13, 20, 21, 22, 23)}
