"""Why a server cannot be reached, in plain words; what to do about it is in `remedy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signoff.servers.config import ServerConfig, StdioLaunch
from signoff.servers.exchange import Exchange
from signoff.servers.launch import missing_words

if TYPE_CHECKING:
    from signoff.servers.http import HttpLink
    from signoff.servers.stdio import StdioLink


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: a code, and a sentence or two that say what it is."""

    reason: str
    message: str


def standing_trouble(config: ServerConfig) -> Trouble | None:
    """Why a server is not even tried; None where it is."""
    if config.disabled:
        return Trouble("disabled", "It is switched off in mcp_servers.json.")
    if config.missing:
        return Trouble("missing-variable", missing_words(config.missing))
    return None


async def trouble_of(
    config: ServerConfig, link: StdioLink | HttpLink, exchange: Exchange, failure: BaseException | None
) -> Trouble:
    """What ended a connection, or kept it from being made."""
    found = _of_status(exchange) or _of_launch(config, failure)
    if found is None and link.reason not in {"", "stopped"}:
        found = Trouble(link.reason, _sentence(await link.describe()))
    if found is None and exchange.failure:
        found = Trouble("unreachable", _sentence(exchange.failure))
    if found is None:
        found = _of_failure(failure)
    return Trouble(found.reason, config.scrub(found.message))


def _of_status(exchange: Exchange) -> Trouble | None:
    status = exchange.status
    if status in {401, 403}:
        return Trouble("authentication", f"It does not let us in (HTTP {status}).")
    if status == 404:
        return Trouble("not-found", "There is no server at its address (HTTP 404).")
    if status is not None and status >= 400:
        return Trouble("refused", f"It answered HTTP {status}.")
    if status is not None and 300 <= status < 400:
        return Trouble("moved", f"It has moved to another address (HTTP {status}).")
    return None


def _of_launch(config: ServerConfig, failure: BaseException | None) -> Trouble | None:
    """A process that could not even be started."""
    launch = config.launch
    if (
        not isinstance(failure, OSError)
        or isinstance(failure, TimeoutError)
        or not isinstance(launch, StdioLaunch)
    ):
        return None
    command = config.identity.get("command")
    if launch.cwd is not None and not launch.cwd.is_dir():
        return Trouble("folder-not-found", f"Its folder {launch.cwd} is not there.")
    if isinstance(failure, FileNotFoundError):
        return Trouble("command-not-found", f"Its program {command!r} was not found.")
    return Trouble("cannot-start", f"Its program {command!r} could not be started: {failure.strerror}.")


def _of_failure(failure: BaseException | None) -> Trouble:
    leaf = failure
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    if isinstance(leaf, TimeoutError):
        return Trouble("timeout", "It did not answer in time while it was being connected.")
    words = str(leaf).splitlines()[0][:300] if leaf is not None and str(leaf) else type(leaf).__name__
    return Trouble("protocol", _sentence(f"talking to it failed: {words}"))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
