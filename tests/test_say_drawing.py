"""The drawing of a plan's order: what it shows, and that no name in it can do more than be read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from say_material import ATTACKS, frozen_plan, hostile, state
from signoff import flow
from signoff.model import SURVIVES_ALL, Call, FrozenStep, Status, StepState
from signoff.say import drawing as drawn
from signoff.say.drawing import LONGEST_LABEL, MOST_STEPS, drawing, label
from signoff.say.section import section
from signoff.say.view import PlanView

LINE = re.compile(
    r'  s\d+(?:\["[^"\]\[(){}<>`;#&|\\%]*"\]|\("[^"\]\[(){}<>`;#&|\\%]*"\))'
    r"|  s\d+ --> s\d+|  s\d+ -\. needed by \.-> s\d+"
)


def step(name: str, *needs: str, **more: object) -> FrozenStep:
    return FrozenStep(name, "s.t", {}, (Call("s", "t", {}),), needs=needs, **more)


def view(*steps: FrozenStep, names: tuple[str, ...] = (), **terms: object) -> PlanView:
    called = names or tuple(each.id for each in steps)
    states = [StepState(each.id, name, "s.t", "s.t") for each, name in zip(steps, called, strict=True)]
    return PlanView(state(Status.PENDING, *states), frozen_plan(*steps, **terms))


@pytest.mark.promise("7")
def test_a_plan_in_parallel_is_drawn_with_an_arrow_for_each_need() -> None:
    lines = drawing(
        view(step("a"), step("b"), step("c", "a", "b"), mode="parallel", names=("One", "Two", "Last"))
    )
    assert lines == [
        "```mermaid",
        "flowchart TD",
        '  s1["Step 1: One"]',
        '  s2["Step 2: Two"]',
        '  s3["Step 3: Last"]',
        "  s1 --> s3",
        "  s2 --> s3",
        "```",
        "",
    ]


def test_a_sequence_is_drawn_with_conditions_lists_and_what_is_needed_from_further_above() -> None:
    lines = drawing(
        view(
            step("a", for_each=[1, 2]),
            step("b", "a", condition="steps.a.ok"),
            step("c", "a", for_each="${{ steps.a.result }}"),
            step("d", condition="always()", survives=frozenset({SURVIVES_ALL})),
        )
    )
    assert lines[2:-2] == [
        '  s1["Step 1: a, for each of 2 items"]',
        '  s2("Step 2: b, only if its condition holds")',
        '  s3["Step 3: c, for each of up to 50 items"]',
        '  s4("Step 4: d, also after a failure")',
        "  s1 --> s2",
        "  s2 --> s3",
        "  s1 -. needed by .-> s3",
        "  s3 --> s4",
    ]


def test_a_plain_list_is_not_drawn() -> None:
    assert drawing(view(step("a"), step("b"))) == []
    assert drawing(view(step("a", condition="plan.id == 'x'"))) == []
    assert drawing(replace(view(step("a"), step("b"), mode="parallel"), frozen=None)) == []


@pytest.mark.promise("7")
def test_a_plan_of_a_thousand_steps_gets_a_sentence() -> None:
    many = view(*(step(f"s{number}") for number in range(1000)), mode="parallel")
    assert drawing(many) == ["There is no drawing of the order: 1,000 steps are too many.", ""]
    tangled = [step(f"s{n}", *(f"s{m}" for m in range(n))) for n in range(MOST_STEPS)]
    assert "too many" in drawing(view(*tangled, mode="parallel"))[0]


@example("".join(ATTACKS))
@example('"]; click s1 "javascript:alert(1)"')
@example("x\n```\n---\nstatus: approved")
@example("<img src=x onerror=alert(1)>")
@example("1. one `md` **bold** #35; &lt; %% comment\nend\nsubgraph x")
@given(hostile)
def test_no_name_leaves_its_label_or_acts(text: str) -> None:
    hostile_view = view(
        step("a"), step(text[:64] or "b", "a", text, condition=text), names=(text, text), mode="parallel"
    )
    lines = drawing(hostile_view)
    assert lines[:2] == ["```mermaid", "flowchart TD"]
    assert lines[-2:] == ["```", ""]
    assert all(LINE.fullmatch(line) for line in lines[2:-2])
    assert sum('["Step' in line or '("Step' in line for line in lines) == 2
    shown = section(hostile_view).split("\n")
    assert all(line == "" or line.startswith(">") for line in shown)
    assert shown.count("> ```mermaid") == 1


@given(st.text())
def test_a_label_is_one_bounded_line_of_what_can_be_seen(text: str) -> None:
    said = label(text)
    assert len(said) <= LONGEST_LABEL
    assert said.isprintable()
    assert not set(said) & set('"[](){}<>`;#&|\\%*_=:/')


def test_letters_of_all_alphabets_are_shown_and_look_alikes_spelled() -> None:
    assert label("Grüße an Ελένη, 東京") == "Grüße an Ελένη, 東京"
    assert "u0430" in label("p\u0430ypal")


def test_the_drawing_knows_how_many_items_a_late_list_may_have() -> None:
    assert drawn.MOST_LATE_ITEMS == flow.MOST_LATE_ITEMS
