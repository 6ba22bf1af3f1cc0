"""What the daemon asks: about a call whose outcome nobody knows, and about a note that it cannot read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from signoff.errors import CallLost, SignoffError
from signoff.model import Json, JsonObject, Status, StepState, StepStatus
from signoff.say.arguments import show_arguments
from signoff.say.block import callout, paragraphs
from signoff.say.calls import shell_word
from signoff.say.escape import bounded, code, fenced, plain_property, sentence
from signoff.say.failures import failures_table
from signoff.say.form import answered
from signoff.say.progress import approved_by
from signoff.say.repeats import occasion
from signoff.say.steps import name_of, number_of, reason_of, record, step_table
from signoff.say.view import PlanView
from signoff.say.words import advice

HAPPENED = "happened"
DID_NOT_HAPPEN = "did-not-happen"

_WORDS = {HAPPENED: "It happened", DID_NOT_HAPPEN: "It did not happen"}
_ANSWERS = {words: answer for answer, words in _WORDS.items()}

_CORRECTION = re.compile(r"(?:Write `)?([\w-]+: [^\n]*?)(?:`\.)?")
"""A hint that is a line of YAML: `subject: "Re: the offer"`, bare or as `Write ...`."""
_MENDED = re.compile(r"Write `|Take the spaces |Put it on a line of its own, ")
"""How hints begin that say what `check --fix` would write."""
_LABEL = re.compile(r"(It happened|It did not happen) \(step ([^()\s]+)\)")


# ---------------------------------------------------------------- did it happen?


def unknown(view: PlanView) -> str:
    """The section of a plan with a call whose outcome is not known: which call, and two boxes to tick."""
    asked = view.steps(StepStatus.UNKNOWN)
    state = view.state
    told = {step.reason for step in asked}
    lines = paragraphs(
        "A call was sent and no answer came, so it is not known whether it happened. "
        "It is not called again by itself.",
        "Look at the other end, then tick what is true. Nothing more runs before that.",
        reason_of(view, state.reason, state.message) if state.reason and state.reason not in told else "",
    )
    for step in asked:
        lines.extend(_question(view, step))
    lines.extend(paragraphs(occasion(view), approved_by(view)))
    return callout(
        "warning",
        "Signoff: did it happen?",
        [*lines, *failures_table(view), *step_table(view), *answered(view), record(view)],
    )


def _question(view: PlanView, step: StepState) -> list[str]:
    plan, number, name = shell_word(view.state.id), number_of(view, step), name_of(view, step)
    shown = _sent(view, step)
    why = sentence(view.redactor.text(step.message)) or "no answer came"
    command = code(f"signoff resolve {plan} {number} {HAPPENED}")
    other = code(f"signoff resolve {plan} {number} {DID_NOT_HAPPEN}")
    return [
        *paragraphs(
            f"**Step {number}, {name}:** {_when(view, step)}",
            *shown[:1],
            f"Why it is not known: {why}",
            _verified(view, step),
        ),
        *shown[1:],
        tick_line(step.id, HAPPENED),
        tick_line(step.id, DID_NOT_HAPPEN),
        "",
        *paragraphs(f"Or run {command}, or {other}."),
    ]


def _verified(view: PlanView, step: StepState) -> str:
    """What the call said that was to answer instead of a person; empty where there is none."""
    asked = view.state.verifying(step.id)
    return sentence(view.redactor.text(asked.message)) if asked is not None else ""


def _when(view: PlanView, step: StepState) -> str:
    last = step.attempts[-1] if step.attempts else None
    if last is None:
        return f"{code(step.call)} was called."
    return f"{code(f'{last.server}.{last.tool}')} was called on {view.moment(last.started)}."


def _sent(view: PlanView, step: StepState) -> list[str]:
    """The arguments: a line, then fences for long values."""
    arguments = view.sent.get(step.id)
    if arguments is None:
        arguments = _approved_arguments(view, step)
    if arguments is None:
        return []
    secret = view.assessment.secret(step.id) if view.assessment else frozenset()
    shown = show_arguments(view, arguments, label="Arguments", secret=secret)
    return [f"Arguments: {shown.brief}.", *shown.below]


def _approved_arguments(view: PlanView, step: StepState) -> JsonObject | None:
    frozen = next((one for one in view.frozen.steps if one.id == step.id), None) if view.frozen else None
    if frozen is None:
        return None
    last = step.attempts[-1] if step.attempts else None
    called = f"{last.server}.{last.tool}" if last else ""
    made = next((call for call in frozen.calls if call.name == called), frozen.calls[0])
    return dict(made.arguments)


def tick_line(step: str, answer: str) -> str:
    """An empty box for one answer about one step, without the `> ` before it."""
    return f"- [ ] {_WORDS[answer]} (step {step})"


def answers(ticks: Iterable[tuple[str, bool]]) -> dict[str, str]:
    """What a person ticked: step id to `happened` or `did-not-happen`.

    Where both boxes of a step are ticked, or one of them is missing or stands there twice, there is no
    answer.

    Args:
        ticks: label and tick of each checkbox in the daemon's section, as `note.splice_section` reads
            them (checkboxes in fences, which a tool may have answered with, are not among them).
    """
    boxes = _boxes(ticks)
    return {
        step: next(answer for answer, ticked in found if ticked)
        for step, found in boxes.items()
        if {answer for answer, _ in found} == set(_WORDS)
        and len(found) == len(_WORDS)
        and sum(ticked for _, ticked in found) == 1
    }


def contradictions(ticks: Iterable[tuple[str, bool]]) -> list[str]:
    """The steps for which both boxes are ticked."""
    boxes = _boxes(ticks)
    return [
        step for step, found in boxes.items() if {answer for answer, ticked in found if ticked} == set(_WORDS)
    ]


def _boxes(ticks: Iterable[tuple[str, bool]]) -> dict[str, list[tuple[str, bool]]]:
    boxes: dict[str, list[tuple[str, bool]]] = {}
    for label, ticked in ticks:
        match = _LABEL.fullmatch(label)
        if match is not None:
            boxes.setdefault(match[2], []).append((_ANSWERS[match[1]], ticked))
    return boxes


# ---------------------------------------------------------------- what is wrong with this note?


_LINES = re.compile(r"\b(lines? )(\d{1,7})( and )?(?(3)(\d{1,7}))")
"""A line's number in a message, or two: `in lines 12 and 30`."""
_NEVER_RUNS = frozenset({"conflict-copy", "consumed", "duplicate-id"})


