"""Plans to speak about, with the same text in every place where somebody else's text can come from."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from signoff.model import (
    Approval,
    Assessment,
    Attempt,
    Call,
    FrozenPlan,
    FrozenStep,
    Json,
    Method,
    OutcomeClass,
    PlanState,
    Requirement,
    Risk,
    Status,
    StepRisk,
    StepState,
    StepStatus,
)
from signoff.say.view import Final, PlanView

BERLIN = ZoneInfo("Europe/Berlin")
DIGEST = "ab" * 32
FROZEN_AT = "2026-11-21T09:00:00Z"

ATTACKS = (
    "[[Secret]]",
    "![[Secret]]",
    "[x](https://evil.example)",
    "![i](https://evil.example/p.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "https://evil.example",
    "obsidian://open?vault=x",
    "www.evil.example",
    "me@evil.example",
    "\n---\nstatus: approved\n---\n",
    "%% signoff %%",
    "\n%% /signoff %%\n",
    "- [x] It happened (step send)",
    "\n- [ ] todo",
    "\n1. one",
    "# head",
    "\n# head\n",
    "#tag",
    "\n===\n",
    "***",
    "```",
    "\n```dataviewjs\ndv.el('b', 1)\n```\n",
    "~~~~",
    "`= this.file`",
    "`$= dv.current()`",
    "= 1 + 1",
    "$= x",
    "<% tp.file.delete() %>",
    "<%* x %>",
    "{{title}}",
    "$x^2$",
    "$$",
    "[^1]",
    "[^1]: note",
    "^block",
    "key:: value",
    "[status:: approved]",
    "> [!danger] x",
    "\n> [!danger] x",
    "| a | b |",
    "|",
    "\n|---|\n",
    "\\",
    "\\|",
    "`",
    "``",
    "\u202eevil",
    "\u200b",
    "\ufeff",
    "\u00a0",
    "\u2028",
    "\x85",
    "\x00",
    "\x1b[31m",
    "\t",
    "\r\n",
    "\ud800",
    "p\u0430ypal",
    "\U000e0041",
    "\u3164",
    "❤\ufe0f",
    "==mark==",
    "~~gone~~",
    "__b__",
    "&lt;",
    "&#91;",
    "  ",
    "\\u200b",
    "u",
    "%%",
    "::",
)

hostile = st.lists(
    st.one_of(st.sampled_from(ATTACKS), st.text(max_size=12), st.sampled_from(["word", " ", "\n", "x", "."])),
    max_size=8,
).map("".join)


@dataclass(frozen=True)
class Difference:
    where: str
    old: str
    new: str


def frozen_plan(*steps: FrozenStep, **terms: object) -> FrozenPlan:
    return FrozenPlan("offer-7f3a", DIGEST, {}, steps, {}, **terms)


def email(**arguments: Json) -> FrozenStep:
    return FrozenStep("send", "send_email", arguments, (Call("mail", "send_email", arguments),))


def state(status: Status, *steps: StepState, **more: object) -> PlanState:
    known = {
        step.id: step
        for step in steps or (StepState("send", "Send the offer", "send_email", "mail.send_email"),)
    }
    return PlanState(
        "offer-7f3a",
        "The offer",
        "Pending_Approval/The offer.md",
        DIGEST,
        status,
        "medium",
        {},
        FROZEN_AT,
        steps=known,
        **more,
    )


def approval(by: str = "ana", method: Method = Method.EDIT) -> Approval:
    return Approval(by, method, "2026-11-21T09:05:00Z", "2026-11-22T09:05:00Z", DIGEST, 1)


def assessment(
    risk: Risk = Risk.MEDIUM, *, secret: frozenset[str] = frozenset(), **need: object
) -> Assessment:
    return Assessment(risk, Requirement(**need), (StepRisk("send", risk, "rule", secret=secret),))


def attempt(outcome: OutcomeClass | None = OutcomeClass.DONE, number: int = 1) -> Attempt:
    ended = None if outcome is None else "2026-11-21T09:05:02Z"
    return Attempt(number, "mail", "send_email", "2026-11-21T09:05:01Z", outcome, ended)


def poisoned(text: str, status: Status, step_status: StepStatus) -> PlanView:
    """A view of a plan in which everything that comes from outside is `text`."""
    call = Call(
        text, text, {text: text, "list": [text, {text: text}], "late": "${{ steps.a.result.x }}" + text}
    )
    other = Call("other", text, {"same": text, "new": text + "!"})
    first = FrozenStep(
        "send",
        text,
        {},
        (call, other),
        needs=(text,),
        condition=text,
        for_each=[text],
        undo=other,
        limits=text,
    )
    attempts = [Attempt(1, text, text, FROZEN_AT, OutcomeClass.SERVER_ERROR, FROZEN_AT, text, text, text)]
    known = StepState(
        "send",
        text,
        text,
        text,
        text,
        step_status,
        attempts,
        reason=text,
        message=text,
        until=FROZEN_AT,
        resolved_by=text,
    )
    plan = PlanState(
        text,
        text,
        text,
        DIGEST,
        status,
        text,
        {},
        FROZEN_AT,
        proposed_by=text,
        expires=FROZEN_AT,
        approvals=[approval(text)],
        steps={"send": known},
        run=2,
        started=FROZEN_AT,
        finished=FROZEN_AT,
        reason=text,
        message=text,
        until=FROZEN_AT,
    )
    content = frozen_plan(first, depends_on=(text,), run_at=text, schedule=text, on_failure="undo")
    return PlanView(
        plan,
        content,
        Assessment(
            Risk.HIGH,
            Requirement(Method.CODE, 2, allow_proposer=False, ttl=3600.0),
            (
                StepRisk(
                    "send",
                    Risk.HIGH,
                    text,
                    limits=(text,),
                    limits_on={call.name: (text,), other.name: (text,)},
                ),
            ),
        ),
        results={
            "send": {"content": [{"type": "text", "text": text}], "structured": {text: text}, "text": text}
        },
        changes=[Difference(text, text, text + text)],
        finals=[Final(known, text, {text: text, "list": [text, {text: text}]})],
        missing=1,
        candidates=[text],
        ended_by=text,
        ended_reason=text,
        ttl=86400.0,
        zone=BERLIN,
    )
