"""The clerk's guide to files, in both languages: its commands are run, and it names what the code has.

The guide leaves out what stands before each of them (the token, the key), so that no shell can type them as they are:
its blocks are `bash`, and are asked here; blocks of `sh` are typed by tests/stack/test_papers_commands.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.registry.app import AppSettings
from services.registry.forms import problems
from services.registry.forms.wordings import code_sources
from tests.registry.ground import Ground
from tests.registry.workbooks.bag import CASES, CORRECTIONS

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("files.md", "files.zh.md")
FILES: dict[str, Callable[[], bytes]] = {f"{one.name}.{one.suffix}": one.make for one in CASES}
FILES |= {f"{one.name}.{one.suffix}": one.make for one in CORRECTIONS}


def commands(guide: str) -> list[list[str]]:
    """Every command of its blocks, as a shell would split it."""
    blocks = re.findall(r"```bash\n(.*?)```", (DOCS / guide).read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    return [shlex.split(line) for line in lines]


async def run(ground: Ground, words: list[str], job: str) -> Any:
    address = urlsplit(words[-1].replace("$AT", "http://stack").replace("$JOB", job))
    more: dict[str, Any] = {"params": parse_qsl(address.query, keep_blank_values=True)}
    if "--data-binary" in words:
        more["content"] = FILES[words[words.index("--data-binary") + 1].lstrip("@")]()
        more["headers"] = {"Content-Type": "application/octet-stream"}
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    return await ground.ask(method, address.path.removeprefix("/registry/v1"), **more)


@pytest.mark.parametrize("guide", GUIDES)
async def test_the_guides_commands_do_what_it_says(ground: Ground, guide: str) -> None:
    job, tried = "", []
    for words in commands(guide):
        assert words[0] == "curl"
        answer = await run(ground, words, job)
        assert answer.status_code in (200, 202), (words, answer.text)
        if answer.status_code == 202:
            job = answer.json()["id"]
            await ground.run_jobs()
            tried.append(await ground.look(job))
    assert [one["job"]["state"] for one in tried] == ["done"] * 7
    corrected, listed = tried[3:5]
    assert (corrected["mode"], corrected["rows_changed"], corrected["rows_refused"]) == ("update", 2, 0)
    assert (listed["mode"], listed["rows_unchanged"], listed["absent"]) == ("replace-village", 6, 0)
    del tried[2:5]
    assert [(one["rows_new"], one["rows_unchanged"], one["rows_refused"]) for one in tried[:2]] == [(6, 0, 0)] * 2
    assert {one["heading"] for one in tried[3]["columns"] if one["field"] is None} == {"务工所在地"}


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_names_every_refusal_limit_and_source(guide: str) -> None:
    text = (DOCS / guide).read_text()
    known = {one.code for one in vars(problems).values() if isinstance(one, type) and hasattr(one, "code")}
    codes = {code for code in known if code.startswith("file.")} | {"file.unreadable"}
    assert set(re.findall(r"`(file\.[a-z_]+)`", text)) == codes
    knobs = {f"TUOPIN_{name.upper()}": field.default for name, field in AppSettings.model_fields.items()}
    named = re.findall(r"`(TUOPIN_INTAKE_[A-Z_]+)`", text)
    assert named
    assert set(named) <= set(knobs)
    assert set(re.findall(r"`([a-z0-9]+)`[（ (]+(?:建档|村户|国标|the national)", text)) == set(code_sources())
