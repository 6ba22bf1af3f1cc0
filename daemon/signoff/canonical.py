"""Canonical JSON (RFC 8785) and the SHA-256 digests over it.

Most values hold only safe integers, common fractions and names in ASCII. For these orjson with sorted keys
gives the same bytes (RFC 8785 sorts by UTF-16 and orjson by UTF-8, which agree in ASCII; both escape
only what they must, in the same way) some forty times faster; all others take the reference path.
"""

from __future__ import annotations

import hashlib

import orjson
import rfc8785

from signoff.errors import SignoffError
from signoff.model import Json

_SAFE = 2**53 - 1
"""The largest integer that a double carries exactly, as its neighbours do."""


_LEAST, _MOST = 1e-3, 1e15
"""Fractions between these are written as shortest decimals without an exponent, by all."""


class NotCanonical(SignoffError):
    """A value that JSON cannot carry without loss (NaN, or an integer beyond 2**53)."""

    code = "value-not-exact"


def canonical(value: Json) -> bytes:
    """The one byte sequence that stands for a value, after RFC 8785.

    Raises:
        NotCanonical: for NaN, infinities and integers that a double cannot carry exactly.
    """
    if type(value) is str or _is_plain(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # a lone surrogate, or deeper than orjson goes
            pass
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical(
            f"A number or text cannot be written exactly: {error}.", hint="Put the number in quotes."
        ) from error


def _is_plain(value: Json) -> bool:
    """Whether orjson's form of a value is its canonical one. The types are exact: no subclasses."""
    waiting: list[Json] = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is dict:
            for key in item:  # type: ignore[union-attr]
                if type(key) is not str or not key.isascii():
                    return False
            waiting.extend(item.values())  # type: ignore[union-attr]
        elif kind is list:
            waiting.extend(item)  # type: ignore[arg-type]
        elif kind is int or kind is float:
            if not _is_common(item):  # type: ignore[arg-type]
                return False
        elif not (kind is str or kind is bool or item is None):
            return False
    return True


def _is_common(number: float) -> bool:
    """Is it a number that every writer writes in the same way?"""
    if type(number) is int:
        return -_SAFE <= number <= _SAFE
    return _LEAST <= abs(number) < _MOST and not number.is_integer()


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Json) -> str:
    """SHA-256 over the canonical form."""
    return sha256_hex(canonical(value))


def digest_of_data(value: Json) -> str:
    """The same, also for whole numbers of any size, which servers use as ids.

    Raises:
        NotCanonical: for what JSON cannot carry at all, such as NaN.
    """
    try:
        return digest_of(value)
    except NotCanonical:
        return sha256_hex(b"numbers of any size\n" + canonical(_spelled(value)))


def _spelled(value: Json) -> Json:
    """A value with its whole numbers as texts: `{"n": "5"}`, where no member of an object is called `n`."""
    if isinstance(value, dict):
        return {f".{name}": _spelled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    return {"n": str(value)} if isinstance(value, int) and not isinstance(value, bool) else value
