"""The same pack as one PostgreSQL statement: a second, independent opinion for tests and set-based checks.

The database reads the circumstances as they were told (codes as text, dates as dates), so that neither the packing nor
the numbering of codes is shared with the evaluator. Expected tables, in `schema`: household(hid, …), members(hid, …),
income(hid, …), statuses(hid, …), declarations(hid, …) with the catalogue's column names.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from services.assessment.domain import language as lang
from services.assessment.domain.catalogue import EPOCH, RELATIONS, Kind
from services.assessment.domain.evaluator import Bound
from services.assessment.domain.language import Aggregate, Node
from services.assessment.domain.packs import Pack

_ALIAS: Final = {"household": "h", "members": "m", "income": "i", "statuses": "s", "declarations": "d"}


class Printer:
    """打印器: checked expressions → SQL text, with one set of numbers written into it."""

    def __init__(self, pack: Pack, bound: Bound) -> None:
        self._pack = pack
        self._bound = bound

    def statement(self, schema: str) -> str:
        """hid, whether the pack applies, each criterion as true, false or null, and the verdict or the score."""
        relations = [name for name in RELATIONS if any(a.relation == name for a in self._pack.aggregates.values())]
        parts = [f"{_ALIAS[name]}_ as ({self._grouped(name, schema)})" for name in relations]
        joins = "".join(f" left join {_ALIAS[name]}_ using (hid)" for name in relations)
        columns = [f"{self._with_neutral(one)} as {one.name}" for one in self._pack.aggregates.values()]
        parts.append(f"a as (select h.*{''.join(', ' + one for one in columns)} from {schema}.household h{joins})")
        asked = [f"({self.node(one.when)}) as c_{one.code}" for one in self._pack.criteria]
        parts.append(
            f"judged as (select hid, ({self.node(self._pack.applies)}) as applies, {', '.join(asked)} from a h)"
        )
        return f"with {', '.join(parts)} select *, {self._verdict()} from judged order by hid"

    def _grouped(self, relation: str, schema: str) -> str:
        alias = _ALIAS[relation]
        columns = [
            f"{self._aggregate(one)} as {one.name}"
            for one in self._pack.aggregates.values()
            if one.relation == relation
        ]
        return f"select hid, {', '.join(columns)} from {schema}.{relation} {alias} group by hid"

    def _aggregate(self, one: Aggregate) -> str:
        if one.how == "sum":
            where = "true" if one.where is None else self.node(one.where)
            amount = self.node(one.element)
            doubt = f"bool_or(({where}) is null or (({where}) and ({amount}) is null))"
            return f"case when {doubt} then null else coalesce(sum({amount}) filter (where {where}), 0) end"
        wanted = self.node(one.wanted)
        if one.how == "count":
            return f"case when bool_or(({wanted}) is null) then null else count(*) filter (where {wanted}) end"
        decisive = "is false" if one.how == "all" else "is true"
        answer, otherwise = ("false", "true") if one.how == "all" else ("true", "false")
        return (
            f"case when bool_or(({wanted}) {decisive}) then {answer} when bool_or(({wanted}) is null) then null "
            f"else {otherwise} end"
        )

    def _with_neutral(self, one: Aggregate) -> str:
        """A household without rows stays in: nothing counted, nothing summed, all of none, none of any."""
        neutral = {"count": "0", "sum": "0", "all": "true", "any": "false"}[one.how]
        alias = f"{_ALIAS[one.relation]}_"
        return f"case when {alias}.hid is null then {neutral} else {alias}.{one.name} end"

    def _verdict(self) -> str:
        codes = [f"c_{one.code}" for one in self._pack.criteria]
        if self._pack.shape.verdict.kind == "all":
            fails, doubts = (" or ".join(f"{code} is {what}" for code in codes) for what in ("false", "null"))
            return (
                f"case when not applies then 'not_applicable' when {fails} then 'unmet' when {doubts} then 'unknown' "
                "else 'met' end as verdict"
            )
        return self._score()

    def _score(self) -> str:
        verdict, numbers = self._pack.shape.verdict, self._bound.numbers
        weights = {one.code: numbers.get(one.shape.weight or "") for one in self._pack.criteria}
        bands = (numbers.get(verdict.high or ""), numbers.get(verdict.attention or ""))
        if None in (*weights.values(), *bands):
            return "case when applies then 'unknown' else 'not_applicable' end as verdict"
        certain, possible = (
            " + ".join(f"case when c_{code} is {what} then {weight} else 0 end" for code, weight in weights.items())
            for what in ("false", "not true")
        )
        return (
            f"case when not applies then 'not_applicable' when {certain} >= {bands[0]} then 'high' "
            f"when {certain} >= {bands[1]} then 'attention' when {possible} >= {bands[1]} then 'unknown' "
            "else 'none' end as verdict"
        )

    def node(self, node: Node) -> str:
        """One expression. Every piece stands in brackets: precedence is PostgreSQL's own affair."""
        match node:
            case lang.Both(_, left, right):
                return f"({self.node(left)} and {self.node(right)})"
            case lang.Either(_, left, right):
                return f"({self.node(left)} or {self.node(right)})"
            case lang.Not(_, what):
                return f"(not {self.node(what)})"
            case lang.Compare(_, order, left, right):
                return f"({self.node(left)} {'<>' if order == '!=' else order.replace('==', '=')} {self.node(right)})"
            case lang.OneOf(_, what, codes):
                listed = ", ".join(f"'{code}'" for code in codes)
                return f"({self.node(what)} in ({listed}))"
            case lang.Reached(_, years, plus):
                return self._reached(years, plus)
            case lang.Num(_, what):
                return f"({self.node(what)})::int"
            case lang.Sum(_, sign, left, right):
                return self._sum(sign, left, right)
            case lang.OnlyIf(_, when, what):
                return f"(case when {self.node(when)} then {self.node(what)} end)"
            case _:
                return self._leaf(node)

    def _leaf(self, node: Node) -> str:
        match node:
            case lang.Held(_, relation, name):
                return self._column(relation, name)
            case lang.Known(_, column):
                return f"({self._column(column.relation, column.name)} is not null)"
            case lang.Refused(_, column):
                return f"coalesce({_ALIAS[column.relation]}.{column.name} = 'refused', false)"
            case lang.CountsAs():
                return self._counts_as()
            case lang.Ref(_, name):
                derived = self._pack.derived.get(name)
                return f"h.{name}" if derived is None else f"({self.node(derived)})"
            case lang.Whole(_, value):
                return f"{value}::bigint"
            case lang.Asof():
                return f"date '{self._bound.asof}'"
            case lang.Given(_, name):
                return self._given(name)
        raise AssertionError(f"not an expression: {node}")

    def _sum(self, sign: str, left: Node, right: Node) -> str:
        days = "::int" if left.type.kind == "date" else ""
        return f"({self.node(left)} {sign} ({self.node(right)}){days})"

    def _given(self, name: str) -> str:
        number = self._bound.numbers.get(name)
        kind = self._pack.params[name].kind
        if number is None:
            return "null::date" if kind == "date" else "null::bigint"
        return f"date '{date(1970, 1, 1) + timedelta(days=number)}'" if kind == "date" else f"{number}::bigint"

    def _reached(self, years: Node, plus: int) -> str:
        return (
            f"(m.birth_on <= (date '{self._bound.asof}' - make_interval(years => ({self.node(years)} + {plus})::int)))"
        )

    def _column(self, relation: str, name: str) -> str:
        spec = RELATIONS[relation].by_name[name]
        column = f"{_ALIAS[relation]}.{name}"
        if spec.kind is Kind.FLAG:
            return f"(case {column} when 'yes' then true when 'no' then false end)"
        if spec.absent is not None:
            return f"coalesce({column}, date '{date.fromordinal(spec.absent + EPOCH)}')"
        return column

    def _counts_as(self) -> str:
        cases = "".join(f" when '{item}' then '{code}'" for item, code in self._bound.payout_components.items())
        if not cases:
            return "i.component"
        return f"(case when i.source = 'payout' then case i.item{cases} else i.component end else i.component end)"


def sql(pack: Pack, bound: Bound, schema: str) -> str:
    """The statement of a pack under one set of numbers, reading tables of `schema`."""
    return Printer(pack, bound).statement(schema)
