"""What is different between two frozen contents, in words for the person who approves.

Every difference is named: the list is empty exactly if the two contents are the same. Steps are
matched by their id. Values are shown as they would be written in a note, bounded in length; redacting
what is secret is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from signoff.canonical import canonical
from signoff.model import Json, JsonObject

LONGEST = 200
"""Characters of a value that are shown."""
NOTHING = "nothing"

_PLAN_WORDS = {
    "id": "the plan's id",
    "mode": "the mode",
    "on_failure": "what happens on a failure",
    "depends_on": "the plans that it depends on",
    "run_at": "the time to start",
    "schedule": "the schedule",
    "format": "the format of the record",
}
_STEP_WORDS = {
    "action": "the action",
    "needs": "the steps that it needs",
    "if": "the condition",
    "for_each": "the list that it runs for",
    "timeout": "the timeout in seconds",
    "retries": "the retries",
    "continue_on_error": "whether the plan goes on if it fails",
    "limits": "the limits",
}
_DEFINITION_WORDS = {
    "name": "its name",
    "description": "its description",
    "inputSchema": "the arguments that it takes",
    "annotations": "what it says of its effects",
}
_LAUNCH_WORDS = {"command": "its command", "args": "its arguments", "url": "its address"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, such as `step 2 (announce): argument amount`, and both values."""

    where: str
    old: str
    new: str

    def __str__(self) -> str:
        """The difference on one line."""
        return f"{self.where}: {self.old} → {self.new}"


def differences(old: JsonObject, new: JsonObject) -> list[Change]:
    """The differences between two frozen contents, those of the steps first."""
    changes = [*_steps(_list(old.get("steps")), _list(new.get("steps")))]
    for key in _keys(old, new):
        if key not in {"steps", "pins"}:
            changes += _value(_PLAN_WORDS.get(key, f"`{key}`"), old.get(key), new.get(key))
    changes += _pins(_mapping(old.get("pins")), _mapping(new.get("pins")), explained=bool(changes))
    if not changes and canonical(old) != canonical(new):  # a form that this version does not know
        changes.append(Change("the plan", "another content", "another content"))
    return changes


# ---------------------------------------------------------------- steps


def _steps(old: list[Any], new: list[Any]) -> Iterator[Change]:
    """Steps that are new, gone, in another order, or different."""
    before = {str(step["id"]): (number, step) for number, step in enumerate(old, 1)}
    after = {str(step["id"]): (number, step) for number, step in enumerate(new, 1)}
    for step_id, (number, step) in before.items():
        if step_id not in after:
            yield Change(f"step {number} ({step_id})", _in_short(step), "removed")
    for step_id, (number, step) in after.items():
        if step_id not in before:
            yield Change(f"step {number} ({step_id})", NOTHING, f"added: {_in_short(step)}")
    kept, now = [step for step in before if step in after], [step for step in after if step in before]
    if kept != now:
        yield from _value("the order of the steps", ", ".join(kept), ", ".join(now))
    for step_id, (number, step) in after.items():
        if step_id in before:
            yield from _step(f"step {number} ({step_id})", before[step_id][1], step)


