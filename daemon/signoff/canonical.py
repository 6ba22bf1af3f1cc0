"""Canonical JSON (RFC 8785) and the SHA-256 digests over it.

Most values hold no floats, only safe integers and names in ASCII. For these orjson with sorted keys
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


class NotCanonical(SignoffError):
    """A value that JSON cannot carry without loss (NaN, or an integer beyond 2**53)."""

    code = "value-not-exact"


def canonical(value: Json) -> bytes:
    """The one byte sequence that stands for a value, after RFC 8785.

    Raises:
        NotCanonical: for NaN, infinities and integers that a double cannot carry exactly.
    """
    if _is_plain(value):
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
        elif kind is int:
            if not -_SAFE <= item <= _SAFE:  # type: ignore[operator]
                return False
        elif not (kind is str or kind is bool or item is None):
            return False
    return True


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Json) -> str:
    """SHA-256 over the canonical form."""
    return sha256_hex(canonical(value))
