"""References in configuration values: `${VAR}`, `${VAR:-default}`, `${env:VAR}`, `${keyring:NAME}`, `~`.

VS Code's `${input:api-key}` is the variable `API_KEY`: a daemon has nobody to ask.

A reference is replaced once; what it stands for is never read for references again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from signoff.servers.keyring import PREFIX, Keyring, KeyringSilent

_REFERENCE = re.compile(
    r"\$\{(?:keyring:(?P<kept>[^}]+?)|(?P<kind>env:|input:)?(?P<name>[^}:]+))(?::-(?P<default>[^}]*))?\}"
)
_NOT_NAME = re.compile(r"[^A-Za-z0-9]+")


class Expander:
    """Replaces references, and remembers which variables are missing and which values are secret.

    Args:
        environ: the environment.
        built_in: further names, whose values are no secrets.
        inputs: the defaults of what VS Code would ask for.
        keyring: where secrets are kept; without one, all are missing.

    Attributes:
        missing: names of variables that are referred to, have no default and are not set (or are empty);
            of secrets in the keyring, `keyring:NAME`.
        problems: why a secret in the keyring cannot be read, in plain words.
        secrets: values that came from the environment or the keyring: never to be shown.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        built_in: Mapping[str, str],
        inputs: Mapping[str, str] | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        self._keyring = keyring
        self._environ = environ
        self._inputs = inputs or {}
        self._built_in = built_in
        self.missing: list[str] = []
        self.problems: list[str] = []
        self.secrets: set[str] = set()

    def text(self, value: str) -> str:
        """A value with its references replaced."""
        return _REFERENCE.sub(self._one, value)

    def path(self, value: str) -> str:
        """The same, and a leading `~` is the home folder."""
        value = self.text(value)
        if value == "~" or value.startswith(("~/", "~\\")):
            return self._home() + value[1:]
        return value

    def require(self, name: str) -> None:
        """Notes a variable as missing where it is not set."""
        if not self._environ.get(name) and name not in self.missing:
            self.missing.append(name)

    def _home(self) -> str:
        # Not Path.home(): the environment given counts, not the one of this process.
        return (
            self._environ.get("HOME") or self._environ.get("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111
        )

    def _one(self, found: re.Match[str]) -> str:
        if found["kept"] is not None:
            name = f"{PREFIX}{found['kept'].strip()}"
            return self._or_default(self._kept(found["kept"].strip()), name, found["default"])
        kind, name, default = found["kind"] or "", found["name"].strip(), found["default"]
        if not kind and name in self._built_in:
            return self._built_in[name]
        if not kind and name == "userHome":
            return self._home()
        if kind == "input:":  # nobody is there to be asked: the environment answers
            default = self._inputs.get(name, default)
            name = _NOT_NAME.sub("_", name).strip("_").upper()
        return self._or_default(self._environ.get(name, ""), name, default)

    def _kept(self, name: str) -> str:
        try:
            return (self._keyring.get(name) if self._keyring is not None else None) or ""
        except KeyringSilent as error:
            self.problems.append(f"{name} could not be read from the keyring: {error}")
            return ""

    def _or_default(self, value: str, name: str, default: str | None) -> str:
        if value:
            self.secrets.add(value)
            return value
        if default is not None:
            return default
        self.missing.extend({name} - set(self.missing))
        return ""