def question_section(error: SignoffError, *, begun: bool = False) -> str:
    """The section of a note that is not a plan to approve: what is wrong, where, and what to do.

    Args:
        error: what is wrong.
        begun: it was a plan before, and something of it was called then.
    """
    if error.code in _NEVER_RUNS:
        return refusal_section(error.code, error.message, hint=error.hint)
    lines = [
        *paragraphs(
            f"This note is not ready for approval {'as it is now' if begun else 'yet'}. "
            f"Nothing {'more ' if begun else ''}was called.",
            f"{sentence(error.message)}{_place(error)} ({code(error.code)})",
        ),
        *_hint(error.hint or advice(error.code)),
        *_boxes_for(error),
        *_mendable(error),
        "When you have corrected and saved the note, it is checked again.",
    ]
    return callout("bug", "Signoff: this plan needs a correction", lines)


def _boxes_for(error: SignoffError) -> list[str]:
    """Where it asks what became of a call: the two answers, to be ticked."""
    if not isinstance(error, CallLost):
        return []
    return [tick_line(error.step, HAPPENED), tick_line(error.step, DID_NOT_HAPPEN), ""]


def _place(error: SignoffError) -> str:
    if error.line is None:
        return ""
    return (
        f" Line {error.line}, column {error.column}." if error.column is not None else f" Line {error.line}."
    )


