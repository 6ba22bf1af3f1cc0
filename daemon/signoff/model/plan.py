"""What a note says: a plan as its author wrote it, and the decision as a person left it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signoff.model.values import Json


@dataclass(frozen=True, slots=True)
class Step:
    """One action as the author wrote it.

    Attributes:
        id: unique in the plan; `step-N` (counting from 1) where the author gave none.
        name: the first line of the item; for people, not in the digest.
        action: an action of the catalogue, or `server.tool`.
        arguments: `with`, in the action's argument names.
        needs: ids of steps that must have ended before.
        condition: the `if` expression, without `${{ }}`; None where always.
        for_each: a list, or an expression giving one; None where the step runs once.
        timeout: seconds for one call; None for the catalogue's or the setting's.
        retries: how often a call that provably was not sent is tried again; None for the default.
        fallback: further `server.tool` names for the same action, in order.
        continue_on_error: the plan goes on although this step failed.
        undo: `action` and `with` of the call that takes this one back; None where there is none.
        limits: a CEL expression that must hold over the final arguments; None where any may go.
        line: the line of the item or key in the note, from 1; for messages, not in the digest.
        checkbox: byte offset of the mark in `[ ]` on the item's own line; None where there is none.
    """

    id: str
    name: str
    action: str
    arguments: Mapping[str, Json]
    needs: tuple[str, ...] = ()
    condition: str | None = None
    for_each: Json = None
    timeout: float | None = None
    retries: int | None = None
    fallback: tuple[str, ...] = ()
    continue_on_error: bool = False
    undo: Mapping[str, Json] | None = None
    limits: str | None = None
    line: int = 1
    checkbox: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a note asks for, as read; see the specification, section 4.

    `run_at` and `expires` are the author's text, unread; `dialect` names the reader that understood
    the note (`steps`, `front-matter`, `short`).
    """

    title: str
    steps: tuple[Step, ...]
    id: str | None = None
    proposed_by: str | None = None
    mode: str = "sequential"
    on_failure: str = "stop"
    depends_on: tuple[str, ...] = ()
    priority: str = "normal"
    run_at: str | None = None
    schedule: str | None = None
    expires: str | None = None
    dialect: str = "steps"


@dataclass(frozen=True, slots=True)
class Gesture:
    """What the note's front matter says about the decision; trimmed and in lower case where compared.

    Attributes:
        status: the `status` key, or None where there is none.
        ticked: `approved: true`.
        approved_by, approval_code, rejection_reason: as typed by the approver; None where absent.
    """

    status: str | None = None
    ticked: bool = False
    approved_by: str | None = None
    approval_code: str | None = None
    rejection_reason: str | None = None
