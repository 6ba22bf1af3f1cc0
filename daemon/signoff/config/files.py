"""The bytes of configuration files as plain values, with the line of each key.

TOML and YAML are read strictly: the parser's own refusal, or a duplicate key, is a `ConfigError`
with file and line. Lines are for messages only; where one cannot be told it is left out.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path as FilePath

from signoff.config.section import Path, Section, kind_of
from signoff.errors import ConfigError, NoteError

MOST_BYTES = 1024 * 1024

_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TOML_KEY = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)


def read_text(path: FilePath) -> str | None:
    """The text of a file; None where there is no such file.

    Raises:
        ConfigError: when it cannot be read, is not UTF-8 or is longer than `MOST_BYTES`.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"It cannot be read: {error.strerror}.", file=str(path)) from error
    if len(data) > MOST_BYTES:
        raise ConfigError("It is longer than 1 MiB.", file=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError("It is not valid UTF-8.", file=str(path), line=line) from error


def read_toml(path: FilePath) -> Section:
    """A TOML file as a section; empty where there is no file."""
    text = read_text(path) or ""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line, column = str(error), None, None
        if place := _TOML_PLACE.search(message):
            message, line, column = message[: place.start()], int(place[1]), int(place[2])
        raise ConfigError(
            f"It is not valid TOML: {message}.", file=str(path), line=line, column=column
        ) from error
    except RecursionError as error:
        raise ConfigError("It is nested too deeply.", file=str(path)) from error
    return Section(values, str(path), lines=_toml_lines(text))


def _toml_lines(text: str) -> dict[Path, int]:
    """The line on which each key and each table header stands."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            table = _toml_path(line) or table
            lines.setdefault(table, number)
        elif key := _TOML_KEY.match(line):
            lines.setdefault((*table, *_toml_path(f"{key[1]} = 0")), number)
    return lines


def _toml_path(line: str) -> Path:
    """The keys that a header or a `key = value` line leads through; empty where it is neither."""
    try:
        value: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(value, dict) and value:
        [(key, value)] = value.items()
        path.append(key)
    return tuple(path)


def read_yaml(path: FilePath) -> Section:
    """A YAML file as a section, read as strictly as a note's front matter; empty where there is none."""
    # here, not above: reading notes is no part of reading settings
    from signoff.note.front import load_fragment

    text = read_text(path)
    if text is None or not _says_something(text):
        return Section({}, str(path))
    try:
        values, places = load_fragment(text, first_line=1)
    except NoteError as error:
        raise ConfigError(
            error.message, hint=error.hint, file=str(path), line=error.line, column=error.column
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"It must be a table of keys, not {kind_of(values)}.", file=str(path), line=1)
    return Section(values, str(path), lines={keys: place.line for keys, place in places.items()})


def _says_something(text: str) -> bool:
    """Whether there is more than comments."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
