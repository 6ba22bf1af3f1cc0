"""A note is read to exactly what it says, or to one question with its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_material import CATALOGUE, MAIL, item, plan_of, question, read, steps
from signoff.errors import NoteError
from signoff.note.document import parse
from signoff.plan.read import READERS, read_plan
from signoff.plan.steps import STEP_KEYS

FULL = """---
title: Q4 to the client
id: q4.2026
proposed_by: writer-agent
mode: Parallel
on_failure: continue
depends_on: other-plan
priority: high
run_at: 2026-03-01 09:00
schedule: every 1h
expires: 2026-03-08
---
# Ignored

## Steps

1. [ ] Send the proposal
   ```yaml
   id: proposal
   action: send_email
   with:
     to: client@example.com
     subject: Q4 proposal
   timeout: 90s
   retries: 2
   fallback: gmail.send_message
   continue_on_error: true
   limits: with.to.endsWith('@example.com')
   undo:
     action: send_email
     with: {to: client@example.com, subject: "Sorry, not ${{ steps.proposal.result.id }}"}
   ```
2. Talk about it
3. [x] Announce it
   ```json
   {"action": "linkedin.create_post", "needs": ["proposal"], "if": "${{ steps.proposal.ok }}",
    "for_each": ["a", "b"],
    "with": {"text": "Sent ${{ item }} as ${{ steps.proposal.result.message_id }}"}}
   ```
