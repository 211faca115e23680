"""事实指纹: by which a doubt knows that what it asked about has changed, without keeping it."""

from __future__ import annotations

from hashlib import sha256

from shared.crypto import KeyRing

KIND = "doubt"


def fingerprints_of(keys: KeyRing, check_id: str, facts: str | None) -> str:
    """事实指纹: a keyed hash of what a check looked at, for each live key, the current one first. The hash below it is
    for its length and its letters alone: what is indexed is folded, facts are not.
    """
    said = sha256(f"{check_id}\n{facts or ''}".encode()).hexdigest()
    return ",".join(one.hex() for one in keys.blind_indexes(KIND, said))
