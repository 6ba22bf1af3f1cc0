"""The shape of a vault that is there already: which of its folders are the inbox, pending, done and so on.

People call them `Needs_Action`, `pending-approval`, `03 Approved` or `Archive`, and keep them at the top
or one level down. Looking at names decides; nothing is opened, moved or made here, and links are not
followed. The folders that belong together are those side by side: the place where most roles are found.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from signoff.config.folders import Folders

DEEPEST = 3
"""Levels of folders that are looked at for names."""
MOST_FOLDERS = 20_000
"""Folders looked at altogether."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "inbox": ("inbox", "needsaction", "plans", "incoming", "proposals", "proposed", "planned"),
    "pending": (
        *("pendingapproval", "pendingapprovals", "awaitingapproval", "waitingapproval", "waitingforapproval"),
        *("forapproval", "toapprove", "needsapproval", "approvalpending", "approvalqueue", "pending"),
    ),
    "approved": ("approved", "approvedactions", "accepted"),
    "done": ("done", "completed", "complete", "finished", "executed", "processed", "archive", "archived"),
    "failed": ("failed", "failures", "errors", "error", "quarantine"),
    "rejected": ("rejected", "declined", "denied", "refused"),
}
"""Names of each role without case, numbers and separators, the best first."""
_DEFAULTS: Mapping[str, str] = dict(Folders())
_SEVERAL = frozenset({"inbox"})
"""Roles of which every folder found is taken; of the others only the best one."""
_NOT_LETTER = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True)
class Shape:
    """What was found in a vault.

    Attributes:
        folders: the proposal, complete.
        notes: how many notes are below each folder that is there.
    """

    folders: Folders
    notes: Mapping[str, int]

    @property
    def missing(self) -> tuple[str, ...]:
        """Folders of the proposal that are not there yet."""
        return tuple(name for _, name in self.folders if name not in self.notes)


def shape_of(root: Path) -> Shape:
    """The shape of the vault in a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    return propose(folders_in(root))


def folders_in(root: Path) -> dict[str, int]:
    """The folders of a vault, links and hidden ones left out, and how many notes are below each."""
    counts: Counter[str] = Counter()
    waiting = [(root, "", 0)]
    seen = 0
    while waiting and seen < MOST_FOLDERS:
        path, name, depth = waiting.pop()
        seen += 1
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inner = f"{name}/{entry.name}" if name else entry.name
                    waiting.append((path / entry.name, inner, depth + 1))
                    counts[inner] += 0
                elif entry.name.lower().endswith(".md"):
                    _count(counts, name)
    return {name: count for name, count in counts.items() if name.count("/") < DEEPEST}


def _count(counts: Counter[str], name: str) -> None:
    """One more note in a folder, and in those above it."""
    while name:
        counts[name] += 1
        name = name.rpartition("/")[0]


def propose(notes: Mapping[str, int]) -> Shape:
    """The folders to work in, of those that there are; pure."""
    places: dict[str, dict[str, list[str]]] = {}
    for name in sorted(notes):
        parent, _, last = name.rpartition("/")
        role = _role(last)
        if role is not None:
            places.setdefault(parent, {}).setdefault(role, []).append(name)
    base = max(places, key=lambda parent: (len(places[parent]), -parent.count("/"), parent == ""), default="")
    found = places.get(base, {}) if len(places.get(base, {})) > 1 or not base else {}
    base = base if found else ""
    chosen = {role: _chosen(role, names, notes) for role, names in found.items()}
    style = _style([name for names in chosen.values() for name in names])
    for name, default in _DEFAULTS.items():
        chosen.setdefault(name, (f"{base}/{style(default)}" if base else style(default),))
    return Shape(Folders(**chosen), {name: notes[name] for name in notes})


def _role(name: str) -> str | None:
    plain = _plain(name)
    return next((role for role, names in _NAMES.items() if plain in names), None)


def _plain(name: str) -> str:
    return _NOT_LETTER.sub("", name).casefold()


def _chosen(role: str, names: list[str], notes: Mapping[str, int]) -> tuple[str, ...]:
    """Every inbox, best name first; of other roles the best name, then the one with the most notes."""
    order = {name: number for number, name in enumerate(_NAMES[role])}
    ranked = sorted(names, key=lambda name: (order[_plain(name.rpartition("/")[2])], -notes[name], name))
    return tuple(ranked) if role in _SEVERAL else (ranked[0],)


def _style(names: list[str]) -> _Style:
    """How the vault writes names, for the folders that are missing."""
    last = [name.rpartition("/")[2] for name in names]
    lower = bool(last) and all(name == name.lower() for name in last)
    separator = next((sign for sign in "-_ " for name in last if sign in name), "_")
    return _Style(lower=lower, separator=separator)


@dataclass(frozen=True, slots=True)
class _Style:
    lower: bool
    separator: str

    def __call__(self, name: str) -> str:
        written = name.replace("_", self.separator)
        return written.lower() if self.lower else written
