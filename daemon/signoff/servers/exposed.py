"""Secrets that stand in clear in an entry of a configuration file, and how to move them out. Pure.

What looks like a credential by its name or its shape is reported with its place, never with its value,
and with the reference `${NAME}` that is to stand there. Placeholders (`YOUR_API_KEY`) are told apart: they
are no secret, and no key either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from signoff.redact import looks_secret, redact_text

_REFERENCE = re.compile(r"\$\{[^}]+\}")
_PLACEHOLDER = re.compile(
    r"(?i)<[^>]*>|\byour[-_ ]|[-_]here\b|\.\.\.|change[-_ ]?me|placeholder|example|redacted|^x{3,}$|^\*+$|^$"
)
_PATH = re.compile(r"^(?:[~.]{0,2}[/\\]|[A-Za-z]:\\)|\.(?:json|pem|key|env|txt|ya?ml)$")
_SCHEME = re.compile(r"(?i)^(bearer|basic|token|apikey)\s+")
_FLAG = re.compile(r"^(--?[A-Za-z][\w-]*)=(.+)$", re.DOTALL)
_ASSIGNED = re.compile(r"^([A-Za-z_]\w*)=(.+)$", re.DOTALL)
_NOT_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Exposed:
    """A secret, or a placeholder for one, in an entry.

    Attributes:
        path: the keys that lead to it within the entry; an index where it is in a list.
        variable: the name for it in the environment.
        prefix: what stands before the secret in its text, and stays there.
        secret: its value; never shown.
        placeholder: it only stands for a secret that somebody has yet to fill in.
    """

    path: tuple[str | int, ...]
    variable: str
    prefix: str = ""
    secret: str = field(default="", repr=False)
    placeholder: bool = False

    @property
    def place(self) -> str:
        """The path for people: `env.API_KEY`, `args[2]`."""
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path).lstrip(".")

    @property
    def reference(self) -> str:
        """What is to stand in its place."""
        return f"{self.prefix}${{{self.variable}}}"

    def sentence(self) -> str:
        """What a person is told; without the value."""
        kept = f"{self.prefix}${{keyring:{self.variable}}}"
        ways = (
            f'write "{self.reference}" here and {self.variable}=... into config/.env; or write "{kept}" here '
            f"and run: signoff servers secret {self.variable}"
        )
        if self.placeholder:
            return f"{self.place} still holds a placeholder: {ways}"
        return f"{self.place} holds a secret in clear: {ways}"


def exposed(server: str, entry: Mapping[str, Any]) -> list[Exposed]:
    """What is exposed in an entry, in the order of the file."""
    return [
        *_named(server, entry, "env"),
        *_named(server, entry, "environment"),
        *_named(server, entry, "headers"),
        *_named(server, entry, "oauth"),
        *_arguments(server, entry.get("args")),
        *_address(server, entry),
    ]


def _named(server: str, entry: Mapping[str, Any], key: str) -> Iterator[Exposed]:
    values = entry.get(key)
    for name, value in values.items() if isinstance(values, dict) else ():
        if not isinstance(value, str) or _REFERENCE.search(value) or not value.strip():
            continue
        scheme = _SCHEME.match(value)
        prefix = scheme[0] if scheme else ""
        named = looks_secret(name) or name.lower() == "authorization" or bool(scheme)
        variable = _variable(*{"headers": (server, "token"), "oauth": (server, name)}.get(key, (name,)))
        if (named and not _PATH.search(value)) or redact_text(value) != value:
            secret = value[len(prefix) :]
            yield Exposed((key, name), variable, prefix, secret, placeholder=_is_placeholder(secret))


def _arguments(server: str, args: object) -> Iterator[Exposed]:
    if not isinstance(args, list):
        return
    before = ""
    for index, value in enumerate(args):
        if isinstance(value, str) and not _REFERENCE.search(value):
            found = _argument(server, before, value)
            if found is not None and not _PATH.search(found[1]):
                name, secret = found
                prefix = value[: len(value) - len(secret)]
                place = ("args", index)
                yield Exposed(place, name, prefix, secret, placeholder=_is_placeholder(secret))
        before = value if isinstance(value, str) else ""


def _argument(server: str, before: str, value: str) -> tuple[str, str] | None:
    """The variable for a secret in an argument, and the secret; None where there is none."""
    for form in (_FLAG, _ASSIGNED):
        found = form.match(value)
        if found is not None and looks_secret(found[1]):
            name = _variable(server, found[1]) if form is _FLAG else _variable(found[1])
            return name, found[2]
    if before.startswith("-") and looks_secret(before) and not value.startswith("-"):
        return _variable(server, before), value
    if redact_text(value) != value:
        return _variable(server, "secret"), value
    return None


def _address(server: str, entry: Mapping[str, Any]) -> Iterator[Exposed]:
    for key in ("url", "serverUrl", "httpUrl"):
        value = entry.get(key)
        if not isinstance(value, str) or _REFERENCE.search(value):
            continue
        try:
            parts = urlsplit(value)
            secret = parts.password is not None or any(
                looks_secret(name) for name, _ in parse_qsl(parts.query)
            )
        except ValueError:
            continue
        if secret:
            yield Exposed((key,), _variable(server, "url"), "", value, placeholder=_is_placeholder(value))


def _is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.search(text) is not None


def _variable(*words: str) -> str:
    name = "_".join(_NOT_NAME.sub("_", word).strip("_") for word in words).upper()
    return name if name[:1].isalpha() else f"_{name}"
