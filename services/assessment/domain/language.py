"""The rule language: a small part of Python's expression grammar, parsed with `ast`, typed against the catalogue.

Whitelisted: whole numbers, names, `and or not`, comparisons, `in (..)`, `+ - *`, and four words: `known(column)`,
`refused(column)`, `num(condition)`, `only_if(condition, number)` (unknown where the condition does not hold). All else
(attributes, other calls, texts, floats, division) is refused when the pack is loaded, with the text that offends.
Nothing is ever evaluated as Python.

Three-valued logic is explicit: every node knows whether it may be unknown, and `num()` of something that may be unknown
is refused. Age never exists as data: `age >= 60` becomes `birth_on <= asof - 60 years`. Each number carries bounds, and
an expression whose bounds leave 64 bits is refused (interval arithmetic).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

from services.assessment.domain.catalogue import COUNTS_AS_CODES, EARLIEST, LATEST, MAX_ROWS, Kind, Relation
from shared.errors import Invalid

LARGEST: Final = 2**63 - 1
OLDEST: Final = 150
ASOF: Final = "asof"
AGE: Final = "age"
COUNTS_AS: Final = "counts_as"

Order = Literal["==", "!=", "<", "<=", ">", ">="]


class RuleRefused(Invalid):
    """规则有误: a pack that may not be loaded, with the text that offends."""

    code = "pack.refused"
    zh = "规则包 {pack} 的“{place}”有误：{why_zh}（原文：{text}）"
    en = "Pack {pack}, '{place}': {why_en} (text: {text})"
    hint_zh = "请按规则语言的说明修改后重新装入"
    hint_en = "Correct it by the page of the rule language, then load again"


class Offence(Exception):
    """违例: what is wrong with an expression, before the pack says where it stood."""

    def __init__(self, text: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.text, self.zh, self.en = text, zh, en


@dataclass(frozen=True, slots=True)
class Type:
    """类型: truth, number, date or code; whether it may be unknown; the bounds of its numbers."""

    kind: Literal["truth", "number", "date", "code"]
    nullable: bool = False
    least: int = 0
    most: int = 0
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """语法节点: a checked piece of an expression; equal pieces are equal, so each is computed once."""

    type: Type


@dataclass(frozen=True, slots=True)
class Whole(Node):
    """整数."""

    value: int


@dataclass(frozen=True, slots=True)
class Asof(Node):
    """研判日期: the day for which is judged."""


@dataclass(frozen=True, slots=True)
class Given(Node):
    """参数: a dated number of the place; unknown where none is in force."""

    name: str


@dataclass(frozen=True, slots=True)
class Held(Node):
    """列: what is on file."""

    relation: str
    name: str


@dataclass(frozen=True, slots=True)
class CountsAs(Node):
    """计入类别: the component under which a row of income counts; for payouts a dated parameter decides."""


@dataclass(frozen=True, slots=True)
class Ref(Node):
    """引用: an aggregate or a derived value of the same pack, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Reached(Node):
    """年满: whether the member has reached an age (years plus a fixed number) on the day judged."""

    years: Node
    plus: int


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """比较: two numbers or two dates."""

    order: Order
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class OneOf(Node):
    """属于: a code among codes."""

    what: Node
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """算术: two numbers added, subtracted or multiplied; or days added to a date."""

    sign: Literal["+", "-", "*"]
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Both(Node):
    """且."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Either(Node):
    """或."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """非."""

    what: Node


@dataclass(frozen=True, slots=True)
class Known(Node):
    """已知: whether a column holds an answer (a refusal is none)."""

    column: Held


@dataclass(frozen=True, slots=True)
class Refused(Node):
    """拒答: whether the answer was refused."""

    column: Held


@dataclass(frozen=True, slots=True)
class Num(Node):
    """计数: 1 or 0 for a condition that is never unknown."""

    what: Node


@dataclass(frozen=True, slots=True)
class OnlyIf(Node):
    """仅当: a number that is known only where a condition holds."""

    when: Node
    what: Node


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for part in parts(node):
        yield from walk(part)


def parts(node: Node) -> list[Node]:
    """What a node is made of."""
    return [value for part in fields(node) if isinstance(value := getattr(node, part.name), Node)]


@dataclass(frozen=True, slots=True)
class Names:
    """可用名称: what may be named where an expression stands."""

    relation: Relation
    params: Mapping[str, Type]
    refs: Mapping[str, Type]


_TRUTH: Final = Type("truth")
_DATE: Final = Type("date", least=EARLIEST, most=LATEST)
_COMPARES: Final[dict[type[ast.cmpop], Order]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TURNED: Final[dict[Order, Order]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_WORDS: Final = {"known": 1, "refused": 1, "num": 1, "only_if": 2}
_ARITHMETIC: Final[dict[type[ast.operator], Literal["+", "-", "*"]]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def read(text: str, names: Names) -> Node:
    """Text → checked node. Raises `Offence` with the piece of text that is not allowed."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise Offence(text, "不是表达式", "it is not an expression") from None
    return _Reader(text, names).node(tree)


