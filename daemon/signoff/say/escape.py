r"""Hostile text made harmless and visible, without losing a character of it.

Arguments, results, names and error texts come from agents and servers. They are shown in two places
only: in a code span (`code`, `inline`) or in a fence (`fenced`). Prose (`sentence`) lets plain words
through and puts every other word in a code span, so that there is no Markdown left to act.

What a reader cannot see or could take for something else is spelled out as `\uXXXX`: control and
format characters, spaces that are no U+0020, blanks that count as letters, letters of another alphabet
inside a Latin word. So are the few sequences that other programs act on wherever they stand, fences
included: `<%` (Templater runs it when a note appears in a folder), `::` (Dataview fields) and `%%`
(Obsidian comments, and this program's own markers) at the start of a line. The spelling loses nothing:
two different texts never look the same, which is why backslashes are doubled where they could be taken
for a spelling.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache

from signoff.model import Json

RESULT_LIMIT = 2000
"""Characters of a result or an error that are shown in a note; arguments are never cut."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Me"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_EMOJI_STYLE = "\ufe0f"
LINKABLE = re.compile(r"[^\[\]|#^\\%<>{}`:*?\"\n]+")
"""What a wiki link can hold without meaning anything else."""
_OTHER_ALPHABETS = (
    "CYRILLIC",
    "GREEK",
    "ARMENIAN",
    "CHEROKEE",
    "COPTIC",
    "LISU",
    "FULLWIDTH",
    "MATHEMATICAL",
)
_WORD = re.compile(r"\w+")
_LATIN = re.compile(r"[A-Za-z]")

_ACTING = r"<(?=%)|:(?=:)"
_SLASHES = r"(?<!\\)(\\*)"  # a whole run of backslashes; the look-behind keeps long runs linear
_IN_TEXT = re.compile(rf"{_SLASHES}({_ACTING}|u|[^\x20-\x7e\n])")
_IN_JSON = re.compile(rf"{_ACTING}|%(?=%)|[`|]|[^\x20-\x7e\n]")
_IN_JSON_SPAN = re.compile(rf"{_IN_JSON.pattern}|(?<= ) ")
_IN_CODE = re.compile(rf"{_SLASHES}(\A[=$~ ]|\Adv:|(?<= ) | \Z|%(?=%)|[`|\n]|{_ACTING}|u|[^\x20-\x7e])")
_LINE_EDGES = re.compile(rf"{_SLASHES}(\A%(?=%)| \Z)")


@lru_cache(maxsize=4096)
def _hidden(character: str) -> bool:
    """Nothing to see, or not what it looks like."""
    if unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _BLANKS:
        return True
    return "VARIATION SELECTOR" in unicodedata.name(character, "")


@lru_cache(maxsize=4096)
def _of_another_alphabet(character: str) -> bool:
    return not character.isascii() and unicodedata.name(character, "").startswith(_OTHER_ALPHABETS)


def _lookalikes(text: str) -> frozenset[int]:
    """Where letters of another alphabet stand inside a word with Latin letters."""
    if text.isascii():
        return frozenset()
    return frozenset(
        word.start() + offset
        for word in _WORD.finditer(text)
        if _LATIN.search(word[0])
        for offset, character in enumerate(word[0])
        if _of_another_alphabet(character)
    )


def _must_spell(text: str, position: int, lookalikes: frozenset[int]) -> bool:
    character = text[position]
    if character == _EMOJI_STYLE and position and unicodedata.category(text[position - 1]) == "So":
        return False  # the usual mark after an emoji
    return character.isascii() or position in lookalikes or _hidden(character)


