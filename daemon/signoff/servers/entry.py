"""One entry of `mcp_servers.json`, in any of the spellings that people have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from signoff.errors import ConfigError
from signoff.model import Json, JsonObject
from signoff.servers import jsonc
from signoff.servers.expand import Expander
from signoff.servers.exposed import exposed
from signoff.servers.launch import HttpLaunch, OAuth, ServerConfig, StdioLaunch, Transport
from signoff.servers.rate import Rate

_URL_KEYS = ("url", "serverUrl", "httpUrl")
_TYPES: dict[str, Transport] = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "https": "http",
    "remote": "http",
    "streamablehttp": "http",
    "sse": "sse",
}
_KNOWN = frozenset(
    {"name", "command", "args", "env", "environment", "cwd", "headers", "type", "transport", "transportType"}
    | {"disabled", "enabled", "required_env", "requiredEnv", "timeout", "max_concurrency", "trusted"}
    | {"rate_limit", "replicas", "oauth"}
    | {*_URL_KEYS, "description", "tags", "_comment", "comment", "alwaysAllow", "autoApprove", "icon"}
)
_OAUTH = frozenset({"client_id", "client_secret", "scope", "scopes", "token_url", "resource"})
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MOST_REPLICAS = 16
_SHORTEST_SECRET = 6
"""Characters; a shorter value (`true`, `587`) would blank out innocent words."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file, for the place of an error."""

    file: Path
    text: str

    def error(self, message: str, *path: str, hint: str = "") -> ConfigError:
        """An error at the key at the end of a path of keys."""
        return ConfigError(message, hint=hint, file=str(self.file), line=self.line(*path))

    def line(self, *path: str) -> int | None:
        """The line of the key at the end of a path of keys; None where it is not found."""
        return jsonc.line_of(self.text, list(path)) if path else None


