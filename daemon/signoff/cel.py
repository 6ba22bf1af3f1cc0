"""CEL expressions evaluated strictly and within bounds: the only code that imports celpy.

celpy is more lenient than the language in ways that matter when an expression decides about money:
it compares `true` with 1, iterates over the characters of a text where a list was meant, searches
a text with `in`, and multiplies texts. It is also stricter than people expect: 5 <= 5.5 is an
error. Its operators are replaced here: numbers compare with numbers exactly, `null` equals only
itself, and any other comparison of two kinds is an error, which a limit counts as not holding.

Every step of an evaluation is counted, and one that takes too many is stopped, since plans may
bring expressions of their own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sized
from typing import Any

import celpy
import re2
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import Activation, CELEvalError, Evaluator, base_functions
from lark import Tree

from signoff.model import Json

Numbers = (celtypes.IntType, celtypes.UintType, celtypes.DoubleType)
Ordered = (
    celtypes.StringType,
    celtypes.BytesType,
    celtypes.BoolType,
    celtypes.TimestampType,
    celtypes.DurationType,
)
_ITERATING = frozenset({"map", "filter", "all", "exists", "exists_one"})
_BEYOND_THE_LANGUAGE = frozenset({"reduce", "min"})
_TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
_CALLABLE = (base_functions.keys() | {"has", "dyn"}) - _BEYOND_THE_LANGUAGE


MOST_PARTS = 200_000
"""Members and items in all that an expression is given; turning them into CEL's own kinds takes a second."""


class TooCostly(Exception):
    """An evaluation took more steps than it may, or would have to look through too much."""


