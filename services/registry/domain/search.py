"""查询条件: whom a list, a search or an export is about. Each condition narrows; None is no condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from services.registry.domain.codes import CAUSE, STATUS
from shared.errors import Invalid
from shared.values import DivisionCode

ANY_DOUBT = "any"


class NotSoughtInThePast(Invalid):
    """此条件不能问过去."""

    code = "search.not_in_the_past"
    zh = "条件“{what}”只能按现在的登记情况查询"
    en = "The condition '{what}' can be asked of the present alone"
    hint_zh = "问过去时请只按区划、户类型和致贫原因查询"
    hint_en = "Ask the past by division, status and cause"


class Sort(StrEnum):
    """排序: by place and the order of recording, or by the sound of the name."""

    PLACE = "place"
    PINYIN = "pinyin"


@dataclass(frozen=True, slots=True)
class Sought:
    """查询条件: households of a place, by what they are and by what is asked of them; and people by who they are.

    Numbers and telephones stand here as their blind indexes alone, one of each live key.
    """

    division: DivisionCode
    status: str | None = None
    cause: str | None = None
    doubt: str | None = None
    """A check that is still asked, or `any`."""
    number: str | None = None
    name: str | None = None
    """A name, its beginning, or the given name without the family's."""
    pinyin: str | None = None
    initials: str | None = None
    id_indexes: tuple[str, ...] = ()
    phone_indexes: tuple[str, ...] = ()
    heads: bool = False

    @property
    def of_households(self) -> Self:
        """What it says of households alone."""
        return replace(self, name=None, pinyin=None, initials=None, id_indexes=(), phone_indexes=(), heads=False)

    @property
    def of_people(self) -> Self:
        """What it says of people alone."""
        return replace(self, status=None, cause=None, doubt=None, number=None)

    def refuse_past(self) -> None:
        """What no image holds cannot be asked of a day that is gone."""
        if self.doubt is not None:
            raise NotSoughtInThePast(what="疑点/doubt")
        if self.number is not None:
            raise NotSoughtInThePast(what="户编号/number")
        if self.is_of_persons:
            raise NotSoughtInThePast(what="成员/person")

    @property
    def is_of_names(self) -> bool:
        """Whether a name, a number or a telephone is asked for: then somebody may be told who somebody is."""
        return bool(self.name or self.pinyin or self.initials or self.id_indexes or self.phone_indexes)

    @property
    def is_of_persons(self) -> bool:
        """Whether it picks single persons out of their households."""
        return self.is_of_names or self.heads

    def as_json(self) -> dict[str, Any]:
        """Every condition that is one."""
        told = {name: value for name, value in asdict(self).items() if value not in (None, (), False)}
        return told | {"division": self.division.text}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """As it was kept."""
        plain = cls(division=DivisionCode.parse(told["division"]))
        lists = {name: tuple(told[name]) for name in ("id_indexes", "phone_indexes") if name in told}
        return replace(plain, **({name: value for name, value in told.items() if name != "division"} | lists))

    @property
    def words(self) -> str:
        """For the paper that goes with an export; no name and no number of a person stands in it."""
        said = [f"区划{self.division.text}"]
        if self.status is not None:
            said.append(f"户类型{STATUS.label(self.status)}")
        if self.cause is not None:
            said.append(f"致贫原因{CAUSE.label(self.cause)}")
        if self.doubt is not None:
            said.append("有未关闭的疑点" if self.doubt == ANY_DOUBT else f"疑点{self.doubt}")
        if self.number is not None:
            said.append("指定的一户")
        if self.is_of_names:
            said.append("指定的姓名或号码")
        if self.heads:
            said.append("户主")
        return "，".join(said)
