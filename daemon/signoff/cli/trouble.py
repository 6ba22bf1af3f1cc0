"""Errors as people and programs read them, and the exit code that each ends with. Never a traceback."""

from __future__ import annotations

import json
import sys

from signoff.errors import LedgerDamaged, SignoffError, VaultOwned
from signoff.model import JsonObject

PROBLEM, OWNED, DAMAGED = 1, 3, 4


def exit_code_of(error: SignoffError | OSError) -> int:
    """The exit code that an error ends a command with."""
    if isinstance(error, VaultOwned):
        return OWNED
    return DAMAGED if isinstance(error, LedgerDamaged) else PROBLEM


def tell(error: SignoffError | OSError, *, as_json: bool) -> None:
    """Says on stderr what went wrong and what to do, and with `as_json` on stdout too."""
    found = described(error)
    for line in lines(found):
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps({"error": found}, indent=2))


def described(error: SignoffError | OSError) -> JsonObject:
    """The error as JSON."""
    if isinstance(error, SignoffError):
        return {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "file": error.file,
            "line": error.line,
            "column": error.column,
        }
    name = error.filename
    return {
        "code": "system-error",
        "message": f"{error.strerror or error}.",
        "hint": "",
        "file": name if isinstance(name, str) else None,
        "line": None,
        "column": None,
    }


def lines(found: JsonObject) -> list[str]:
    """`error: PLACE: MESSAGE (code)`, and the hint on a line of its own."""
    from signoff.visible import visible

    place = ":".join(str(found[key]) for key in ("file", "line", "column") if found[key] is not None)
    said = [f"error: {place}{': ' if place else ''}{found['message']} ({found['code']})"]
    if hint := str(found["hint"]).strip():
        said.append(f"  {hint}")
    return [visible(line) for line in said]
