"""What every fact and topic has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Fact(BaseModel):
    """事实: something that is now true. The Kafka key is the id of the noun it speaks of."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TOPIC: ClassVar[str]
    TYPE: ClassVar[str]


class Part(BaseModel):
    """组成部分: a piece of a fact."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Topic:
    """主题: `state` topics are compacted and hold the last fact of each noun; `events` topics keep thirty days."""

    name: str
    kind: Literal["state", "events"]
    heard_by: tuple[str, ...]
    partitions: int = 6

    @property
    def speaker(self) -> str:
        """The one service that speaks here."""
        return self.name.split(".", 1)[0]


Division = Annotated[str, Field(pattern=r"^[1-9][0-9]{11}$", description="区划代码, twelve digits")]
Fen = Annotated[int, Field(ge=-(2**53), le=2**53, description="whole fen (分)")]
Version = Annotated[int, Field(ge=1, le=2**62, description="rises with each change of the noun")]
YesNo = Annotated[
    Literal["yes", "no", "refused"] | None, Field(description="是否; refused = 拒绝回答; null = unknown (未知)")
]
