"""Scans: what is on disk against what was last taken into account. Events are hints, this is truth.

The folders where something may still happen are scanned every period; the archives (done and rejected
plans, perhaps a hundred thousand notes) less often, and so that scanning them never takes more than one
part in two hundred of the time. Nothing is opened: stamps are compared, and what differs is hinted at.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from signoff.durable import Stamp
from signoff.ledger.state import State
from signoff.model import Folder
from signoff.reconcile import Reconciler
from signoff.vault import Vault

ACTIVE = (Folder.INBOX, Folder.PENDING, Folder.APPROVED, Folder.FAILED)
ARCHIVE = (Folder.DONE, Folder.REJECTED)
ARCHIVE_EVERY = 60.0
"""Seconds, at least, between two scans of the archives."""
_NUMBERED = re.compile(r" \d+$")
SHARE = 200
"""Scanning the archives takes at most one part in this many of the time."""


class Scan:
    """Compares the vault with what the daemon knows of it."""

    def __init__(self, vault: Vault, state: State, reconciler: Reconciler) -> None:
        self._vault = vault
        self._state = state
        self._reconciler = reconciler
        self._archive_due = 0.0

    def watched(self) -> Iterator[Path]:
        """The folders to watch for events."""
        for kind in Folder:
            for name in self._vault.names(kind):
                yield self._vault.root / name

    def remember(self, stamps: Mapping[str, Stamp]) -> None:
        """Take archived notes as considered that have not changed since the last daemon wrote them."""
        self._reconciler.presence.stamps.update(stamps)

    def everything(self) -> None:
        """Hint at every note of a plan that may still do something, and at those that are gone."""
        for path, _ in self._vault.scan(*ACTIVE):
            self._reconciler.look_anew(path)
        for plan in self._state.plans.values():
            if self._vault.stamp(plan.path) is None:
                self._reconciler.look_anew(plan.path)

    def active(self) -> None:
        """Hint at what changed; the archives too, when it is their time."""
        presence = self._reconciler.presence
        found = dict(self._vault.scan(*ACTIVE))
        for path, stamp in found.items():
            if presence.stamps.get(path) != stamp:
                self._reconciler.hint(path)
        for path in [path for path in presence.stamps if path not in found]:
            if self._vault.kind_of(path) in ACTIVE:
                self._reconciler.hint(path)
        if time.monotonic() >= self._archive_due:
            self.archives()

    def archives(self) -> None:
        """Archived notes of known plans that somebody changed; other files there are nobody's business."""
        begun = time.monotonic()
        ours = {ended.path for ended in self._state.ended.values()}
        ours.update(plan.path for plan in self._state.plans.values())
        found = dict(self._vault.scan(*ARCHIVE))
        missed = self._missed(ours - found.keys())
        presence = self._reconciler.presence
        for path, stamp in found.items():
            if presence.stamps.get(path) == stamp:
                continue
            if path in ours or self._is_misplaced(path) or _name(path) in missed:
                self._reconciler.hint(path)
        took = time.monotonic() - begun
        self._archive_due = time.monotonic() + max(ARCHIVE_EVERY, took * SHARE)

    def _missed(self, paths: set[str]) -> set[str]:
        """The names of notes that are not where they were last seen.

        The daemon may have been killed after it moved one and before it recorded where to.
        """
        archived = {path for path in paths if self._vault.kind_of(path) in ARCHIVE}
        gone = {path for path in paths - archived if self._vault.stamp(path) is None}
        return {_name(path) for path in archived | gone}

    def _is_misplaced(self, path: str) -> bool:
        """Was a plan's note last seen here, though it does not belong here (a person moved it)?"""
        return path in self._reconciler.presence.ids


def _name(path: str) -> str:
    """The name of a note, without the number that a move may have put behind it."""
    return _NUMBERED.sub("", path.rsplit("/", 1)[-1].rpartition(".")[0])
