"""The house: the same rooms everywhere, every route names its caller, every fact has two ends, words stand in the
glossary.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from shared.auth import PUBLIC, Role
from shared.events import FACTS, TOPICS, Fact

ROOT = Path(__file__).parents[2]
GALLERIES = {
    "registry": {"checks", "forms", "likeness"},
    "assessment": {"rules", "procedures"},
    "cooperative": {"postings"},
    "notify": {"notices", "partners"},
}
ROOMS = {"app", "api", "inbox", "actions", "reports", "store", "tables", "domain", "migrations"}
SERVICES = sorted(GALLERIES)
FORBIDDEN_NAMES = re.compile(r"^(utils?|helpers?|common|constants|base|misc|service|manager|handler|processor)$")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def python_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*.py")) if "__pycache__" not in file.parts]


ALL_FILES = [file for top in ("services", "shared", "stack", "gateway") for file in python_files(ROOT / top)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_ten_rooms_and_no_other(service: str) -> None:
    folder = ROOT / "services" / service
    found = {
        entry.stem for entry in folder.iterdir() if entry.suffix in {"", ".py"} and not entry.name.startswith("__")
    }
    galleries = GALLERIES[service]
    assert found == ROOMS | galleries
    assert not (folder / "migrations" / "__init__.py").exists()
    assert (folder / "README.md").exists()


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [file for file in ALL_FILES if FORBIDDEN_NAMES.match(file.stem)] == []


def hears(service: str) -> dict[type[Fact], Any]:
    module = importlib.import_module(f"services.{service}.inbox")
    heard: dict[type[Fact], Any] = module.HEARS
    return heard


def not_yet_heard(service: str) -> dict[type[Fact], str]:
    """What a service does not hear though the catalogue gives it, with the reason: its own truth, in its inbox."""
    module = importlib.import_module(f"services.{service}.inbox")
    unheard: dict[type[Fact], str] = getattr(module, "NOT_YET_HEARD", {})
    return unheard


def spoken_in(service: str) -> set[str]:
    """Names of facts that the service's code constructs or writes (in SQL, by their type name)."""
    names: set[str] = set()
    for file in python_files(ROOT / "services" / service):
        text = file.read_text(encoding="utf-8")
        names |= {model.__name__ for model in FACTS.values() if re.search(rf"\b{model.__name__}\b[.(]", text)}
    return names


