"""A project whose daemon's clock can be put forward and back, also while it runs.

The real system's clock is left alone: a small library, loaded into the daemon's process before libc, adds a
number of seconds to it. Needs Linux and a C compiler; tests that use it are skipped elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.project import Project

SOURCE = Path(__file__).with_name("clock.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_a_clock = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"), reason="needs Linux and a C compiler"
)


class ClockedProject(Project):
    """A project with a clock of its own."""

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(root, **options)
        assert COMPILER is not None
        self._library, self._moved = root / "clock.so", root / "clock"
        subprocess.run(
            [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"], check=True
        )
        self._ahead = timedelta(0)
        self._write()
        self.variables: dict[str, str] = {}

    def put(self, **forward: float) -> None:
        """Put the clock forward by so much (`days=1`), or back where it is negative."""
        self._ahead += timedelta(**forward)
        self._write()

    def now(self) -> datetime:
        """What the daemon's clock says."""
        return datetime.now(UTC) + self._ahead

    def _write(self) -> None:
        with self._moved.open("r+b" if self._moved.exists() else "wb") as file:
            file.write(int(self._ahead.total_seconds()).to_bytes(8, sys.byteorder, signed=True))

    def environment(self) -> dict[str, str]:
        own = {"LD_PRELOAD": str(self._library), "TEST_CLOCK": str(self._moved)}
        return super().environment() | own | self.variables
