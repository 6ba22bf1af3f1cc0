"""Calls that belong to a step read the step's own arguments, and nothing else of the plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.catalogue import Action, ActionTool, FollowUp
from signoff.errors import NoteError
from signoff.limits import truth
from signoff.model import Json, Step
from signoff.plan.followups import filled, require_own, undo_of

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text("ab{}$ ", max_size=8).filter(lambda s: "${{" not in s),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=6,
)


def step(**arguments: Json) -> Step:
    return Step("s", "Step", "write", arguments)


@pytest.mark.promise("5")
@given(VALUES)
def test_what_the_step_says_already_is_put_in_as_it_is_and_never_looked_at_again(value: Json) -> None:
    found = filled({"whole": "${{ with.text }}", "own": 1}, step(text=value), of="undo of write")
    assert found == {"whole": value, "own": 1}


def test_what_is_known_only_when_it_runs_stays_as_it_is() -> None:
    late = {"a": "${{ with.to }}", "b": "${{ result.id }} of ${{ with.text }}", "c": ["${{ item }}"]}
    assert filled(late, step(to="${{ item }}", text="x"), of="undo of write") == late
    assert filled({"a": "to ${{ with.text }}"}, step(text="x"), of="undo of write") == {"a": "to x"}


def test_an_argument_that_the_step_does_not_give_is_named() -> None:
    with pytest.raises(NoteError, match=r"undo of write cannot be used here.*no `id`"):
        filled({"a": "${{ with.id }}"}, step(text="x"), of="undo of write")


def test_the_catalogue_cannot_read_other_steps() -> None:
    require_own({"a": "${{ with.x }} ${{ result.y }} ${{ item }} ${{ plan.id }}"}, of="undo of write")
    with pytest.raises(NoteError, match=r"reads `steps\.other`"):
        require_own({"a": "${{ steps.other.result }}"}, of="undo of write")


def test_the_catalogue_takes_back_only_where_the_plan_asks_for_it_and_the_step_does_not_say_how() -> None:
    action = Action("write", (ActionTool("s", "t"),), undo=FollowUp("s.back", {}))
    own = Step("s", "Step", "write", {}, undo={"action": "s.other", "with": {"a": 1}})
    assert undo_of(step(), action, "stop") is None
    assert undo_of(step(), action, "undo") == (FollowUp("s.back", {}), False)
    assert undo_of(own, action, "undo") == (FollowUp("s.other", {"a": 1}), True)
    assert undo_of(own, None, "stop") == (FollowUp("s.other", {"a": 1}), True)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("result.n == 1", True),
        ("result.n > 1", False),
        ("result.m == 1", None),
        ("result.n", None),
        ("(", None),
    ],
)
def test_an_answer_is_true_or_false_or_cannot_be_told(expression: str, said: bool | None) -> None:
    assert truth(expression, {"result": {"n": 1}, "with": {}}) is said
