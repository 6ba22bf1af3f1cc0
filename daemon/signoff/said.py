"""What the daemon last wrote into each plan's section, so that a person's words in it are told from its own.

Kept on disk beside the other derived files, because a remark may be typed while no daemon runs. Nothing
here is truth: if a file is gone, remarks that are quoted like the daemon's lines cannot be told apart any
more, and all else goes on. Written before the note is, with what stood there until then, so that a kill in
between leaves neither unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import orjson
from loguru import logger

from signoff import durable, system
from signoff.model import JsonObject


class Said:
    """The last sections, by plan id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: dict[str, str] = {}
        self._read: dict[str, set[str]] = {}
        self._offered: dict[str, dict[int, JsonObject]] = {}
        self._rows: dict[str, dict[int, tuple[tuple[str, ...], ...]]] = {}

    def so_far(self, plan_id: str) -> str | None:
        """Every line that may stand in the plan's section by the daemon's hand; None where not known."""
        last = self._last.get(plan_id)
        if last is not None:
            return last
        try:
            found = orjson.loads(self._file(plan_id).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        return "\n".join(map(str, found)) if isinstance(found, list) else None

    def about_to(self, plan_id: str, section: str) -> None:
        """The section is going to be written into the note."""
        last = self._last.get(plan_id)
        if last == section:
            return
        try:
            if not self._folder.is_dir():
                system.make_owner_only_directory(self._folder)
            both = [text for text in (last or self.so_far(plan_id), section) if text is not None]
            durable.jot(self._file(plan_id), orjson.dumps(both), mode=0o600)
        except OSError as error:
            logger.warning("What was written into the note of plan {} is not kept: {}", plan_id, error)

    def done(self, plan_id: str, section: str) -> None:
        """The note holds this section now."""
        self._last[plan_id] = section

    def have_read(self, plan_id: str, rows: Iterable[str]) -> None:
        """These lines, on which a person typed, have been read for good: they are not kept any longer."""
        self._read.setdefault(plan_id, set()).update(rows)

    def read_for_good(self, plan_id: str) -> set[str]:
        """The lines of a plan's section that have been."""
        return self._read.get(plan_id, set())

    def wordings(self, plan_id: str, number: int, rows: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The lines of a question's form in every wording so far, and now in this one."""
        known = self._rows.setdefault(plan_id, {})
        known[number] = tuple(dict.fromkeys([*known.get(number, ()), tuple(rows)]))
        return known[number]

    def offer(self, plan_id: str, number: int, answer: JsonObject) -> JsonObject | None:
        """This answer was read from a form, and will be shown; the one that was read before it."""
        known = self._offered.setdefault(plan_id, {})
        before, known[number] = known.get(number), answer
        return before

    def offered(self, plan_id: str, number: int) -> JsonObject | None:
        """The answer that was read last from a question's form, and waits for its code."""
        return self._offered.get(plan_id, {}).get(number)

    def forget(self, plan_id: str) -> None:
        """The plan has ended for good: its last section can be made again from the ledger."""
        self._read.pop(plan_id, None)
        self._rows.pop(plan_id, None)
        self._offered.pop(plan_id, None)
        if self._last.pop(plan_id, None) is not None:
            try:
                self._file(plan_id).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("{}", error)

    def _file(self, plan_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(plan_id.encode()).hexdigest()[:32]}.json"
