"""One person once (疑似重复人员): by which keys two entries are compared. It proposes; it never merges."""

from services.registry.likeness.keys import (
    KEY_COLUMNS,
    PROBE_COLUMNS,
    NameKeys,
    PersonKeys,
    Probe,
    key_of_index,
    keys_frame,
    keys_of,
    name_keys,
)
from services.registry.likeness.levels import Stratum
from services.registry.likeness.numbers import IdForm, ProbeKind
from services.registry.likeness.pack import Pack, Queue, pack, queue_of
from services.registry.likeness.rivals import sql_with_rivals, with_rivals
from services.registry.likeness.words import Said, explained, told

__all__ = [
    "KEY_COLUMNS",
    "PROBE_COLUMNS",
    "IdForm",
    "NameKeys",
    "Pack",
    "PersonKeys",
    "Probe",
    "ProbeKind",
    "Queue",
    "Said",
    "Stratum",
    "explained",
    "key_of_index",
    "keys_frame",
    "keys_of",
    "name_keys",
    "pack",
    "queue_of",
    "sql_with_rivals",
    "told",
    "with_rivals",
]
