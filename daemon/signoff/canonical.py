"""Canonical JSON (RFC 8785) and the SHA-256 digests over it."""

from __future__ import annotations

import hashlib

import rfc8785

from signoff.errors import SignoffError
from signoff.model import Json


class NotCanonical(SignoffError):
    """A value that JSON cannot carry without loss (NaN, or an integer beyond 2**53)."""

    code = "value-not-exact"


def canonical(value: Json) -> bytes:
    """The one byte sequence that stands for a value, after RFC 8785.

    Raises:
        NotCanonical: for NaN, infinities and integers that a double cannot carry exactly.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise NotCanonical(
            f"A number or text cannot be written exactly: {error}.", hint="Put the number in quotes."
        ) from error


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Json) -> str:
    """SHA-256 over the canonical form."""
    return sha256_hex(canonical(value))