def _hint(hint: str) -> list[str]:
    """The corrected line in a fence, to be copied, where the hint is one; else the hint as prose."""
    if (line := _CORRECTION.fullmatch(hint)) is not None:
        return ["Write it like this:", *fenced(bounded(line[1]), "yaml"), ""]
    if "\n" in hint:
        return ["Write it like this:", *fenced(bounded(hint), "yaml"), ""]
    return paragraphs(sentence(hint))


def where_it_stands(error: SignoffError, before: bytes, after: bytes) -> SignoffError:
    """The same question with the lines as they are once the daemon's own keys stand in the front matter.

    Args:
        error: with lines as they were, also those that its message names outside of backticks.
        before, after: the note without and with the daemon's keys; its body is the same.
    """
    if error.line is None or before == after:
        return error
    moved = _moves(before.split(b"\n"), after.split(b"\n"))
    parts = error.message.split("`")
    parts[::2] = [_LINES.sub(lambda found: _renumbered(found, moved), part) for part in parts[::2]]
    return type(error)(
        "`".join(parts),
        code=error.code,
        hint=error.hint,
        file=error.file,
        line=moved(error.line),
        column=error.column,
    )


def _renumbered(found: re.Match[str], moved: Callable[[int], int]) -> str:
    second = f"{found[3]}{moved(int(found[4]))}" if found[3] else ""
    return f"{found[1]}{moved(int(found[2]))}{second}"


def _moves(before: list[bytes], after: list[bytes]) -> Callable[[int], int]:
    """From the number of a line to its number afterwards."""
    same = 0
    while same < min(len(before), len(after)) and before[-1 - same] == after[-1 - same]:
        same += 1
    head = before[: len(before) - same]
    lines: dict[int, int] = {}
    matcher = SequenceMatcher(None, head, after[: len(after) - same], autojunk=False)
    for block in matcher.get_matching_blocks():
        lines |= {block.a + n + 1: block.b + n + 1 for n in range(block.size)}
    added = len(after) - len(before)
    return lambda line: lines.get(line, line) if line <= len(head) else line + added


def _mendable(error: SignoffError) -> list[str]:
    """That a command mends it, where it is broken front matter with a line to be written instead."""
    broken = error.code.startswith(("yaml-", "front-matter-"))
    if not broken or not (_MENDED.match(error.hint) or "\n" in error.hint):
        return []
    return paragraphs("Or run `signoff check --fix` with this note: it shows the change, and makes it.")


def question_keys(error: SignoffError) -> dict[str, Json]:
    """The daemon's properties of such a note; None removes one."""
    keys: dict[str, Json] = dict.fromkeys(
        ("risk", "digest", "progress", "started", "finished", "next_run", "run")
    )
    return {"status": Status.DRAFT.value, **keys, "error": error_line(error.code, error.message)}


def error_line(code_: str, message: str) -> str:
    """`code: message` for a property: one line that no program acts on, at most 300 characters."""
    text = " ".join(f"{code_}: {message}".split())
    return plain_property(text if len(text) <= 300 else f"{text[:300]} …")


# ---------------------------------------------------------------- why does this note do nothing?


def refusal_section(reason: str, message: str, *, original: str = "", hint: str = "") -> str:
    """The section of a note that must not run: a copy, a used approval, a second note with one id.

    Args:
        reason: the reason code.
        message: what is the matter, in plain words.
        original: the path of the note that the plan belongs to; empty where there is none.
        hint: what to do now, where there is more to say than `ADVICE` says.
    """
    lines = paragraphs(
        f"{sentence(message)} ({code(reason)})",
        f"The plan belongs to {code(original)}." if original else "",
        sentence(hint or advice(reason)),
        "Nothing is called for this note.",
    )
    return callout("failure", "Signoff: this note does not run", lines)
