"""For all tests: nothing of the person who runs them can be reached."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

PERSONAL = ("SIGNOFF_", "SMTP_", "MAIL_", "XDG_", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GNUPGHOME")
"""Variables, or beginnings of their names, that lead to a person's vault, keys, mail or settings."""
OUTSIDE = dict(os.environ)
"""The environment as it was, for the one thing that needs it: asking npm for packages."""


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that is empty, for this process and all that it starts."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PERSONAL):
                patch.delenv(name)
        for name in ("HOME", "USERPROFILE"):
            patch.setenv(name, str(home))
        for name, below in {
            "XDG_CONFIG_HOME": ".config",
            "XDG_DATA_HOME": ".local/share",
            "XDG_STATE_HOME": ".local/state",
            "XDG_CACHE_HOME": ".cache",
            "APPDATA": "AppData/Roaming",
            "LOCALAPPDATA": "AppData/Local",
        }.items():
            folder = home / below
            folder.mkdir(parents=True)
            patch.setenv(name, str(folder))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield home
