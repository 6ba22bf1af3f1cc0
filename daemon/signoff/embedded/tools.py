"""What a tool of an embedded server is: how it is declared, called, and how it may end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from signoff.errors import SignoffError
from signoff.model import JsonObject


class NotDone(SignoffError):
    """Nothing of what was asked was done. The message says why; the tool's `nothing` is added to it."""

    code = "not-done"


class PartlyDone(SignoffError):
    """Something was done, but not all that was asked. The message says what was, and what was not."""

    code = "partly-done"


class OutcomeLost(SignoffError):
    """It may have been done or not, and nobody here can know. The call must not be answered."""

    code = "outcome-unknown"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        arguments: as they came; they match the input schema.
        meta: the call's `_meta`.
        given_up: set when the client no longer waits; what has not been done then need not be.
    """

    arguments: dict[str, Any]
    meta: JsonObject = field(default_factory=dict)
    given_up: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool did: a sentence for people, and the same as data."""

    text: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool and its honest annotations, as the protocol means them.

    Attributes:
        nothing: the sentence that ends every error after which nothing was done.
        run: does it; blocks, so it is called in a thread. Raises `NotDone`, `PartlyDone` or
            `OutcomeLost`.
    """

    name: str
    title: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject
    nothing: str
    run: Callable[[Call], Answer]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


def schema(required: JsonObject, optional: JsonObject | None = None, *, closed: bool = True) -> JsonObject:
    """The JSON schema of an object with these properties.

    Args:
        required: name to schema.
        optional: the same, for those that may be absent.
        closed: others are refused; false for results, which may grow.
    """
    shape: JsonObject = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": [*required],
    }
    if closed:
        shape["additionalProperties"] = False
    return shape
