"""The gestures of a person in a real vault: what approves, what refuses, what does neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.house import House, houses
from support.project import plan, record

pytestmark = pytest.mark.promise("3")

POLICY = "requires:\n  low: {method: edit}\n  medium: {method: edit, ttl: 24h}\n  high: {method: code}\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from houses(tmp_path_factory.mktemp("gestures"))


# ---------------------------------------------------------------- approving


@pytest.mark.parametrize("written", ["approved", "Approved", '" APPROVED "', "'approved'   # yes"])
def test_the_status_approves_trimmed_and_in_any_case(house: House, written: str) -> None:
    word = house.word()
    house.edit(house.shown(word), "status: pending", f"status: {written}")
    house.await_done(word)
    assert len(house.called(word)) == 1
    assert house.of(word, "approved")[0].data["gesture"] == "status"


def test_a_tick_approves(house: House) -> None:
    word = house.word()
    house.edit(house.shown(word), "status: pending", "status: pending\napproved: true")
    house.await_done(word)
    assert len(house.called(word)) == 1
    assert house.of(word, "approved")[0].data["gesture"] == "tick"


@pytest.mark.parametrize("folder", ["Approved", "Approved/email", "Approved/a/b"])
def test_a_move_approves_also_into_a_subfolder_and_with_the_stale_status(house: House, folder: str) -> None:
    word = house.word()
    note = house.shown(word)
    target = house.vault / folder / note.name
    target.parent.mkdir(parents=True, exist_ok=True)
    note.rename(target)
    house.await_status(word, folder.replace("Approved", "Done"), "done")
    assert len(house.called(word)) == 1
    assert house.of(word, "approved")[0].data["gesture"] == "move"


def test_a_move_made_by_copying_and_deleting_approves_all_the_same(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    copy = house.vault / "Approved" / note.name
    copy.write_bytes(note.read_bytes())
    house.aged(copy)  # sync tools keep a file's time
    house.rest(0.3)
    note.unlink()
    house.await_done(word)
    assert len(house.called(word)) == 1
    assert not house.of(word, "refused")


# ---------------------------------------------------------------- not approving

NO_APPROVAL = [
    "status: pending\napproved: yes",
    "status: pending\napproved: on",
    "status: pending\napproved: 1",
    "status: pending\napproved: 'yes'",
    "status: approve",
    "status: approved!",
    "status: [approved]",
    "status: true",
    "status: pending\nstate: approved",
]


def test_what_only_resembles_an_approval_is_none(house: House) -> None:
    words = {house.word(): written for written in NO_APPROVAL}
    notes = {word: house.shown(word) for word in words}
    for word, written in words.items():
        house.edit(notes[word], "status: pending", written)
    for word, written in words.items():
        if "approved:" not in written and "state" not in written:
            house.await_status(word, "Pending_Approval", "pending")  # it says again what is true
    house.rest(1.2)
    for word, written in words.items():
        assert house.called(word) == [], written
        assert house.of(word, "approved") == [], written


def test_words_in_the_body_in_a_fence_or_in_a_second_front_matter_do_not_approve(house: House) -> None:
    bodies = [
        "approved\n\nstatus: approved\n\napproved: true\n",
        "```yaml\nstatus: approved\napproved: true\n```\n",
        "---\nstatus: approved\napproved: true\n---\n",
        "> status: approved\n",
        "%% status: approved %%\n",
        "- [x] approved\n- [x] Approve\n",
    ]
    words = [house.word() for _ in bodies]
    for word, body in zip(words, bodies, strict=True):
        note = house.shown(word)
        house.edit(note, "Some words of the author.", f"Some words of the author.\n\n{body}")
    house.rest(1.5)
    for word, body in zip(words, bodies, strict=True):
        assert house.called(word) == [], body
        assert not house.of(word, "approved"), body


@pytest.mark.parametrize("status", ["draft", "expired"])
def test_a_blocking_status_in_the_approved_folder_does_not_approve(house: House, status: str) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", f"status: {status}")
    note.rename(house.vault / "Approved" / note.name)
    back = house.await_shown(word)
    house.await_refusal(word, "refused-by-gesture")
    assert "refused-by-gesture" in back.read_text()
    assert house.called(word) == []

    back.rename(house.vault / "Approved" / note.name)
    house.await_done(word)
    assert len(house.called(word)) == 1


# ---------------------------------------------------------------- refusing


@pytest.mark.parametrize("status", ["rejected", '"Rejected "', "cancelled"])
def test_a_refusing_status_wins_over_every_approving_gesture(house: House, status: str) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", f"status: {status}\napproved: true\nrejection_reason: not [[today]]")
    note.rename(house.vault / "Approved" / note.name)
    ended = house.await_status(word, "Rejected", status.strip('" ').lower())
    assert house.called(word) == []
    assert not house.of(word, "approved")
    if status != "cancelled":
        assert "today" in ended.read_text().split("%% signoff %%")[1]


def test_moving_to_the_rejected_folder_refuses_although_the_status_says_approved(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", "status: approved")
    note.rename(house.vault / "Rejected" / note.name)
    house.await_status(word, "Rejected", "rejected")
    assert house.called(word) == []


def test_a_rejected_plan_moved_back_to_the_inbox_is_shown_again_and_needs_a_fresh_approval(
    house: House,
) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", "status: rejected")
    ended = house.await_status(word, "Rejected", "rejected")
    ended.rename(house.vault / "Inbox" / ended.name)
    again = house.await_shown(word, times=2)
    assert house.called(word) == []
    house.approve(again)
    house.await_done(word)
    assert len(house.called(word)) == 1


# ---------------------------------------------------------------- born approved

BORN = [
    ("Inbox", "status: approved"),
    ("Inbox", "approved: true"),
    ("Approved", "title: dropped there"),
    ("Approved/email", "status: approved\napproved: true"),
    ("Pending_Approval", "status: pending"),
    ("Pending_Approval", "status: approved"),
]


@pytest.mark.promise("5")
@pytest.mark.parametrize(("folder", "front"), BORN)
def test_what_was_never_shown_is_frozen_and_shown_first_and_a_fresh_gesture_works(
    house: House, folder: str, front: str
) -> None:
    word = house.word()
    house.drop(f"{word}.md", plan(record(word), front=front), folder)
    where = folder.replace("Approved/", "Pending_Approval/").replace("Inbox", "Pending_Approval")
    where = "Pending_Approval" if where == "Approved" else where
    house.await_note(f"{word}.md", where, "%% signoff %%")
    note = house.await_note(f"{word}.md", where, "status: pending")
    house.rest()
    assert house.called(word) == []
    if "approved" in front or folder.startswith("Approved"):
        house.await_refusal(word, "not-presented")
        assert "not-presented" in note.read_text()
    assert "approved: true" not in note.read_text()
    assert "stub.record" in note.read_text().split("%% signoff %%")[1]

    house.rest()
    house.approve(note)
    house.await_note(f"{word}.md", where.replace("Pending_Approval", "Done"), "status: done")
    assert len(house.called(word)) == 1


@pytest.mark.promise("5")
def test_a_stale_buffer_of_the_note_as_it_was_born_approves_nothing(house: House) -> None:
    word = house.word()
    born = plan(record(word), front=f"id: {word}\nstatus: approved")
    house.drop(f"{word}.md", born)
    note = house.await_shown(word)
    house.drop(f"{word}.md", born, "Pending_Approval")
    house.await_refusal(word, "not-presented")
    house.await_status(word, "Pending_Approval", "pending")
    house.rest()
    assert house.called(word) == []

    house.approve(note)
    house.await_done(word)
    assert len(house.called(word)) == 1


@pytest.mark.promise("5")
@pytest.mark.parametrize("front", ["{action: stub.record, approved: true, with: {text: WORD}}"])
def test_front_matter_that_cannot_be_written_to_is_asked_about_and_never_runs(
    house: House, front: str
) -> None:
    word = house.word()
    house.drop(f"{word}.md", f"---\n{front.replace('WORD', word)}\n---\nText\n")
    note = house.await_note(f"{word}.md", "Inbox", "cannot-splice")
    assert front.replace("WORD", word) in note.read_text()
    note.write_text(note.read_text() + "\nA touch.\n")
    house.rest(1.3)
    assert house.called(word) == []
    assert not house.of(word, "presented")


# ---------------------------------------------------------------- taking it back


def test_a_move_in_and_out_again_leaves_nothing_approved(house: House) -> None:
    word = house.word()
    note = house.shown(word, steps=(f"action: stub.slow\nwith: {{seconds: 0.6, text: {word}}}", record(word)))
    inside = house.vault / "Approved" / note.name
    note.rename(inside)
    house.await_entry("intent", plan=house.plan_id(word))
    where = house.find(note.name)
    assert where is not None
    where.rename(note)
    house.await_shown(word, times=2)
    assert [call["tool"] for call in house.called(word)] == ["slow"]


@pytest.mark.promise("6")
@pytest.mark.parametrize("how", ["pending", "rejected", "out", "deleted", "inbox"])
def test_revoking_in_the_middle_stops_before_the_next_call(house: House, how: str) -> None:
    word = house.word()
    slow = f"action: stub.slow\nwith:\n  seconds: 2\n  text: {word}\n"
    house.approve(house.shown(word, steps=(slow, record(word), record(word))))
    house.await_entry("intent", plan=house.plan_id(word))
    note = house.await_status(word, "Approved", "running")
    if how in {"pending", "rejected"}:
        house.edit(note, "status: running", f"status: {how}")
    elif how == "out":
        note.rename(house.vault / "Pending_Approval" / note.name)
    elif how == "inbox":
        note.rename(house.vault / "Inbox" / note.name)
    else:
        note.unlink()

    if how == "rejected":
        house.await_status(word, "Rejected", "rejected")
    elif how == "deleted":
        house.await_entry("finished", plan=house.plan_id(word))
        assert house.of(word, "finished")[0].data["status"] == "cancelled"
    else:
        back = house.await_shown(word, times=2)
        assert "revoked" in back.read_text()
        assert "1. [x]" in back.read_text()
    house.rest()
    assert [call["tool"] for call in house.called(word)] == ["slow"]
    assert house.of(word, "outcome")[0].data["class"] == "done"

    if how == "out":
        house.approve(house.aged(house.vault / "Pending_Approval" / note.name))
        house.await_done(word)
        assert [call["tool"] for call in house.called(word)] == ["slow", "record", "record"]
