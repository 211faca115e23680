"""What every process is told at its start, read once from the environment (prefix TUOPIN_) and passed in.

A service adds its own knobs by subclassing `Settings` in its `app.py`. No default is a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

PREFIX = "TUOPIN_"


class SettingsWrong(SystemExit):
    """设置有误: the process cannot start; says which variable and why."""


class Settings(BaseModel):
    """设置: addresses, secrets' places and limits of one process. Sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    service: str
    home: Path
    practice: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    health_port: int = 0
    slot: int = 0

    database_url: str
    database_pool_size: int = 8
    kafka_bootstrap: str = ""

    key_ring_file: Path
    jwks: str
    token_audience: str = "tuopin"
    token_issuer: str = "tuopin"
    claim_name: str = "name"
    claim_roles: str = "roles"
    claim_divisions: str = "divisions"

    body_limit_bytes: int = 64 * 1024
    upload_limit_bytes: int = 32 * 1024 * 1024
    idempotency_hours: int = 24
    log_level: str = "info"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read and check all of them; a wrong or missing one ends the process with its name and reason."""
        given = {
            name: environment[PREFIX + name.upper()]
            for name in cls.model_fields
            if PREFIX + name.upper() in environment
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
            raise SettingsWrong("设置有误 / wrong settings:\n  " + "\n  ".join(lines)) from None
