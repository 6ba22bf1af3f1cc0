"""One plan, one note, one run: copies, stale buffers, sync conflicts and restarts run nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.house import House, houses
from support.project import plan, record

pytestmark = pytest.mark.promise("1.2")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from houses(tmp_path_factory.mktemp("copies"))


def done(house: House, word: str, **options: str) -> str:
    """A plan that has run; the text of its note."""
    house.approve(house.shown(word, front=options.get("front", f"id: {word}")))
    return house.await_done(word).read_text()


def buffer(house: House, word: str, text: str) -> None:
    house.edit(house.vault / "Done" / f"{word}.md", "status: done", "status: approved")


def moved(house: House, word: str, text: str) -> None:
    (house.vault / "Done" / f"{word}.md").rename(house.vault / "Approved" / f"{word}.md")


def to_inbox(house: House, word: str, text: str) -> None:
    (house.vault / "Done" / f"{word}.md").rename(house.vault / "Inbox" / f"{word}.md")


def copied(house: House, word: str, text: str) -> None:
    house.drop(f"{word} copy.md", text.replace("status: done", "status: approved"), "Approved")


def copied_to_inbox(house: House, word: str, text: str) -> None:
    house.drop(f"{word} copy.md", text)


def ticked(house: House, word: str, text: str) -> None:
    house.drop(f"{word} copy.md", text.replace("status: done", "approved: true"), "Approved")


def as_written_first(house: House, word: str, text: str) -> None:
    house.drop(f"{word} again.md", plan(record(word), front=f"id: {word}\nstatus: approved"))


OWN = (buffer, moved, to_inbox)
OTHERS = (copied, copied_to_inbox, ticked, as_written_first)


@pytest.mark.parametrize("restart", [False, True])
def test_a_used_approval_runs_nothing_again_however_it_comes_back(house: House, restart: bool) -> None:
    words = {way: house.word() for way in (*OWN, *OTHERS)}
    texts = {way: done(house, word) for way, word in words.items()}
    if restart:
        house.stop()
    for way, word in words.items():
        way(house, word, texts[way])
    if restart:
        house.start()
    for way, word in words.items():
        house.await_refusal(word, "consumed")
        if way in OWN:
            text = house.await_note(f"{word}.md", "Done", "consumed").read_text()
            assert "has been used" in text
            assert "status: done" in text
        else:
            copy = next(path for path in house.vault.rglob(f"{word} *.md"))
            house.await_note(copy.name, copy.parent.name, "consumed")
            assert "status: done" in (house.vault / "Done" / f"{word}.md").read_text()
    house.rest(0.5)
    for way, word in words.items():
        assert len(house.called(word)) == 1, way.__name__


def test_a_copy_without_its_id_is_a_plan_of_its_own(house: House) -> None:
    word = house.word()
    text = done(house, word)
    again = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("id: "))
    house.drop(f"{word} again.md", again)
    note = house.await_note(f"{word} again.md", "Pending_Approval", "status: pending")
    house.rest()
    assert len(house.called(word)) == 1
    house.approve(note)
    house.await_note(f"{word} again.md", "Done", "status: done")
    assert len(house.called(word)) == 2


@pytest.mark.parametrize("folder", ["Inbox", "Approved", "Pending_Approval"])
def test_a_second_note_with_the_id_of_a_waiting_plan_is_told_so_and_does_not_touch_the_first(
    house: House, folder: str
) -> None:
    word = house.word()
    note = house.shown(word, front=f"id: {word}")
    other = plan(record(f"{word} other"), front=f"id: {word}\nstatus: approved")
    house.drop(f"{word} twin.md", other, folder)
    house.await_note(f"{word} twin.md", folder, "duplicate-id")
    assert "duplicate-id" not in note.read_text()

    house.approve(note)
    house.await_done(word)
    assert [call["arguments"]["text"] for call in house.called(word)] == [word]
    assert "duplicate-id" not in (house.vault / "Done" / note.name).read_text()


def test_an_id_of_a_waiting_plan_used_for_other_content_is_shown_anew_when_its_note_is_gone(
    house: House,
) -> None:
    word = house.word()
    house.shown(word, front=f"id: {word}").unlink()
    house.rest(0.3)
    house.drop(f"{word}.md", plan(record(f"{word} other"), front=f"id: {word}\nstatus: approved"))
    house.await_shown(word, times=2)
    house.await_refusal(word, "digest-changed")
    assert house.called(word) == []


CONFLICTS = [
    "{} (conflicted copy 2026-11-21 ana).md",
    "{} (Conflicted copy laptop 202611210931).md",
    "{}.sync-conflict-20261121-093100-ABCDEFG.md",
]


@pytest.mark.parametrize("name", CONFLICTS)
@pytest.mark.parametrize("folder", ["Inbox", "Approved"])
def test_a_conflict_copy_never_runs_and_says_so(house: House, name: str, folder: str) -> None:
    word = house.word()
    house.drop(name.format(word), plan(record(word), front="status: approved"), folder)
    house.await_note(name.format(word), folder, "conflict-copy")
    house.await_refusal(word, "conflict-copy")
    assert house.called(word) == []


def test_a_conflict_copy_does_not_stand_in_for_the_note_of_a_running_plan(house: House) -> None:
    word = house.word()
    slow = f"action: stub.slow\nwith:\n  seconds: 1.5\n  text: {word}\n"
    house.approve(house.shown(word, steps=(slow, record(word))))
    house.await_entry("intent", plan=house.plan_id(word))
    note = house.await_status(word, "Approved", "running")
    note.rename(note.with_name(CONFLICTS[0].format(word)))
    ended = house.await_entry("finished", plan=house.plan_id(word))
    assert ended.data["status"] == "cancelled"
    assert [call["tool"] for call in house.called(word)] == ["slow"]


def test_names_of_partial_and_hidden_files_are_nobodys_plans(house: House) -> None:
    word = house.word()
    text = plan(record(word), front="status: approved")
    names = [
        f".{word}.md",
        f"~${word}.md",
        f"{word}.md.tmp",
        f"{word}.md.icloud",
        f".syncthing.{word}.md.tmp",
    ]
    for name in names:
        house.drop(name, text)
    (house.vault / "Inbox" / ".hidden").mkdir(exist_ok=True)
    house.drop(f"{word}.md", text, "Inbox/.hidden")
    house.rest(0.8)
    assert all((house.vault / "Inbox" / name).read_text() == text for name in names)
    assert house.called(word) == []
    assert house.plan_id(word) is None


def test_everything_holds_across_a_kill_and_a_restart(house: House) -> None:
    words = {name: house.word() for name in ("born", "merged", "rejected", "waiting", "mended", "moved")}
    for name in ("merged", "rejected", "waiting", "moved"):
        house.shown(words[name], front=f"id: {words[name]}")
    house.kill()

    pending = house.vault / "Pending_Approval"
    house.drop(f"{words['born']}.md", plan(record(words["born"]), front="status: approved"), "Approved")
    merged = pending / f"{words['merged']}.md"
    house.edit(merged, f"text: {words['merged']}", f"text: {words['merged']} 900")
    house.edit(merged, "status: pending", "status: approved")
    house.edit(pending / f"{words['rejected']}.md", "status: pending", "status: rejected")
    house.approve(pending / f"{words['waiting']}.md")
    house.drop(f"{words['mended']}.md", plan("action: stub.recrod\nwith: {}\n"))
    moved = pending / f"{words['moved']}.md"
    moved.rename(house.vault / "Approved" / moved.name)
    house.start()

    house.await_done(words["waiting"])
    house.await_done(words["moved"])
    house.await_status(words["rejected"], "Rejected", "rejected")
    house.await_refusal(words["born"], "not-presented")
    house.await_refusal(words["merged"], "digest-changed")
    house.await_note(f"{words['mended']}.md", "Inbox", "stub.record")
    ran = {name for name, word in words.items() if house.called(word)}
    assert ran == {"waiting", "moved"}

    house.kill()
    house.start()
    house.rest(0.5)
    assert {name: len(house.called(word)) for name, word in words.items() if house.called(word)} == {
        "waiting": 1,
        "moved": 1,
    }
    for name in ("born", "merged"):
        house.approve(pending / f"{words[name]}.md")
        house.await_done(words[name])
        assert len(house.called(words[name])) == 1
