"""`signoff audit verify` of a long log."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.house import House, environment
from benchmarks.idle import write_history


def verify(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:  # noqa: ARG001
    """The command as a person runs it, its start included."""
    plans = 12_500 if quick else 125_000
    place = folder / "audit"
    place.mkdir()
    house = House(place)
    entries = write_history(house, plans)
    command = [sys.executable, "-m", "signoff", "audit", "verify", "--config", str(house.config)]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    taken = time.perf_counter() - begin
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return [
        Figure(
            f"audit verify, {entries:,} entries",
            f"{taken:.2f} s ({entries / taken:,.0f} entries/s)",
            target="1,000,000 under 10 s",
            met=taken * (1_000_000 / entries) < 10.0,
            samples=(taken,),
        )
    ]
