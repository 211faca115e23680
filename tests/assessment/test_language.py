"""The rule language: what is let through, what is refused with the offending text, and what it comes to."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from services.assessment.domain import evaluator as ev
from services.assessment.domain.catalogue import (
    HOUSEHOLD,
    INCOME,
    MAX_ROWS,
    MEMBERS,
    RELATIONS,
    BeyondCatalogue,
    Kind,
    decode,
    encode,
    gather,
    layout,
)
from services.assessment.domain.evaluator import Bound, segment_sums
from services.assessment.domain.language import (
    LARGEST,
    Aggregate,
    Names,
    Offence,
    RuleRefused,
    Type,
    Whole,
    condition,
    number,
    read,
)
from services.assessment.domain.numbers import NumberBeyondPack, numbers_of_json, resolve
from services.assessment.domain.packs import load
from services.assessment.domain.words import label
from services.assessment.rules import pack, packs
from shared.events.registry import CircumstancesRecorded
from shared.parameters import Parameters
from tests.assessment import hostile
from tests.assessment.make import VILLAGE, make_household, make_income, make_living, make_member
from tests.assessment.test_rules import PARAMETERS

PARAMS = {"line": Type("number", True, 0, 10**9), "from_age": Type("number", True, 0, 30), "since": Type("date", True)}
REFS = {"n": Type("number", True, 0, 255), "has": Type("truth", True), "sure": Type("truth")}
HERE = Names(HOUSEHOLD, PARAMS, REFS)
THERE = Names(MEMBERS, PARAMS, {})
ROWS = Names(INCOME, PARAMS, {})


@pytest.mark.parametrize(
    ("text", "names", "offends"),
    [
        ("__import__('os').system('true')", HERE, "__import__('os').system('true')"),
        ("n.real > 1", HERE, "n.real"),
        ("(lambda: 1)() > 0", HERE, "(lambda: 1)()"),
        ("n > 1.5", HERE, "1.5"),
        ("road == 'earth'", HERE, "'earth'"),
        ("True", HERE, "True"),
        ("n // 2 > 1", HERE, "n // 2"),
        ("n / 2 > 1", HERE, "n / 2"),
        ("n ** 2 > 1", HERE, "n ** 2"),
        ("n % 2 == 1", HERE, "n % 2"),
        ("[n][0] > 1", HERE, "[n][0]"),
        ("(n if has else 1) > 0", HERE, "n if has else 1"),
        ("f'{n}'", HERE, "f'{n}'"),
        ("n > 1; n", HERE, "n > 1; n"),
        ("abs(n) > 1", HERE, "abs(n)"),
        ("known(n)", HERE, "n"),
        ("known(water_safe, road)", HERE, "known(water_safe, road)"),
        ("refused(road)", HERE, "refused(road)"),
        ("nobody > 1", HERE, "nobody"),
        ("birth_on < asof", HERE, "birth_on"),
        ("housing_level in (A, E)", HERE, "E"),
        ("housing_level == A == B", HERE, "A"),
        ("housing_level > A", HERE, "housing_level > A"),
        ("housing_level in A", HERE, "housing_level in A"),
        ("n in (1, 2)", HERE, "(1, 2)"),
        ("has > 1", HERE, "has > 1"),
        ("has == sure", HERE, "has == sure"),
        ("disaster_on > n", HERE, "disaster_on > n"),
        ("disaster_on + disaster_on > asof", HERE, "disaster_on + disaster_on"),
        ("disaster_on * 2 > asof", HERE, "disaster_on * 2"),
        ("num(has) > 0", HERE, "num(has)"),
        ("num(water_safe) > 0", HERE, "num(water_safe)"),
        ("n and has", HERE, "n"),
        ("not n", HERE, "n"),
        ("only_if(has, sure) > 0", HERE, "only_if(has, sure)"),
        ("age > 6", HERE, "age > 6"),
        ("age > work_months", THERE, "age > work_months"),
        ("age + 1 > 6", THERE, "age"),
        ("age >= line", THERE, "age >= line"),
        ("age >= 151", THERE, "age >= 151"),
        ("counts_as == A", THERE, "counts_as"),
        ("counts_as == F", ROWS, "F"),
        ("self_paid_medical_fen * self_paid_medical_fen > 1", HERE, "self_paid_medical_fen * self_paid_medical_fen"),
        (f"n + {LARGEST} > 1", HERE, f"n + {LARGEST}"),
        (f"n > {LARGEST + 1}", HERE, str(LARGEST + 1)),
        ("line * 100000000000 > 1", HERE, "line * 100000000000"),
        ("", HERE, ""),
    ],
)
def test_whatever_is_not_in_the_grammar_is_refused_with_the_text_that_offends(
    text: str, names: Names, offends: str
) -> None:
    with pytest.raises(Offence) as refused:
        condition(text, names)
    assert refused.value.text == offends
    assert refused.value.zh
    assert refused.value.en


def test_bounds_follow_the_catalogue() -> None:
    assert (number("line * n", HERE).type.least, number("line * n", HERE).type.most) == (0, 255 * 10**9)
    minus = number("insurance_paid_fen - self_paid_medical_fen", HERE).type
    assert (minus.least, minus.most, minus.nullable) == (-(10**12), 10**12, True)
    assert number("-n", HERE).type.least == -255
    assert read("line * 1000000000 - 1", HERE).type.most <= LARGEST


def test_what_may_be_unknown_is_known_beforehand() -> None:
    assert condition("water_safe", HERE).type.nullable
    assert not condition("known(water_safe) and refused(water_safe)", HERE).type.nullable
    assert not condition("sure", HERE).type.nullable
    assert number("only_if(sure, 1)", HERE).type.nullable
    assert not number("num(known(road))", HERE).type.nullable


def one(**more: Any) -> CircumstancesRecorded:
    return make_household(living=make_living(**more))


TRUE, FALSE, UNKNOWN = True, False, None
KLEENE = [
    ("food_assured and water_safe", {"yes": {"yes": TRUE, "no": FALSE, None: UNKNOWN}}),
    ("food_assured and water_safe", {"no": {"yes": FALSE, "no": FALSE, None: FALSE}}),
    ("food_assured and water_safe", {None: {"yes": UNKNOWN, "no": FALSE, None: UNKNOWN}}),
    ("food_assured or water_safe", {"yes": {"yes": TRUE, "no": TRUE, None: TRUE}}),
    ("food_assured or water_safe", {"no": {"yes": TRUE, "no": FALSE, None: UNKNOWN}}),
    ("food_assured or water_safe", {None: {"yes": TRUE, "no": UNKNOWN, None: UNKNOWN}}),
    ("food_assured and not water_safe", {"refused": {"yes": FALSE, "no": UNKNOWN, "refused": UNKNOWN}}),
]


@pytest.mark.parametrize(("text", "table"), KLEENE)
def test_three_valued_logic(text: str, table: dict[str | None, dict[str | None, bool | None]]) -> None:
    for food, row in table.items():
        for water, answer in row.items():
            assert asked(text, one(food_assured=food, water_safe=water)) is answer


def asked(text: str, facts: CircumstancesRecorded) -> bool | None:
    """A condition of one household, by the compiled closures."""
    batch = gather([facts])
    node = condition(text, Names(HOUSEHOLD, {}, {}))
    truth = ev.Compiler([node]).truth(node)(ev.Frame(1, batch.household, Bound(date(2019, 8, 20), {})))
    if truth.known is not None and not truth.known[0]:
        assert not truth.true[0], "what is not known is never true"
        return None
    return bool(truth.true[0])


def content(**more: Any) -> dict[str, Any]:
    """A small pack that loads."""
    saying = {"zh": "在户{number}人", "en": "{number} present"}
    criterion = {
        "code": "people",
        "name": {"zh": "有人", "en": "somebody"},
        "when": "n > 0",
        "law": ["standard_exit"],
        "number": "n",
        "limit": "1",
        "say": {"met": [saying], "unmet": [saying]},
    }
    small = {
        "id": "small",
        "title": {"zh": "小", "en": "small"},
        "about": {"zh": "小", "en": "small"},
        "parameters": {},
        "applies": "not superseded",
        "aggregates": {"n": {"over": "members", "count": "present"}},
        "criteria": [criterion],
        "verdict": {"kind": "all"},
    }
    return small | more


def altered(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(content()))
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda one: one.update(colour="red"), "colour"),
        (lambda one: one["criteria"][0].update(when="n"), "criteria.people"),
        (lambda one: one["criteria"][0].update(when="m > 0"), "criteria.people"),
        (lambda one: one["criteria"][0].pop("limit"), "criteria.people"),
        (lambda one: one["criteria"][0].update(law=[]), "criteria.0.law"),
        (lambda one: one["criteria"][0]["say"]["met"][0].update(zh="{nobody}人", en="{nobody}"), "criteria.people"),
        (lambda one: one["criteria"][0]["say"]["met"][0].update(en="nobody"), "criteria.people"),
        (lambda one: one["criteria"][0]["say"]["met"][0].update({"if": "n"}), "criteria.people"),
        (lambda one: one["criteria"].append(one["criteria"][0]), "criteria"),
        (lambda one: one["criteria"][0].update(weight="w"), "verdict"),
        (lambda one: one.update(verdict={"kind": "score"}), "verdict"),
        (lambda one: one.update(applies="water_safe"), "applies"),
        (lambda one: one["parameters"].update(idle={"unit": "fen"}), "parameters"),
        (lambda one: one["parameters"].update(present={"unit": "fen"}), "present"),
        (lambda one: one["aggregates"].update(n={"over": "members"}), "aggregates.n"),
        (
            lambda one: one["aggregates"].update(n={"over": "members", "count": "present", "any": "present"}),
            "aggregates.n",
        ),
        (lambda one: one["aggregates"].update(n={"over": "people", "count": "present"}), "aggregates.n.over"),
        (lambda one: one["aggregates"].update(n={"over": "members", "sum": "present"}), "aggregates.n"),
    ],
)
def test_a_pack_that_is_not_sound_is_refused_with_its_place(
    change: Callable[[dict[str, Any]], None], place: str
) -> None:
    assert load(content()).id == "small"
    with pytest.raises(RuleRefused) as refused:
        load(altered(change))
    assert refused.value.facts["place"] == place


def test_the_hash_follows_the_content_alone() -> None:
    first, same = load(content()), load(dict(reversed(content().items())))
    other = load(content(title={"zh": "另", "en": "other"}))
    assert first.hash == same.hash
    assert first.hash != other.hash


# --- evaluating ------------------------------------------------------------------------------------------------------


def test_households_without_rows_take_no_neighbours_value() -> None:
    offsets = np.array([0, 0, 2, 2, 3, 3], np.int64)
    assert segment_sums(np.array([5, 6, 7], np.int64), offsets).tolist() == [0, 11, 0, 7, 0]
    assert segment_sums(np.array([], np.int64), np.zeros(4, np.int64)).tolist() == [0, 0, 0]
    facts = [make_household(members=()), make_household(), make_household(members=())]
    outcome = load(content()).evaluate(gather(facts), Bound(date(2019, 8, 20), {}))
    assert outcome.verdict.tolist() == [1, 0, 1]
    assert outcome.numbers[0].tolist() == [0, 1, 0]


def test_the_largest_household_is_counted_and_a_larger_one_refused() -> None:
    members = [make_member() for _ in range(MAX_ROWS)]
    outcome = load(content()).evaluate(gather([make_household(members=members)] * 2), Bound(date(2019, 8, 20), {}))
    assert outcome.numbers[0].tolist() == [255, 255]
    with pytest.raises(BeyondCatalogue, match="256"):
        gather([make_household(members=[*members, make_member()])])


@pytest.mark.parametrize(
    "facts",
    [
        make_household(income=(make_income(10**12 + 1),)),
        make_household(income=(make_income(-(10**12) - 1),)),
        make_household(members=(make_member(birth_on="1849-12-31"),)),
        make_household(living=make_living(self_paid_medical_fen=-1)),
    ],
)
def test_a_value_beyond_the_catalogue_is_refused_never_bent(facts: CircumstancesRecorded) -> None:
    with pytest.raises(BeyondCatalogue):
        encode(facts)


def test_one_household_a_batch_and_many_blocks_are_the_same() -> None:
    on = date(2019, 8, 20)
    facts = hostile.households(3, 500, on)
    whole = gather(facts)
    for rules in packs():
        bound = resolve(rules, PARAMETERS, VILLAGE, on).bound
        together = rules.evaluate(whole, bound)
        alone = [rules.evaluate(gather([fact]), bound) for fact in facts]
        parted = rules.evaluate(decode([encode(fact) for fact in facts]).take(list(range(500))), bound)
        for name in ("fail", "unknown", "verdict"):
            column = getattr(together, name).tolist()
            assert column == [int(getattr(one, name)[0]) for one in alone]
            assert column == getattr(parted, name).tolist()
        assert together.numbers.T.tolist() == [one.numbers[:, 0].tolist() for one in alone]


def test_blocks_do_not_change_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    on = date(2019, 8, 20)
    batch = gather(hostile.households(4, 300, on))
    rules = pack("exit")
    bound = resolve(rules, PARAMETERS, VILLAGE, on).bound
    whole = rules.evaluate(batch, bound)
    monkeypatch.setattr(ev, "BLOCK", 7)
    pieces = rules.evaluate(batch, bound)
    for name in ("fail", "unknown", "verdict"):
        assert getattr(whole, name).tolist() == getattr(pieces, name).tolist()
    assert whole.numbers.tolist() == pieces.numbers.tolist()


def test_taking_households_keeps_each_with_its_rows() -> None:
    facts = hostile.households(5, 50, date(2019, 8, 20))
    places = [7, 3, 3, 49, 0]
    taken, made = gather(facts).take(places), gather([facts[place] for place in places])
    for name, rows in made.children.items():
        assert taken.children[name].offsets.tolist() == rows.offsets.tolist()
        for column, values in rows.columns.items():
            assert taken.children[name].columns[column].tolist() == values.tolist()


def test_a_missing_number_makes_unknown_never_false() -> None:
    rules = pack("exit")
    numbers = resolve(rules, Parameters([]), VILLAGE, date(2019, 8, 20))
    facts = make_household(members=(make_member(education="primary"),))
    outcome = rules.evaluate(gather([facts]), numbers.bound)
    found = {one.code for one in rules.criteria if outcome.unknown[0] & one.bit}
    assert (found, outcome.fail[0]) == ({"income", "school"}, 0)
    risk = pack("risk")
    again = risk.evaluate(gather([make_household()]), resolve(risk, Parameters([]), VILLAGE, date(2019, 8, 20)).bound)
    assert risk.verdicts[again.verdict[0]] == "unknown"


def test_numbers_are_kept_and_read_back_whole() -> None:
    rules = pack("exit")
    numbers = resolve(rules, PARAMETERS, VILLAGE, date(2019, 8, 20))
    back = numbers_of_json(json.loads(json.dumps(numbers.as_json())), date(2019, 8, 20))
    assert (back.hash, back.bound, back.rows) == (numbers.hash, numbers.bound, numbers.rows)


def test_a_number_beyond_the_proof_is_refused() -> None:
    rows = [row for row in PARAMETERS if row.key != "poverty_line"]
    line = PARAMETERS.at("poverty_line", VILLAGE, date(2019, 8, 20))
    for wrong in (
        replace(line, value="100000001"),
        replace(line, value="-1"),
        replace(line, value="3218", unit="count"),
    ):
        with pytest.raises(NumberBeyondPack):
            resolve(pack("exit"), Parameters([*rows, wrong]), VILLAGE, date(2019, 8, 20))


def test_the_packed_form_has_a_fingerprint_and_every_code_has_its_words() -> None:
    assert layout() == layout()
    shown = {"housing_level", "road", "health", "labour", "medical_cover", "pension_cover", "education", "schooling"}
    for relation in RELATIONS.values():
        for column in relation.columns:
            assert column.zh
            assert column.en
            if column.kind is Kind.CODE and column.name in shown | {"kind", "component"}:
                assert [code for code in column.codes if label(column.name, code)[0] == code] == []


def test_the_recipe_of_a_rule_works_as_written() -> None:
    recipe = (Path(__file__).parents[2] / "docs" / "recipes" / "a-rule.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(.*?)```", recipe, re.DOTALL)
    [criterion] = yaml.safe_load(textwrap.dedent(block))
    content = pack("exit").content
    rules = load({**content, "criteria": [*content["criteria"], criterion]})
    bound = resolve(pack("exit"), PARAMETERS, VILLAGE, date(2019, 8, 20)).bound
    facts = [one(electricity=answer) for answer in ("yes", "no", "refused", None)]
    outcome = rules.evaluate(gather(facts), bound)
    assert [rules.verdicts[verdict] for verdict in outcome.verdict] == ["met", "unmet", "unknown", "unknown"]
    bit = rules.criteria[-1].bit
    assert [bool(mask & bit) for mask in outcome.fail.tolist()] == [False, True, False, False]


class Meanwhile(Whole):
    """A node at which another thread comes in between and names an aggregate of its own."""

    __slots__ = ()

    def __hash__(self) -> int:
        ev.Shape(Aggregate("other", "members", "sum", Whole(Type("number"), self.value + 1), None))
        return super().__hash__()


def test_two_threads_that_load_packs_at_once_never_share_what_differs() -> None:
    bound = Bound(date(2019, 8, 20), {})
    value = 7_041_003  # in no pack
    mine = ev.Shape(Aggregate("mine", "members", "sum", Meanwhile(Type("number"), value), None))
    other = ev.Shape(Aggregate("other", "members", "sum", Whole(Type("number"), value + 1), None))
    assert mine.key(bound) != other.key(bound)
