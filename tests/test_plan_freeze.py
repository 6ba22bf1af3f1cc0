"""What is frozen is exactly what will be called, and the digest is over all of it and nothing else."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_material import (
    CATALOGUE,
    MAIL,
    SEND,
    VIEWS,
    frozen,
    plan_of,
    question,
    refusal,
    schema,
    steps,
    view,
)
from signoff.canonical import sha256_hex
from signoff.catalogue import Action, ActionTool, Catalogue
from signoff.errors import LedgerError, NoteError
from signoff.model import Json, ServerView, Tool
from signoff.plan.changes import differences
from signoff.plan.freeze import MOST_PROBLEMS, blob, freeze, freeze_again, new_plan_id, thaw

NOTE = """---
title: Q4
mode: parallel
---
# Head

## Steps

1. [ ] Send the proposal
   ```yaml
   id: proposal
   action: send_email
   with:
     to: client@example.com
     subject: Q4 proposal
   ```
2. [ ] Pay
   ```yaml
   action: pay
   needs: [proposal]
   if: ${{ steps.proposal.ok }}
   timeout: 1500ms
   retries: 0
   continue_on_error: true
   limits: with.amount <= 5
   undo: {action: bank.pay_back, with: {amount: 5}}
   with: {amount: 5, note: "after ${{ steps.proposal.result.id }}"}
   ```