class Entry:
    """Reads one entry; every complaint names its key."""

    def __init__(self, name: str, entry: Any, source: Source, expander: Expander, root: Path) -> None:
        self._name = name
        self._source = source
        self._expander = expander
        self._root = root
        self._warnings: list[str] = []
        if not isinstance(entry, dict):
            raise source.error(f"The server {name!r} must be an object.", name)
        self._entry: dict[str, Any] = entry

    def _wrong(self, key: str, expected: str) -> ConfigError:
        return self._source.error(
            f"{key!r} of the server {self._name!r} must be {expected}.", self._name, key
        )

    def _warn(self, words: str, *path: str) -> None:
        """Notes what a person should know about the entry, with its line."""
        line = self._source.line(self._name, *path)
        self._warnings.append(f"{'' if line is None else f'line {line}: '}{words}")

    def read(self) -> ServerConfig:
        """The server."""
        if not self._name.strip():
            raise self._source.error("A server has an empty name.")
        for found in exposed(self._name, self._entry):
            self._warn(found.sentence(), *(key for key in found.path if isinstance(key, str)))
        extra = sorted(key for key in set(self._entry) - _KNOWN if not key.startswith("_"))
        if extra:
            self._warn(f"not used: {', '.join(extra)}{_instead(extra)}", extra[0])
        for variable in self._strings("required_env", "requiredEnv"):
            self._expander.require(variable)
        url = next((key for key in _URL_KEYS if key in self._entry), None)
        launch, identity = self._remote(url) if url and "command" not in self._entry else self._local()
        return ServerConfig(
            name=self._name,
            transport=self._transport(launch),
            launch=launch,
            identity=identity,
            disabled=self._flag("disabled", default=False) or not self._flag("enabled", default=True),
            missing=tuple(self._expander.missing),
            timeout=self._seconds("timeout"),
            oauth=self._oauth(),
            max_concurrency=self._positive("max_concurrency"),
            rate_limit=self._rate("rate_limit"),
            replicas=self._positive("replicas", most=MOST_REPLICAS) or 1,
            warnings=(*self._warnings, *self._expander.problems),
            secrets=self._secrets(launch),
        )

    def _local(self) -> tuple[StdioLaunch, JsonObject]:
        command, args = self._entry.get("command"), self._strings("args")
        if isinstance(command, list) and command and all(isinstance(part, str) for part in command):
            command, args = command[0], [*command[1:], *args]
        if command is None:
            raise self._source.error(
                f"The server {self._name!r} has neither a command nor a url.",
                self._name,
                hint=_hint_for(self._entry),
            )
        if not isinstance(command, str) or not command.strip():
            raise self._wrong("command", "a text: the program to start, with its arguments in 'args'")
        if len(command.split()) > 1 and not args and not command.startswith(("/", "~", ".", '"')):
            first, *rest = command.split()
            instead = f'"command": {json.dumps(first)}, "args": {json.dumps(rest)}'
            self._warn(f'"command" holds arguments: write {instead}', "command")
        expand = self._expander
        launch = StdioLaunch(
            command=expand.path(command),
            args=tuple(expand.path(argument) for argument in args),
            env={key: expand.path(value) for key, value in self._texts("env", "environment").items()},
            cwd=self._folder(),
        )
        listed: list[Json] = [*args]
        return launch, {"command": command, "args": listed}

    def _remote(self, key: str) -> tuple[HttpLaunch, JsonObject]:
        raw = self._entry[key]
        if not isinstance(raw, str) or not raw.strip():
            raise self._wrong(key, "a text: the address of the server")
        url = self._expander.text(raw.strip())
        self._check_address(key, url)
        headers = {name: self._expander.text(value) for name, value in self._texts("headers").items()}
        for name, value in headers.items():
            if not value.isprintable() or not name.isprintable():
                raise self._source.error(
                    f"The header {name!r} of the server {self._name!r} holds a control character.",
                    self._name,
                    name,
                )
        return HttpLaunch(url=url, headers=headers), {"url": raw}

    def _check_address(self, key: str, url: str) -> None:
        if self._expander.missing:
            return
        try:
            parts = urlsplit(url)
            right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise self._wrong(key, "an address that begins with http:// or https://")

    def _folder(self) -> Path:
        cwd = self._entry.get("cwd")
        if cwd is None:
            return self._root
        if not isinstance(cwd, str):
            raise self._wrong("cwd", "a text: the folder to start in")
        return self._root / self._expander.path(cwd)

    def _transport(self, launch: StdioLaunch | HttpLaunch) -> Transport:
        key = next((key for key in ("type", "transport", "transportType") if key in self._entry), None)
        natural: Transport = "stdio" if isinstance(launch, StdioLaunch) else "http"
        if key is None:
            return natural
        written = self._entry[key]
        found = (
            _TYPES.get(written.lower().replace("-", "").replace("_", ""))
            if isinstance(written, str)
            else None
        )
        if found is None:
            raise self._wrong(key, "one of stdio, http, sse")
        if (found == "stdio") != (natural == "stdio"):
            raise self._source.error(
                f"The server {self._name!r} says {key!r}: {written!r}, which does not go with its "
                f"{'command' if natural == 'stdio' else 'url'}.",
                self._name,
                key,
            )
        return found

    def _oauth(self) -> OAuth | None:
        """`client_id` and so on; `clientId` is the same."""
        if "oauth" not in self._entry:
            return None
        texts = {_snake(key): self._expander.text(value) for key, value in self._texts("oauth").items()}
        extra = sorted(
            set(texts) - {"client_id", "client_secret", "scope", "scopes", "token_url", "resource"}
        )
        if extra:
            self._warn(f"not used: oauth.{', oauth.'.join(extra)}", "oauth")
        if texts.get("token_url"):
            self._check_address("oauth", texts["token_url"])
            if not (texts.get("client_id") and texts.get("client_secret")) and not self._expander.missing:
                raise self._wrong("oauth", "complete: a token_url goes with a client_id and a client_secret")
        return OAuth(
            client_id=texts.get("client_id", ""),
            client_secret=texts.get("client_secret", ""),
            scope=texts.get("scope") or texts.get("scopes", ""),
            token_url=texts.get("token_url", ""),
            resource=texts.get("resource"),
        )

    def _secrets(self, launch: StdioLaunch | HttpLaunch) -> tuple[str, ...]:
        """Everything that came from the environment or stands in `env` or `headers`, longest first."""
        values = set(self._expander.secrets)
        values |= set(launch.env.values() if isinstance(launch, StdioLaunch) else launch.headers.values())
        values |= {word for value in values for word in value.split() if value.lower().startswith("bearer ")}
        if isinstance(launch, HttpLaunch) and launch.url != self._entry.get("url"):
            values.add(launch.url)
        paths = ("/", "~", "./", "C:\\")
        return tuple(
            sorted(
                (v for v in values if len(v) >= _SHORTEST_SECRET and not v.startswith(paths)),
                key=lambda value: (-len(value), value),
            )
        )

    def _strings(self, *keys: str) -> list[str]:
        key = next((key for key in keys if key in self._entry), keys[0])
        value = self._entry.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
            raise self._wrong(key, "a list of texts")
        return [item if isinstance(item, str) else str(item) for item in value]

    def _texts(self, *keys: str) -> dict[str, str]:
        key = next((key for key in keys if key in self._entry), keys[0])
        value = self._entry.get(key) or {}
        if not isinstance(value, dict) or not all(
            isinstance(item, str | int | float | None) for item in value.values()
        ):
            raise self._wrong(key, "an object of texts")
        return {name: _as_text(item) for name, item in value.items()}

    def _flag(self, key: str, *, default: bool) -> bool:
        value = self._entry.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def _positive(self, key: str, *, most: int = 1_000_000) -> int | None:
        value = self._entry.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self._wrong(key, f"a whole number of at least 1 and at most {most}")
        return value

    def _rate(self, key: str) -> Rate | None:
        value = self._entry.get(key)
        if value is None:
            return None
        rate = Rate.read(value) if isinstance(value, str) else None
        if rate is None:
            raise self._wrong(key, "a number of calls in a time, such as 10/m or 1/30s")
        return rate

    def _seconds(self, key: str) -> float | None:
        """A number of seconds (of milliseconds from 1000 on, as other programs have it), or `30s`."""
        value = self._entry.get(key)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return value / 1000 if value >= 1000 else float(value)
        if isinstance(value, str):
            number = value.strip().rstrip("mshd")
            unit = value.strip()[len(number) :] or "s"
            if unit in _UNITS and number.replace(".", "", 1).isdigit() and float(number) > 0:
                return float(number) * _UNITS[unit]
        raise self._wrong(key, "a time such as 30s or 5m")


def _instead(keys: list[str]) -> str:
    """Where what unused keys are for is done here."""
    if any(key in {"disabledTools", "enabledTools", "excludeTools", "includeTools"} for key in keys):
        return '; to forbid a tool, give policy.yaml a rule such as {match: {tool: "delete_*"}, deny: true}'
    return ""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _hint_for(entry: dict[str, Any]) -> str:
    """What to write, where an entry says neither command nor url."""
    for key, value in entry.items():
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            return f'Give it one: is "{key}" its "url"?'
        if isinstance(value, str) and key.lower() in {"cmd", "path", "program", "script", "executable"}:
            return f'Give it one: is "{key}" its "command"?'
    return 'Give it one: "command" with "args" for a program, "url" for an address.'


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
