"""Reading one table of a configuration file strictly.

A `Section` is a mapping together with where it came from. Every reading method names the key it
reads, so that a wrong type, a bad duration or an unknown key is an error that says which file,
which line and which key, and for an unknown key the nearest one that exists. Nothing is converted
by goodwill: `"8"` is not a number and `1` is not `true`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar, cast

from rapidfuzz import fuzz, process, utils

from signoff.config.durations import parse_duration
from signoff.errors import ConfigError
from signoff.model import JsonObject

Path = tuple[str | int, ...]
T = TypeVar("T")

_CLOSE_ENOUGH = 60
"""Below this similarity (0 to 100) a suggestion would be noise."""


def nearest(name: str, candidates: Collection[str], limit: int = 1) -> list[str]:
    """The known names that look most like a mistyped one, best first; empty where none is close."""
    found = process.extract(
        name,
        sorted(candidates),
        scorer=fuzz.ratio,
        processor=utils.default_process,
        score_cutoff=_CLOSE_ENOUGH,
        limit=limit,
    )
    return [candidate for candidate, _score, _index in found]


def suggestion(name: str, candidates: Collection[str]) -> str:
    """A hint for an unknown name: the nearest known one, or else all of them."""
    if close := nearest(name, candidates):
        return f"Did you mean `{close[0]}`?"
    known = ", ".join(f"`{candidate}`" for candidate in sorted(candidates))
    return f"Known: {known}." if known else ""


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a file.

    Attributes:
        values: the table as it was parsed.
        file: the file's name for messages.
        path: the keys that lead to this table.
        lines: the line (from 1) of each key of the file, by its whole path, as far as known.
        sources: for keys that the environment set, the variable's name.
    """

    values: Mapping[str, object]
    file: str
    path: Path = ()
    lines: Mapping[Path, int] = field(default_factory=dict)
    sources: Mapping[Path, str] = field(default_factory=dict)

    def fail(self, message: str, key: str | int | None = None, *, hint: str = "") -> NoReturn:
        """Raise the error for a key of this table, or for the table itself."""
        path = self.path if key is None else (*self.path, key)
        if variable := self.sources.get(path):
            raise ConfigError(f"The environment variable {variable} is wrong: {message}", hint=hint)
        raise ConfigError(message, hint=hint, file=self.file, line=self._line(path))

    def name_of(self, key: str | int) -> str:
        """The dotted name of a key, such as `vault.folders.inbox`, for messages."""
        return ".".join(str(part) for part in (*self.path, key))

    @property
    def dotted(self) -> str:
        """The dotted name of this table."""
        return ".".join(map(str, self.path))

    def without_empty(self, *keys: str) -> Section:
        """The same without those of these keys under which there is nothing (`rules:`)."""
        values = {key: value for key, value in self.values.items() if not (value is None and key in keys)}
        return replace(self, values=values)

    def only(self, *known: str) -> None:
        """Refuse every key that is not known, naming the nearest one that is."""
        for key in self.values:
            if key not in known:
                self.fail(f"Unknown key `{self.name_of(key)}`.", key, hint=suggestion(key, known))

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.values

    def text(self, key: str, default: str) -> str:
        """A text that is not empty."""
        return self._read(key, default, self._as_text)

    def optional_text(self, key: str) -> str | None:
        """A text that is not empty, or None where the key is absent."""
        return self._read(key, None, self._as_text)

    def flag(self, key: str, *, default: bool) -> bool:
        """`true` or `false`."""
        return self._read(key, default, self._as_flag)

    def optional_flag(self, key: str) -> bool | None:
        """`true` or `false`, or None where the key is absent."""
        return self._read(key, None, self._as_flag)

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        number = self._read(key, default, self._as_whole)
        if not least <= number <= most:
            self.fail(f"`{self.name_of(key)}` must be from {least} to {most}, not {number}.", key)
        return number

    def optional_whole(self, key: str, *, least: int, most: int) -> int | None:
        """A whole number from `least` to `most`, or None where the key is absent."""
        return self.whole(key, least, least=least, most=most) if self.has(key) else None

    def seconds(self, key: str, default: str, *, least: float = 0.001) -> float:
        """A duration, in seconds, of at least `least` seconds."""
        seconds = self._read(key, parse_duration(default), self._as_seconds)
        if seconds < least:
            self.fail(f"`{self.name_of(key)}` is too short: at least {least:g} seconds.", key)
        return seconds

    def optional_seconds(self, key: str) -> float | None:
        """A duration in seconds, or None where the key is absent."""
        return self.seconds(key, "1s") if self.has(key) else None

    def names(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """One text or a list of texts."""
        return self._read(key, default, self._as_names)

    def any_names(self, key: str) -> tuple[str, ...]:
        """One text or a list of texts, which may be empty."""
        return () if self.values.get(key) == [] else self.names(key)

    def choice(self, key: str, default: str, known: Collection[str]) -> str:
        """One of the known words."""
        word = self.text(key, default)
        if word not in known:
            self.fail(f"`{self.name_of(key)}` cannot be `{word}`.", key, hint=suggestion(word, known))
        return word

    def table(self, key: str) -> Section:
        """The table under a key; empty where the key is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self.fail(f"`{self.name_of(key)}` must be a table of keys, not {kind_of(value)}.", key)
        return self.below(key, value)

    def tables(self, key: str) -> Iterator[Section]:
        """The tables of the list under a key; none where the key is absent."""
        entries = self.values.get(key, [])
        if not isinstance(entries, list):
            self.fail(f"`{self.name_of(key)}` must be a list, not {kind_of(entries)}.", key)
        here = Section({}, self.file, (*self.path, key), self.lines, self.sources)
        for index, entry in enumerate(entries):
            if not isinstance(entry, Mapping):
                here.fail(f"`{here.name_of(index)}` must be a table of keys, not {kind_of(entry)}.", index)
            yield Section(entry, self.file, (*here.path, index), self.lines, self.sources)

    def below(self, key: str, values: Mapping[str, object]) -> Section:
        """These values as the table under a key."""
        return Section(values, self.file, (*self.path, key), self.lines, self.sources)

    def json(self) -> JsonObject:
        """All values as they stand. The strict readers give nothing but JSON's types for YAML."""
        return cast("JsonObject", dict(self.values))

    def line_of(self, key: str) -> int | None:
        """The line on which a key stands, as far as known."""
        return self._line((*self.path, key))

    def _line(self, path: Path) -> int | None:
        """The line of a key, or of the nearest table above it."""
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)

    def _read(self, key: str, default: T, convert: Callable[[str, object], T]) -> T:
        return convert(key, self.values[key]) if key in self.values else default

    def _as_text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            self.fail(f"`{self.name_of(key)}` must be a text, not {kind_of(value)}.", key)
        if not value.strip():
            self.fail(f"`{self.name_of(key)}` is empty.", key)
        return value

    def _as_flag(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            self.fail(f"`{self.name_of(key)}` must be true or false, not {kind_of(value)}.", key)
        return value

    def _as_whole(self, key: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(f"`{self.name_of(key)}` must be a whole number, not {kind_of(value)}.", key)
        return value

    def _as_seconds(self, key: str, value: object) -> float:
        if not isinstance(value, str):
            self.fail(
                f"`{self.name_of(key)}` must be a duration in quotes, not {kind_of(value)}.",
                key,
                hint="Durations are 500ms, 30s, 5m, 24h, 7d.",
            )
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"`{self.name_of(key)}`: {error}", key)

    def _as_names(self, key: str, value: object) -> tuple[str, ...]:
        entries = value if isinstance(value, list) else [value]
        names = tuple(self._as_text(key, entry) for entry in entries)
        if not names:
            self.fail(f"`{self.name_of(key)}` names nothing.", key)
        return names


def kind_of(value: object) -> str:
    """What a value is, in words: `the text "x"`, `the number 3`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{value[:60]}"'
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, list):
        return "a list"
    return "a table of keys" if isinstance(value, Mapping) else f"a {type(value).__name__}"
