"""To freeze a plan: bind each step to exact calls, pin their tools, and hash all of it.

The content is plain JSON; its canonical form is the blob, and the digest is the SHA-256 of the blob.
The frozen plan is always read back from the blob, so that what runs is what was hashed. Titles,
names, lines, comments and everything else that does not change what is called is not in it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from signoff.canonical import NotCanonical, canonical, sha256_hex
from signoff.catalogue import Catalogue
from signoff.errors import LedgerError, NoteError
from signoff.model import Call, FrozenPlan, FrozenStep, JsonObject, Plan, ServerView, Step, Verification
from signoff.plan.binding import Bound, bind
from signoff.plan.conditions import survived_in
from signoff.plan.known import require_fit

FORMAT = "signoff/plan/1"
LONGEST_SLUG = 40
MOST_PROBLEMS = 20
"""Steps with problems after which the rest is not looked at."""


def freeze(plan: Plan, plan_id: str, catalogue: Catalogue, views: Mapping[str, ServerView]) -> FrozenPlan:
    """The exact calls of a plan, under its digest.

    Args:
        plan: as read from the note.
        plan_id: the plan's own id or the one assigned to it.
        catalogue: action names to tools.
        views: every configured server by name.

    Raises:
        NoteError: the first problem, with its line, and how many more there are: `unknown-action`,
            `unknown-server`, `unknown-tool`, `server-unavailable`, `argument-missing`,
            `argument-unknown`, `argument-invalid`, `argument-twice`, `schema-broken`,
            `value-not-exact`, `expression-failed` (for an entry of a list in the plan).
    """
    steps: list[tuple[Step, Bound]] = []
    problems: list[NoteError] = []
    for step in plan.steps:
        if len(problems) == MOST_PROBLEMS:
            break
        try:
            bound = bind(step, catalogue, views, plan.on_failure)
            require_fit(step, bound.calls, bound.tools, plan_id)
            steps.append((step, bound))
        except NoteError as error:
            error.line = error.line or step.line
            problems.append(error)
    if problems:
        raise _first_of(problems)
    content = _content(plan, plan_id, steps, views)
    try:
        written = canonical(content)
    except NotCanonical as error:
        raise _not_exact(error, plan.steps) from error
    return _read(written, sha256_hex(written))


def blob(frozen: FrozenPlan) -> bytes:
    """The bytes that the digest is taken over, to be kept for `thaw`."""
    return canonical(frozen.content)


def thaw(data: bytes, *, digest: str) -> FrozenPlan:
    """The frozen plan whose blob this is.

    Raises:
        LedgerError: `blob-damaged`, when the bytes are not those of the digest, or no plan.
    """
    if sha256_hex(data) != digest:
        raise LedgerError(
            "The recorded content of the plan is not what was approved: its bytes do not match the digest.",
            code="blob-damaged",
            hint="Nothing is called. Present the plan again for a new approval.",
        )
    try:
        return _read(data, digest)
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            "The recorded content of the plan cannot be read by this version.", code="blob-damaged"
        ) from error


def freeze_again(
    plan: Plan, plan_id: str, catalogue: Catalogue, views: Mapping[str, ServerView], known: FrozenPlan
) -> FrozenPlan:
    """Freeze a note that was frozen before, to see whether what it asks for has changed.

    A fallback whose server was away at that time and has come since is no change: as long as the
    servers of the known content give the same content again, that is the answer. Whatever else is
    different (the note, a tool's definition, how a server is launched) gives another digest.

    Raises:
        NoteError: as `freeze`.
    """
    same = {name.split(".", 1)[0] for name in known.pins}
    try:
        again = freeze(plan, plan_id, catalogue, {name: view for name, view in views.items() if name in same})
    except NoteError:
        again = None
    return (
        again
        if again is not None and again.digest == known.digest
        else freeze(plan, plan_id, catalogue, views)
    )


def new_plan_id(title: str, random: Callable[[int], bytes]) -> str:
    """A readable id for a plan that has none, such as `send-q4-proposal-7f3a9c`.

    Args:
        title: any text; what is not in ASCII is left out.
        random: gives that many random bytes (`secrets.token_bytes`).
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) > LONGEST_SLUG:
        slug = slug[:LONGEST_SLUG].rpartition("-")[0] or slug[:LONGEST_SLUG]
    return f"{slug or 'plan'}-{random(3).hex()}"


