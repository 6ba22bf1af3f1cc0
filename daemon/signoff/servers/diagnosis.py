"""What is wrong with a server, and what to do about it, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from signoff.model import JsonObject, ServerView
from signoff.servers.health import ServerHealth
from signoff.servers.launch import ServerConfig, StdioLaunch

SLOW_CHECK, SLOW_CALL = 1000.0, 10_000.0
"""Milliseconds at the 95th percentile, from which on a server is called slow."""

OFTEN = 0.05
"""The part of what is asked that ends in an error, from which on that is worth a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: stable, for programs.
        what: what was seen.
        do: what to do now; empty where nothing needs doing.
    """

    code: str
    what: str
    do: str = ""

    def to_json(self) -> JsonObject:
        """For output."""
        return {"code": self.code, "what": self.what, "do": self.do}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found of one server, the gravest first; never empty."""

    server: str
    health: ServerHealth
    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Nothing needs doing."""
        return not any(finding.do for finding in self.findings)


_STDERR = "Look at logs/servers/{name}.stderr for what it said; try its command in a terminal."
DO: dict[str, str] = {
    "disabled": "Nothing, or take `disabled` out of its entry in mcp_servers.json.",
    "missing-variable": "Put what is missing into config/.env.",
    "command-not-found": "Install the program, or give its full path as `command` in mcp_servers.json.",
    "folder-not-found": "Make the folder, or mend `cwd` in mcp_servers.json.",
    "cannot-start": "Look whether the file may be executed and is a program for this system.",
    "exited": _STDERR,
    "line-too-long": "It writes something that is no message of the protocol. Report it to its author.",
    "timeout": "Raise nothing yet: look whether it waits for a download, a login or a network. " + _STDERR,
    "protocol": "Look whether this is an MCP server, and whether a newer version of it exists. " + _STDERR,
    "authentication": "Check the key or token that mcp_servers.json gives it; where it wants a login in a "
    "browser: signoff servers login {name}",
    "not-found": "Check the `url` in mcp_servers.json; many servers are at an address that ends in /mcp.",
    "moved": "Put the new address into mcp_servers.json.",
    "refused": "Check the `url` and the `headers` in mcp_servers.json, and the state of the service.",
    "unreachable": "Check the network, the address, and whether the service runs.",
    "certificate": "Its certificate is not valid for its address, or has expired. Have it renewed; it cannot "
    "be switched off here.",
    "session-lost": "Nothing: it is connected anew by itself.",
    "not-answering": "It is connected but silent. If that stays: signoff servers restart {name}",
    "failing": "Its last calls all failed inside it. " + _STDERR,
    "tools-ambiguous": "Report it to its author: one name must mean one tool.",
}
"""What to do, by the reason code of the server's health."""


def diagnose(config: ServerConfig, health: ServerHealth, view: ServerView) -> Diagnosis:
    """What is found of one server.

    Args:
        config: its entry.
        health: how it is.
        view: what it offers.
    """
    findings = [
        *_condition(config, health),
        *_breaker(config, health),
        *_flapping(config, health),
        *_slow(health),
        *_errors(health),
        *_tools(view, health),
        *(Finding("configuration", f"In mcp_servers.json: {warning}.") for warning in config.warnings),
    ]
    if not findings:
        findings = [Finding("well", "It is connected, answers, and nothing is wrong with it.")]
    return Diagnosis(config.name, health, tuple(findings))


def _condition(config: ServerConfig, health: ServerHealth) -> list[Finding]:
    if health.status == "unknown":
        do = f"Ask it: signoff servers check {config.name}"
        return [Finding("unknown", "It has not been connected yet.", do)]
    if not health.reason:
        return []
    reason = health.reason.removeprefix("replica-")
    # What the message says already need not be said again.
    do = DO.get(reason, "") if isinstance(config.launch, StdioLaunch) or reason != "exited" else ""
    return [Finding(reason, health.message, do.replace("{name}", config.name))]


def _breaker(config: ServerConfig, health: ServerHealth) -> list[Finding]:
    if health.breaker == "closed":
        return []
    wait = (
        "" if health.next_attempt is None else f" The next attempt is in {health.next_attempt:.0f} seconds."
    )
    return [
        Finding(
            "breaker-open",
            f"Connecting failed again and again, so it is tried only now and then.{wait}",
            f"Once it is mended it is used again by itself; or now: signoff servers restart {config.name}",
        )
    ]


def _flapping(config: ServerConfig, health: ServerHealth) -> list[Finding]:
    if not health.flapping:
        return []
    where = _STDERR if isinstance(config.launch, StdioLaunch) else "Look at the service and the network."
    return [
        Finding(
            "flapping",
            f"Its connection is lost again and again; it was connected anew {health.restarts} times.",
            where.replace("{name}", config.name),
        )
    ]


def _slow(health: ServerHealth) -> list[Finding]:
    found = []
    if health.p95_ms is not None and health.p95_ms > SLOW_CHECK:
        found.append(
            Finding(
                "slow",
                f"It is slow to answer even a check: {health.p95_ms:.0f} ms at the 95th percentile.",
                "Look at the load of its machine, and at the network.",
            )
        )
    if health.call_p95_ms is not None and health.call_p95_ms > SLOW_CALL:
        found.append(
            Finding(
                "slow-calls",
                f"Its calls take long: {health.call_p95_ms / 1000:.1f} s at the 95th percentile.",
                "Give its actions a longer `timeout` in actions.yaml if that is how they are.",
            )
        )
    return found


def _errors(health: ServerHealth) -> list[Finding]:
    if health.error_rate is None or health.error_rate < OFTEN or health.errors < 3:
        return []
    return [
        Finding(
            "errors", f"{health.errors} errors in the last hour, {health.error_rate:.0%} of what was asked."
        )
    ]


def _tools(view: ServerView, health: ServerHealth) -> list[Finding]:
    if view.tools is not None and not view.tools and health.status == "available":
        return [Finding("no-tools", "It offers no tools.", "Check its arguments, or remove it.")]
    if view.cached:
        return [Finding("cached", "What it offers is known from an earlier connection only.")]
    return []