def _spelled(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\u{{{number:x}}}"


def _spell(text: str, pattern: re.Pattern[str]) -> str:
    """Spell out what `pattern` finds (group 1: backslashes before it), so that it can be read back."""
    lookalikes = _lookalikes(text)

    def replace(match: re.Match[str]) -> str:
        slashes, found = match[1], match[2]
        if found == "u":
            return slashes * 2 + "u"
        if not _must_spell(text, match.start(2), lookalikes):
            return match[0]
        return slashes * 2 + _spelled(found[0]) + found[1:]

    return pattern.sub(replace, text)


def visible(text: str) -> str:
    r"""The text with every character that cannot be seen, or that acts in a fence, as `\uXXXX`.

    Newlines stay. Two different texts never become the same one.
    """
    return _spell(text, _IN_TEXT)


def code(text: str) -> str:
    """One code span on one line that shows `text` exactly, and that nothing in the text can leave."""
    return f"`{_spell(text, _IN_CODE)}`" if text else '`""`'


def inline(value: Json) -> str:
    r"""One code span with the value as JSON: reading the span as JSON gives the value back.

    Pipes, backticks and what cannot be seen are `\uXXXX`, so that it may stand in a table.
    """
    return f"`{_spell_json(json.dumps(value, ensure_ascii=False), _IN_JSON_SPAN)}`"


def fenced_json(value: Json) -> list[str]:
    """The lines of a fence with the value as indented JSON; reading it as JSON gives the value back."""
    text = _spell_json(json.dumps(value, ensure_ascii=False, indent=2), _IN_JSON)
    return ["```json", *text.split("\n"), "```"]  # no backtick is left in it


def _spell_json(text: str, pattern: re.Pattern[str]) -> str:
    """JSON text whose strings hide nothing; still the same JSON value."""
    lookalikes = _lookalikes(text)

    def replace(match: re.Match[str]) -> str:
        found = match[0]
        if not _must_spell(text, match.start(), lookalikes):
            return found
        return f"\\u{ord(found):04x}" if found.isascii() else json.dumps(found)[1:-1]

    return pattern.sub(replace, text)


def fenced(text: str, info: str = "text") -> list[str]:
    """The lines of a fence that shows `text` exactly, longer than any fence in it.

    The lines have no `> ` yet; see `signoff.say.block.callout`. `info` is one word of this program's own.
    """
    lines = [_spell_edges(line) for line in visible(text).split("\n")]
    longest = max((len(run) for run in re.findall(r"`+|~+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + info, *lines, fence]


def _spell_edges(line: str) -> str:
    """A line as `visible` gave it, with a space at its end and comment marks at its start spelled out."""
    return _LINE_EDGES.sub(lambda match: match[1] * 2 + _spelled(match[2]), line)


def bounded(text: str, limit: int = RESULT_LIMIT) -> str:
    """At most `limit` characters of a result or an error, and how many there are more."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… ({len(text) - limit:,} more characters in the log)"


def plain_property(text: str) -> str:
    """One line for front matter: nothing hidden, and no brackets that Obsidian or a plugin acts on."""
    flat = visible(" ".join(text.split()))
    return flat.replace("[[", "[ [").replace("{{", "{ {").replace("](", "] (").replace("://", ": //")


# ---------------------------------------------------------------- prose

_TOKEN = re.compile(r"[ \t\r\n]+|`[^`]*`|[^ \t\r\n`]+|`")
_LETTER = r"(?:[^\W_]|[^\x00-\x7f])"
_PLAIN_WORD = re.compile(
    rf"[\"'(]*(?:{_LETTER}+(?:['\-/]{_LETTER}+)*|\d+[.:]\d+|\d+%)?[\"')]*[.,;:!?]?[\"')]*|-"
)
_LIST_MARK = re.compile(r"\d+[.)]|-")


def sentence(text: str, limit: int = 500) -> str:
    """One line of prose that says `text`: plain words as they are, all else in code spans.

    Names between backticks stay code. White space becomes single spaces, and what is longer than
    `limit` characters is cut; exact text belongs in `code`, `inline` or `fenced`.
    """
    short = text if len(text) <= limit else f"{text[:limit]} …"
    words = _words(short.strip(" \t\r\n"))
    merged: list[tuple[str, bool]] = []
    for word, plain in words:
        if not plain and len(merged) > 1 and merged[-1] == (" ", True) and not merged[-2][1]:
            merged.pop()
            merged[-1] = (f"{merged[-1][0]} {word}", False)
        elif not plain and merged and not merged[-1][1]:
            merged[-1] = (merged[-1][0] + word, False)
        else:
            merged.append((word, plain))
    return "".join(word if plain else code(word) for word, plain in merged)


def _words(text: str) -> list[tuple[str, bool]]:
    """The words and spaces of a text, each with whether it is plain enough to stand without a span."""
    words: list[tuple[str, bool]] = []
    for token in _TOKEN.findall(text):
        if token[0] in " \t\r\n":
            words.append((" ", True))
        elif len(token) > 1 and token[0] == token[-1] == "`":
            if token[1:-1].strip():
                words.append((token[1:-1].strip(), False))
        elif _is_plain(token, first=not words):
            words.append((token, True))
        else:
            words.extend(_with_its_full_stop(token))
    return words


def _is_plain(token: str, *, first: bool) -> bool:
    if first and _LIST_MARK.fullmatch(token):
        return False
    return _PLAIN_WORD.fullmatch(token) is not None and visible(token) == token


def _with_its_full_stop(token: str) -> list[tuple[str, bool]]:
    if len(token) > 1 and token[-1] in ".,;:!?" and token[-2] != token[-1]:
        return [(token[:-1], False), (token[-1], True)]
    return [(token, False)]


def is_linkable(name: str) -> bool:
    """Can a wiki link hold this name or path, and find its note by it?"""
    return LINKABLE.fullmatch(name) is not None and visible(name) == name
