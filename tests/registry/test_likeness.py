"""One definition, printed as SQL and worked out on columns: both find the same pairs, levels, weights and scores."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import numpy as np
import polars as pl
import pytest

from services.registry.likeness import (
    KEY_COLUMNS,
    Queue,
    explained,
    pack,
    queue_of,
    sql,
    sql_with_rivals,
    told,
    with_rivals,
)
from services.registry.likeness.levels import FIELDS, ID, RULES, Stratum
from services.registry.likeness.pack import PACK, pack_of
from services.registry.likeness.scoring import candidates, scored
from services.registry.likeness.spelling import SLOT_BITS, SLOTS
from stack.provision import Database
from stack.twins.faults import make_register
from stack.twins.judging import keyed

COLUMNS = [
    "person_no",
    "household_no",
    "division",
    *(one for one in KEY_COLUMNS if one not in ("pinyin", "initials")),
    "head_key",
]
ORDER = ["lo", "hi"]


@pytest.fixture
async def server(
    database: Callable[[str], Database], wipe: Callable[[Database], None]
) -> AsyncIterator[asyncpg.Connection]:
    own = database("registry")
    wipe(own)
    admin = await asyncpg.connect(own.admin, ssl=False)
    yield admin
    await admin.execute("truncate likeness, likeness_probe, likeness_frequency")
    await admin.close()


async def load(server: asyncpg.Connection, keys: pl.DataFrame, probes: pl.DataFrame) -> None:
    """Keys, probes and counted people, as the register would hold them; rows of the frame are person numbers."""
    assert keys["person_no"].to_list() == list(range(keys.height))
    await server.copy_records_to_table("likeness", records=keys.select(COLUMNS).rows(), columns=COLUMNS)
    await server.copy_records_to_table("likeness_probe", records=probes.rows(), columns=["person_no", "key", "kind"])
    for statement in sql.refresh_frequencies():
        await server.execute(statement)
    await server.execute("analyze likeness, likeness_probe, likeness_frequency")


async def asked(server: asyncpg.Connection, statement: str, *given: Any) -> pl.DataFrame:
    rows = await server.fetch(statement, *given)
    assert rows, "no pair at all"
    assert tuple(rows[0].keys()) == sql.COLUMNS
    return pl.DataFrame([tuple(row) for row in rows], schema=list(sql.COLUMNS), orient="row").sort(ORDER)


def same(one: pl.DataFrame, other: pl.DataFrame) -> None:
    """The same pairs, levels and sums (the last digit of a logarithm apart)."""
    whole = ["lo", "hi", "stratum", *sql.LEVELS]
    left, right = (frame.sort(ORDER).select(pl.col(whole).cast(pl.Int64)) for frame in (one, other))
    assert left.equals(right), left.join(right, on=whole, how="anti")
    for name in (*sql.WEIGHTS, "score"):
        assert np.allclose(one.sort(ORDER)[name], other.sort(ORDER)[name], atol=1e-9), name


def crowd(count: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries whose keys are drawn from so few values that every level and every rule occurs."""
    chance = np.random.default_rng(seed)

    def few(most: int, least: int = 0) -> Any:
        return chance.integers(least, most, count)

    syllables = few(9)
    codes = chance.integers(1, 4, (count, SLOTS)) * (np.arange(SLOTS) < syllables[:, None])
    spelling = (codes.astype(np.int64) << (SLOT_BITS * np.arange(SLOTS))).sum(axis=1)
    sound = np.where(syllables == 0, 0, spelling * 31 + syllables)
    bag = np.sort(codes, axis=1) @ (5 ** np.arange(SLOTS)) + 1
    months, days = few(13, 1), few(5, 1)
    born = np.where(few(8) == 0, 0, (1938 + few(24)) * 10_000 + months * 100 + days)
    day = [
        0 if one == 0 else int(np.datetime64(f"{one // 10000:04d}-{one // 100 % 100:02d}-{one % 100:02d}").astype(int))
        for one in born
    ]
    form = few(4)
    keys = pl.DataFrame(
        {
            "person_no": np.arange(count), "household_no": few(count // 4), "division": 629_900_100_200 + few(5),
            "id_form": form, "id_key": np.where(form == 1, few(count, 1), 0), "phone_key": few(60),
            "name_key": sound * 3 + (sound > 0) * few(2), "sound_key": sound, "bag_key": np.where(sound == 0, 0, bag),
            "surname_key": codes[:, 0], "given_key": spelling >> SLOT_BITS, "spelling": spelling,
            "syllables": syllables, "born": born, "born_day": day, "sex": few(3), "head_key": few(30),
        }
    )  # fmt: skip
    failing = np.flatnonzero(form >= 2).repeat(3)
    probes = pl.DataFrame(
        {"row": failing, "key": chance.integers(1, count, len(failing)), "kind": (form[failing] == 3) + 1}
    )
    return keys, probes.unique(["row", "key"]).cast({"row": pl.UInt32})


@pytest.mark.parametrize("seed", [2, 4])
async def test_every_level_is_decided_alike_in_sql_and_on_columns(server: asyncpg.Connection, seed: int) -> None:
    keys, probes = crowd(900, seed)
    await load(server, keys, probes)
    ours = scored(keys, candidates(keys, probes), pack())
    same(await asked(server, sql.of_register()), ours)
    for field in FIELDS:
        assert set(ours[f"{field.name}_level"]) == set(range(len(field.levels))), field.name
    assert set(ours["stratum"]) == set(Stratum)


async def test_a_register_is_scored_alike_as_a_whole_and_person_by_person(server: asyncpg.Connection) -> None:
    register = make_register(3_000, 7)
    keys, probes = keyed(register)
    await load(server, keys, probes)
    ours = scored(keys, candidates(keys, probes), pack())
    same(await asked(server, sql.of_register()), ours)
    second = register.rows.with_row_index("row").filter(pl.col("move") != "")["row"].to_list()
    chosen = [*second[:30], *range(0, 600, 20)]
    theirs = ours.filter(pl.col("lo").is_in(chosen) | pl.col("hi").is_in(chosen))
    same(await asked(server, sql.of_persons(), chosen), theirs)
    for one in chosen[:12]:
        alone = ours.filter((pl.col("lo") == one) | (pl.col("hi") == one))
        same(await asked(server, sql.of_persons(), [one]), alone)


def test_the_statement_of_one_person_is_short_enough_for_its_plan_to_be_kept() -> None:
    """Above fifteen kilobytes asyncpg prepares a statement anew each time, which costs ten times what it does."""
    assert len(sql.of_persons().encode()) < 15 * 1024


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_brings_pairs_together(rule: Any) -> None:
    """None stands for nothing: without it pairs are lost that no other rule finds."""
    keys, probes = crowd(900, 1)
    others = tuple(one for one in RULES if one is not rule)
    assert candidates(keys, probes, others).height < candidates(keys, probes).height


def test_a_cadres_telephone_brings_nobody_together() -> None:
    keys, probes = crowd(900, 3)
    lone = keys.with_columns(
        pl.int_range(1, 901).alias(name)
        for name in ("household_no", "division", "bag_key", "surname_key", "given_key", "head_key", "id_key")
    )
    lone = lone.with_columns(
        pl.lit(0).alias("born"),
        pl.lit(0).alias("born_day"),
        (pl.col("person_no") < 41).cast(pl.Int64).alias("phone_key"),
    )
    assert candidates(lone, probes.clear()).height == 0
    assert (
        candidates(
            lone.with_columns((pl.col("person_no") < 40).cast(pl.Int64).alias("phone_key")), probes.clear()
        ).height
        == 780
    )


def test_a_pair_is_explained_in_words_whose_bits_sum_to_its_score() -> None:
    keys, probes = crowd(900, 2)
    said: dict[str, set[str]] = {}
    for pair in scored(keys, candidates(keys, probes), pack()).iter_rows(named=True):
        lines = explained(pair)
        assert sum(one.bits for one in lines) == pytest.approx(pair["score"])
        assert [one.field for one in lines] == ["start", *(field.name for field in FIELDS)]
        for one in lines:
            said.setdefault(one.field, set()).add(one.zh + one.en)
            assert re.search(r"[\u4e00-\u9fff]", one.zh)
            assert one.en.isascii()
    assert {name: len(texts) for name, texts in said.items()} == {"start": 3} | {f.name: len(f.levels) for f in FIELDS}


def test_an_explanation_names_the_rare_and_what_a_score_has_meant() -> None:
    pair = {"stratum": 2, "start_weight": -25.0} | {f"{field.name}_level": 1 for field in FIELDS}
    lines = explained(pair | {f"{field.name}_weight": 1.0 for field in FIELDS})
    assert {one.field for one in lines if "the rarer" in one.en} == {"name", "phone"}
    assert told(99)[0].startswith("试算中得分相近的每100对里约有")
    assert pack().share_of(99) > pack().share_of(pack().possible) > pack().share_of(-99) == 0


def test_a_pack_weighs_every_level_in_each_stratum_and_no_other() -> None:
    written = json.loads(PACK.read_text(encoding="utf-8"))
    assert pack_of(written) == pack()
    less = {"differ": written["weights"]["sex"]["differ"]}
    for spoilt in (less, {**written["weights"]["sex"], "other": [0, 0, 0]}):
        wrong = {**written, "weights": {**written["weights"], "sex": spoilt}}
        with pytest.raises(ValueError, match="weights of sex"):
            pack_of(wrong)


def test_one_number_under_unlike_entries_is_asked_whose_it_is() -> None:
    held = pack()
    equal, other = ID.number_of("equal"), ID.number_of("differ")
    assert queue_of(held.likely, other) == Queue.LIKELY
    assert queue_of(held.possible, other) == Queue.POSSIBLE
    assert queue_of(held.possible - 0.1, other) == Queue.NONE
    assert queue_of(held.possible - 0.1, equal) == Queue.ID_CONFLICT


async def test_who_fits_another_far_better_counts_for_less(server: asyncpg.Connection) -> None:
    """Twins, each with a second entry; and somebody with three, whose pairs stay as they are."""
    held = pack()
    strong, weak = held.likely + 20, held.likely + 1
    pairs = [
        (1, 2, strong),
        (3, 4, strong),
        (1, 3, weak),
        (2, 4, weak),
        (5, 6, strong),
        (5, 7, strong - 2),
        (6, 7, strong - 3),
    ]
    frame = pl.DataFrame(pairs, schema=["lo", "hi", "score"], orient="row")
    ranked = with_rivals(frame, held).sort("lo", "hi")
    beaten = ranked.filter(pl.col("rival_weight") < 0).select("lo", "hi").rows()
    assert beaten == [(1, 3), (2, 4)]
    assert (ranked["ranked"] - ranked["score"] - ranked["rival_weight"]).abs().max() == 0
    values = ", ".join(f"({lo}, {hi}, {score!r}::float8)" for lo, hi, score in pairs)
    asked = await server.fetch(sql_with_rivals(f"(values {values}) as p(lo, hi, score)", held))
    told = [(row["lo"], row["hi"], row["rival_weight"], row["ranked"]) for row in asked]
    assert sorted(told) == ranked.select("lo", "hi", "rival_weight", "ranked").rows()
    alone = with_rivals(frame.filter(pl.col("score") < strong - 5), held)
    assert alone["rival_weight"].to_list() == [0, 0]
