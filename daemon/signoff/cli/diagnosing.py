"""`signoff servers diagnose`: what is wrong with a server, what to do, and how it was over time."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from signoff.cli.connect import connect, require_server
from signoff.cli.health import by_daemon
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.screen import status as coloured
from signoff.cli.words import near
from signoff.model import ServerView
from signoff.servers.cache import read_tools
from signoff.servers.config import ServerConfig
from signoff.servers.diagnosis import Diagnosis, diagnose
from signoff.servers.health import ServerHealth
from signoff.servers.history import Point, chart, read_history
from signoff.servers.stderr import log_path, of_last_start
from signoff.visible import visible

CHART = 60
"""Checks, each a character."""

LAST_LINES = 10
"""Of what it wrote to stderr."""


def tell(project: Project, name: str, *, as_json: bool) -> int:
    """Says how a server is; 1 where something needs doing.

    A running daemon knows it; without one, the server is started for a moment.

    Raises:
        NotFound: there is no server of that name.
    """
    config = require_server(project, name)
    diagnosis = _of_daemon(project, config) or _live(project, config)
    points = read_history(project.places.health).get(name, [])
    said = _last_lines(project, config)
    if as_json:
        SCREEN.json(
            {
                "server": name,
                "well": diagnosis.well,
                "findings": [finding.to_json() for finding in diagnosis.findings],
                "health": asdict(diagnosis.health),
                "history": [asdict(point) for point in points],
                "stderr": said,
            }
        )
    else:
        _say(diagnosis, points, said)
    return int(not diagnosis.well)


def _of_daemon(project: Project, config: ServerConfig) -> Diagnosis | None:
    """As a running daemon finds it now; None where it cannot say."""
    known = by_daemon(project, [config.name]).get(config.name)
    names = {field.name for field in fields(ServerHealth)}
    if not isinstance(known, dict) or not set(known) <= names:
        return None
    tools = read_tools(project.places.tools, {config.name: config}).get(config.name)
    view = ServerView(config.name, config.launch_identity(), tools)
    return diagnose(config, ServerHealth(**known), view, _last_lines(project, config))


def _live(project: Project, config: ServerConfig) -> Diagnosis:
    met = connect(project, [config.name])
    said = _last_lines(project, config)
    return diagnose(config, met.health[config.name], met.views[config.name], said)


def _last_lines(project: Project, config: ServerConfig) -> list[str]:
    """What it wrote to stderr last, without its secrets."""
    try:
        text = log_path(project.settings.logs / "servers", config.name).read_text("utf-8", "replace")
    except OSError:
        return []
    clean = project.redactor_of(config.name).text(config.scrub(text))
    return [visible(line) for line in of_last_start(clean, LAST_LINES)]


def _say(diagnosis: Diagnosis, points: list[Point], said: list[str]) -> None:
    health = diagnosis.health
    for finding in diagnosis.findings:
        SCREEN.paragraph(f"{finding.what} ({finding.code})", "red" if finding.do else "")
        if finding.do:
            SCREEN.paragraph(finding.do, indent=2)
    SCREEN.line()
    known = (
        ("server", diagnosis.server),
        ("status", coloured(health.status)),
        ("last check", near(health.last_check) if health.last_check else "never"),
        ("last change", near(health.changed) if health.changed else ""),
        ("answers in", _times(health.median_ms, health.p95_ms)),
        ("calls take", _times(health.call_median_ms, health.call_p95_ms)),
        ("errors", _errors(health)),
        ("restarts", str(health.restarts)),
        ("breaker", _breaker(health)),
        ("replicas", f"{health.replicas_up} of {health.replicas} connected" if health.replicas > 1 else ""),
        ("uses", usage(health)),
    )
    SCREEN.facts([(name, cell) for name, cell in known if cell])
    if points:
        shown = points[-CHART:]
        top = max((point.ms for point in shown if point.ms is not None), default=0.0)
        SCREEN.heading(
            f"The last {len(shown)} checks, as high as they were slow (at most {top:.1f} ms); × is away"
        )
        SCREEN.drawing(f"  {chart(points, CHART)}")
    if said:
        SCREEN.heading("The last that it wrote (its stderr)")
        for line in said:
            SCREEN.line(f"  {line}")


def _breaker(health: ServerHealth) -> str:
    """In words: what a breaker is, nobody need know."""
    return {
        "closed": "closed: it is used as usual",
        "open": "open: it failed so often that it is left alone for a while",
        "half-open": "half-open: it is tried once; if that goes well, it is used again",
    }[health.breaker]


def _times(median: float | None, p95: float | None) -> str:
    if median is None:
        return ""
    return f"{median:.1f} ms (median), {p95 or median:.1f} ms (95th percentile)"


def _errors(health: ServerHealth) -> str:
    rate = "" if health.error_rate is None else f", {health.error_rate:.0%} of what was asked"
    return f"{health.errors} in the last hour{rate}; {health.error_count} since it was started"


def usage(health: ServerHealth | Any) -> str:
    """Memory and processor of a server's processes, for people."""
    if health.memory_bytes is None:
        return ""
    cpu = "" if health.cpu_percent is None else f", {health.cpu_percent:g} % of a core"
    processes = "1 process" if health.processes == 1 else f"{health.processes} processes"
    return f"{health.memory_bytes / 2**20:.0f} MB in {processes}{cpu}"
