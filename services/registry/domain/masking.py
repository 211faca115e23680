"""脱敏: what is shown of a person and a household to whoever stated no purpose; answers and exports hide alike.

Masked, a member shows no birth date, no health, no telephone: with the masked number they would give the whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.registry.domain.fields import FIELDS, Field, Level, Privacy
from shared.values import mask_id, mask_name, mask_phone

MASKED: Mapping[str, Callable[[str], str]] = {
    "id_number": mask_id,
    "disability_card": mask_id,
    "phone": mask_phone,
    "name": mask_name,
}
"""Shown in part."""


def is_hidden(field: Field) -> bool:
    """Whether nothing of it is shown: what is sensitive, a person's own number, all amounts of income."""
    of_person = field.level is Level.PERSON and (field.privacy is Privacy.SENSITIVE or field.name == "person_number")
    of_household = field.level in (Level.HOUSEHOLD, Level.LIVING) and field.privacy is Privacy.SENSITIVE
    return of_person or of_household or field.level is Level.INCOME


HIDDEN_OF_PERSON = frozenset(one.name for one in FIELDS if one.level is Level.PERSON and is_hidden(one)) | {
    "disability_kind",
    "disability_level",
}