def condition(text: str, names: Names) -> Node:
    """As `read`, but it must be true or false."""
    node = read(text, names)
    if node.type.kind != "truth":
        raise Offence(text, "应为条件", "a condition is expected")
    return node


def number(text: str, names: Names) -> Node:
    """As `read`, but it must be a number."""
    node = read(text, names)
    if node.type.kind != "number":
        raise Offence(text, "应为数字", "a number is expected")
    return node


class _Reader:
    """Walks Python's syntax tree and lets pass what the grammar knows."""

    def __init__(self, text: str, names: Names) -> None:
        self._text = text
        self._names = names
        self._rules: dict[type[ast.AST], Callable[..., Node]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.BoolOp: self._logic,
            ast.UnaryOp: self._unary,
            ast.Compare: self._chain,
            ast.BinOp: self._arithmetic,
            ast.Call: self._call,
        }

    def node(self, tree: ast.AST) -> Node:
        rule = self._rules.get(type(tree))
        if rule is None:
            raise self._offence(tree, "规则语言不允许这种写法", "the language does not allow this")
        return rule(tree)

    def _offence(self, tree: ast.AST, zh: str, en: str) -> Offence:
        return Offence(ast.get_source_segment(self._text.strip(), tree) or self._text, zh, en)

    def _constant(self, tree: ast.Constant) -> Node:
        if type(tree.value) is not int:
            raise self._offence(tree, "只允许整数", "only whole numbers are allowed")
        if tree.value > LARGEST:
            raise self._offence(tree, "超出64位整数", "it leaves 64 bits")
        return Whole(Type("number", least=tree.value, most=tree.value), tree.value)

    def _name(self, tree: ast.Name) -> Node:
        name = tree.id
        if name == ASOF:
            return Asof(_DATE)
        if name in self._names.params:
            return Given(self._names.params[name], name)
        if name in self._names.refs:
            return Ref(self._names.refs[name], name)
        if name == COUNTS_AS and self._names.relation.name == "income":
            return CountsAs(Type("code", codes=COUNTS_AS_CODES))
        return self._column(tree, name)

    def _column(self, tree: ast.AST, name: str) -> Held:
        spec = self._names.relation.by_name.get(name)
        if name == AGE:
            raise self._offence(tree, "年龄只能与岁数比较", "an age may only be compared with years")
        if spec is None:
            relation = self._names.relation.name
            raise self._offence(tree, f"{relation} 中没有此名称", f"no such name in {relation}")
        match spec.kind:
            case Kind.FLAG | Kind.TRUTH:
                shape = Type("truth", spec.nullable)
            case Kind.CODE:
                shape = Type("code", spec.nullable, codes=spec.codes)
            case Kind.WORD:
                shape = Type("code", spec.nullable)
            case Kind.DATE:
                shape = Type("date", spec.nullable, spec.least, spec.most)
            case _:
                shape = Type("number", spec.nullable, spec.least, spec.most)
        return Held(shape, self._names.relation.name, name)

    def _logic(self, tree: ast.BoolOp) -> Node:
        joined = self._truth(tree.values[0])
        for value in tree.values[1:]:
            joined = (both if isinstance(tree.op, ast.And) else either)(joined, self._truth(value))
        return joined

    def _truth(self, tree: ast.AST) -> Node:
        node = self.node(tree)
        if node.type.kind != "truth":
            raise self._offence(tree, "应为条件", "a condition is expected")
        return node

    def _unary(self, tree: ast.UnaryOp) -> Node:
        if isinstance(tree.op, ast.Not):
            return negated(self._truth(tree.operand))
        if isinstance(tree.op, ast.USub):
            return self._sum(tree, "-", Whole(Type("number"), 0), self.node(tree.operand))
        raise self._offence(tree, "规则语言不允许这种写法", "the language does not allow this")

    def _arithmetic(self, tree: ast.BinOp) -> Node:
        sign = _ARITHMETIC.get(type(tree.op))
        if sign is None:
            zh, en = "只允许加、减、乘；金额用乘法比较，不用除法", "only + - * are allowed: multiply, never divide"
            raise self._offence(tree, zh, en)
        return self._sum(tree, sign, self.node(tree.left), self.node(tree.right))

    def _sum(self, tree: ast.AST, sign: Literal["+", "-", "*"], left: Node, right: Node) -> Node:
        kinds = (left.type.kind, right.type.kind)
        if kinds not in (("number", "number"), ("date", "number")) or (kinds[0] == "date" and sign == "*"):
            raise self._offence(tree, "只能对数字运算，或对日期加减天数", "numbers, or a date and days, are expected")
        bounds = _bounds(sign, left.type, right.type)
        if bounds[0] < -LARGEST or bounds[1] > LARGEST:
            low, high = f"{bounds[0]:,}", f"{bounds[1]:,}"
            raise self._offence(
                tree, f"结果可达 {low} 至 {high}，超出64位整数", f"it may reach {low} to {high} and leave 64 bits"
            )
        nullable = left.type.nullable or right.type.nullable
        return Sum(Type("date" if kinds[0] == "date" else "number", nullable, *bounds), sign, left, right)

    def _chain(self, tree: ast.Compare) -> Node:
        operands = [tree.left, *tree.comparators]
        links = [
            self._compare(tree, order, left, right)
            for order, left, right in zip(tree.ops, operands, operands[1:], strict=False)
        ]
        joined = links[0]
        for link in links[1:]:
            joined = both(joined, link)
        return joined

    def _compare(self, tree: ast.Compare, order: ast.cmpop, left: ast.expr, right: ast.expr) -> Node:
        if _is_age(left):
            return self._age(tree, self._order(tree, order), right)
        if _is_age(right):
            return self._age(tree, _TURNED[self._order(tree, order)], left)
        first = self.node(left)
        if first.type.kind == "code":
            return self._codes(tree, order, first, right)
        second = self.node(right)
        kinds = {first.type.kind, second.type.kind}
        if len(kinds) > 1 or kinds == {"truth"}:
            raise self._offence(tree, "两侧类型不能比较", "the two sides may not be compared")
        nullable = first.type.nullable or second.type.nullable
        return Compare(Type("truth", nullable), self._order(tree, order), first, second)

    def _order(self, tree: ast.AST, order: ast.cmpop) -> Order:
        if type(order) not in _COMPARES:
            raise self._offence(tree, "此处不允许这种比较", "this comparison is not allowed here")
        return _COMPARES[type(order)]

    def _codes(self, tree: ast.Compare, order: ast.cmpop, what: Node, right: ast.expr) -> Node:
        named = right.elts if isinstance(right, ast.Tuple) else [right]
        is_list = isinstance(order, ast.In | ast.NotIn)
        if is_list != isinstance(right, ast.Tuple) or not (is_list or isinstance(order, ast.Eq | ast.NotEq)):
            raise self._offence(tree, "代码只能用 == != in not in 比较", "codes compare with == != in not in alone")
        codes = tuple(self._code(what, one) for one in named)
        found = OneOf(Type("truth", what.type.nullable), what, codes)
        return negated(found) if isinstance(order, ast.NotEq | ast.NotIn) else found

    def _code(self, what: Node, tree: ast.expr) -> str:
        if not isinstance(tree, ast.Name):
            raise self._offence(tree, "应为代码", "a code is expected")
        if what.type.codes and tree.id not in what.type.codes:
            raise self._offence(tree, "该列没有此代码", "the column has no such code")
        return tree.id

    def _age(self, tree: ast.AST, order: Order, against: ast.expr) -> Node:
        birth = self._names.relation.by_name.get("birth_on")
        if birth is None:
            raise self._offence(tree, "只有成员有年龄", "only members have an age")
        years = self.node(against)
        if not isinstance(years, Whole | Given) or not 0 <= years.type.least <= years.type.most <= OLDEST:
            raise self._offence(tree, "年龄只能与岁数比较", "an age may only be compared with years")
        shape = Type("truth", birth.nullable or years.type.nullable)
        reached, beyond = Reached(shape, years, 0), Reached(shape, years, 1)
        match order:
            case ">=":
                return reached
            case "<":
                return negated(reached)
            case ">":
                return beyond
            case "<=":
                return negated(beyond)
            case "==":
                return both(reached, negated(beyond))
            case _:
                return either(negated(reached), beyond)

    def _call(self, tree: ast.Call) -> Node:
        called = tree.func.id if isinstance(tree.func, ast.Name) else ""
        if tree.keywords or len(tree.args) != _WORDS.get(called):
            raise self._offence(tree, "规则语言不允许这种调用", "the language does not allow this call")
        match called:
            case "known":
                return Known(_TRUTH, self._plain_column(tree.args[0]))
            case "refused":
                column = self._plain_column(tree.args[0])
                if self._names.relation.by_name[column.name].kind is not Kind.FLAG:
                    raise self._offence(tree, "该列不会被拒答", "this column cannot be refused")
                return Refused(_TRUTH, column)
            case "only_if":
                return self._only_if(tree)
            case _:
                return self._num(tree)

    def _only_if(self, tree: ast.Call) -> Node:
        when, what = self._truth(tree.args[0]), self.node(tree.args[1])
        if what.type.kind != "number":
            raise self._offence(tree, "应为数字", "a number is expected")
        return OnlyIf(Type("number", True, what.type.least, what.type.most), when, what)

    def _plain_column(self, tree: ast.expr) -> Held:
        if not isinstance(tree, ast.Name):
            raise self._offence(tree, "应为列名", "a column is expected")
        return self._column(tree, tree.id)

    def _num(self, tree: ast.Call) -> Node:
        what = self._truth(tree.args[0])
        if what.type.nullable:
            raise self._offence(tree, "条件可能未知，不能计数", "the condition may be unknown and cannot be counted")
        return Num(Type("number", most=1), what)