"""


@pytest.mark.promise("5")
def test_each_step_is_bound_to_exact_calls_in_the_tools_own_argument_names():
    step = frozen(NOTE).steps[0]
    assert [(call.name, dict(call.arguments)) for call in step.calls] == [
        ("mail.send_email", {"to": "client@example.com", "subject": "Q4 proposal"}),
        ("gmail.send_message", {"recipient": "client@example.com", "title": "Q4 proposal"}),
    ]
    assert step.arguments == {"to": "client@example.com", "subject": "Q4 proposal"}


@pytest.mark.promise("5")
def test_every_tool_that_may_be_called_is_pinned_with_its_server_and_definition():
    plan = frozen(NOTE)
    assert set(plan.pins) == {"mail.send_email", "gmail.send_message", "bank.pay_invoice", "bank.pay_back"}
    assert plan.pins["mail.send_email"] == {
        "launch": {"command": "mail-server", "args": ["--stdio"]},
        "definition": {
            "name": "send_email",
            "description": "Sends a mail.",
            "inputSchema": SEND,
            "annotations": {"readOnlyHint": False},
        },
    }


def test_control_keys_are_in_the_frozen_steps():
    step = frozen(NOTE).steps[1]
    assert (step.id, step.action, step.needs, step.condition) == (
        "step-2",
        "pay",
        ("proposal",),
        "steps.proposal.ok",
    )
    assert (step.timeout, step.retries, step.continue_on_error) == (1.5, 0, True)
    assert step.limits == "with.amount <= 5"
    assert step.undo is not None
    assert (step.undo.name, step.undo.arguments) == ("bank.pay_back", {"amount": 5})


def test_the_digest_is_the_hash_of_the_blob_and_the_blob_thaws_to_the_same_plan():
    plan = frozen(NOTE)
    assert sha256_hex(blob(plan)) == plan.digest
    assert thaw(blob(plan), digest=plan.digest) == plan


@pytest.mark.promise("5")
def test_a_blob_that_is_not_that_of_the_digest_is_refused():
    plan = frozen(NOTE)
    with pytest.raises(LedgerError, match="do not match the digest"):
        thaw(blob(plan).replace(b"client@", b"thief@"), digest=plan.digest)
    other = b'{"format":"signoff/plan/9"}'
    with pytest.raises(LedgerError, match="cannot be read"):
        thaw(other, digest=sha256_hex(other))


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda name: "${{" not in name)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: "${{" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)
ANYTHING = {"any": view("any", Tool("thing", "", {"type": "object"}))}


def anything(arguments: dict[str, Json]):
    plan = plan_of("---\naction: any.thing\n---\n")
    step = dataclasses.replace(plan.steps[0], arguments=arguments)
    return freeze(dataclasses.replace(plan, steps=(step,)), "x", CATALOGUE, ANYTHING)


@given(st.dictionaries(names, values, max_size=4))
def test_thawing_a_blob_gives_back_what_was_frozen_whatever_the_arguments(arguments):
    plan = anything(arguments)
    assert thaw(blob(plan), digest=plan.digest) == plan
    assert blob(thaw(blob(plan), digest=plan.digest)) == blob(plan)
    assert plan.steps[0].calls[0].arguments == arguments


@pytest.mark.parametrize("number", [1e17, 1e20, 1e21, 9007199254740992.0, -0.0, 5e-324])
def test_numbers_that_json_writes_without_a_point_come_back_as_they_were(number):
    plan = anything({"x": number})
    assert blob(thaw(blob(plan), digest=plan.digest)) == blob(plan)


@pytest.mark.parametrize("number", [2**53, float("nan"), float("inf"), "\ud800"])
def test_what_cannot_be_carried_exactly_is_a_question_at_its_step(number):
    with pytest.raises(NoteError) as caught:
        anything({"x": [number]})
    assert (caught.value.code, caught.value.line) == ("value-not-exact", 2)


# ---------------------------------------------------------------- what the digest covers

reformatted = [
    NOTE.replace("\n", "\r\n"),
    "\ufeff" + NOTE,
    NOTE.replace("[ ]", "[x]"),
    NOTE.replace("1. [ ] ", "- "),
    NOTE.replace("title: Q4", "title: Another"),
    NOTE.replace(
        "title: Q4", "# a comment\ntitle: 'Q4'\nstatus: approved\napproved_by: ana\nrisk: high\nextra: 1"
    ),
    NOTE.replace("Send the proposal", "Send it off").replace("# Head", "# Other head\n\nSome prose."),
    NOTE.replace(
        "to: client@example.com\n     subject: Q4 proposal",
        'subject: "Q4 proposal"\n     to: client@example.com',
    ),
    NOTE.replace("id: proposal\n   action: send_email", "# why\n   action:   email_send\n   id: proposal"),
    NOTE.replace("[proposal]", "proposal").replace("${{ steps.proposal.ok }}", "steps.proposal.ok"),
    NOTE.replace("mode: parallel", "expires: 2027-01-01\npriority: low\nmode: PARALLEL"),
    NOTE + "\n%% signoff %%\n\n> [!note] Anything\n\n%% /signoff %%\n",
]


@pytest.mark.promise("5")
@pytest.mark.parametrize("note", reformatted)
def test_reformatting_does_not_change_the_digest(note):
    assert note != NOTE
    assert frozen(note).digest == frozen(NOTE).digest


changed = [
    ("client@example.com", "client@example.org"),
    ("amount: 5, note", "amount: 4, note"),
    ("subject: Q4 proposal", "subject: Q4 proposal\n     body: x"),
    ("mode: parallel", "mode: sequential"),
    ("mode: parallel", "mode: parallel\non_failure: continue"),
    ("mode: parallel", "mode: parallel\ndepends_on: other"),
    ("mode: parallel", "mode: parallel\nrun_at: 2027-01-01"),
    ("mode: parallel", "mode: parallel\nschedule: every 1h"),
    ("retries: 0", "retries: 1"),
    ("timeout: 1500ms", "timeout: 1501ms"),
    ("continue_on_error: true", "continue_on_error: false"),
    ("with.amount <= 5", "with.amount <= 6"),
    ("steps.proposal.ok }}", "steps.proposal.failed }}"),
    ("retries: 0", "retries: 0\n   for_each: [1]"),
    ("bank.pay_back, with: {amount: 5}", "bank.pay_back, with: {amount: 6}"),
    ("action: send_email", "action: mail.send_email"),
    ("action: send_email", "action: send_email\n   fallback: bank.pay_any"),
    ("2. [ ] Pay\n   ```yaml", "2. [ ] Pay\n   ```yaml\n   id: pay"),
]


@pytest.mark.promise("5")
@pytest.mark.parametrize(("old", "new"), changed)
def test_every_argument_and_control_key_changes_the_digest_and_is_told(old, new):
    assert old in NOTE
    views = {**VIEWS, "bank": view("bank", *VIEWS["bank"].tools.values(), Tool("pay_any", "", {}))}
    before, after = frozen(NOTE, views), frozen(NOTE.replace(old, new), views)
    assert before.digest != after.digest
    assert differences(before.content, after.content)


def test_the_id_of_the_plan_is_in_the_digest():
    plan = plan_of(NOTE)
    assert freeze(plan, "a", CATALOGUE, VIEWS).digest != freeze(plan, "b", CATALOGUE, VIEWS).digest


PINNED = VIEWS["mail"].tools["send_email"]


@pytest.mark.promise("5")
@pytest.mark.parametrize(
    "mail",
    [
        view("mail", PINNED, launch={"command": "mail-server", "args": []}),
        view("mail", PINNED, launch={"url": "https://example.com"}),
        view("mail", dataclasses.replace(PINNED, description="Sends a mail, and a copy to us.")),
        view("mail", dataclasses.replace(PINNED, annotations={})),
        view("mail", dataclasses.replace(PINNED, input_schema={**SEND, "required": ["to"]})),
    ],
)
def test_a_server_or_tool_that_is_another_changes_the_digest_and_is_told(mail):
    before, after = frozen(NOTE), frozen(NOTE, {**VIEWS, "mail": mail})
    assert before.digest != after.digest
    assert differences(before.content, after.content)


def test_what_is_not_used_is_not_in_the_digest():
    more = {**VIEWS, "mail": view("mail", PINNED, Tool("other", "", {})), "extra": view("extra")}
    assert frozen(NOTE, more).digest == frozen(NOTE).digest


# ---------------------------------------------------------------- binding


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("block", "code", "says"),
    [
        ("action: send_emial\nwith: {}", "unknown-action", "`send_email`"),
        ("action: pay_invoice\nwith: {}", "unknown-action", "`bank.pay_invoice`"),
        ("action: zzz\nwith: {}", "unknown-action", "server.tool"),
        ("action: mial.send_email", "unknown-server", "Did you mean `mail.send_email`?"),
        ("action: nowhere.tool", "unknown-server", "`bank`, `gmail`, `linkedin`, `mail`"),
        ("action: mail.send_mail", "unknown-tool", "Did you mean `mail.send_email`?"),
        ("action: bank.zzz", "unknown-tool", "`bank.pay_back`, `bank.pay_invoice`"),
        ("action: linkedin.post", "server-unavailable", "LINKEDIN_TOKEN is not set"),
        ("action: pay", "argument-missing", "needs the argument `amount`, a number"),
        ("action: pay\nwith: {amount: '5'}", "argument-invalid", "Write it without quotes: `5`."),
        ("action: pay\nwith: {amount: 501}", "argument-invalid", "must be at most 500"),
        ("action: pay\nwith: {amount: 5, currncy: EUR}", "argument-unknown", "Did you mean `currency`?"),
        ("action: pay\nwith: {amount: 5, currency: EURO}", "argument-invalid", "Did you mean `EUR`?"),
        ("action: gmail.send_message\nwith: {to: a, title: b}", "argument-unknown", "`to`"),
        (MAIL + "\nfallback: gmail.nope", "unknown-tool", "`gmail`"),
        (MAIL + "\nfallback: bank.pay_invoice", "argument-unknown", "`bank.pay_invoice`"),
        (MAIL + "\nundo: {action: mail.unsend}", "unknown-tool", "`unsend`"),
        ("action: send_email\nwith: {to: a, recipient: b, subject: c}", "argument-unknown", "`recipient`"),
    ],
)
def test_what_cannot_be_called_as_written_is_a_question_at_the_steps_line(block, code, says):
    error = refusal(steps("action: bank.pay_invoice\nwith: {amount: 1}", block))
    assert error.code == code, error
    assert says in str(error)
    assert error.line == 9


def test_an_argument_is_named_as_the_person_wrote_it():
    catalogue = Catalogue.of([Action("letter", (ActionTool("gmail", "send_message", {"recipient": "to"}),))])
    with pytest.raises(NoteError) as caught:
        frozen("---\naction: letter\nwith: {title: x}\n---\n", catalogue=catalogue)
    assert "needs the argument `to`" in caught.value.message


def test_two_arguments_that_become_one_are_a_question():
    catalogue = Catalogue.of([Action("letter", (ActionTool("gmail", "send_message", {"recipient": "to"}),))])
    with pytest.raises(NoteError) as caught:
        frozen("---\naction: letter\nwith: {to: a, recipient: b, title: x}\n---\n", catalogue=catalogue)
    assert (caught.value.code, caught.value.line) == ("argument-twice", 2)


def test_the_first_problem_is_told_with_the_number_of_the_others():
    assert (
        "(2 more after this one.)"
        in refusal(steps("action: zzz", MAIL, "action: zzz", "action: pay")).message
    )
    assert f"at least {MOST_PROBLEMS - 1} more" in refusal(steps(*["action: zzz"] * 50)).message


def test_late_arguments_count_as_present_and_are_not_checked_for_their_value():
    note = steps(
        MAIL,
        "action: pay\nwith:\n  amount: ${{ steps.step-1.result.amount }}\n"
        "  currency: ${{ steps.step-1.result.c }}",
    )
    assert frozen(note).steps[1].arguments["amount"] == "${{ steps.step-1.result.amount }}"


def test_text_around_a_late_value_is_checked_as_the_text_it_will_be():
    error = refusal(steps(MAIL, "action: pay\nwith: {amount: '${{ steps.step-1.result.amount }} EUR'}"))
    assert "must be a number" in error.message


@pytest.mark.promise("7")
def test_a_fallback_of_the_author_follows_those_of_the_catalogue():
    views = {**VIEWS, "post": view("post", Tool("send", "", SEND))}
    step = frozen(steps(MAIL + "\nfallback: [post.send, mail.send_email]"), views).steps[0]
    assert [call.name for call in step.calls] == ["mail.send_email", "gmail.send_message", "post.send"]


def without(*names: str) -> dict[str, ServerView]:
    return {name: server for name, server in VIEWS.items() if name not in names}


def away(name: str) -> dict[str, ServerView]:
    return {**VIEWS, name: ServerView(name, VIEWS[name].launch, None, "it does not start")}


@pytest.mark.parametrize(
    ("views", "calls"),
    [
        (without("mail"), ["gmail.send_message"]),
        (without("gmail"), ["mail.send_email"]),
        (away("mail"), ["gmail.send_message"]),
        (away("gmail"), ["mail.send_email"]),
    ],
)
def test_a_server_that_is_not_there_is_left_out_where_another_can_do_it(views, calls):
    assert [call.name for call in frozen(steps(MAIL), views).steps[0].calls] == calls


def test_with_no_server_left_the_one_that_is_away_is_named():
    views = {**away("gmail"), "mail": ServerView("mail", {}, None, "no key")}
    error = refusal(steps(MAIL), views)
    assert (error.code, "no key" in error.message) == ("server-unavailable", True)
    assert refusal(steps(MAIL), without("mail", "gmail")).code == "unknown-server"


def test_a_misspelt_argument_never_leads_to_another_server():
    views = {**VIEWS, "gmail": view("gmail", Tool("send_message", "", {"type": "object"}))}
    assert refusal(steps(MAIL.replace("subject", "subjct")), views).code == "argument-unknown"


def test_a_later_tool_of_the_catalogue_that_does_not_take_the_arguments_is_left_out():
    views = {**VIEWS, "mail": view("mail", Tool("send_email", "", schema(("to",), to={}, subject={}, cc={})))}
    step = frozen(steps(MAIL + "\n  cc: x"), views).steps[0]
    assert [call.name for call in step.calls] == ["mail.send_email"]


def test_the_daemon_fills_in_an_idempotency_key():
    tool = Tool("charge", "", schema(("amount", "key"), amount={"type": "number"}, key={"type": "string"}))
    action = Action("charge", (ActionTool("shop", "charge", {"key": "request"}),), idempotency_key="request")
    views = {"shop": view("shop", tool)}
    plan = frozen("---\naction: charge\nwith: {amount: 5}\n---\n", views, Catalogue.of([action]))
    assert plan.steps[0].calls[0].arguments == {"amount": 5}


def test_a_broken_schema_is_a_question_that_names_the_server():
    views = {**VIEWS, "bank": view("bank", Tool("pay_invoice", "", {"type": "objekt"}))}
    error = refusal(steps("action: pay\nwith: {amount: 1}"), views)
    assert error.code == "schema-broken"
    assert "`bank`" in error.message
    assert error.line == 4


# ---------------------------------------------------------------- freezing again


def test_a_fallback_that_has_come_since_is_no_change():
    known = frozen(NOTE, away("gmail"))
    plan = plan_of(NOTE)
    assert freeze(plan, "the-plan", CATALOGUE, VIEWS).digest != known.digest
    assert freeze_again(plan, "the-plan", CATALOGUE, VIEWS, known).digest == known.digest


def test_whatever_else_is_another_gives_another_digest_also_when_freezing_again():
    known = frozen(NOTE)
    other = plan_of(NOTE.replace("amount: 5, note", "amount: 4, note"))
    assert freeze_again(other, "the-plan", CATALOGUE, VIEWS, known).digest != known.digest
    mail = view("mail", dataclasses.replace(PINNED, description="x"))
    again = freeze_again(plan_of(NOTE), "the-plan", CATALOGUE, {**VIEWS, "mail": mail}, known)
    assert again.digest != known.digest
    to_elsewhere = plan_of(NOTE.replace("action: pay", "action: gmail.send_message"))
    with pytest.raises(NoteError):
        freeze_again(to_elsewhere, "the-plan", CATALOGUE, VIEWS, known)


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("title", "plan_id"),
    [
        ("Send Q4 proposal", "send-q4-proposal-7f3a9c"),
        ("Für Ünal: ½ — ok?", "fur-unal-12-ok-7f3a9c"),
        ("送信", "plan-7f3a9c"),
        ("", "plan-7f3a9c"),
        ("CON", "con-7f3a9c"),
        ("a" * 100, "a" * 40 + "-7f3a9c"),
        ("a very long title that goes on and on and on", "a-very-long-title-that-goes-on-and-on-7f3a9c"),
    ],
)
def test_an_assigned_id_is_readable_and_short(title, plan_id):
    assert new_plan_id(title, lambda size: b"\x7f\x3a\x9c"[:size]) == plan_id


@given(st.text(max_size=80))
def test_an_assigned_id_is_one_that_a_note_may_carry(title):
    plan_id = new_plan_id(title, bytes)
    assert plan_of(steps(MAIL, front=f"id: {json.dumps(plan_id)}")).id == plan_id


def test_what_freezes_was_read_without_a_question():
    assert question(NOTE.replace("needs: [proposal]", "needs: [x]")).code == "needs-unknown"
