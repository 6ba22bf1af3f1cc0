"""What an unquoted YAML value means: the core schema of YAML 1.2, kept exact.

`null`, `true`, decimal, `0o` and `0x` integers and floats have a type; `no`, `on`, dates and `12:30:45`
are text. One deliberate step aside from the schema: decimals with a leading zero (`0755`) or a plus sign
(`+4930123`) are text too, so that codes and phone numbers survive. A number that a double cannot carry
exactly (beyond 2**53 - 1, or with digits that would be lost) is refused rather than changed, as are
infinities and NaN.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("0123456789-.")
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")

MAX_EXACT = 2**53 - 1
"""The greatest integer that every JSON reader carries exactly, as RFC 8785 has it."""


class NotExact(ValueError):
    """A number that would be changed by reading it."""


def resolve(source: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar.

    Raises:
        NotExact: for a number that cannot be carried exactly, and for infinities and NaN.
    """
    if source in _WORDS:
        return _WORDS[source]
    if source[0] not in _NUMBER_START and source[:2] != "+.":
        return source
    if _NOT_FINITE.match(source):
        raise NotExact(source)
    if _INT.match(source):
        return exact_int(source, 10)
    if _BASED.match(source):
        return exact_int(source[2:], 8 if source[1] == "o" else 16)
    return exact_float(source) if _FLOAT.match(source) else source


def exact_int(digits: str, base: int) -> int:
    """The integer, where it is within `MAX_EXACT`.

    Raises:
        NotExact: where it is not.
    """
    significant = digits.lstrip("-0")
    if len(significant) > 18 or abs(int(digits, base)) > MAX_EXACT:
        raise NotExact(digits)
    return int(digits, base)


def exact_float(source: str) -> float:
    """The float, where its shortest form is the same number as the source.

    Raises:
        NotExact: where digits would be lost.
    """
    value = float(source)
    try:
        same = math.isfinite(value) and Decimal(repr(value)) == Decimal(source)
    except InvalidOperation:
        same = False
    if not same:
        raise NotExact(source)
    return value
