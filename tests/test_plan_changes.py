"""What changed between two frozen plans is told in words, and nothing that changed is left out."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_material import MAIL, VIEWS, frozen, steps, view
from signoff.model import JsonObject
from signoff.plan.changes import LONGEST, Change, differences

TWO = steps(MAIL + "\nid: announce", "id: invoice\naction: pay\nwith: {amount: 100, currency: EUR}")


def told(old: str, new: str, before: object = VIEWS, after: object = VIEWS) -> list[str]:
    return [str(change) for change in differences(frozen(old, before).content, frozen(new, after).content)]


@pytest.mark.promise("5")
def test_a_changed_argument_is_told_with_both_values():
    (change,) = differences(frozen(TWO).content, frozen(TWO.replace("100", "400")).content)
    assert change == Change("step 2 (invoice): argument amount", "100", "400")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("amount: 100,", "amount: 100, note: x,", "step 2 (invoice): argument note: nothing → x"),
        (", currency: EUR", "", "step 2 (invoice): argument currency: EUR → nothing"),
        ("amount: 100", "amount: '${{ steps.announce.result.n }}'", "100 → ${{ steps.announce.result.n }}"),
        ("action: pay", "action: pay\ntimeout: 5s", "step 2 (invoice): the timeout in seconds: nothing → 5"),
        ("action: pay", "action: pay\ncontinue_on_error: true", "goes on if it fails: false → true"),
        ("action: pay", "action: pay\nif: steps.announce.ok", "the condition: nothing → steps.announce.ok"),
        ("action: pay", "action: bank.pay_back", "may call: bank.pay_invoice → bank.pay_back"),
        ("action: pay", "action: pay\nundo: {action: bank.pay_back, with: {amount: 1}}", "takes it back"),
    ],
)  # fmt: skip
def test_what_changed_in_a_step_is_told(old, new, says):
    assert old in TWO
    note = TWO.replace(old, new.replace("\n", "\n   "))
    assert any(says in line for line in told(TWO, note)), told(TWO, note)


def test_changes_of_the_plan_as_a_whole_are_told():
    control = "mode: parallel\non_failure: continue\nrun_at: 2027-01-01\nschedule: every 1h\ndepends_on: x"
    assert told(TWO, f"---\n{control}\n---\n{TWO}") == [
        'the plans that it depends on: [] → ["x"]',
        "the mode: sequential → parallel",
        "what happens on a failure: stop → continue",
        "the time to start: nothing → 2027-01-01",
        "the schedule: nothing → every 1h",
    ]


def test_added_removed_and_reordered_steps_are_told():
    first, second = MAIL + "\nid: a", "id: b\naction: pay\nwith: {amount: 1}"
    assert told(steps(first), steps(first, second)) == [
        'step 2 (b): nothing → added: bank.pay_invoice with {"amount":1}'
    ]
    assert told(steps(first, second), steps(first)) == [
        'step 2 (b): bank.pay_invoice with {"amount":1} → removed'
    ]
    assert told(steps(first, second), steps(second, first)) == ["the order of the steps: a, b → b, a"]


MAIL_TOOL = VIEWS["mail"].tools["send_email"]


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        (
            view("mail", dataclasses.replace(MAIL_TOOL, description="Other.")),
            "the tool mail.send_email changed its description: Sends a mail. → Other.",
        ),
        (
            view("mail", dataclasses.replace(MAIL_TOOL, annotations={"readOnlyHint": True})),
            "the tool mail.send_email changed what it says of its effects",
        ),
        (
            view("mail", MAIL_TOOL, launch={"command": "evil", "args": ["--stdio"]}),
            "the server mail changed its command: mail-server → evil",
        ),
        (
            view("mail", MAIL_TOOL, launch={"url": "https://example.com"}),
            "the server mail changed its address: nothing → https://example.com",
        ),
    ],
)
def test_a_server_or_tool_that_is_another_is_told(mail, says):
    assert any(line.startswith(says) for line in told(TWO, TWO, VIEWS, {**VIEWS, "mail": mail}))


def test_a_server_that_changed_is_told_once_for_all_its_tools():
    note = steps("action: bank.pay_invoice\nwith: {amount: 1}", "action: bank.pay_back\nwith: {amount: 1}")
    bank = view("bank", *VIEWS["bank"].tools.values(), launch={"command": "other", "args": ["--stdio"]})
    assert told(note, note, VIEWS, {**VIEWS, "bank": bank}) == [
        "the server bank changed its command: bank-server → other"
    ]


def test_values_that_look_the_same_are_told_apart():
    anything = {"any": view("any", VIEWS["mail"].tools["send_email"].__class__("thing", "", {}))}
    number, text = (steps(f"action: any.thing\nwith: {{x: {value}}}") for value in ("5", "'5'"))
    assert told(number, text, anything, anything) == ['step 1 (step-1): argument x: 5 → "5"']
    null = steps("action: any.thing\nwith: {x: null}")
    none = steps("action: any.thing\nwith: {}")
    assert told(null, none, anything, anything) == ["step 1 (step-1): argument x: null → nothing"]


def test_a_long_text_is_shown_where_it_differs():
    body = "word " * 300
    old, new = (steps(MAIL + f"\n  body: {body}{end}") for end in ("pay 100", "pay 900"))
    (change,) = differences(frozen(old).content, frozen(new).content)
    assert "pay 100" in change.old
    assert "pay 900" in change.new
    assert max(len(change.old), len(change.new)) <= LONGEST


def paths(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in paths(part, (*path, key)))]


CONTENT: JsonObject = frozen(TWO).content
leaves = st.sampled_from([path for path in paths(CONTENT) if path])


@pytest.mark.promise("5")
@given(leaves, st.none() | st.booleans() | st.integers(0, 200) | st.text(max_size=5))
def test_there_are_differences_exactly_if_the_contents_differ(path, value):
    changed = copy.deepcopy(CONTENT)
    at = changed
    for key in path[:-1]:
        at = at[key]
    if isinstance(at[path[-1]], dict | list):
        value = at[path[-1]]  # only values that a freeze could have left there
    at[path[-1]] = value
    is_same = changed == CONTENT and repr(changed) == repr(CONTENT)
    assert bool(differences(CONTENT, changed)) is not is_same
    assert bool(differences(changed, CONTENT)) is not is_same
