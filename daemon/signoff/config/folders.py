"""Which folders of the vault Signoff works in, and that their names are good on every platform."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields

from signoff.config.section import Section

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
_FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f-\x9f]')
_LONGEST_NAME = 200
"""Bytes of UTF-8: file systems allow 255, and a note's name must fit below."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Folder names relative to the vault, with `/`; the first of each is where the daemon writes."""

    inbox: tuple[str, ...] = ("Inbox",)
    pending: tuple[str, ...] = ("Pending_Approval",)
    approved: tuple[str, ...] = ("Approved",)
    done: tuple[str, ...] = ("Done",)
    failed: tuple[str, ...] = ("Failed",)
    rejected: tuple[str, ...] = ("Rejected",)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Every folder as `(role, name)`, in the order of a plan's life."""
        for role in fields(self):
            for name in getattr(self, role.name):
                yield role.name, name


def read_folders(section: Section) -> Folders:
    """The folders of `[vault.folders]`.

    Raises:
        ConfigError: when a name is not valid on Linux, macOS and Windows, leaves the vault, or two
            folders are the same or one lies inside the other.
    """
    defaults = Folders()
    roles = [role.name for role in fields(Folders)]
    section.only(*roles)
    folders = Folders(**{role: _names(section, role, getattr(defaults, role)) for role in roles})
    _refuse_overlap(section, folders)
    return folders


def _names(section: Section, role: str, default: tuple[str, ...]) -> tuple[str, ...]:
    names = section.names(role, default)
    for name in names:
        if problem := _problem(name):
            section.fail(f"`{section.name_of(role)}`: the folder name `{name}` {problem}.", role)
    return names


def _problem(name: str) -> str:
    """Why a folder name is not good everywhere; empty where it is."""
    if name.startswith("/"):
        return "must be relative to the vault"
    return next(filter(None, map(_part_problem, name.split("/"))), "")


def _part_problem(part: str) -> str:
    if part in {"", ".", ".."}:
        return "has a part that is empty, `.` or `..`"
    if found := _FORBIDDEN.search(part):
        return f"has the character {found[0]!r}, which not every platform allows"
    if part != part.strip() or part.endswith("."):
        return "starts or ends with a space, or ends with a dot, which Windows does not allow"
    if part.startswith((".", "~$")):
        return "is hidden: notes in it would never be seen"
    if _RESERVED.fullmatch(part):
        return "is a device on Windows"
    return "is too long" if len(part.encode()) > _LONGEST_NAME else ""


def _refuse_overlap(section: Section, folders: Folders) -> None:
    """Refuse folders that are one on a file system that ignores case or composes characters."""
    seen: list[tuple[str, str, str]] = []
    for role, name in folders:
        key = unicodedata.normalize("NFKC", name).casefold() + "/"
        for other_role, other_name, other_key in seen:
            if key.startswith(other_key) or other_key.startswith(key):
                section.fail(
                    f"The {role} folder `{name}` and the {other_role} folder `{other_name}` overlap.",
                    role,
                    hint="Give each its own folder, none inside another.",
                )
        seen.append((role, name, key))