"""


@pytest.mark.promise("4")
def test_every_key_of_plan_and_step_is_read():
    plan = plan_of(FULL)
    assert (plan.title, plan.id, plan.proposed_by) == ("Q4 to the client", "q4.2026", "writer-agent")
    assert (plan.mode, plan.on_failure, plan.priority) == ("parallel", "continue", "high")
    assert (plan.depends_on, plan.run_at, plan.schedule, plan.expires) == (
        ("other-plan",),
        "2026-03-01 09:00",
        "every 1h",
        "2026-03-08",
    )
    first, second = plan.steps
    assert (first.id, first.name, first.action) == ("proposal", "Send the proposal", "send_email")
    assert first.arguments == {"to": "client@example.com", "subject": "Q4 proposal"}
    assert (first.timeout, first.retries, first.fallback) == (90.0, 2, ("gmail.send_message",))
    assert first.continue_on_error is True
    assert first.limits == "with.to.endsWith('@example.com')"
    assert first.undo is not None
    assert first.undo["action"] == "send_email"
    assert (second.id, second.name, second.needs) == ("step-2", "Announce it", ("proposal",))
    assert (second.condition, second.for_each) == ("steps.proposal.ok", ["a", "b"])
    assert plan.dialect == "steps"


@pytest.mark.promise("4")
def test_a_step_knows_its_line_and_the_mark_of_its_own_checkbox():
    data = FULL.encode()
    first, second = plan_of(FULL).steps
    lines = FULL.split("\n")
    assert lines[first.line - 1] == "1. [ ] Send the proposal"
    assert lines[second.line - 1] == "3. [x] Announce it"
    assert first.checkbox is not None
    assert second.checkbox is not None
    assert data[first.checkbox : first.checkbox + 1] == b" "
    assert data[second.checkbox : second.checkbox + 1] == b"x"


def test_the_list_in_the_front_matter_says_the_same_as_the_list_in_the_body():
    listed = plan_of(
        "---\nsteps:\n  - name: Send it\n    action: send_email\n    with: {to: a, subject: b}\n"
        "  - {action: pay, needs: step-1, with: {amount: 5}}\n---\n"
    )
    assert [(step.id, step.name, step.action) for step in listed.steps] == [
        ("step-1", "Send it", "send_email"),
        ("step-2", "pay", "pay"),
    ]
    assert (listed.dialect, listed.steps[1].needs, listed.steps[0].line) == ("front-matter", ("step-1",), 3)


def test_the_short_form_is_a_plan_of_one_step():
    plan = plan_of("---\naction: send_email\nwith:\n  to: a\n  subject: b\n---\n# Hello\n")
    (step,) = plan.steps
    assert (plan.dialect, plan.title, step.id, step.arguments) == (
        "short",
        "Hello",
        "step-1",
        {"to": "a", "subject": "b"},
    )


@pytest.mark.parametrize(
    ("note", "title"),
    [
        ("---\ntitle: Given\naction: bank.pay\n---\n# Heading\n", "Given"),
        ("---\ntitle: 2026\naction: bank.pay\n---\n", "2026"),
        ("---\naction: bank.pay\n---\ntext\n\n## Heading\n", "Heading"),
        (steps(MAIL), "The file"),
    ],
)
def test_the_title_is_the_key_else_the_first_heading_else_the_file(note, title):
    assert plan_of(note).title == title


@pytest.mark.promise("3")
@pytest.mark.parametrize(
    "note",
    [
        "",
        "Just text with an action: send_email in it.\n",
        "---\ntags: [a]\n---\n## Steps\n\n1. Boil water\n2. Add salt\n",
        "---\naction: review\n---\n",
        "---\naction: Call John. Then Mary.\n---\n",
        "---\naction: [send_email]\n---\n",
        "---\naction:\n---\n",
        "---\naction: call\nwith: Ana\n---\n",
        "---\nsteps: 5\n---\n",
        "---\nsteps: []\n---\n",
        "---\nsteps: [boil, salt]\n---\n",
        "## Steps\n\n1. Compose\n   ```yaml\n   services: {web: {image: x}}\n   ```\n",
        "## Steps\n\n1. Anchors\n   ```yaml\n   a: &x 1\n   b: *x\n   ```\n",
        "## Steps\n\n1. Run\n   ```python\n   action: send_email\n   ```\n",
        "## Other\n\n" + item(1, MAIL),
    ],
)
def test_a_note_without_an_action_is_left_alone(note):
    assert read(note) is None


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("note", "code", "says", "line"),
    [
        (steps("acton: send_email\nwith: {to: a}"), "unknown-key", "Did you mean `action`?", 6),
        (steps(MAIL + "\nnedes: x"), "unknown-key", "Did you mean `needs`?", 10),
        (steps("with: {to: a}"), "action-missing", "does not say which action", 6),
        (steps(MAIL, "note: x"), "unknown-key", "`note`", 13),
        (steps(MAIL, "- a"), "wrong-type", "must be a group", 13),
        (steps("action: 5\nwith: {to: a}"), "wrong-type", "must be a text, not the number 5", 6),
        (steps("action: ${{ item }}\nwith: {to: a}"), "action-invalid", "written out", 6),
        (steps("action: pay\nwith: [1]"), "wrong-type", "`with` of step 1 must be a group", 7),
        (steps(MAIL + "\nid: 1a"), "step-id-invalid", "`1a`", 10),
        (steps(MAIL + "\nid: a", MAIL + "\nid: a"), "step-id-twice", "`a`", 12),
        (steps(MAIL + "\nneeds: [nope]"), "needs-unknown", "`nope`", 4),
        (steps(MAIL + "\nneeds: [step-1]"), "needs-cycle", "needs itself", 4),
        (steps(MAIL + "\nneeds: [step-2]", MAIL), "needs-cycle", "step-1 → step-2 → step-1", 4),
        (steps(MAIL + "\ntimeout: 30"), "wrong-type", "Write `30s`", 10),
        (steps(MAIL + "\ntimeout: 0s"), "wrong-type", "more than 0", 10),
        (steps(MAIL + "\nretries: true"), "wrong-type", "whole number", 10),
        (steps(MAIL + "\nretries: 101"), "wrong-type", "from 0 to 100", 10),
        (steps(MAIL + "\ncontinue_on_error: yes"), "wrong-type", "`true` or `false`", 10),
        (steps(MAIL + "\nif:"), "wrong-type", "not nothing", 10),
        (steps(MAIL + "\nif: ${{ item }} and more"), "expression-invalid", "one expression as a whole", 10),
        (steps(MAIL + "\nlimits: with.to =="), "limit-invalid", "`limits`", 10),
        (steps(MAIL + "\nfor_each: text"), "wrong-type", "a list", 10),
        (steps(MAIL + "\nundo: {action: pay, mode: x}"), "unknown-key", "`mode`", 10),
        (steps(MAIL + "\nundo: {with: {a: 1}}"), "action-missing", "`undo` of step 1", 10),
        (steps(MAIL, front="mode: paralel"), "value-unknown", "Did you mean `parallel`?", 2),
        (steps(MAIL, front="on_failure: explode"), "value-unknown", "`stop`", 2),
        (steps(MAIL, front="priority: urgent"), "value-unknown", "`high`", 2),
        (steps(MAIL, front="run_at: tomorrow"), "time-unreadable", "`run_at: tomorrow`", 2),
        (steps(MAIL, front="expires: 2026-02-30"), "time-unreadable", "2026-02-30", 2),
        (steps(MAIL, front="expires: 2026\nx: 1"), "wrong-type", "in quotes", 2),
        (steps(MAIL, front="expires: 2026-01-01\nexpires_at: 2026-01-02"), "expires-twice", "Keep one", 3),
        (steps(MAIL, front="schedule: every tuesday"), "schedule-unreadable", "every 1h", 2),
        (steps(MAIL, front="schedule: every 5ms"), "schedule-too-often", "every 1m", 2),
        (steps(MAIL, front="schedule: 61 * * * *"), "schedule-unreadable", "five cron fields", 2),
        (steps(MAIL, front="run-at: 2026-01-01"), "unknown-key", "Write `run_at:`", 2),
        (steps(MAIL, front="dependsOn: x"), "unknown-key", "Write `depends_on:`", 2),
        (steps(MAIL, front="id: a\ndepends_on: [a]"), "depends-cycle", "itself", 3),
        (steps(MAIL, front="schedule: 0 0 30 2 *"), "schedule-never", "there is no such date", 2),
        (steps(MAIL, front="schedule: 0 0 31 4,6,9,11 *"), "schedule-never", "never comes due", 2),
        (steps(MAIL, front="schedule: every 1s"), "schedule-too-often", "once a minute", 2),
        (steps(MAIL, front="schedule: every 59s"), "schedule-too-often", "Write `every 1m`", 2),
        (steps(MAIL, front="schedule: '* * * * * *'"), "schedule-unreadable", "it has 6 fields", 2),
        (steps(MAIL, front="schedule: 61 * * * *"), "schedule-unreadable", "the minute cannot be `61`", 2),
        (steps(MAIL, front="schedule: every 99999999d"), "schedule-unreadable", "can be read.", 2),
        (steps(MAIL, front="action: pay\nwith: {amount: 1}"), "two-readings", "line 2", 2),
        (steps(MAIL, front="steps:\n  - action: pay"), "two-readings", "2 places", 3),
        (steps(MAIL, front="with: {a: 1}"), "action-missing", "which action", 2),
        ("---\nsteps: []\non_failure: stop\n---\n", "steps-empty", "Add a step", 2),
        ("---\nsteps: {a: {action: pay}}\n---\n", "wrong-type", "must be a list", 2),
        ("---\nsteps:\n  - action: pay\n  - pay\n---\n", "wrong-type", "step 2".capitalize(), 4),
        ("---\nsteps:\n  - {action: pay, name: 5}\n---\n", "wrong-type", "`name`", 3),
        ("---\naction: send_email\nto: a\nhouse: b\n---\n", "arguments-missing", "`to`, `house`", 3),
        ("---\naction: send_email\nwith: to=a\n---\n", "wrong-type", "`with`", 3),
        ("---\naction: send_emial\n---\n", "unknown-action", "Did you mean `send_email`?", 2),
        ("---\naction: pay\nwith: {amount: 1}\nlimits: 'true'\n---\n", "unknown-key", "belongs to a step", 4),
        (steps(MAIL) + "\nAlso:\n\n```yaml\n" + MAIL + "\n```\n", "block-outside", "no item", 15),
    ],
)
def test_what_is_wrong_is_a_question_with_its_line(note, code, says, line):
    error = question(note)
    assert error.code == code, error
    assert says in str(error)
    assert error.line == line, error


def test_two_blocks_in_one_item_are_a_question():
    block = item(1, MAIL)
    second = "".join(block.splitlines(keepends=True)[1:])
    assert question("## Steps\n\n" + block + "\n" + second).code == "two-blocks"


def test_a_broken_block_beside_good_ones_is_a_question_at_its_own_place():
    error = question(steps(MAIL, "action: pay\nwith: {amount: 1"))
    assert error.code.startswith("yaml")
    assert error.line is not None
    assert error.line >= 13


def test_a_block_that_was_not_indented_is_still_its_items_step():
    note = (
        "## Steps\n\n1. [ ] Send\n```yaml\n"
        + MAIL
        + "\n```\n2. [ ] Pay\n```yaml\naction: pay\nwith: {amount: 1}\n```\n"
    )
    assert [step.name for step in plan_of(note).steps] == ["Send", "Pay"]


@pytest.mark.parametrize(
    "plan_id",
    [
        "con",
        "NUL.md",
        "com1",
        "a/b",
        "a\\b",
        "..",
        ".a",
        "a.",
        "-a",
        "a b",
        "é",
        "a" * 129,
        "a:b",
        "a*",
        "${{ item }}",
    ],
)
def test_a_plan_id_is_valid_in_file_names_everywhere(plan_id):
    assert question(steps(MAIL, front=f"id: '{plan_id}'")).code == "plan-id-invalid"


@pytest.mark.parametrize("plan_id", ["a", "2026-01-02-mail", "a.b_c-D", "_x", "a" * 128, "conrad", "lpt10"])
def test_a_plan_id_of_letters_digits_and_marks_is_taken(plan_id):
    assert plan_of(steps(MAIL, front=f"id: '{plan_id}'")).id == plan_id


def test_a_plan_id_that_is_a_number_must_be_in_quotes():
    error = question(steps(MAIL, front="id: 0x10"))
    assert "quotes" in error.hint


@pytest.mark.promise("4")
def test_every_key_for_the_expiry_is_read_and_equal_ones_agree():
    assert (
        plan_of(steps(MAIL, front="timeout_at: 2026-01-01T00:00:00+00:00Z")).expires
        == "2026-01-01T00:00:00+00:00Z"
    )
    assert plan_of(steps(MAIL, front="expires: 2026-01-01\nexpires_at: 2026-01-01")).expires == "2026-01-01"


def test_empty_properties_count_as_absent():
    plan = plan_of(steps(MAIL, front="run_at:\nexpires: ''\nschedule:\nid:\npriority:\ndepends_on: []"))
    assert (plan.run_at, plan.expires, plan.schedule, plan.id) == (None, None, None, None)
    assert (plan.priority, plan.depends_on) == ("normal", ())


def test_a_medium_priority_is_a_normal_one():
    assert plan_of(steps(MAIL, front="priority: Medium")).priority == "normal"


def test_an_action_without_arguments_has_none():
    assert plan_of("---\naction: server.ping\ntags: [a]\nstatus: pending\n---\n").steps[0].arguments == {}
    assert plan_of(steps("action: server.ping\nwith:")).steps[0].arguments == {}


@pytest.mark.promise("7")
def test_a_circle_of_needs_is_named_with_its_way_around():
    note = steps(
        MAIL + "\nid: start",
        MAIL + "\nid: a\nneeds: [start, c]",
        MAIL + "\nid: b\nneeds: a",
        MAIL + "\nid: c\nneeds: b",
        front="mode: parallel",
    )
    error = question(note)
    assert error.code == "needs-cycle"
    assert "a → c → b → a" in error.message


def test_a_long_chain_of_needs_is_no_trouble():
    blocks = [f"id: s{n}\naction: a.b" + (f"\nneeds: s{n + 1}" if n < 1999 else "") for n in range(2000)]
    assert len(plan_of(steps(*blocks, front="mode: parallel")).steps) == 2000


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("note", "code"),
    [
        (steps("action: a.b\nwith: {x: '${{ steps.nope.ok }}'}"), "expression-step-unknown"),
        (steps("action: a.b\nwith: {x: '${{ steps.step-1.ok }}'}"), "expression-step-later"),
        (steps("action: a.b\nwith: {x: '${{ steps.step-2.ok }}'}", "action: a.b"), "expression-step-later"),
        (
            steps("action: a.b", "action: a.b\nif: steps.step-1.ok", front="mode: parallel"),
            "expression-step-later",
        ),
        (steps("action: a.b\nwith: {x: '${{ item }}'}"), "expression-no-item"),
        (steps("action: a.b\nfor_each: ${{ item }}"), "expression-no-item"),
        (steps("action: a.b\nwith: {x: '${{ 1 + }}'}"), "expression-invalid"),
        (steps("action: a.b\nwith: {x: '${{ plan.id'}"), "expression-invalid"),
        (steps("action: a.b\nwith: {'${{ plan.id }}': 1}"), "expression-invalid"),
        (steps("action: a.b\nif: steps.step-1.okay && true"), "expression-invalid"),
        (steps("action: a.b\nif: nonsense == 1"), "expression-invalid"),
    ],
)
def test_an_expression_that_could_never_be_worked_out_is_a_question_at_its_step(note, code):
    error = question(note)
    assert error.code == code, error
    assert error.line is not None
    assert error.line >= 4


def test_expressions_may_read_what_comes_before_in_every_run():
    plan_of(
        steps(
            "id: a\naction: a.b",
            "id: b\naction: a.b\nneeds: a",
            "id: c\naction: a.b\nneeds: b\nif: steps.a.ok && !steps.b.failed\n"
            "with: {x: '${{ steps.a.result.y }}'}",
            front="mode: parallel",
        )
    )


def test_undo_may_read_the_result_of_its_own_step():
    plan_of(steps("action: a.b\nundo: {action: a.c, with: {id: '${{ steps.step-1.result.id }}'}}"))


ROWS = """
---
action: send_email
action: pay
with:
  to: a
  subject: b
