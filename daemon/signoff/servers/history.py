"""How servers were over time, kept over restarts: one JSON object a line, bounded.

A point a check and one a change of state; of each server the newest are kept. Derived: if the file is gone or
wrong, it begins anew.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from signoff import durable, system
from signoff.servers.health import ServerHealth

MOST = 500
"""Points of a server that are kept: with a check a minute, the last eight hours."""

BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Point:
    """A server at one moment; `ms` is the response time of that check, None where it did not answer."""

    time: str
    status: str
    ms: float | None = None
    errors: int = 0
    restarts: int = 0
    reason: str = ""


class History:
    """The points of all servers."""

    def __init__(self, path: Path, *, most: int = MOST) -> None:
        self._path = path
        self._most = most
        self._points: dict[str, deque[Point]] = {}
        self._unsaved = False
        for line in _lines(path):
            self._read(line)

    def _read(self, line: bytes) -> None:
        try:
            found = json.loads(line)
            name = found.pop("server")
            point = Point(**found)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return
        if isinstance(name, str):
            self._of(name).append(point)

    def _of(self, name: str) -> deque[Point]:
        return self._points.setdefault(name, deque(maxlen=self._most))

    def note(self, name: str, health: ServerHealth) -> None:
        """A check has been made, or the server has changed."""
        self._unsaved = True
        self._of(name).append(
            Point(
                time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                status=health.status,
                ms=health.response_time_ms if health.status in {"available", "degraded"} else None,
                errors=health.error_count,
                restarts=health.restarts,
                reason=health.reason,
            )
        )

    def noted_change(self, name: str, health: ServerHealth) -> None:
        """Notes a change; what says nothing new is not noted."""
        last = self.of(name)[-1:]
        if not last or (last[0].status, last[0].reason) != (health.status, health.reason):
            self.note(name, health)

    def of(self, name: str) -> list[Point]:
        """The points of a server, oldest first."""
        return list(self._points.get(name, ()))

    def save(self) -> None:
        """Writes the file, where there is something new.

        Raises:
            OSError: it could not be written; what was kept before still is.
        """
        if not self._unsaved:
            return
        lines = [
            json.dumps({"server": name} | asdict(point))
            for name, points in sorted(self._points.items())
            for point in points
        ]
        system.make_owner_only_directory(self._path.parent)
        durable.replace(self._path, "".join(f"{line}\n" for line in lines).encode(), mode=0o600)
        self._unsaved = False


def read_history(path: Path) -> Mapping[str, list[Point]]:
    """All that is kept, by server."""
    history = History(path)
    return {name: history.of(name) for name in history._points}  # noqa: SLF001  its own module


def chart(points: list[Point], width: int = 60) -> str:
    """The newest points as bars, as high as the response time; `×` where it was away, `·` unknown."""
    shown = points[-width:]
    times = [point.ms for point in shown if point.ms is not None]
    top = max(times, default=0.0)
    return "".join(_bar(point, top) for point in shown)


def _bar(point: Point, top: float) -> str:
    if point.status == "unavailable":
        return "×"
    if point.ms is None:
        return "·"
    return BARS[min(len(BARS) - 1, int(point.ms / top * len(BARS)))] if top > 0 else BARS[0]


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError:
        return []
