"""Sealed fields open in their own place alone; blind indexes find without telling."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto import KeyRing, KeyRingWrong, Keys, SealBroken, new_key_ring, normal_form, with_new_key
from shared.values import new_id

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load((Path(__file__).parent / "cases/crypto.yaml").read_text())
RISING, FALLING = bytes(range(32)), bytes(255 - n for n in range(32))
KNOWN = KeyRing(Keys("s1", {"s1": RISING}), Keys("i1", {"i1": FALLING}), Keys("c1", {"c1": RISING}))
RING = KeyRing.of(new_key_ring())
NUMBER = "629999199001011237"


@pytest.mark.parametrize("case", CASES["sealed"], ids=lambda case: case["column"])
def test_the_sealed_form_is_the_written_one(case: dict[str, Any]) -> None:
    assert KNOWN.unseal(case["table"], case["column"], case["row"], bytes.fromhex(case["hex"])) == case["text"]


@pytest.mark.parametrize("case", CASES["index"], ids=lambda case: case["kind"])
def test_the_index_is_the_written_one_however_it_was_typed(case: dict[str, Any]) -> None:
    assert {KNOWN.blind_index(case["kind"], text).hex() for text in case["texts"]} == {case["hex"]}


@given(text=st.text(max_size=200), row=st.uuids() | st.integers() | st.text(max_size=20))
def test_what_is_sealed_opens_in_its_place(text: str, row: Any) -> None:
    sealed = RING.seal("person", "id_number", row, text)
    assert RING.unseal("person", "id_number", row, sealed) == text


def test_the_same_text_never_looks_the_same_twice() -> None:
    row = new_id()
    assert len({RING.seal("person", "id_number", row, NUMBER) for _ in range(100)}) == 100


def test_a_column_is_sealed_at_once_and_each_row_for_itself() -> None:
    rows = [(new_id(), f"{number:018d}") for number in range(1_000)]
    sealed = RING.seal_many("person", "id_number", rows)
    opened = [RING.unseal("person", "id_number", row, value) for (row, _), value in zip(rows, sealed, strict=True)]
    assert opened == [text for _, text in rows]
    assert len({value[4:16] for value in sealed}) == 1_000, "a nonce was used twice"


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ("person", "id_number", "2"),
        ("person", "phone", "1"),
        ("payee", "id_number", "1"),
        ("personid", "_number", "1"),
        ("person", "id_number1", ""),
    ],
)
def test_a_value_moved_elsewhere_does_not_open(table: str, column: str, row: str) -> None:
    sealed = RING.seal("person", "id_number", "1", NUMBER)
    with pytest.raises(SealBroken):
        RING.unseal(table, column, row, sealed)


def test_any_changed_byte_and_any_cut_is_noticed() -> None:
    sealed = RING.seal("person", "id_number", "1", NUMBER)
    changed = [sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :] for place in range(len(sealed))]
    for broken in [*changed, *(sealed[:length] for length in range(len(sealed)))]:
        with pytest.raises(SealBroken):
            RING.unseal("person", "id_number", "1", broken)


def test_the_message_of_a_broken_seal_tells_nothing() -> None:
    sealed = RING.seal("person", "id_number", "1", NUMBER)
    with pytest.raises(SealBroken) as caught:
        RING.unseal("person", "id_number", "2", sealed)
    assert NUMBER not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_new_key_seals_and_the_old_one_still_opens_and_finds() -> None:
    old = new_key_ring()
    new = with_new_key(with_new_key(old, "seal", "s2"), "index", "i2")
    before, after = KeyRing.of(old), KeyRing.of(new)
    sealed = before.seal("person", "id_number", "1", NUMBER)
    assert after.unseal("person", "id_number", "1", sealed) == NUMBER
    assert (before.is_current(sealed), after.is_current(sealed)) == (True, False)
    assert after.seal("person", "id_number", "1", NUMBER)[2:4] == b"s2"
    assert after.blind_index("citizen_id", NUMBER) != before.blind_index("citizen_id", NUMBER)
    assert before.blind_index("citizen_id", NUMBER) in after.blind_indexes("citizen_id", NUMBER)
    assert after.blind_indexes("citizen_id", NUMBER)[0] == after.blind_index("citizen_id", NUMBER)
    with pytest.raises(SealBroken):
        before.unseal("person", "id_number", "1", after.seal("person", "id_number", "1", NUMBER))
    with pytest.raises(ValueError, match="s2"):
        with_new_key(new, "seal", "s2")


def test_an_index_tells_kinds_and_stacks_apart() -> None:
    assert RING.blind_index("citizen_id", NUMBER) != RING.blind_index("phone", NUMBER)
    assert RING.blind_index("citizen_id", NUMBER) != KNOWN.blind_index("citizen_id", NUMBER)
    assert RING.blind_index("citizen_id", NUMBER) != RING.blind_index("citizen_id", NUMBER[:-1] + "8")


def test_a_signature_holds_for_its_message_alone() -> None:
    tag = RING.sign(b"after 17")
    assert RING.is_signed(b"after 17", tag)
    assert not RING.is_signed(b"after 18", tag)
    assert not RING.is_signed(b"after 17", tag[:-1])
    assert not RING.is_signed(b"after 17", b"")
    assert not RING.is_signed(b"after 17", b"\x02zz" + tag[3:])
    assert not KNOWN.is_signed(b"after 17", tag)


def test_a_ring_travels_to_a_child_and_never_shows_its_keys() -> None:
    sealed = RING.seal("person", "id_number", "1", NUMBER)
    assert pickle.loads(pickle.dumps(RING)).unseal("person", "id_number", "1", sealed) == NUMBER
    shown = repr(RING)
    assert not any(repr(key)[2:-1] in shown for key in RING.seal_keys.keys.values())


def write(path: Path, content: str, mode: int) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_ring_is_read_from_its_file(tmp_path: Path) -> None:
    written = new_key_ring()
    unpadded = json.loads(json.dumps(written).replace("=", ""))
    for name, form in (("padded", written), ("unpadded", unpadded)):
        assert KeyRing.load(write(tmp_path / name, json.dumps(form), 0o600)) == KeyRing.of(written)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys.json", json.dumps(new_key_ring()), mode)
    with pytest.raises(KeyRingWrong, match=r"chmod 600"):
        KeyRing.load(path)


def test_a_damaged_or_missing_file_is_refused_without_showing_a_key(tmp_path: Path) -> None:
    written = new_key_ring()
    short = {**written, "seal": {"current": "s1", "keys": {"s1": "c2hvcnQ="}}}
    strange = {**written, "seal": {**written["seal"], "current": "s9"}}
    lacking = {name: keys for name, keys in written.items() if name != "index"}
    for number, content in enumerate(("", "[]", "{", json.dumps(short), json.dumps(strange), json.dumps(lacking))):
        path = write(tmp_path / str(number), content, 0o600)
        with pytest.raises(KeyRingWrong) as caught:
            KeyRing.load(path)
        assert str(path) in str(caught.value)
        assert "c2hvcnQ" not in str(caught.value)
    with pytest.raises(KeyRingWrong):
        KeyRing.load(tmp_path / "nowhere")


TYPED = "".join(chr(code) for code in [*range(0x20, 0x7F), *range(0xFF01, 0xFF5F), 0x3000, 0xA0])


@given(st.text(alphabet=TYPED, max_size=40))
def test_whatever_width_case_and_spacing_it_is_one_normal_form(text: str) -> None:
    spaced = " ".join(text.lower())
    assert normal_form(spaced) == normal_form(text) == normal_form(normal_form(text))
    assert normal_form(text).isascii()
