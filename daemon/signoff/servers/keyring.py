"""Secrets of one project: in the system's keyring, or in a file that only its owner reads.

`${keyring:NAME}` in `mcp_servers.json` stands for what `signoff servers secret NAME` has kept. The name is
this project's own: of two projects (two config folders) each has its own `NAME`, so that neither acts with
the other's account. `${keyring:SERVICE/NAME}` stands for any other entry of the keyring, as `keyring get
SERVICE NAME` shows it; such entries are only ever read.

A keyring may wait for a person to unlock it, or have nobody to ask: it is given its time, and never waited
for without end. Only what is referred to is asked for, so that who uses none is never asked to unlock one.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from signoff import durable, system
from signoff.errors import RequestRefused

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

PATIENCE = 30.0
"""Seconds that a keyring has to answer; a person may have to type a password meanwhile."""

PREFIX = "keyring:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")

T = TypeVar("T")


class KeyringSilent(Exception):
    """The keyring did not give or take what was asked; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a secret was put: `in_keyring`, or in the file; `where` says it for people."""

    in_keyring: bool
    where: str


class Keyring:
    """The secrets of one project.

    Args:
        config_dir: its config folder, by which its entries in the keyring are told from another's.

    Attributes:
        fetched: every value that was read: to be shown nowhere.
    """

    def __init__(self, config_dir: Path) -> None:
        self.service = f"signoff:{config_dir.resolve()}"
        self._file = config_dir / "secrets" / "keyring.json"
        self.fetched: set[str] = set()
        self._silent = ""

    def get(self, name: str) -> str | None:
        """A secret; None where there is none of that name.

        Raises:
            KeyringSilent: there may be one, and it cannot be read now.
        """
        service, slash, entry = name.rpartition("/")
        found = None if slash else self._in_file().get(name)
        if found is None:
            found = self._asked(*((service, entry) if slash else (self.service, name)))
        if found:
            self.fetched.add(found)
        return found

    def _asked(self, service: str, entry: str) -> str | None:
        """What the keyring answers; once it was silent, it is not waited for again."""
        if self._silent:
            raise KeyringSilent(self._silent)
        try:
            kept_by = backend()
            return (
                None if kept_by is None else _within(PATIENCE, lambda: kept_by.get_password(service, entry))
            )
        except KeyringSilent as error:
            self._silent = str(error)
            raise

    def put(self, name: str, secret: str, *, file: bool = False) -> Kept:
        """Keeps a secret, in place of one of the same name.

        Args:
            name: letters, digits, `_`, `-` and `.`.
            secret: what is kept.
            file: in the file even where there is a keyring.

        Raises:
            RequestRefused: the name is none.
            KeyringSilent: the keyring did not take it, and what was kept before still is.
            OSError: the file could not be written.
        """
        if not _NAME.fullmatch(name):
            raise RequestRefused(
                f"{name!r} is no name for a secret.",
                code="not-a-name",
                hint="Letters, digits, `_`, `-` and `.`, beginning with a letter: GITHUB_TOKEN.",
            )
        kept_by = None if file else backend()
        if kept_by is None:
            self._write(self._in_file() | {name: secret})
            return Kept(in_keyring=False, where=f"{self._file}, which only you can read")
        _within(PATIENCE, lambda: kept_by.set_password(self.service, name, secret))
        if _within(PATIENCE, lambda: kept_by.get_password(self.service, name)) != secret:
            raise KeyringSilent(f"{kept_by.name} did not keep it")
        self._drop(name)
        return Kept(in_keyring=True, where=f"the keyring ({kept_by.name}, service {self.service})")

    def remove(self, name: str) -> bool:
        """Forgets a secret of this project; whether there was one.

        Raises:
            KeyringSilent: the keyring may still have it.
        """
        there = self._drop(name)
        kept_by = backend()
        if kept_by is None or _within(PATIENCE, lambda: kept_by.get_password(self.service, name)) is None:
            return there
        _within(PATIENCE, lambda: kept_by.delete_password(self.service, name))
        return True

    def _in_file(self) -> dict[str, str]:
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise KeyringSilent(f"{self._file} cannot be read ({type(error).__name__})") from None
        return {name: value for name, value in found.items() if isinstance(value, str)}

    def _drop(self, name: str) -> bool:
        kept = self._in_file()
        if name not in kept:
            return False
        self._write({other: value for other, value in kept.items() if other != name})
        return True

    def _write(self, secrets: dict[str, str]) -> None:
        system.make_owner_only_directory(self._file.parent)
        durable.replace(self._file, json.dumps(secrets).encode(), mode=0o600)


def backend() -> KeyringBackend | None:
    """The system's keyring; None where there is none, or where the person has turned it off.

    `PYTHON_KEYRING_BACKEND` chooses another, as for every program that uses the `keyring` library. One that
    is only installed by chance, and that the library does not recommend (it keeps secrets in clear), is none.

    Raises:
        KeyringSilent: it cannot be known.
    """
    import keyring
    from keyring.backends import fail, null
    from keyring.core import load_config, recommended

    found = _within(PATIENCE, keyring.get_keyring)
    chosen = bool(os.environ.get("PYTHON_KEYRING_BACKEND")) or _within(PATIENCE, load_config) is not None
    if isinstance(found, fail.Keyring | null.Keyring):
        return None
    return found if chosen or recommended(found) else None


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What a keyring answers; in a thread that nobody waits for when it does not."""
    answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue(1)

    def run() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:  # noqa: BLE001  a backend is anybody's code
            answers.put((None, error))

    threading.Thread(target=run, name="keyring", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise KeyringSilent(
            f"it did not answer within {seconds:.0f} seconds; it may wait to be unlocked"
        ) from None
    if error is not None:
        raise KeyringSilent(f"it answered: {str(error)[:200] or type(error).__name__}") from None
    return answer  # type: ignore[return-value]
