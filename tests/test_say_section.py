"""The daemon's section of a note, whatever state the plan is in and whoever wrote its texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from say_material import (
    ATTACKS,
    BERLIN,
    DIGEST,
    FROZEN_AT,
    Difference,
    approval,
    assessment,
    attempt,
    email,
    frozen_plan,
    hostile,
    poisoned,
    state,
)
from signoff.errors import NoteError
from signoff.model import (
    Attempt,
    Call,
    Folder,
    FrozenStep,
    Method,
    OutcomeClass,
    Risk,
    Status,
    StepState,
    StepStatus,
)
from signoff.say.questions import question_keys, question_section, refusal_section
from signoff.say.section import KEYS, front_keys, section
from signoff.say.view import FOLDERS, PlanView

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
BLOCKS = {"blockquote", "paragraph", "inline", "fence", "table", "thead", "tbody", "tr", "th", "td"}
INLINES = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
CHECKBOXES = {"bullet_list", "list_item"}
ACTS = re.compile(r"\[\[|\]\(|#\w|\$|\^|%%|::|://|==|www\.|<|\{\{|`")


def assert_harmless(markdown: str, *, checkboxes: int = 0) -> None:
    """Nothing outside the callouts, and inside nothing but prose, tables, fences and our own boxes."""
    lines = markdown.split("\n")
    assert all(line == "" or line.startswith(">") for line in lines)
    assert not re.search(r"[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\x00]", markdown)
    assert "<%" not in markdown
    allowed = BLOCKS | (CHECKBOXES if checkboxes else set())
    tokens = MARKDOWN.parse(markdown)
    assert {re.sub("_(open|close)$", "", token.type) for token in tokens} <= allowed
    assert {token.type for token in tokens if token.level == 0} == {"blockquote_open", "blockquote_close"}
    assert sum(token.type == "list_item_open" for token in tokens) == checkboxes
    assert all(token.info in {"text", "json", "yaml", "mermaid"} for token in tokens if token.type == "fence")
    for token in tokens:
        assert_inert(token)
    assert_square(tokens)


def assert_inert(token: Token) -> None:
    for child in token.children or []:
        assert child.type in INLINES
        if child.type == "text":
            assert not ACTS.search(child.content), child.content


def assert_square(tokens: list[Token]) -> None:
    """No cell breaks out of its table: every row has as many cells as the head."""
    width = cells = 0
    for token in tokens:
        if token.type == "thead_open":
            width = 0
        elif token.type == "th_open":
            width += 1
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == width
            cells = 0


@pytest.mark.promise("4")
@given(hostile, st.sampled_from(Status), st.sampled_from(StepStatus))
@example("".join(ATTACKS).replace("\ud800", ""), Status.FAILED, StepStatus.FAILED)
def test_nothing_that_somebody_else_wrote_acts_in_any_section(
    text: str, status: Status, step_status: StepStatus
) -> None:
    boxes = 2 if status is Status.UNKNOWN and step_status is StepStatus.UNKNOWN else 0
    assert_harmless(section(poisoned(text, status, step_status)), checkboxes=boxes)


@pytest.mark.promise("4")
@given(hostile)
def test_nothing_acts_in_a_question_or_a_refusal(text: str) -> None:
    assert_harmless(question_section(NoteError(text, code="note-invalid", line=3, column=2, hint=text)))
    assert_harmless(refusal_section("consumed", text, original=text))


@given(hostile, st.sampled_from(Status))
def test_properties_are_single_lines_that_nothing_acts_on(text: str, status: Status) -> None:
    keys = front_keys(poisoned(text, status, StepStatus.FAILED))
    assert tuple(keys) == KEYS
    for value in [*keys.values(), question_keys(NoteError(text))["error"]]:
        if isinstance(value, str):
            assert not re.search(r"[\n\r]|\[\[|<%|\{\{|::|://(?!\d)", value)


@given(hostile, st.sampled_from(Status))
def test_the_same_state_gives_the_same_section(text: str, status: Status) -> None:
    one, other = (section(poisoned(text, status, StepStatus.RUNNING)) for _ in range(2))
    assert one == other


# ---------------------------------------------------------------- waiting for approval


def pending(step: FrozenStep | None = None, **more: object) -> PlanView:
    values = {
        "zone": BERLIN,
        "assessment": assessment(),
        "frozen": frozen_plan(step or email(to="a@b.example")),
    }
    return PlanView(state(Status.PENDING), **{**values, **more})


@pytest.mark.promise("5")
def test_the_preview_names_server_tool_and_arguments_of_every_call() -> None:
    said = section(pending(email(to="client@example.com", amount=500, urgent=True)))
    row = "| 1 | Send the offer | `mail.send_email` | "
    assert row + '`to` = `"client@example.com"`, `amount` = `500`, `urgent` = `true` | medium |' in said


@pytest.mark.promise("5")
@given(hostile.filter(lambda text: len(text) > 0))
def test_the_preview_never_cuts_an_argument(text: str) -> None:
    long = (text + "\n") * 60 + "the very end"
    said = section(pending(email(body=long)))
    fence = next(token for token in MARKDOWN.parse(said) if token.type == "fence")
    assert "the very end\n" in fence.content
    assert fence.content.count("\n") == long.count("\n") + 1


def test_two_plans_that_differ_in_an_invisible_character_look_different() -> None:
    assert section(pending(email(to="a@b.example"))) != section(pending(email(to="a@b\u200b.example")))
    assert r"a@b\u200b.example" in section(pending(email(to="a@b\u200b.example")))


@pytest.mark.promise("5")
def test_the_preview_marks_what_is_filled_in_at_run_time_and_its_limits() -> None:
    late = {"text": "Sent as ${{ steps.send.result.message_id }}"}
    step = FrozenStep("send", "post", late, (Call("social", "post", late),), limits="size(with.text) < 300")
    said = section(pending(step))
    assert '`text` = `"Sent as ${{ steps.send.result.message_id }}"` (filled in when it runs)' in said
    assert "Step 1: runs only within `size(with.text) < 300`; otherwise it comes back to you." in said
    free = FrozenStep("send", "post", late, (Call("social", "post", late),))
    assert "nothing limits what is filled in" in section(pending(free))


@pytest.mark.promise("5")
def test_the_preview_shows_fallback_and_undo_calls_with_their_own_arguments() -> None:
    body = "Dear client,\nhello"
    step = FrozenStep(
        "send",
        "send_email",
        {},
        (
            Call("mail", "send_email", {"to": "a@b.example", "body": body}),
            Call("gmail", "send_message", {"recipient": "a@b.example", "text": body}),
        ),
        undo=Call("mail", "recall", {"id": 7}),
    )
    said = section(pending(frozen=frozen_plan(step, on_failure="undo")))
    assert (
        'if `mail` cannot be reached, `gmail.send_message` is called instead: `recipient` = `"a@b.example"`, '
        "`text` = the same as `body`"
    ) in said
    assert (
        "if a later step fails, it is taken back where `mail` did it, with `mail.recall`: `id` = `7`" in said
    )


@pytest.mark.promise("9")
def test_what_the_policy_marks_secret_and_known_shapes_of_secrets_are_hidden() -> None:
    key = "sk-" + "a1b2c3d4" * 4
    said = section(
        pending(email(iban="DE02", note=f"key {key}"), assessment=assessment(secret=frozenset({"iban"})))
    )
    assert "DE02" not in said
    assert key not in said
    assert said.count("[redacted]") == 2


@pytest.mark.promise("6")
def test_each_method_says_how_to_approve() -> None:
    edit = section(pending())
    assert "set `status: approved` in the properties, or move this note to `Approved/`" in edit
    assert "`approval_code`" in section(pending(assessment=assessment(Risk.HIGH, method=Method.CODE)))
    signed = section(pending(assessment=assessment(Risk.HIGH, method=Method.SIGNATURE)))
    assert "`signoff approve offer-7f3a --sign KEY`" in signed
    assert "status: approved" not in signed


def test_folders_are_named_as_in_the_settings() -> None:
    said = section(pending(folders={**FOLDERS, Folder.APPROVED: "approved", Folder.REJECTED: "Nope"}))
    assert "`approved/`" in said
    assert "`Nope/`" in said


@pytest.mark.promise("6")
def test_a_partial_approval_says_who_approved_and_who_is_missing() -> None:
    view = PlanView(
        state(Status.PENDING, approvals=[approval("ana")]),
        frozen_plan(email(to="x")),
        assessment(approvers=2),
        missing=1,
        candidates=["ben", "cleo"],
        zone=BERLIN,
    )
    said = section(view)
    assert "It needs 2 different approvers." in said
    assert "Approved so far by `ana` (by editing the note, 2026-11-21 10:05 (Europe/Berlin))." in said
    assert "Still missing: 1 approver. It can be `ben` or `cleo`." in said


@pytest.mark.promise("5")
def test_a_change_after_approval_is_shown_with_old_and_new_value() -> None:
    changed = state(
        Status.PENDING, reason="digest-changed", message="The note no longer says what was shown."
    )
    said = section(
        PlanView(
            changed,
            frozen_plan(email(amount=900)),
            changes=[Difference("step send, argument amount", "100", "900")],
        )
    )
    assert said.startswith("> [!warning] Signoff: this plan changed\n")
    assert "This plan changed after it was approved. Nothing was called. Look at what changed" in said
    assert "| step send, argument amount | `100` | `900` |" in said
    assert "> [!question] Signoff: waiting for your approval" in said


def test_a_change_in_the_middle_of_a_run_says_that_nothing_more_was_called() -> None:
    first = StepState("send", "Send", "a", "m.t", status=StepStatus.DONE, attempts=[attempt()])
    changed = state(Status.PENDING, first, reason="digest-changed", message="Changed.")
    said = section(
        PlanView(changed, frozen_plan(email(a=1)), changes=[Difference("step b", "nothing", "x" * 500)])
    )
    assert "Nothing more was called." in said
    assert "`nothing`" in said
    assert "x" * 500 in said


# ---------------------------------------------------------------- running and ended


def running(status: Status, **more: object) -> PlanView:
    steps = [
        StepState(
            "send",
            "Send the offer",
            "send_email",
            "mail.send_email",
            status=StepStatus.DONE,
            attempts=[attempt()],
        ),
        StepState(
            "post",
            "Announce it",
            "post",
            "social.post",
            status=StepStatus.WAITING,
            until="2026-11-21T10:00:00Z",
            reason="rate-limited",
            message="Too many requests.",
        ),
    ]
    return PlanView(
        state(status, *steps, approvals=[approval()], run=1, started="2026-11-21T09:05:01Z", **more),
        zone=BERLIN,
    )


@pytest.mark.promise("1.5")
def test_a_running_plan_says_where_each_step_stands_and_who_approved() -> None:
    said = section(running(Status.RUNNING))
    assert "1 of 2 steps done." in said
    assert "| 1 | Send the offer | `mail.send_email` | ✓ done 2026-11-21 10:05:02 |" in said
    assert "waiting until 2026-11-21 11:00:00; Too many requests. (`rate-limited`)" in said
    assert (
        "Approved by `ana` by editing the note on 2026-11-21 10:05 (Europe/Berlin), valid until 2026-11-22"
        in said
    )
    assert "To stop it before its next call" in said


@pytest.mark.promise("1.5")
def test_a_failed_plan_says_what_was_done_what_was_not_and_what_to_do() -> None:
    view = running(Status.FAILED, reason="authentication", message="SOCIAL_TOKEN is not set.")
    post = view.state.steps["post"]
    post.status, post.reason, post.message = StepStatus.FAILED, "authentication", "SOCIAL_TOKEN is not set."
    assert "step 2 (Announce it) failed: `SOCIAL_TOKEN` is not set." in section(view)  # it was never called
    post.attempts = [Attempt(1, "social", "post", FROZEN_AT, OutcomeClass.AUTHENTICATION, FROZEN_AT)]
    said = section(view)
    assert "step 2 (Announce it) failed when it called `social.post`: `SOCIAL_TOKEN` is not set." in said
    assert "**Done:** Send the offer." in said
    assert "**Not done:** Announce it." in said
    assert "run `signoff retry offer-7f3a` or move this note to `Inbox/`" in said


def test_a_server_error_after_sending_is_not_called_undone() -> None:
    step = StepState(
        "send",
        "Send",
        "a",
        "mail.send_email",
        status=StepStatus.FAILED,
        reason="server-error",
        message="500",
        attempts=[attempt(OutcomeClass.SERVER_ERROR)],
    )
    said = section(PlanView(state(Status.FAILED, step, reason="server-error")))
    assert "**Not done:**" not in said
    assert "**Perhaps done:** Send" in said


@pytest.mark.promise("4")
def test_results_are_fenced_and_bounded() -> None:
    view = running(Status.DONE, finished="2026-11-21T09:06:00Z")
    results = {"send": {"content": [], "structured": None, "text": "y" * 5000}}
    said = section(PlanView(view.state, results=results, zone=BERLIN))
    assert "y" * 2000 + "\n> … (3,000 more characters in the log)" in said
    assert "y" * 2001 not in said


def test_the_results_of_many_steps_together_leave_the_note_readable() -> None:
    steps = [
        StepState(f"s{n}", f"S {n}", "a", "m.t", status=StepStatus.DONE, attempts=[attempt()])
        for n in range(300)
    ]
    results = {step.id: {"text": "z" * 5000} for step in steps}
    assert len(section(PlanView(state(Status.DONE, *steps), results=results))) < 200_000


@pytest.mark.promise("6")
def test_an_approval_typed_over_a_finished_plan_is_answered_in_the_note() -> None:
    view = running(Status.DONE, reason="consumed", message="The approval of this plan has been used.")
    assert "The approval of this plan has been used. (`consumed`)" in section(view)


def test_a_rejected_plan_says_by_whom_why_and_that_nothing_was_called() -> None:
    said = section(
        PlanView(
            state(Status.REJECTED, finished="2026-11-21T09:05:00Z"), ended_by="ana", ended_reason="Too early"
        )
    )
    assert "Rejected by `ana` on 2026-11-21 09:05 (UTC). Nothing was called." in said
    assert "Reason: Too early" in said


# ---------------------------------------------------------------- properties and drafts


def test_the_properties_of_a_running_plan() -> None:
    assert front_keys(running(Status.WAITING, until="2026-11-21T10:00:00Z")) == {
        "status": "waiting",
        "risk": "medium",
        "digest": DIGEST,
        "progress": "1/2",
        "started": "2026-11-21T10:05:01+01:00",
        "finished": None,
        "next_run": "2026-11-21T11:00:00+01:00",
        "error": None,
        "run": None,
    }


def test_the_properties_of_a_failed_plan_hold_code_and_message_on_one_line() -> None:
    view = PlanView(state(Status.FAILED, reason="tool-refused", message="No such\naddress [[x]]"))
    assert front_keys(view)["error"] == "tool-refused: No such address [ [x]]"


def test_a_question_names_place_reason_and_the_corrected_line() -> None:
    error = NoteError(
        "A colon followed by a space must be in quotes.",
        code="yaml-invalid",
        line=4,
        column=12,
        hint='subject: "Re: the offer"',
    )
    said = question_section(error)
    assert "A colon followed by a space must be in quotes. Line 4, column 12. (`yaml-invalid`)" in said
    assert '> ```yaml\n> subject: "Re: the offer"\n> ```' in said
    assert question_keys(error)["error"] == "yaml-invalid: A colon followed by a space must be in quotes."
    assert question_keys(error)["status"] == "draft"


@pytest.mark.parametrize("hint", ['subject: "Re: the offer"', 'Write `subject: "Re: the offer"`.'])
def test_a_corrected_line_stands_in_a_fence_to_be_copied(hint: str) -> None:
    assert '> ```yaml\n> subject: "Re: the offer"\n> ```' in question_section(NoteError("x", hint=hint))
    assert "```" not in question_section(NoteError("x", hint="Put it in quotes, as in `a: b`."))


@pytest.mark.parametrize("code", ["consumed", "duplicate-id", "conflict-copy"])
def test_a_question_about_a_copy_says_that_it_never_runs(code: str) -> None:
    said = question_section(NoteError("It is a copy.", code=code, hint="Delete it."))
    assert said.startswith("> [!failure] Signoff: this note does not run")
    assert f"It is a copy. (`{code}`)" in said
    assert "Delete it." in said


def test_a_refusal_says_which_note_the_plan_belongs_to() -> None:
    said = refusal_section("duplicate-id", "Another note has this id.", original="Approved/The offer.md")
    assert "Another note has this id. (`duplicate-id`)" in said
    assert "`Approved/The offer.md`" in said
