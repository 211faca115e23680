"""What the actors know before they begin: the sample's script. The answers are another file, which they never see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Script:
    """剧本: the county, the village that exits, the year that incomes are of, how much the cooperative shares out."""

    county: str
    village: str
    income_year: tuple[str, str]
    dividend_fen: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """As the sample wrote it."""
        said = json.loads((folder / "script.json").read_text(encoding="utf-8"))
        first, last = said["income_year"]
        return cls(said["county"], said["exit_village"], (first, last), said["dividend_fen"])
