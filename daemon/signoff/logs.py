"""The logs for reading: `signoff.log` for people who run the daemon, `mcp_actions.log` for what was called.

Both are made to be read with `tail` and `grep`, are rotated, and are no record: the record is the ledger.
Whatever goes in has been redacted by whoever says it; line breaks and control characters are made
visible here, so that no text can forge a line.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from signoff.visible import visible

if TYPE_CHECKING:
    from loguru import Record

_ACTIONS = "actions"
TOGETHER = 0.05
"""Seconds until the lines of `mcp_actions.log` are written that were said meanwhile."""
_actions: list[str] = []


_KEPT: dict[str, Any] = {
    "rotation": "10 MB",
    "retention": 10,
    "catch": True,
    "backtrace": False,
    "diagnose": False,
}
"""How both files are kept; `enqueue` is off, as loguru has it."""


def open_logs(folder: Path, *, terminal: bool) -> None:
    """Start writing both logs into a folder, and to the terminal where wanted.

    Raises:
        OSError: where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logger.remove()
    logging.basicConfig(handlers=[_Foreign(level=logging.WARNING)], force=True)
    logger.configure(patcher=_on_one_line)
    if terminal:
        logger.add(
            sys.stderr, level="INFO", format="{time:HH:mm:ss} {level.name:<7} {message}", filter=_not_action
        )
    logger.add(
        folder / "signoff.log",
        level="INFO",
        format="{time:YYYY-MM-DDTHH:mm:ss.SSSZZ} {level.name:<7} {message}",
        filter=_not_action,
        **_KEPT,
    )
    logger.add(
        folder / "mcp_actions.log",
        level="INFO",
        format="{message}",
        filter=_is_action,
        **_KEPT,
    )


class _Foreign(logging.Handler):
    """Libraries' own messages go to the log, warnings and worse; never straight to the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a message on, with the error it is about."""
        if record.name.startswith("watchdog"):  # it complains about its own orderly end
            return
        cause = f": {record.exc_info[1]!r}" if record.exc_info and record.exc_info[1] else ""
        level = "INFO" if record.levelno < logging.ERROR else "WARNING"
        logger.log(level, "{}: {}{}", record.name, record.getMessage(), cause)


def close_logs() -> None:
    """Flush and close both."""
    _write_actions()
    logger.complete()
    logger.remove()


def say_action(line: str, plan: str, step: str, text: str) -> None:
    """One line of `mcp_actions.log`: CALL, PARAMS, RESPONSE or AUDIT, and which plan and step.

    In the event loop, lines are written together a moment later: there are five or more a call.
    """
    words = f"{line:<8} {plan} {step or '-'} {text}"
    _actions.append(f"{_stamp(time.time_ns() // 1_000_000)} {visible(words)}")
    if len(_actions) > 1:
        return
    try:
        asyncio.get_running_loop().call_later(TOGETHER, _write_actions)
    except RuntimeError:
        _write_actions()


def _stamp(milliseconds: int) -> str:
    """A time since 1970 as local time."""
    second, zone = _second(milliseconds // 1000)
    return f"{second}.{milliseconds % 1000:03}{zone}"


@lru_cache(maxsize=4)
def _second(since: int) -> tuple[str, str]:
    """A second as local time, and its zone; many lines come in one."""
    said = datetime.fromtimestamp(since).astimezone()
    return f"{said:%Y-%m-%dT%H:%M:%S}", f"{said:%z}"


def _write_actions() -> None:
    lines = "\n".join(_actions)
    _actions.clear()
    if lines:
        logger.bind(**{_ACTIONS: True}).info("{}", lines)


def _on_one_line(record: Record) -> None:
    if not _is_action(record):  # whose lines are made visible one by one
        record["message"] = visible(record["message"])


def _is_action(record: Record) -> bool:
    return _ACTIONS in record["extra"]


def _not_action(record: Record) -> bool:
    return not _is_action(record)
