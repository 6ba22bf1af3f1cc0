"""References to the environment in configuration values: `${VAR}`, `${VAR:-default}`, `${env:VAR}`, `~`.

VS Code's `${input:api-key}` is the variable `API_KEY`: a daemon has nobody to ask.

A reference is replaced once; what comes from the environment is never read for references again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{(env:|input:)?([^}:]+)(?::-([^}]*))?\}")
_NOT_NAME = re.compile(r"[^A-Za-z0-9]+")


class Expander:
    """Replaces references, and remembers which variables are missing and which values are secret.

    Attributes:
        missing: names of variables that are referred to, have no default and are not set (or are empty).
        secrets: values that came from the environment: never to be shown.
    """

    def __init__(
        self, environ: Mapping[str, str], built_in: Mapping[str, str], inputs: Mapping[str, str] | None = None
    ) -> None:
        self._environ = environ
        self._inputs = inputs or {}
        self._built_in = built_in
        self.missing: list[str] = []
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
        kind, name, default = found[1] or "", found[2].strip(), found[3]
        if not kind and name in self._built_in:
            return self._built_in[name]
        if not kind and name == "userHome":
            return self._home()
        if kind == "input:":  # nobody is there to be asked: the environment answers
            default = self._inputs.get(name, default)
            name = _NOT_NAME.sub("_", name).strip("_").upper()
        value = self._environ.get(name, "")
        if value:
            self.secrets.add(value)
            return value
        if default is not None:
            return default
        self.missing.extend({name} - set(self.missing))
        return ""
