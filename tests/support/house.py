"""One daemon for many scenarios: each has notes and words of its own, so that they do not meet."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.project import Project, eventually, plan, record

_numbers = itertools.count(1)


class House(Project):
    """A project whose scenarios are told apart by a word."""

    def word(self) -> str:
        """A word that no other scenario uses: in arguments and names of notes."""
        return f"w{os.getpid()}x{next(_numbers)}"

    # Saves are five seconds old, as a sync tool leaves them, so that no scenario waits for the quiet second.

    def drop(self, name: str, text: str, folder: str = "Inbox") -> Path:
        """Put a note into a folder, at once and whole."""
        path = self.vault / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._save(path, text.encode())
        return path

    def edit(self, path: Path, old: str, new: str) -> None:
        """Change a text in a note, whole and at once."""
        text = path.read_bytes().decode()
        assert old in text, f"{old!r} is not in the note"
        self._save(path, text.replace(old, new, 1).encode())

    def _save(self, path: Path, data: bytes) -> None:
        aside = path.with_name(f".{path.name}.tmp")
        aside.write_bytes(data)
        self.aged(aside).replace(path)

    def called(self, word: str, name: str = "stub") -> list[dict[str, Any]]:
        """The calls whose text holds a word."""
        return [call for call in self.calls(name) if word in str(call["arguments"])]

    def shown(self, word: str, *, front: str = "", steps: tuple[str, ...] = ()) -> Path:
        """A plan that waits for approval: the note `<word>.md` with one step, or these."""
        self.drop(f"{word}.md", plan(*(steps or (record(word),)), front=front))
        return self.await_shown(word)

    def await_shown(self, word: str, *, times: int = 1) -> Path:
        """The plan of a note, once it was shown for approval so many times."""
        path = self.await_note(f"{word}.md", "Pending_Approval", "status: pending")
        eventually(lambda: len(self.of(word, "presented")) >= times, f"{word} is recorded as shown {times}")
        return path

    def plan_id(self, word: str) -> str | None:
        """The id under which the note `<word>.md` was frozen last."""
        ids = [e.plan for e in self.entries("frozen") if word in str(e.data.get("path"))]
        return ids[-1] if ids else None

    def of(self, word: str, event: str | None = None, **fields: Any) -> list[Any]:
        """The ledger's entries about the plan of a note."""
        identifier = self.plan_id(word)
        return self.entries(event, plan=identifier, **fields) if identifier else []

    def await_refusal(self, word: str, reason: str) -> Any:
        """A refusal that concerns a note, by its path or its plan."""

        def look() -> Any:
            found = self.entries("refused", reason=reason)
            return next(
                (e for e in found if word in str(e.data.get("path")) or e.plan == self.plan_id(word)), None
            )

        return eventually(look, f"{reason} for {word}; {self.say(word)}")

    def await_status(self, word: str, folder: str, status: str) -> Path:
        """The note in a folder with a status."""
        return self.await_note(f"{word}.md", folder, f"status: {status}")

    def await_done(self, word: str) -> Path:
        """The note among the finished ones."""
        return self.await_status(word, "Done", "done")

    def say(self, word: str) -> str:
        """What happened to a note, for a failing test."""
        path = self.find(f"{word}.md")
        told = [f"{e.event} {e.data.get('reason', '')}" for e in self.of(word)]
        text = path.read_text(errors="replace") if path and path.is_file() else ""
        return f"{path}\n{told}\n{text}"

    def rest(self, seconds: float = 0.4) -> None:
        """Give the daemon time for what it must not do: its settle time, a few times over."""
        time.sleep(seconds)

    def aged(self, path: Path, seconds: float = 5.0) -> Path:
        """Make a note's last save older, so that the daemon may write at once."""
        then = time.time() - seconds
        os.utime(path, (then, then))
        return path


def houses(root: Path, **options: Any) -> Iterator[House]:
    """A running house; for a fixture."""
    made = House(root, **options)
    try:
        yield made.start()
        errors = made.logs / "signoff.log"
        assert "Traceback" not in errors.read_text(), errors.read_text()
    finally:
        made.close()
