"""The keys by which two entries of one person are compared: numbers and their repairs, names and their sounds."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import asdict
from datetime import date, timedelta

import polars as pl
import pytest

from services.registry.likeness import IdForm, PersonKeys, ProbeKind, key_of_index, keys_frame, keys_of, name_keys
from services.registry.likeness.numbers import read_number
from services.registry.likeness.spelling import spell
from shared.crypto import KeyRing, new_key_ring
from shared.values import citizen_id_check

RING = KeyRing.of(new_key_ring())
AREAS = frozenset({"629999", "629998"})


def number(area: str = "629999", born: date = date(1987, 3, 2), order: int = 557) -> str:
    seventeen = f"{area}{born:%Y%m%d}{order:03d}"
    return seventeen + citizen_id_check(seventeen)


GOOD = number()


def keys(id_number: str | None = GOOD, name: str = "王小明", phone: str | None = None) -> PersonKeys:
    return keys_of(name, id_number, date(1987, 3, 2), "male", phone, RING.blind_index, AREAS)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (GOOD, IdForm.VALID),
        (f"６２９９９９{GOOD[6:]}", IdForm.VALID),
        (GOOD[:6] + GOOD[8:17], IdForm.VALID),
        (GOOD + "41", IdForm.VALID),
        (GOOD[:5] + "1" + GOOD[6:], IdForm.DAMAGED),
        (GOOD[:-1], IdForm.DAMAGED),
        (GOOD[:15] + "000", IdForm.CUT),
        ("999999199001011234", IdForm.DAMAGED),
        ("111111111111111111", IdForm.MISSING),
        ("无", IdForm.MISSING),
        (None, IdForm.MISSING),
    ],
)
def test_the_form_of_what_is_written_in_the_place_of_a_number(written: str | None, form: IdForm) -> None:
    made = keys(written)
    assert made.id_form == form
    assert (made.id_key != 0) == (form is IdForm.VALID)


def test_old_numbers_and_cards_have_the_key_of_the_number_they_carry_and_it_is_the_blind_index_beside_it() -> None:
    assert keys(GOOD[:6] + GOOD[8:17]).id_key == keys(GOOD + "41").id_key == keys(GOOD).id_key
    assert key_of_index(RING.blind_index("citizen_id", GOOD)) == keys(GOOD).id_key
    assert keys(None, phone="19900000001").phone_key == key_of_index(RING.blind_index("phone", "１９９0000-0001"))


def damaged_forms(whole: str) -> list[str]:
    """Every single slip of a number: a digit typed wrong, two exchanged, one left out, one doubled."""
    typed = [whole[:at] + new + whole[at + 1 :] for at in range(17) for new in "0123456789" if new != whole[at]]
    exchanged = [whole[:at] + whole[at + 1] + whole[at] + whole[at + 2 :] for at in range(17)]
    dropped = [whole[:at] + whole[at + 1 :] for at in range(18)]
    doubled = [whole[:at] + whole[at] + whole[at:] for at in range(17)]
    return [one for one in (*typed, *exchanged, *dropped, *doubled) if one != whole]


def test_every_single_slip_is_seen_and_leads_back_to_the_number() -> None:
    """The check character catches each of them, and none is kept as if it were valid."""
    for whole in (GOOD, number(order=2), number("629998", date(2001, 12, 31), 998)):
        for written in damaged_forms(whole):
            made = read_number(written, AREAS)
            assert made.form in {IdForm.DAMAGED, IdForm.CUT}, written
            assert whole in [one for one, _ in made.repairs] or made.form is IdForm.CUT, written


def test_repairs_are_few_and_of_known_areas_or_of_the_one_that_is_written() -> None:
    counts = []
    for written in damaged_forms(GOOD):
        repairs = read_number(written, AREAS).repairs
        counts.append(len(repairs))
        assert all(one[:6] in AREAS or one[:6] == written[:6] for one, _ in repairs)
    assert sum(counts) / len(counts) < 9
    abroad = number("659999")  # an area that is in no list, as those of counties that are no more
    assert (abroad, ProbeKind.SLIP) in read_number(
        abroad[:15] + ("7" if abroad[15] != "7" else "8") + abroad[16:], AREAS
    ).repairs


def test_a_number_cut_by_a_spreadsheet_may_end_in_a_hundred_ways() -> None:
    made = keys(GOOD[:15] + "000")
    assert {one.kind for one in made.probes} == {ProbeKind.CUT}
    assert 99 <= len(made.probes) <= 100
    assert keys(GOOD).id_key in {one.key for one in made.probes}


def test_placeholders_lead_nowhere() -> None:
    assert keys("999999199001011234").probes == ()
    assert keys("000000000000000000").probes == ()
    whole = keys(number("999999"))
    assert (whole.id_form, whole.id_key, whole.probes) == (IdForm.DAMAGED, 0, ())


@pytest.mark.parametrize(
    ("name", "pinyin", "initials"),
    [
        ("单小明", "shanxiaoming", "sxm"), ("仇英", "qiuying", "qy"), ("查良镛", "zhaliangyong", "zly"),
        ("区桃", "outao", "ot"), ("解放", "xiefang", "xf"), ("曾国强", "zengguoqiang", "zgq"),
        ("欧阳修", "ouyangxiu", "oyx"), ("尉迟恭", "yuchigong", "ycg"), ("單小明", "shanxiaoming", "sxm"),
        ("才让卓玛", "cairangzhuoma", "crzm"), ("阿卜杜拉·麦麦提", "abodulamaimaiti", "abdlmmt"),
        ("𠮷", "", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_how_a_name_is_read(name: str, pinyin: str, initials: str) -> None:
    made = name_keys(name)
    assert (made.pinyin, made.initials) == (pinyin, initials)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("閆喆", "阎哲", "name"), ("峯", "峰", "name"), ("阿卜杜拉·麦麦提", "阿卜杜拉•麦麦提", "name"),
        ("王芳（小）", "王 芳", "name"),
        ("王晓明", "王小明", "sound"), ("张兰", "章南", "sound"), ("陈英", "岑银", "sound"),
        ("明王小", "王小明", "bag"),
        ("王小明", "王小红", ""), ("王小明", "李小明", ""),
    ],
)  # fmt: skip
def test_which_names_are_alike_and_how(one: str, other: str, alike: str) -> None:
    left, right = name_keys(one), name_keys(other)
    keys_alike = {
        name for name in ("name", "sound", "bag") if getattr(left, f"{name}_key") == getattr(right, f"{name}_key")
    }
    assert keys_alike == {"name": {"name", "sound", "bag"}, "sound": {"sound", "bag"}, "bag": {"bag"}, "": set()}[alike]


def test_a_name_is_cut_into_family_and_own() -> None:
    assert spell("欧阳小明").surname == ("ou", "yan")
    assert spell("王小明").given == ("xiao", "min")
    assert spell("阿卜杜拉·麦麦提").given == spell("阿卜杜拉").sound
    assert spell("阿卜杜拉·麦麦提").surname == ("mai", "mai", "ti")


def test_keys_of_many_are_the_keys_of_each() -> None:
    chance = random.Random(4)
    names = ["王小明", "閆喆", "欧阳修", "才让卓玛", "阿卜杜拉·麦麦提", "𠮷"]
    rows = []
    for _ in range(200):
        born = date(1950, 1, 1) + timedelta(days=chance.randrange(25_000))
        whole = number(born=born, order=chance.randrange(1, 999))
        written = chance.choice(
            [whole, whole, chance.choice(damaged_forms(whole)), whole[:15] + "000", None, whole[:6] + whole[8:17]]
        )
        phone = chance.choice([None, f"199{chance.randrange(10**8):08d}"])
        rows.append(
            (chance.choice(names), written, chance.choice([born, None]), chance.choice(["male", "female", None]), phone)
        )
    frame = pl.DataFrame(
        rows,
        schema={"name": pl.String, "id_number": pl.String, "birth_on": pl.Date, "sex": pl.String, "phone": pl.String},
        orient="row",
    )
    singly = [keys_of(*row, RING.blind_index, AREAS) for row in rows]
    made, probes = keys_frame(frame, RING.blind_index, AREAS)
    assert made.rows(named=True) == [{k: v for k, v in asdict(one).items() if k != "probes"} for one in singly]
    assert probes.rows() == [(row, one.key, one.kind) for row, keys in enumerate(singly) for one in keys.probes]

    def refuse(kind: str, text: str) -> bytes:
        raise AssertionError("made before")

    whole_only = frame.filter(pl.col("id_number").str.len_chars() == 18).filter(
        pl.Series(
            [
                read_number(one, AREAS).form == IdForm.VALID and not one.endswith("000")
                for one in frame.filter(pl.col("id_number").str.len_chars() == 18)["id_number"]
            ]
        )
    )
    indexed = whole_only.with_columns(
        pl.Series(
            "id_number_index", ["\\x" + RING.blind_index("citizen_id", one).hex() for one in whole_only["id_number"]]
        ),
        pl.Series(
            "phone_index",
            [one and RING.blind_index("phone", one).hex() for one in whole_only["phone"]],
            dtype=pl.String,
        ),
    )
    assert keys_frame(indexed, refuse, AREAS)[0].equals(keys_frame(whole_only, RING.blind_index, AREAS)[0])


def test_another_ring_makes_other_keys_of_numbers_and_the_same_of_names() -> None:
    """What a name's keys tell is what the name beside them tells; a number's cannot be made without the ring."""
    other = keys_of("王小明", GOOD, date(1987, 3, 2), "male", None, KeyRing.of(new_key_ring()).blind_index, AREAS)
    assert other.id_key != keys(GOOD).id_key
    assert other.name_key == keys(GOOD).name_key
    known = RING.index_keys.keys[RING.index_keys.current]
    first = hmac.digest(known, b"citizen_id\0" + GOOD.encode(), hashlib.sha256)[:8]
    assert int.from_bytes(first, "big", signed=True) == keys(GOOD).id_key