with: {amount: 5}
steps:
  - action: pay
    with: {amount: 1}
## Steps
1. [ ] Go
- [x] Go
   ```yaml
   action: send_email
   with: {to: a, subject: '${{ steps.step-1.ok }}'}
   ```
```json
{"action": "pay"}
```
mode: parallel
run_at: x
id: 5
   needs: [step-2]
text
   if: steps.step-1.ok
expires: 2026-01-01
a: b: c
"""
lines = st.sampled_from(ROWS.split("\n"))


@pytest.mark.promise("4")
@given(st.lists(lines, max_size=25), st.sampled_from(["\n", "\r\n"]))
def test_reading_is_total_and_deterministic(rows, end):
    def once() -> object:
        try:
            return read(end.join(rows))
        except NoteError as error:
            return (error.code, str(error))

    assert once() == once()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["action", "with", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*STEP_KEYS, "other"]), anything))
def test_any_value_under_any_key_of_a_step_is_read_or_a_question(block):
    note = "## Steps\n\n1. Go\n   ```json\n   " + json.dumps({"action": "pay", **block}) + "\n   ```\n"
    try:
        plan = read(note)
    except NoteError as error:
        plan = error.line
    assert plan is not None


def test_the_forms_are_an_explicit_ordered_list_of_functions():
    note = parse(steps(MAIL).encode())
    assert [name for name, reader in READERS if reader(note, CATALOGUE) is not None] == ["steps"]
    assert read_plan(note, CATALOGUE, fallback_title="x") is not None