MODELS: list[type[Fact]] = [FACTS[name] for name in sorted(FACTS)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_fact_has_a_speaker_and_its_listeners(model: type[Fact]) -> None:
    topic = next(topic for topic in TOPICS if topic.name == model.TOPIC)
    assert model.__name__ in spoken_in(topic.speaker), "nobody speaks it"
    for listener in topic.heard_by:
        spoken = {other for other in MODELS if topic.name == other.TOPIC}
        assert spoken & (hears(listener).keys() | not_yet_heard(listener).keys()), f"{listener} hears nothing of it"
    heard = [listener for listener in topic.heard_by if model in hears(listener)]
    unheard = [listener for listener in topic.heard_by if model in not_yet_heard(listener)]
    assert heard or unheard, "nobody hears it, and nobody says why"
    assert not set(heard) & set(unheard)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_hears_only_what_the_catalogue_gives_it(service: str) -> None:
    given = {
        model for model in FACTS.values() for topic in TOPICS if topic.name == model.TOPIC and service in topic.heard_by
    }
    assert set(hears(service)) <= given
    assert all(CHINESE.search(reason) or len(reason) > 20 for reason in not_yet_heard(service).values())


def nouns(module_file: Path) -> list[tuple[str, str]]:
    """(class name, docstring) of the public dataclasses and enumerations of a domain module."""
    tree = ast.parse(module_file.read_text(encoding="utf-8"))
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found.append((node.name, ast.get_docstring(node) or ""))
    return found


def glossary() -> set[str]:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    return {
        line.split("|")[1].strip() for line in lines if line.startswith("| ") and CHINESE.search(line.split("|")[1])
    }


def domain_files() -> list[Path]:
    files = [ROOT / "shared" / "values.py", *python_files(ROOT / "shared" / "events")]
    for service in SERVICES:
        room = ROOT / "services" / service / "domain"
        files += python_files(room) if room.is_dir() else [room.with_suffix(".py")]
    return [file for file in files if file.exists()]


@pytest.mark.parametrize("file", domain_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_each_noun_opens_with_its_chinese_term(file: Path) -> None:
    bare = [name for name, text in nouns(file) if not CHINESE.match(text) and name != "Part"]
    assert bare == []


def test_facts_and_values_stand_in_the_glossary() -> None:
    known = glossary()
    missing = []
    for model in FACTS.values():
        term = re.split(r"[:：,，;. (]", " ".join((model.__doc__ or "").split()))[0]
        if term not in known:
            missing.append((model.__name__, term))
    assert missing == []


INNER_ROOMS = {  # the rule language's own machinery, which no officer meets
    "assessment": {"catalogue", "changes", "evaluator", "language", "packs", "second_opinion"},
}


@pytest.mark.parametrize("file", domain_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_domain_nouns_stand_in_the_glossary(file: Path) -> None:
    """Refusals are told by their own words; everything else that a service decides about is explained in one place."""
    module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    service = file.relative_to(ROOT).parts[1]
    if file.stem in INNER_ROOMS.get(service, set()):
        return
    known = glossary()
    missing = []
    for name, text in nouns(file):
        term = re.split(r"[:：,，;. (（]", " ".join(text.split()))[0]
        if not issubclass(getattr(module, name), Exception) and term not in known:
            missing.append((name, term))
    assert missing == []


@pytest.mark.parametrize("service", SERVICES)
def test_each_route_names_its_caller_and_what_it_answers(service: str) -> None:
    api = importlib.import_module(f"services.{service}.api")
    declared = [one for router in api.ROUTERS for one in router.declared]
    assert declared
    for one in declared:
        assert one.rights is PUBLIC or all(isinstance(role, Role) for role in one.rights)
        assert (inspect.getdoc(one.endpoint) or "").strip(), f"{one.path} says nothing of itself"


def reached(module: str, seen: set[str]) -> set[str]:
    """Modules of ours that it imports, and those that they import."""
    file = (ROOT / Path(*module.split("."))).with_suffix(".py")
    file = file if file.exists() else file.with_suffix("") / "__init__.py"
    if module in seen or not file.exists():
        return seen
    seen.add(module)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(source), names=names):
                imported = [source, *(f"{source}.{one.name}" for one in names)]
            case ast.Import(names=names):
                imported = [one.name for one in names]
            case _:
                continue
        for one in imported:
            if one.split(".")[0] in ("stack", "shared", "services"):
                reached(one, seen)
    return seen


@pytest.mark.parametrize("judge", ["stack.plain_judge", "stack.sample.truth"])
def test_the_plain_judge_shares_nothing_with_those_it_judges(judge: str) -> None:
    """No pack, no evaluator, no resolver of numbers: who disagrees must have read the law himself."""
    found = reached(judge, set())
    assert {one for one in found if one.startswith("services") or one == "shared.parameters"} == set()
    assert "shared.events.registry" in found, "both judge the same circumstances"
    text = (ROOT / Path(*judge.split("."))).with_suffix(".py").read_text(encoding="utf-8")
    assert not re.search(r"yaml|\.csv|import_module|__import__|open\(|read_text", text), "nor read from their files"


def test_the_search_through_imports_finds_what_is_shared() -> None:
    assert "services.assessment.domain.evaluator" in reached("services.assessment.rules", set())


def test_no_moment_is_cut_to_a_date_but_by_the_clock() -> None:
    """`.date()` on a moment gives UTC's day; `shared.clock.today` gives Shanghai's."""
    culprits = []
    for file in ALL_FILES:
        if file.name == "clock.py" and file.parent.name == "shared":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "date"
                and not node.args
            ):
                culprits.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert culprits == []


def test_code_speaks_of_nothing_but_the_project() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")
    assert [file for file in ALL_FILES if words.search(file.read_text(encoding="utf-8"))] == []


def test_docs_link_only_to_what_exists() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "services").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


@pytest.mark.parametrize("sign", ["<" * 7 + " ", ">" * 7 + " "])
def test_no_paper_holds_both_sides_of_a_conflict(sign: str) -> None:
    papers = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.*"), *ROOT.glob("services/*/*.md")]
    texts = [paper for paper in papers if paper.suffix in (".md", ".json", ".yaml", ".csv")]
    assert len(texts) > 50
    torn = [str(one) for one in texts if any(line.startswith(sign) for line in one.read_text("utf-8").splitlines())]
    assert torn == []


def test_enumerations_are_texts() -> None:
    """Codes travel as text; a numbered enumeration would tie the wire to an order of lines."""
    for service in SERVICES:
        domain = importlib.import_module(f"services.{service}.domain")
        for _, kind in inspect.getmembers(domain, inspect.isclass):
            if issubclass(kind, Enum) and kind.__module__.startswith("services"):
                assert all(isinstance(one.value, str) for one in kind)
