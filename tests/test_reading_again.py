"""A plan read again in a note that changed a little is the plan that reading the whole note finds."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from signoff.catalogue import Catalogue
from signoff.note.splice import set_keys, set_section, set_ticks
from signoff.observe import Readings, read, read_again

CATALOGUE = Catalogue()
PATH = "Approved/plan.md"

STEP = """{number}. [ ] Step {number}
   ```yaml
   id: s{number}
   action: mail.send
   with:
     text: "[ ] {number}"
   ```
"""


def note(steps=3, front="id: plan\ntitle: A plan\npriority: high\n", tail="", newline="\n"):
    items = "".join(STEP.format(number=number) for number in range(1, steps + 1))
    text = f"---\n{front}---\n# Heading\n\nWords of the author.\n\n## Steps\n\n{items}{tail}"
    return set_section(text.replace("\n", newline).encode(), "> [!signoff] Waiting\n> - [ ] x")


def same(one, other):
    return (one.plan, one.gesture, one.problem, one.sha256, one.id) == (
        (other.plan, other.gesture, other.problem, other.sha256, other.id)
    )


daemon_keys = st.dictionaries(
    st.sampled_from(
        ["status", "risk", "digest", "progress", "started", "finished", "next_run", "error", "run"]
    ),
    st.none() | st.sampled_from(["running", "3 of 5", "2026-11-01", "é: #", "approved", "1"]),
    max_size=5,
)
section_lines = st.lists(
    st.sampled_from(["> [!done] Done", "> ```", "> | a | b |", "> %% x %%", "> - [x] a"])
)
tails = st.sampled_from(
    [
        "",
        "\nLast words.\n",
        "\n```text\nnever closed\n",
        "\n```yaml\naction: mail.send\n```\n",
        "\n## Notes\n\n- [ ] x\n",
    ]
)


@given(
    steps=st.integers(1, 6),
    keys=daemon_keys,
    lines=section_lines,
    marks=st.lists(st.sampled_from(" x"), min_size=6, max_size=6),
    tail=tails,
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_after_a_write_of_the_daemons_own_the_plan_is_known_without_reading_the_note_as_a_whole(
    steps, keys, lines, marks, tail, newline
):
    data = note(steps, tail=tail, newline=newline)
    before = read(PATH, data, CATALOGUE)
    if before.plan is None:
        return
    boxes = [step.checkbox for step in before.plan.steps]
    now = set_ticks(data, dict(zip(boxes, marks, strict=False)))
    now = set_section(set_keys(now, keys), "\n".join(["> [!signoff] Running", *lines]), previous=None)
    whole = read(PATH, now, CATALOGUE)
    again = read_again(before, PATH, now)
    assert whole.plan is None or again is not None
    if again is not None:
        assert same(again, whole)


PUT = """
|x|[x]|```|~~~|#|9|> |\x00|---|\u200b|- [ ] y|1. [X] |priority: low
|approved: true|to: a@b.c|actions: [x]|   id: other
"""
edits = st.tuples(
    st.integers(0, 900),
    st.integers(0, 12),
    st.sampled_from(PUT.replace("\n", "").split("|")),
    st.sampled_from(["", "\n", "\r\n"]),
)
"""Where, how many bytes go, and what is put there."""


@given(st.lists(edits, min_size=1, max_size=4), tails, st.sampled_from(["\n", "\r\n"]))
@example([(0, 3, "", "")], "", "\n")
@example([(4, 0, "approved: true", "\n")], "", "\n")
def test_whoever_changed_a_note_and_however_what_is_known_again_is_what_is_there(changes, tail, newline):
    before_data = note(tail=tail, newline=newline)
    before = read(PATH, before_data, CATALOGUE)
    data = before_data
    for place, cut, put, end in changes:
        at = place % (len(data) + 1)
        data = data[:at] + (put + end.replace("\n", newline)).encode() + data[at + cut :]
    again = read_again(before, PATH, data)
    if again is not None:
        assert same(again, read(PATH, data, CATALOGUE))


def test_other_line_endings_move_the_checkboxes():
    before = read(PATH, note(), CATALOGUE)
    now = note(newline="\r\n")
    again = read_again(before, PATH, now)
    assert again is None or same(again, read(PATH, now, CATALOGUE))


def test_steps_below_the_daemons_section_stand_elsewhere_when_that_grows():
    items = "".join(STEP.format(number=number) for number in (1, 2))
    head = b"---\nid: plan\n---\n# Heading\n"
    before = set_section(head, "> [!signoff] Waiting") + f"\n## Steps\n\n{items}".encode()
    now = set_section(before, "> [!signoff] Done\n> One\n> Two", previous="> [!signoff] Waiting")
    known, fresh = read(PATH, before, CATALOGUE), read(PATH, now, CATALOGUE)
    assert len(known.plan.steps) == len(fresh.plan.steps) == 2
    again = read_again(known, PATH, now)
    assert again is None or same(again, fresh)


def test_a_gesture_is_read_and_the_plan_keeps_its_kin():
    readings = Readings(CATALOGUE)
    data = note()
    before = readings.read(PATH, data)
    now = readings.read(PATH, set_keys(data, {"status": "approved", "approved_by": "ana"}))
    assert now.gesture.status == "approved"
    assert now.gesture.approved_by == "ana"
    assert now.kin is before.kin


def test_an_argument_that_changed_is_no_kin():
    readings = Readings(CATALOGUE)
    before = readings.read(PATH, note())
    now = readings.read(PATH, note().replace(b'"[ ] 2"', b'"[x] 2"'))
    assert now.kin is not before.kin
    assert now.plan.steps[1].arguments == {"text": "[x] 2"}
