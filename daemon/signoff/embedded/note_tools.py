"""What the tools of the `vault` server do: from checked arguments to an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from signoff.embedded.notes import MAX_NOTE, Entry, Notes
from signoff.embedded.tools import Answer, Call, NotDone
from signoff.model import JsonObject

LISTED = 100
"""Notes that a list shows where no limit is given."""

MATCHES = 20
"""Matches that a search shows where no limit is given."""

_MATCHES_A_NOTE = 3
_SEARCHED_AT_MOST = 64 << 20  # bytes
_SNIPPET = 200  # characters


class NoteTools:
    """The tools over one folder of notes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def read_note(self, call: Call) -> Answer:
        """The text of one note."""
        path, data = self._notes.read(call.arguments["path"])
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise NotDone(f"The note {path!r} is not UTF-8 text (byte {error.start + 1}).") from error
        return Answer(text, {**self._described(path, data), "content": text})

    def list_notes(self, call: Call) -> Answer:
        """Paths, sizes and times of the notes."""
        limit = call.arguments.get("limit", LISTED)
        entries = self._notes.walk(call.arguments.get("folder", "").strip("/"))
        shown = list(islice(entries, limit))
        total = len(shown) + sum(1 for _ in entries)
        count = str(total) if total <= limit else f"{limit} of {total}"
        return Answer(
            "\n".join([f"Notes in {self._notes.folder}: {count}.", *(entry.path for entry in shown)]),
            {"notes": [_listed(entry) for entry in shown], "total": total, "truncated": total > limit},
        )

    def search_notes(self, call: Call) -> Answer:
        """The lines and names that hold the query."""
        limit = call.arguments.get("limit", MATCHES)
        matches: list[JsonObject] = []
        searched = volume = 0
        truncated = False
        for entry in self._notes.walk():
            if len(matches) > limit or volume > _SEARCHED_AT_MOST or call.given_up.is_set():
                truncated = True
                break
            searched, volume = searched + 1, volume + entry.size
            matches += islice(self._matches(entry.path, call.arguments["query"].casefold()), _MATCHES_A_NOTE)
        truncated = truncated or len(matches) > limit
        shown = matches[:limit]
        head = f"Matches in {self._notes.folder}: {len(shown)}{' and more' * truncated}."
        return Answer(
            "\n".join([head, *(f"{match['path']}:{match['line']}: {match['text']}" for match in shown)]),
            {"matches": [*shown], "notes_searched": searched, "truncated": truncated},
        )

    def write_note(self, call: Call) -> Answer:
        """A new note."""
        data = _content(call)
        path = self._notes.create(call.arguments["path"], data)
        return self._wrote("Wrote the new note", path, data, {"created": True})

    def append_note(self, call: Call) -> Answer:
        """More lines at the end of a note."""
        path, data, created = self._notes.append(call.arguments["path"], _content(call))
        return self._wrote(
            "Wrote the new note" if created else "Appended to", path, data, {"created": created}
        )

    def replace_note(self, call: Call) -> Answer:
        """Another text in the place of a note's."""
        data = _content(call)
        path, before = self._notes.replace(call.arguments["path"], data)
        return self._wrote("Replaced", path, data, {"created": False, "bytes_before": before})

    def _matches(self, name: str, query: str) -> Iterator[JsonObject]:
        if query in name.casefold():
            yield {"path": name, "line": 0, "text": name}
        try:
            text = self._notes.read(name)[1].decode(errors="replace")
        except NotDone:
            return  # gone meanwhile, or too large: the list shows it, and reading it says why
        for number, line in enumerate(text.splitlines(), 1):
            if query in line.casefold():
                yield {"path": name, "line": number, "text": line.strip()[:_SNIPPET]}

    def _wrote(self, verb: str, path: str, data: bytes, more: JsonObject) -> Answer:
        return Answer(f"{verb} {path} ({len(data):,} bytes).", {**self._described(path, data), **more})

    def _described(self, path: str, data: bytes) -> JsonObject:
        return {
            "path": self._notes.inner(path),
            "vault_path": path,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }


def _listed(entry: Entry) -> JsonObject:
    modified = datetime.fromtimestamp(entry.modified, UTC).isoformat(timespec="seconds")
    return {"path": entry.path, "bytes": entry.size, "modified": modified}


def _content(call: Call) -> bytes:
    try:
        data: bytes = call.arguments["content"].encode()
    except UnicodeEncodeError as error:
        raise NotDone("The content holds half of a character (a lone surrogate).") from error
    if b"\0" in data:
        raise NotDone("The content holds a NUL character.")
    if len(data) > MAX_NOTE:
        raise NotDone(f"The content has {len(data):,} bytes; a note may have {MAX_NOTE:,}.")
    return data
