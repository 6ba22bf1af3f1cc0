"""Keys that look like a key Signoff reads, and are not.

`Status`, `ｓtatus`, `sta<U+200B>tus` and a Cyrillic `ѕtatus` look the same to a person, and each program
reads another one. So a key that comes to a name in `READ_KEYS` after folding, without being it, is
refused, and so are two keys of one mapping that differ only by case, width or invisible characters.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DAEMON_KEYS = frozenset(
    {"status", "risk", "digest", "progress", "started", "finished", "next_run", "error", "run"}
)
"""Keys that the daemon writes; never read back as truth, the gestures of `status` aside."""

_PLAN_KEYS = _words(
    "title id proposed_by action with steps mode on_failure depends_on priority run_at schedule expires"
    " expires_at timeout_at approved approved_by approval_code rejection_reason"
)
_STEP_KEYS = _words(
    "id name action with needs if for_each timeout retries fallback continue_on_error undo limits"
)
_DIALECT_KEYS = _words(
    "type action_type to recipient subject body message text amount server tool args arguments params"
    " mcp_server mcp_tool mcp_params tool_name tool_inputs"
)

READ_KEYS = DAEMON_KEYS | _PLAN_KEYS | _STEP_KEYS | _DIALECT_KEYS
"""Every key that gives a plan, a step or a decision its meaning."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(point)
    for start, end in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for point in range(start, end + 1)
}
"""Characters without a shape that are not of the category Cf."""

_PAIRS = (
    "аa бb вb ԁd еe ёe һh нh іi їi јj кk ӏl мm пn оo рp ԛq гr сc ѕs тt цu ѵv ԝw хx уy ьb ыb ґr "  # Cyrillic
    "օo ոn սu հh յj ցg աw "  # Armenian
    "αa βb γy δd εe ηn ιi κk νv οo ρp σo ςc τt υu χx ωw "  # Greek
    "ıi ɑa ɡg ɩi ʟl ɴn ʀr ꜱs ᴀa ᴄc ᴅd ᴇe ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꞁl ǀl ⅼl łl đd ħh ŧt øo"  # Latin
)
_CONFUSABLE = str.maketrans({pair[0]: pair[-1] for pair in _PAIRS.split()})
"""Letters, after case folding, to the Latin letter that each could be taken for."""


def _invisible(char: str) -> bool:
    return char in _BLANK or unicodedata.category(char) in {"Cf", "Cc"}


@lru_cache(maxsize=4096)
def folded(key: str) -> str:
    """The key without what a person cannot see: case, width, invisible characters, outer blanks."""
    if key.isascii() and key.isprintable():
        return key.strip().lower()
    shown = "".join(char for char in unicodedata.normalize("NFKC", key) if not _invisible(char))
    return unicodedata.normalize("NFKC", shown.casefold()).strip()


def _skeleton(key: str) -> str:
    """The folded key in the Latin letters that it looks like, without accents."""
    plain = folded(key)
    if plain.isascii():
        return plain
    parts = unicodedata.normalize("NFKD", plain.translate(_CONFUSABLE))
    base = "".join(char for char in parts if not unicodedata.category(char).startswith("M"))
    return base.translate(_CONFUSABLE)


@lru_cache(maxsize=4096)
def look_alike(key: str) -> str | None:
    """The key of `READ_KEYS` that this one could be taken for; None where it is one, or like none."""
    if key in READ_KEYS:
        return None
    skeleton = _skeleton(key)
    return skeleton if skeleton in READ_KEYS else None
