"""Which names a tool may use for files below a folder, and where on the disk they lead.

`check_name` is pure: it refuses what could lead elsewhere, what one of the three platforms cannot
store, and what a reader could mistake for something else. `locate` then follows the name on the disk
part by part and refuses links. Folders where case or the form of accents does not count are
respected everywhere: a name that differs from an existing one only in case is refused, so that a
vault means the same on each of its devices.

A program that swaps a folder for a link between the check and the write is not defended against;
whoever can do that can write there without us. Reading follows no link in any case (`durable`).
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path

from signoff.embedded.tools import NotDone

_LONGEST_PART = 200  # bytes; room for the temporary name beside it
_LONGEST_NAME = 1000  # bytes
_FORBIDDEN = frozenset('<>:"|?*\\')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
_ZERO_WIDTH_JOINER = "\u200d"  # joins emoji
_JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT; only Windows has them
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class BadName(NotDone):
    """A name that no tool may use; the message says why, in a sentence. Nothing was opened."""

    code = "bad-name"


def check_name(name: str) -> str:
    """The name itself, where it is fit for a file below a folder.

    Args:
        name: parts joined by `/`.

    Raises:
        BadName: it is empty, absolute, climbs, is hidden, or is not valid on each platform.
    """
    if not name:
        raise BadName("The path is empty.")
    shown = quoted(name)
    if invisible(name):
        raise BadName(f"The path {shown} holds a control or invisible character.")
    if "\\" in name:
        raise BadName(f"The path {shown} holds a backslash; use / between folders.")
    if name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name):
        raise BadName(f"The path {shown} is absolute; give it relative to the folder.")
    if len(name.encode()) > _LONGEST_NAME:
        raise BadName(f"The path {shown} is longer than {_LONGEST_NAME} bytes.")
    for part in name.split("/"):
        if reason := _unfit(part):
            raise BadName(f"The path {shown} {reason}.")
    return name


def _unfit(part: str) -> str:
    if part in {"", "."}:
        return "has an empty part"
    if part == "..":
        return "leads out of the folder (`..`)"
    if part.startswith("."):
        return "has a hidden part, which begins with a dot"
    if bad := sorted(_FORBIDDEN & set(part)):
        return f"holds {' '.join(bad)}, which Windows cannot have in a name"
    if part != part.strip() or part.endswith("."):
        return "has a part that begins or ends with a space, or ends with a dot"
    if _DEVICE.fullmatch(part):
        return f"has the part {part!r}, which is the name of a device on Windows"
    if len(part.encode()) > _LONGEST_PART:
        return f"has a part longer than {_LONGEST_PART} bytes"
    return ""


def invisible(text: str) -> bool:
    """Does the text hold what does not show: controls, line ends, directions, lone surrogates?"""
    return any(unicodedata.category(mark) in _INVISIBLE and mark != _ZERO_WIDTH_JOINER for mark in text)


def quoted(text: str, limit: int = 120) -> str:
    """The text in quotes, safe to print and not too long."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "'" + "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in cut) + "'"


def folded(name: str) -> str:
    """What names have in common that some device takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def overlap(one: str, other: str) -> bool:
    """Is one of two folders the other, or inside it?"""
    ours, theirs = folded(one).split("/"), folded(other).split("/")
    shared = min(len(ours), len(theirs))
    return ours[:shared] == theirs[:shared]


def locate(root: Path, name: str) -> tuple[str, bool]:
    """The name as it is written on the disk, and whether there is something of that name.

    Raises:
        BadName: a link is on the way, a file where a folder should be, or a name that differs only
            in case is there.
    """
    parts = name.split("/")
    for number, part in enumerate(parts):
        folder = root.joinpath(*parts[:number])
        found = _entry(folder, part, name)
        if found is None:
            return "/".join(parts), False
        parts[number] = found
        _require_no_link(folder / found, name, inner=number < len(parts) - 1)
    return "/".join(parts), True


def _entry(folder: Path, part: str, name: str) -> str | None:
    if os.path.lexists(folder / part):
        return part
    wanted = folded(part)
    for entry in folder.iterdir():
        if folded(entry.name) == wanted:
            if unicodedata.normalize("NFC", entry.name) == unicodedata.normalize("NFC", part):
                return entry.name
            raise BadName(
                f"The path {quoted(name)} differs from the existing {quoted(entry.name)} only in case."
            )
    return None


def _require_no_link(path: Path, name: str, *, inner: bool) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == _JUNCTION:
        raise BadName(
            f"The path {quoted(name)} leads over a link ({quoted(path.name)}), which is not followed."
        )
    if inner and not stat.S_ISDIR(status.st_mode):
        raise BadName(f"The path {quoted(name)} leads through {quoted(path.name)}, which is not a folder.")
