"""Questions: writing into a note what stands in the way of it, and recording what was not done."""

from __future__ import annotations

from typing import Protocol

from loguru import logger

from signoff.errors import NoteError
from signoff.ledger.entry import Event
from signoff.model import JsonObject
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.writeback import WriteBack

MOVING = 1.5
"""Seconds in which a copy is expected to be the note itself: sync tools move by copying, then deleting."""
COPY_CODES = frozenset({"duplicate-id", "consumed"})
"""Questions in a note that carries the id of another one, which may be the place it is just moved from."""


class Eyes(Protocol):
    """Whoever looks at notes."""

    def hint(self, path: str, *, after: float = 0.0) -> None:
        """Look at a note soon."""

    def look_anew(self, path: str) -> None:
        """Look at a note even if it has not changed."""


class Asking:
    """Puts questions.

    Attributes:
        asked: by path, the question that stands in a note.
    """

    def __init__(self, parts: Parts, presence: Presence, writeback: WriteBack, eyes: Eyes) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._eyes = eyes
        self.asked: dict[str, NoteError] = {}

    async def ask(self, path: str, error: NoteError, plan_id: str | None) -> None:
        """Write a question into a note; recorded once for each time it is put."""
        if error.code == "server-unavailable" and self._connecting(error):
            self.asked[path] = error
            return  # it is starting: the question may answer itself in a moment
        if error.code in COPY_CODES and path not in self.asked:
            self.asked[path] = error
            self._eyes.hint(path, after=MOVING)
            return
        written = await self._writeback.ask(path, error, plan_id)
        if written is None:
            self._eyes.hint(path, after=self._presence.quiet_in(path) + 0.01)
            return
        self.asked[path] = error
        if written:
            logger.info("{}: {} ({})", path, error, error.code)
            await self.record_refusal(plan_id, error.code, str(error), path)

    def _connecting(self, error: NoteError) -> bool:
        """Has the server in question not yet failed even once?"""
        views = self._presence.views()
        return any(
            view.tools is None and not view.problem and f"`{name}`" in error.message
            for name, view in views.items()
        )

    async def record_refusal(self, plan_id: str | None, code: str, message: str, path: str) -> None:
        """Record that something was asked for and not done."""
        known = plan_id if plan_id and self._parts.state.status(plan_id) else None
        data: JsonObject = {
            "reason": code,
            "message": self._parts.rules.redactor.text(message),
            "path": path,
        }
        if known is not None and path and self._presence.ids.get(path) != known:
            data["copy"] = True  # another note than the plan's own: nothing happened to the plan
        await self._parts.ledger.append([Event("refused", plan=known, data=data)])
