"""What the figures of the specification rest on, shown without a clock. Measuring is for `benchmarks/`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from servers.kit import Project

TOGETHER = Path(__file__).parent / "servers" / "together.py"
SERVERS = 9


@pytest.mark.promise("11")
async def test_nine_servers_are_discovered_together_not_one_after_the_other(tmp_path: Path) -> None:
    """Each waits for the other eight: one at a time, not one of them would ever answer."""
    project = Project(tmp_path)
    for number in range(SERVERS):
        name = f"server{number}"
        args = [str(TOGETHER), str(tmp_path / "here"), name, str(SERVERS)]
        project.server(name, command=sys.executable, args=args)

    async with project.pool() as pool:
        await pool.settled(60)
        views = pool.views()

    assert len(os.listdir(tmp_path / "here")) == SERVERS
    assert len(views) == SERVERS
    assert all("record" in view.tools for view in views.values())
