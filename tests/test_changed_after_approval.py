"""What was approved is what runs: a change after the preview voids the approval, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.house import House, houses
from support.project import eventually, record

pytestmark = pytest.mark.promise("5")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from houses(tmp_path_factory.mktemp("changed"))


def test_a_pending_note_that_is_edited_is_frozen_and_shown_anew(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, f"text: {word}", f"text: {word} 900")
    house.await_shown(word, times=2)
    assert f"{word} 900" in note.read_text().split("%% signoff %%")[1]
    assert not house.of(word, "refused")

    house.approve(note)
    house.await_done(word)
    assert [call["arguments"]["text"] for call in house.called(word)] == [f"{word} 900"]


def test_an_agents_edit_and_a_persons_approval_in_one_write_run_nothing_and_show_both_values(
    house: House,
) -> None:
    word = house.word()
    note = house.shown(word, steps=(record(f"{word} pays 100"),))
    merged = note.read_text().replace(f"text: {word} pays 100", f"text: {word} pays 900")
    house.drop(note.name, merged.replace("status: pending", "status: approved"), "Pending_Approval")

    house.await_shown(word, times=2)
    house.await_refusal(word, "digest-changed")
    told = note.read_text().split("%% signoff %%")[1]
    assert "this plan changed" in told
    assert f"`{word} pays 100`" in told or f'"{word} pays 100"' in told
    assert f"{word} pays 900" in told
    assert house.called(word) == []
    assert "error: digest-changed" in note.read_text() or 'error: "digest-changed' in note.read_text()

    house.approve(note)
    house.await_done(word)
    assert [call["arguments"]["text"] for call in house.called(word)] == [f"{word} pays 900"]


@pytest.mark.promise("1.1")
def test_an_edit_during_the_run_stops_it_before_the_next_call_with_a_table_of_what_changed(
    house: House,
) -> None:
    word = house.word()
    slow = f"action: stub.slow\nwith:\n  seconds: 1.5\n  text: {word}\n"
    house.approve(house.shown(word, steps=(slow, record(f"{word} old"))))
    house.await_entry("intent", plan=house.plan_id(word))
    note = house.await_status(word, "Approved", "running")
    house.edit(note, f"text: {word} old", f"text: {word} new")

    back = house.await_shown(word, times=2)
    told = back.read_text()
    assert [call["tool"] for call in house.called(word)] == ["slow"]
    assert "changed after it was approved" in told
    assert f"{word} old" in told.split("%% signoff %%")[1]
    assert f"{word} new" in told.split("%% signoff %%")[1]
    assert "1. [x]" in told
    assert "2. [ ]" in told

    house.approve(back)
    house.await_done(word)
    assert [call["arguments"]["text"] for call in house.called(word)] == [word, f"{word} new"]


@pytest.mark.promise("1.1")
def test_a_note_made_unreadable_during_the_run_stops_it_and_goes_on_only_after_it_was_shown_again(
    house: House,
) -> None:
    word = house.word()
    slow = f"action: stub.slow\nwith:\n  seconds: 1\n  text: {word}\n"
    house.approve(house.shown(word, steps=(slow, record(word))))
    house.await_entry("intent", plan=house.plan_id(word))
    note = house.await_status(word, "Approved", "running")
    house.edit(note, "risk: medium", 'risk: medium\nsubject: "a" b')
    house.await_note(note.name, "Approved", "needs a correction")
    assert [call["tool"] for call in house.called(word)] == ["slow"]

    house.edit(note, 'subject: "a" b\n', "")
    back = house.await_shown(word, times=2)
    assert [call["tool"] for call in house.called(word)] == ["slow"]
    house.approve(back)
    house.await_done(word)
    assert [call["tool"] for call in house.called(word)] == ["slow", "record"]


# ---------------------------------------------------------------- what is no change


def requoted(text: str) -> str:
    return text.replace("status: pending", 'status: "pending"').replace("risk: medium", "risk: 'medium'")


def reordered(text: str) -> str:
    head, front, body = text.split("---\n", 2)
    return "---\n".join([head, "".join(reversed(front.splitlines(keepends=True))), body])


def tagged(text: str) -> str:
    return text.replace("---\n", "---\ntags:\n  - work\ntitle: Another title\naliases: []\n", 1)


def renumbered(text: str) -> str:
    return text.replace("1. [ ] Step 1", "- [ ] Step one, renamed").replace("Some words", "Other words")


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def with_bom(text: str) -> str:
    return "\ufeff" + text


def without_section(text: str) -> str:
    return text.split("%% signoff %%", maxsplit=1)[0]


def without_daemon_keys(text: str) -> str:
    return re.sub(r"^(risk|digest|progress): .*\n", "", text, flags=re.MULTILINE)


FORMATTING: list[Callable[[str], str]] = [
    *(requoted, reordered, tagged, renumbered, crlf, with_bom, without_section, without_daemon_keys)
]


@pytest.mark.parametrize("change", FORMATTING, ids=lambda change: change.__name__)
def test_formatting_voids_nothing_and_can_come_together_with_the_approval(
    house: House, change: Callable[[str], str]
) -> None:
    word = house.word()
    note = house.shown(word)
    text = change(note.read_bytes().decode())
    approved = re.sub(r"status: [\"']?pending[\"']?", "status: approved", text)
    house._save(note, approved.encode())
    done = house.await_done(word)
    assert len(house.called(word)) == 1
    assert not house.of(word, "refused")
    if change is crlf:
        lines = done.read_bytes().split(b"\n")[:-1]
        assert all(line.endswith(b"\r") for line in lines)


def test_formatting_during_the_run_stops_nothing(house: House) -> None:
    words = {change: house.word() for change in (reordered, tagged, renumbered, crlf, with_bom)}
    for word in words.values():
        slow = f"action: stub.slow\nwith:\n  seconds: 1.5\n  text: {word}\n"
        house.shown(word, steps=(slow, record(word)))
    for word in words.values():
        house.approve(house.vault / "Pending_Approval" / f"{word}.md")
    for change, word in words.items():
        house.await_entry("intent", plan=house.plan_id(word))
        note = house.await_status(word, "Approved", "running")
        house._save(note, change(note.read_bytes().decode()).encode())
    for change, word in words.items():
        house.await_done(word)
        assert len(house.called(word)) == 2, change.__name__
        assert not house.of(word, "returned"), change.__name__


# ---------------------------------------------------------------- properties that are not in the digest


def test_an_expiry_that_is_put_off_together_with_the_approval_does_not_lengthen_it(house: House) -> None:
    word, soon = house.word(), (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    note = house.shown(word, front=f"expires: {soon}")
    text = note.read_text().replace(f"expires: {soon}", "expires: 2099-01-01T00:00:00Z")
    house._save(note, text.replace("status: pending", "status: approved").encode())
    house.await_done(word)
    assert house.of(word, "approved")[0].data["expires"] == soon


def test_an_expiry_that_is_past_when_the_plan_is_approved_refuses_the_approval(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", "status: approved\nexpires: 2020-01-01")
    house.await_refusal(word, "expired")
    house.await_note(note.name, "Pending_Approval", "expired")
    assert not house.of(word, "approved")
    assert house.called(word) == []


def test_an_expiry_edited_while_the_plan_waits_is_shown_anew(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "status: pending", "status: pending\nexpires: 2098-05-06")
    house.await_shown(word, times=2)
    assert "The plan expires on 2098-05-06" in note.read_text()
    house.approve(note)
    house.await_done(word)


def test_a_proposer_changed_after_the_preview_changes_nothing_of_who_proposed_it(house: House) -> None:
    word = house.word()
    note = house.shown(word, front="proposed_by: agent")
    house.edit(note, "proposed_by: agent", "proposed_by: ana")
    house.approve(note)
    house.await_done(word)
    assert house.of(word, "frozen")[0].data["proposed_by"] == "agent"


def test_the_path_that_was_shown_is_the_path_that_runs_when_two_notes_swap_places(house: House) -> None:
    one, two = house.word(), house.word()
    first, second = house.shown(one), house.shown(two)
    aside = Path(str(first) + ".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    house.approve(first)  # the text of `two` under the name of `one`
    eventually(lambda: house.called(two), "the plan in the note that was approved runs")
    house.rest()
    assert house.called(one) == []
