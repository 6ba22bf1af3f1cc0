"""Dashboard.md: what a person should know at a glance, and nothing that acts but links to notes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from hypothesis import given
from markdown_it import MarkdownIt

from say_material import BERLIN, approval, hostile, poisoned, state
from signoff.model import Question, Status, StepStatus
from signoff.say.dashboard import LAST_DONE, dashboard

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=BERLIN)


@dataclass(frozen=True)
class Health:
    status: str
    reason: str = ""


def test_an_empty_vault_says_that_nothing_waits() -> None:
    said = dashboard([], {}, NOW)
    assert said.startswith("# Signoff\n\nWritten by Signoff on 2026-11-21 15:00 (Europe/Berlin).")
    assert "Nothing waits for you." in said
    assert "Nothing runs." in said


def test_every_plan_stands_under_its_state_with_a_link_to_its_note() -> None:
    waiting = state(Status.PENDING, approvals=[approval()], expires="2026-11-30T12:00:00Z")
    stopped = replace(
        state(Status.FAILED, reason="not-sent", message="No route."), path="Failed/a b.md", title="A b"
    )
    asked = replace(state(Status.UNKNOWN), path="Failed/c.md")
    said = dashboard([waiting, stopped, asked], {"mail": Health("unavailable", "SMTP_HOST is not set.")}, NOW)
    assert (
        "- [[Pending_Approval/The offer|The offer]]: medium risk, 1 step, shown on 2026-11-21 10:00" in said
    )
    assert "approved by `ana`, more approvers needed, expires on 2026-11-30 13:00 (Europe/Berlin)" in said
    assert "- [[Failed/a b|A b]]: 0/1 done. No route. (`not-sent`) Nothing was sent" in said
    assert "## Did it happen?\n\n- [[Failed/c|The offer]]: a call was sent and no answer came." in said
    assert "- `mail`: unavailable. `SMTP_HOST` is not set." in said


def test_what_servers_ask_stands_there_with_a_link_to_the_form() -> None:
    plan = state(Status.WAITING)
    step = next(iter(plan.steps.values()))
    step.questions.append(
        Question(
            7, 1, "desk", "book", "2026-11-21T10:00:00Z", message="How many?", until="2026-11-21T15:00:00Z"
        )
    )
    said = dashboard([plan], {}, NOW)
    assert "## Servers ask you\n\n- [[" in said
    assert "`desk` asks: How many? Until 2026-11-21 16:00 (Europe/Berlin)." in said


def test_only_the_last_finished_plans_are_listed_newest_first() -> None:
    plans = [
        replace(state(Status.DONE, finished=f"2026-11-{day:02}T09:00:00Z"), path=f"Done/{day}.md")
        for day in range(1, 21)
    ]
    said = dashboard(plans, {}, NOW)
    listed = re.findall(r"\[\[Done/(\d+)\|", said)
    assert listed == [str(day) for day in range(20, 20 - LAST_DONE, -1)]


def test_a_path_that_a_link_cannot_hold_is_shown_as_code() -> None:
    odd = replace(state(Status.FAILED), path="Failed/a]] [[b|c.md")
    said = dashboard([odd], {}, NOW)
    assert "[[b" not in said.replace("`Failed/a]] [[b", "")
    assert "The offer (`Failed/a]] [[b\\u007cc.md`)" in said


@given(hostile)
def test_no_text_from_outside_acts_in_the_dashboard(text: str) -> None:
    plans = [poisoned(text, status, StepStatus.FAILED).state for status in Status]
    said = dashboard(plans, {text: Health(text, text)}, NOW)
    assert "<%" not in said
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(said)
    kinds = {re.sub("_(open|close)$", "", token.type) for token in tokens}
    assert kinds <= {"heading", "inline", "paragraph", "bullet_list", "list_item"}
    for token in tokens:
        for child in token.children or []:
            assert child.type in {"text", "code_inline"}
            if child.type == "text":
                rest = re.sub(r"\[\[[^\[\]|#^]+(\|[^\[\]|]+)?\]\]", "", child.content)
                assert not re.search(r"[\[\]#$^<>{}=*|~%\\]|::|://", rest), rest
