"""What the actors know before they begin: the sample's script. The answers are another file, which they never see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Script:
    """剧本: the county, the village that exits, the year that incomes are of, how much the cooperative shares out;
    at the end, which household parts and which doubt somebody looks into.
    """

    county: str
    village: str
    income_year: tuple[str, str]
    dividend_fen: int
    parting: Mapping[str, Any]
    looked_into: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """As the sample wrote it."""
        said = json.loads((folder / "script.json").read_text(encoding="utf-8"))
        first, last = said["income_year"]
        told = (said["dividend_fen"], said["parting"], said["looked_into"])
        return cls(said["county"], said["exit_village"], (first, last), *told)
