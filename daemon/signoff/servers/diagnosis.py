"""What is wrong with a server, and what to do about it, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signoff.model import JsonObject, ServerView
from signoff.servers.health import ServerHealth
from signoff.servers.launch import ServerConfig
from signoff.servers.remedy import remedy

SLOW_CHECK, SLOW_CALL = 1000.0, 10_000.0
"""Milliseconds at the 95th percentile, from which on a server is called slow."""

_OF_THE_PROCESS = frozenset({"exited", "timeout", "protocol", "failing", "line-too-long", "not-answering"})
"""What its stderr may say more about."""

OFTEN = 0.05
"""The part of what is asked that ends in an error, from which on that is worth a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: stable, for programs.
        what: what was seen.
        do: what to do now; empty where nothing needs doing.
        said: the last lines that its process wrote to stderr, where they belong to this.
    """

    code: str
    what: str
    do: str = ""
    said: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """For output."""
        return {"code": self.code, "what": self.what, "do": self.do, "said": list(self.said)}


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


def diagnose(
    config: ServerConfig, health: ServerHealth, view: ServerView, said: Sequence[str] = ()
) -> Diagnosis:
    """What is found of one server.

    Args:
        config: its entry.
        health: how it is.
        view: what it offers.
        said: the last lines that its process wrote to stderr, without its secrets.
    """
    findings = [
        *_condition(config, health, tuple(said)),
        *_breaker(config, health),
        *_flapping(config, health, tuple(said)),
        *_slow(config, health),
        *_errors(health),
        *_tools(view, health),
        *(Finding("configuration", f"In mcp_servers.json: {warning}.") for warning in config.warnings),
    ]
    if not findings:
        findings = [Finding("well", "It is connected, answers, and nothing is wrong with it.")]
    return Diagnosis(config.name, health, tuple(findings))


def _condition(config: ServerConfig, health: ServerHealth, said: tuple[str, ...]) -> list[Finding]:
    if health.status == "unknown" and not health.reason:
        do = f"Ask it: signoff servers check {config.name}"
        return [Finding("unknown", "Nobody has tried to connect it yet.", do)]
    if not health.reason:
        return []
    reason = health.reason.removeprefix("replica-")
    told = said if reason in _OF_THE_PROCESS else ()
    return [Finding(reason, health.message, health.do or remedy(reason, config), told)]


def _breaker(config: ServerConfig, health: ServerHealth) -> list[Finding]:
    if health.breaker == "closed":
        return []
    what = "Connecting" if health.status == "unavailable" else "Its calls"
    wait = f", next in {health.next_attempt:.0f} seconds" if health.next_attempt else ""
    return [
        Finding(
            "breaker-open",
            f"{what} failed again and again, so it is tried only now and then{wait}.",
            f"Once mended it is used again by itself; or at once: signoff servers restart {config.name}",
        )
    ]


def _flapping(config: ServerConfig, health: ServerHealth, said: tuple[str, ...]) -> list[Finding]:
    if not health.flapping:
        return []
    return [
        Finding(
            "flapping",
            f"It comes and goes: its connection broke several times in the last ten minutes. It was "
            f"connected again {health.restarts} times; a plan's call can be lost in such a moment.",
            remedy("failing", config),
            said,
        )
    ]


def _slow(config: ServerConfig, health: ServerHealth) -> list[Finding]:
    found = []
    if health.p95_ms is not None and health.p95_ms > SLOW_CHECK:
        found.append(
            Finding(
                "slow",
                "It is slow: it was only asked whether it is there, and one answer in twenty took longer "
                f"than {_seconds(health.p95_ms)}{_usually(health.median_ms)}.",
                "Look at how busy its computer is, and at the network.",
            )
        )
    if health.call_p95_ms is not None and health.call_p95_ms > SLOW_CALL:
        found.append(
            Finding(
                "slow-calls",
                f"What it is asked to do takes long: one call in twenty longer than "
                f"{_seconds(health.call_p95_ms)}{_usually(health.call_median_ms)}.",
                f"If it is like that, give it more time: `timeout` of {config.name} in "
                "config/mcp_servers.json, or of its actions in config/actions.yaml.",
            )
        )
    return found


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} seconds"


def _usually(median: float | None) -> str:
    return "" if median is None else f" (half of them {_seconds(median)} or less)"


def _errors(health: ServerHealth) -> list[Finding]:
    if health.error_rate is None or health.error_rate < OFTEN or health.errors < 3:
        return []
    return [
        Finding(
            "errors",
            f"{health.error_rate:.0%} of what it was asked in the last hour failed ({health.errors} times).",
        )
    ]


def _tools(view: ServerView, health: ServerHealth) -> list[Finding]:
    if view.tools is not None and not view.tools and health.status == "available":
        return [
            Finding(
                "no-tools", "It offers nothing that could be called.", "Check its arguments, or remove it."
            )
        ]
    if view.cached:
        return [Finding("cached", "What it offers is known from an earlier connection only.")]
    return []
