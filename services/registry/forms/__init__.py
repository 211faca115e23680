"""File layouts → fields: an upload is opened, read and checked; what cannot be recorded goes back with its reasons."""

from __future__ import annotations

from services.registry.forms.answer import write_answer
from services.registry.forms.limits import Limits
from services.registry.forms.reading import Reading, headings_of, read_file

__all__ = ["Limits", "Reading", "headings_of", "read_file", "write_answer"]