def _is_age(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Name) and tree.id == AGE


def _bounds(sign: str, left: Type, right: Type) -> tuple[int, int]:
    if sign == "+":
        return left.least + right.least, left.most + right.most
    if sign == "-":
        return left.least - right.most, left.most - right.least
    corners = [a * b for a in (left.least, left.most) for b in (right.least, right.most)]
    return min(corners), max(corners)


def both(left: Node, right: Node) -> Node:
    """Kleene's and."""
    return Both(Type("truth", left.type.nullable or right.type.nullable), left, right)


def either(left: Node, right: Node) -> Node:
    """Kleene's or."""
    return Either(Type("truth", left.type.nullable or right.type.nullable), left, right)


def negated(what: Node) -> Node:
    """Kleene's not."""
    return Not(Type("truth", what.type.nullable), what)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """汇总: one value a household from its rows: how many, how much, all of them, any of them.

    `element` is the condition looked for in a row (for `sum`, the amount), `where` the rows that count at all.
    Whenever a row's part is unknown and could change the result, the result is unknown.
    """

    name: str
    relation: str
    how: Literal["count", "sum", "all", "any"]
    element: Node
    where: Node | None

    @property
    def type(self) -> Type:
        """What it is to the household."""
        parts = [self.element] if self.where is None else [self.element, self.where]
        nullable = any(part.type.nullable for part in parts)
        match self.how:
            case "count":
                return Type("number", nullable, 0, MAX_ROWS)
            case "sum":
                shape = self.element.type
                return Type("number", nullable, min(0, shape.least) * MAX_ROWS, max(0, shape.most) * MAX_ROWS)
            case _:
                return Type("truth", nullable)

    @property
    def wanted(self) -> Node:
        """What decides of a row, for all but `sum`: counted or found when true; for `all`, kept when true."""
        if self.where is None:
            return self.element
        return either(negated(self.where), self.element) if self.how == "all" else both(self.where, self.element)
