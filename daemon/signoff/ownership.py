"""One daemon a vault, also where two configurations name the same vault but different logs.

On POSIX the vault's folder itself is locked, which leaves no file behind. Windows cannot lock a folder;
there the lock in the logs is the only one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signoff import system
from signoff.errors import VaultOwned


@contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process.

    Raises:
        VaultOwned: another process holds it.
    """
    if sys.platform == "win32":
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        if not system.try_lock(fd):
            raise VaultOwned(
                "Another daemon, with other logs, owns this vault.",
                hint="One vault has one daemon: stop the other one first.",
                file=str(folder),
            )
        yield
    finally:
        os.close(fd)