def _step(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """What is different within one step. The calls are compared where they say more than the arguments."""
    named = [
        *_arguments(where, _mapping(old.get("with")), _mapping(new.get("with"))),
        *(
            change
            for key in _keys(old, new)
            if key not in {"id", "with", "calls", "undo", "verify"}
            for change in _value(f"{where}: {_STEP_WORDS.get(key, f'`{key}`')}", old.get(key), new.get(key))
        ),
    ]
    yield from named
    told = {(change.old, change.new) for change in named}
    yield from _calls(where, _list(old.get("calls")), _list(new.get("calls")), told)
    yield from _value(f"{where}: the call that takes it back", old.get("undo"), new.get("undo"))
    yield from _value(f"{where}: the call that verifies it", old.get("verify"), new.get("verify"))


def _arguments(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in _keys(old, new):
        here = f"{where}: argument {name}"
        if name not in old:
            yield Change(here, NOTHING, _shown(new[name]))
        elif name not in new:
            yield Change(here, _shown(old[name]), NOTHING)
        else:
            yield from _value(here, old[name], new[name], null="null")


def _calls(where: str, old: list[Any], new: list[Any], told: set[tuple[str, str]]) -> Iterator[Change]:
    """Other tools; and the same tools with arguments that differ in a way not told yet."""
    names_before, names_after = _names(old), _names(new)
    if names_before != names_after:
        yield Change(f"{where}: the tools that it may call", ", ".join(names_before), ", ".join(names_after))
    for call in new:
        same = [other for other in old if _names([other]) == _names([call])]
        for change in (
            _arguments(f"{where}: {_names([call])[0]}", same[0]["with"], call["with"]) if same else ()
        ):
            if (change.old, change.new) not in told:
                yield change


def _names(calls: list[Any]) -> list[str]:
    return [f"{call['server']}.{call['tool']}" for call in calls]


def _in_short(step: Mapping[str, Any]) -> str:
    """A step that is new or gone: what it calls, and with what."""
    tools = ", else ".join(_names(_list(step.get("calls"))))
    return _bounded(f"{tools or step.get('action')} with {_shown(step.get('with'))}")


# ---------------------------------------------------------------- tools and servers


def _pins(old: Mapping[str, Any], new: Mapping[str, Any], *, explained: bool) -> Iterator[Change]:
    """What tools declare and how servers are launched, each server once; other tools if no step says so."""
    told: set[tuple[str, bytes, bytes]] = set()
    for name in _keys(old, new):
        if name not in old or name not in new:
            if not explained:
                yield Change(
                    f"the tool {name}", *("used" if name in pins else "not used" for pins in (old, new))
                )
            continue
        before, after = _mapping(old[name]), _mapping(new[name])
        yield from _parts(
            f"the tool {name}",
            _DEFINITION_WORDS,
            _mapping(before.get("definition")),
            _mapping(after.get("definition")),
        )
        server = name.split(".", 1)[0]
        launches = [_mapping(pin.get("launch")) for pin in (before, after)]
        told_as = (server, canonical(dict(launches[0])), canonical(dict(launches[1])))
        if told_as not in told:
            told.add(told_as)
            yield from _parts(f"the server {server}", _LAUNCH_WORDS, *launches)


def _parts(
    where: str, words: Mapping[str, str], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for key in _keys(old, new):
        yield from _value(f"{where} changed {words.get(key, f'`{key}`')}", old.get(key), new.get(key))


# ---------------------------------------------------------------- values


def _value(where: str, old: Json, new: Json, *, null: str = NOTHING) -> Iterator[Change]:
    """A change where two values differ, with the part that differs in view."""
    if canonical(old) == canonical(new):
        return
    before, after = (null if value is None else _written(value) for value in (old, new))
    if before == after:  # the number 5 and the text "5"
        before, after = canonical(old).decode(), canonical(new).decode()
    if len(before) > LONGEST or len(after) > LONGEST:
        before, after = _around_the_difference(before, after)
    yield Change(where, before, after)


def _around_the_difference(before: str, after: str) -> tuple[str, str]:
    """Both texts cut to the stretch where they begin to differ."""
    start = next(
        (index for index, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )
    start = max(0, start - 40)
    lead = "…" if start else ""
    return _bounded(lead + before[start:]), _bounded(lead + after[start:])


def _shown(value: Json) -> str:
    return _bounded(_written(value))


def _written(value: Json) -> str:
    """A value as text: plain where it is one, else as JSON."""
    if isinstance(value, str) and value and value.isprintable() and value == value.strip():
        return value
    return canonical(value).decode()


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys of both, in order."""
    return list(dict.fromkeys((*old, *new)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