def _content(
    plan: Plan, plan_id: str, steps: list[tuple[Step, Bound]], views: Mapping[str, ServerView]
) -> JsonObject:
    """All that the digest covers."""
    pins: JsonObject = {}
    for _, bound in steps:
        for name, tool in bound.tools.items():
            if name not in pins:
                view = views[name.removesuffix(f".{tool.name}")]
                pins[name] = {"launch": view.launch, "definition": tool.definition()}
    return {
        "format": FORMAT,
        "id": plan_id,
        "mode": plan.mode,
        "on_failure": plan.on_failure,
        "depends_on": list(plan.depends_on),
        "run_at": plan.run_at,
        "schedule": plan.schedule,
        "steps": [_step_content(step, bound) for step, bound in steps],
        "pins": pins,
    }


def _step_content(step: Step, bound: Bound) -> JsonObject:
    return {
        "id": step.id,
        "action": bound.action,
        "with": dict(step.arguments),
        "needs": list(step.needs),
        "if": step.condition,
        "for_each": step.for_each,
        "timeout": _whole(step.timeout),
        "retries": step.retries,
        "continue_on_error": step.continue_on_error,
        "limits": step.limits,
        "undo": None if bound.undo is None else _call_content(bound.undo),
        "calls": [_call_content(call) for call in bound.calls],
        **({} if bound.verify is None else {"verify": _verify_content(bound.verify)}),
    }


def _verify_content(verify: Verification) -> JsonObject:
    return {
        **_call_content(verify.call),
        "happened": verify.happened,
        "after": _whole(verify.after),
        "read_only": verify.read_only,
    }


def _whole(seconds: float | None) -> float | int | None:
    """Seconds, without a point where none is needed."""
    return int(seconds) if seconds is not None and seconds.is_integer() else seconds


def _call_content(call: Call) -> JsonObject:
    return {"server": call.server, "tool": call.tool, "with": dict(call.arguments)}


def _read(written: bytes, digest: str) -> FrozenPlan:
    """The frozen plan in a blob."""
    content = json.loads(written, parse_int=_number)
    if content["format"] != FORMAT:
        raise ValueError(content["format"])
    return FrozenPlan(
        id=content["id"],
        digest=digest,
        content=content,
        steps=tuple(_read_step(step) for step in content["steps"]),
        pins=content["pins"],
        mode=content["mode"],
        on_failure=content["on_failure"],
        depends_on=tuple(content["depends_on"]),
        run_at=content["run_at"],
        schedule=content["schedule"],
    )


def _read_step(content: dict[str, Any]) -> FrozenStep:
    return FrozenStep(
        id=content["id"],
        action=content["action"],
        arguments=content["with"],
        calls=tuple(_read_call(call) for call in content["calls"]),
        needs=tuple(content["needs"]),
        condition=content["if"],
        for_each=content["for_each"],
        timeout=None if content["timeout"] is None else float(content["timeout"]),
        retries=content["retries"],
        continue_on_error=content["continue_on_error"],
        undo=None if content["undo"] is None else _read_call(content["undo"]),
        limits=content["limits"],
        survives=survived_in(content["if"]),
        verify=_read_verify(content["verify"]) if "verify" in content else None,
    )


def _read_verify(content: dict[str, Any]) -> Verification:
    after = None if content["after"] is None else float(content["after"])
    return Verification(_read_call(content), content["happened"], after, content["read_only"])


def _read_call(content: dict[str, Any]) -> Call:
    return Call(content["server"], content["tool"], content["with"])


def _number(digits: str) -> int | float:
    """A number without a point: `1e17` is written so too, and must come back as the float it was."""
    number = int(digits)
    return number if abs(number) < 2**53 else float(number)


def _first_of(problems: list[NoteError]) -> NoteError:
    """The first problem, saying how many more steps have one."""
    first, *others = problems
    if others:
        more = f"{len(others)} more" if len(problems) < MOST_PROBLEMS else f"at least {len(others)} more"
        first.message = f"{first.message} ({more} after this one.)"
        first.args = (first.message,)
    return first


def _not_exact(error: NotCanonical, steps: tuple[Step, ...]) -> NoteError:
    """The error for a number or text that JSON cannot carry, at the step that holds it."""
    for step in steps:
        try:
            canonical([dict(step.arguments), step.for_each, dict(step.undo or {})])
        except NotCanonical as inner:
            return NoteError(
                f"Step `{step.id}`: {inner.message}", code=inner.code, hint=inner.hint, line=step.line
            )
    return NoteError(error.message, code=error.code, hint=error.hint)