class Meter:
    """Counts the steps of one evaluation."""

    def __init__(self, budget: int) -> None:
        self.left = budget

    def spend(self, steps: int = 1) -> None:
        """Count some steps.

        Raises:
            TooCostly: when none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooCostly

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, charging for the size of its arguments."""

        def charged(*arguments: Any) -> Any:
            self.spend(1 + sum(len(value) // 64 for value in arguments if isinstance(value, Sized)))
            return function(*arguments)

        return charged


class BoundedEvaluator(Evaluator):
    """celpy's evaluator, counted, and with macros over lists and maps only."""

    def __init__(self, ast: Tree[Any], activation: Activation, meter: Meter) -> None:
        super().__init__(ast, activation)
        self.meter = meter

    def sub_evaluator(self, ast: Tree[Any]) -> Evaluator:
        """The evaluator of a macro's body, on the same meter."""
        return BoundedEvaluator(ast, self.activation, self.meter)

    def evaluate(self, context: Any = None) -> Any:
        """Evaluate; a new context costs more than a node."""
        self.meter.spend(10)
        return super().evaluate(context)

    def visit_children(self, tree: Tree[Any]) -> Any:
        """Evaluate the parts of a node."""
        self.meter.spend()
        return super().visit_children(tree)

    def member_dot_arg(self, tree: Tree[Any]) -> Any:
        """A method or a macro; a macro over anything but a list or a map is an error."""
        name = str(tree.children[1])
        if name in _BEYOND_THE_LANGUAGE:
            return CELEvalError(f"CEL has no `{name}`", TypeError, None, tree=tree)
        if name in _ITERATING:
            over = self.visit(tree.children[0])
            if isinstance(over, CELEvalError):
                return over
            if not isinstance(over, celtypes.ListType | celtypes.MapType):
                return CELEvalError(f"`{name}` needs a list, not {_kind(over)}", TypeError, None, tree=tree)
        return super().member_dot_arg(tree)


def parse(expression: str) -> Tree[Any]:
    """The syntax tree of an expression.

    Raises:
        CELParseError: with line and column.
    """
    return celpy.Environment().compile(expression)


def unknown_names(tree: Tree[Any], variables: Collection[str]) -> list[str]:
    """What an expression reads or calls that is never there: no variable, and no part of CEL."""
    own = {str(_first_of(node.children[2])) for node in tree.find_data("member_dot_arg") if _is_macro(node)}
    read = [str(node.children[0]) for kind in ("ident", "dot_ident") for node in tree.find_data(kind)]
    called = [
        str(node.children[0]) for kind in ("ident_arg", "dot_ident_arg") for node in tree.find_data(kind)
    ]
    called += [str(node.children[1]) for node in tree.find_data("member_dot_arg") if not _is_macro(node)]
    there = {*variables, *own, *_TYPES}
    return [name for name in read if name not in there] + [name for name in called if name not in _CALLABLE]


def _is_macro(node: Tree[Any]) -> bool:
    return str(node.children[1]) in _ITERATING and len(node.children) > 2


def _first_of(node: Any) -> Any:
    """The first token in a part of a tree: of a macro's arguments, the name that it gives to each item."""
    while isinstance(node, Tree) and node.children:
        node = node.children[0]
    return node


class Evaluation:
    """Expressions over the same JSON variables, which share a budget of steps.

    Raises:
        TooCostly: where the variables have too many parts.
        ValueError: when a number is beyond 64 bits.
    """

    def __init__(self, variables: Mapping[str, Json], budget: int) -> None:
        _require_small(variables)
        self._meter = Meter(budget)
        self._activation = Activation(functions=_functions(self._meter))
        self._context = {name: json_to_cel(value) for name, value in variables.items()}

    def value(self, tree: Tree[Any]) -> object:
        """The value of an expression.

        Raises:
            CELEvalError: when it has no value (a missing member, operands that do not fit).
            TooCostly: when the budget is used up.
        """
        return BoundedEvaluator(tree, self._activation, self._meter).evaluate(self._context)


def evaluate(tree: Tree[Any], variables: Mapping[str, Json], budget: int) -> object:
    """The value of one expression over JSON variables; raises as `Evaluation` does."""
    return Evaluation(variables, budget).value(tree)


def to_json(value: object) -> Json:
    """A value of CEL as JSON, of the same kind.

    Raises:
        TypeError: it is of a kind that JSON does not have, such as bytes or a time.
    """
    if value is None or isinstance(value, celtypes.BoolType):
        return None if value is None else bool(value)
    if isinstance(value, celtypes.ListType):
        return [to_json(item) for item in value]
    if isinstance(value, celtypes.MapType) and all(isinstance(key, celtypes.StringType) for key in value):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, celtypes.StringType) or _is_number(value):
        plain: Json = _python(value)
        return plain
    raise TypeError(f"{_kind(value)} is nothing that JSON has")


def _require_small(variables: Mapping[str, Json]) -> None:
    """Refuse what has more than `MOST_PARTS`, without looking at the rest of it."""
    left, count = list(variables.values()), 0
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > MOST_PARTS:
                raise TooCostly
            left.extend(value.values() if isinstance(value, dict) else value)


def check_pattern(pattern: str) -> str:
    """What is wrong with a regular expression; empty where it is good."""
    try:
        _pattern(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return ""


def _pattern(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options=options)


def _functions(meter: Meter) -> dict[str, Any]:
    functions: dict[str, Callable[..., Any]] = {
        "_==_": _equal,
        "_!=_": lambda a, b: _negated(_equal(a, b)),
        "_<_": _ordering(operator.lt),
        "_<=_": _ordering(operator.le),
        "_>_": _ordering(operator.gt),
        "_>=_": _ordering(operator.ge),
        "_in_": _within,
        "_+_": _added,
        "_-_": _subtracted,
        "_*_": _multiplied,
        "_/_": _divided,
        "_[_]": _indexed,
        "!_": _not,
        "_&&_": _both,
        "_||_": _either,
        "matches": _matches,
        "contains": _contains,
        "size": _size,
        "string": _as_string,
    }
    return {name: meter.counting(function) for name, function in functions.items()}


def _failed(*values: object) -> CELEvalError | None:
    return next((value for value in values if isinstance(value, CELEvalError)), None)


def _negated(value: Any) -> Any:
    return value if isinstance(value, CELEvalError) else celtypes.BoolType(not value)


def _not(value: Any) -> Any:
    return _failed(value) or celtypes.BoolType(not _truth(value))


def _both(a: Any, b: Any) -> Any:
    """`&&`: false where one is, whatever the other; else an error where one is."""
    return _decided(a, b, deciding=False)


def _either(a: Any, b: Any) -> Any:
    """`||`: true where one is, whatever the other; else an error where one is."""
    return _decided(a, b, deciding=True)


def _decided(a: Any, b: Any, *, deciding: bool) -> Any:
    known = [_truth(value) for value in (a, b) if not isinstance(value, CELEvalError)]
    if deciding in known:
        return celtypes.BoolType(deciding)
    return _failed(a, b) or celtypes.BoolType(not deciding)


def _truth(value: Any) -> bool:
    if not isinstance(value, celtypes.BoolType):
        raise TypeError(f"{_kind(value)} is not true or false")
    return bool(value)


def _equal(a: Any, b: Any) -> Any:
    return _failed(a, b) or celtypes.BoolType(_same(a, b))


def _same(a: Any, b: Any) -> bool:
    """Equality within one kind; `null` may be compared with anything."""
    if a is None or b is None:
        return a is b
    if _is_number(a) and _is_number(b):
        return bool(_python(a) == _python(b))
    if isinstance(a, celtypes.ListType) and isinstance(b, celtypes.ListType):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, celtypes.MapType) and isinstance(b, celtypes.MapType):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if type(a) is type(b):
        return bool(_python(a) == _python(b))
    raise TypeError(f"{_kind(a)} cannot be compared with {_kind(b)}")


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def ordered(a: Any, b: Any) -> Any:
        if failed := _failed(a, b):
            return failed
        if (_is_number(a) and _is_number(b)) or (type(a) is type(b) and isinstance(a, Ordered)):
            return celtypes.BoolType(compare(_python(a), _python(b)))
        raise TypeError(f"{_kind(a)} cannot be compared with {_kind(b)}")

    return ordered


def _within(item: Any, container: Any) -> Any:
    """Whether a list has an item, or a map a key. Items of another kind are not it."""
    if failed := _failed(item, container):
        return failed
    if not isinstance(container, celtypes.ListType | celtypes.MapType):
        raise TypeError(f"`in` needs a list, not {_kind(container)}")
    return celtypes.BoolType(any(_same_or_other_kind(item, entry) for entry in container))


def _same_or_other_kind(a: Any, b: Any) -> bool:
    try:
        return _same(a, b)
    except TypeError:
        return False


def _added(a: Any, b: Any) -> Any:
    """Numbers, texts, lists, times; a whole and a broken number are added as broken ones.

    celpy gives back Python's own kinds for texts and lists, which then compare with nothing.
    """
    if failed := _failed(a, b):
        return failed
    if _is_number(a) and _is_number(b) and _is_broken(a, b):
        return celtypes.DoubleType(_python(a) + _python(b))
    if isinstance(a, celtypes.BoolType) or isinstance(b, celtypes.BoolType):
        raise TypeError("true or false cannot be added")
    for kind in (celtypes.StringType, celtypes.BytesType, celtypes.ListType):
        if isinstance(a, kind) and isinstance(b, kind):
            return kind(operator.add(a, b))
    return operator.add(a, b)


def _subtracted(a: Any, b: Any) -> Any:
    """Numbers and times; a whole and a broken number are subtracted as broken ones."""
    if failed := _failed(a, b):
        return failed
    if _is_number(a) and _is_number(b) and _is_broken(a, b):
        return celtypes.DoubleType(_python(a) - _python(b))
    if isinstance(a, celtypes.BoolType) or isinstance(b, celtypes.BoolType):
        raise TypeError("true or false cannot be subtracted")
    return operator.sub(a, b)


def _multiplied(a: Any, b: Any) -> Any:
    if failed := _failed(a, b):
        return failed
    if not (_is_number(a) and _is_number(b)):
        raise TypeError(f"{_kind(a)} cannot be multiplied with {_kind(b)}")
    if _is_broken(a, b):
        return celtypes.DoubleType(_python(a) * _python(b))
    return operator.mul(a, b)


def _divided(a: Any, b: Any) -> Any:
    """Numbers; by nothing at all, broken ones included: infinity would be above every limit."""
    if failed := _failed(a, b):
        return failed
    if not (_is_number(a) and _is_number(b)):
        raise TypeError(f"{_kind(a)} cannot be divided by {_kind(b)}")
    if _python(b) == 0:
        return CELEvalError("divide by zero", ZeroDivisionError, None)
    if _is_broken(a, b):
        return celtypes.DoubleType(_python(a) / _python(b))
    return operator.truediv(a, b)


def _indexed(value: Any, key: Any) -> Any:
    """A member or an item; of a list, none is counted from its end."""
    if failed := _failed(value, key):
        return failed
    if isinstance(value, celtypes.ListType):
        if isinstance(key, celtypes.BoolType) or not isinstance(key, celtypes.IntType | celtypes.UintType):
            raise TypeError(f"a list has no item called by {_kind(key)}")
        if key < 0:
            raise IndexError("a list has no item below 0")
    return operator.getitem(value, key)


def _matches(text: Any, pattern: Any) -> Any:
    """Whether a pattern is found anywhere in a text, in time linear in the text."""
    if failed := _failed(text, pattern):
        return failed
    if not (isinstance(text, celtypes.StringType) and isinstance(pattern, celtypes.StringType)):
        raise TypeError(f"`matches` needs texts, not {_kind(text)} and {_kind(pattern)}")
    try:
        found = _pattern(str(pattern)).search(str(text))
    except re2.error:
        return CELEvalError(f"the pattern is not valid: {check_pattern(str(pattern))}", ValueError, None)
    return celtypes.BoolType(found is not None)


def _contains(text: Any, part: Any) -> Any:
    if failed := _failed(text, part):
        return failed
    if not (isinstance(text, celtypes.StringType) and isinstance(part, celtypes.StringType)):
        raise TypeError(f"`contains` needs texts, not {_kind(text)} and {_kind(part)}")
    return celtypes.BoolType(str(part) in str(text))


def _size(value: Any) -> Any:
    if failed := _failed(value):
        return failed
    if not isinstance(value, celtypes.StringType | celtypes.BytesType | celtypes.ListType | celtypes.MapType):
        raise TypeError(f"`size` needs a text or a list, not {_kind(value)}")
    return celtypes.IntType(len(value))


def _is_broken(a: Any, b: Any) -> bool:
    """Are two numbers to be reckoned with as broken ones? Of two of these, celpy gives Python's own kind."""
    return isinstance(a, celtypes.DoubleType) or isinstance(b, celtypes.DoubleType) or type(a) is not type(b)


def _as_string(value: Any) -> Any:
    """`string()`; celpy writes true as Python does."""
    if isinstance(value, celtypes.BoolType):
        return celtypes.StringType("true" if value else "false")
    return _failed(value) or base_functions["string"](value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Numbers) and not isinstance(value, celtypes.BoolType)


def _python(value: Any) -> Any:
    """The plain value below celpy's, whose own comparisons refuse what the language allows."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    return int(value) if _is_number(value) else value


def _kind(value: object) -> str:
    names = {
        "BoolType": "true or false",
        "StringType": "a text",
        "IntType": "a number",
        "UintType": "a number",
        "DoubleType": "a number",
        "ListType": "a list",
        "MapType": "a table",
        "NoneType": "null",
    }
    return names.get(type(value).__name__, type(value).__name__)
