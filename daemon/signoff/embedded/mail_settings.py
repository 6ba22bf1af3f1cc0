"""Where mail goes: from the environment and the command line to frozen settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from signoff.embedded.delivery import Relay
from signoff.embedded.inside import quoted
from signoff.embedded.letter import read_address
from signoff.embedded.tools import NotDone
from signoff.errors import ConfigError

_SECURITY = ("starttls", "tls", "none")
_TLS_PORT = 465
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where mail goes.

    Attributes:
        vault: where attachments may come from; resolved.
        outbox: for `.eml` files where there is no relay.
        relay: None where no SMTP host is set.
        sender: MAIL_FROM, else SMTP_USER where that is an address; may be empty.
    """

    vault: Path
    outbox: Path
    relay: Relay | None
    sender: str


def read_settings(vault: Path, outbox: Path | None, env: Mapping[str, str]) -> Settings:
    """The settings, where an empty variable is the same as an absent one.

    Raises:
        ConfigError: one of them is wrong; the message names it, and never holds the password.
    """
    host, user = env.get("SMTP_HOST", "").strip(), env.get("SMTP_USER", "").strip()
    sender = env.get("MAIL_FROM", "").strip() or (user if "@" in user else "")
    if sender:
        _check_sender(sender)
    return Settings(
        vault=vault,
        outbox=outbox or Path(env.get("MAIL_OUTBOX") or vault / "Outbox"),
        relay=_read_relay(host, user, env) if host else None,
        sender=sender,
    )


def _check_sender(sender: str) -> None:
    try:
        read_address(sender, "MAIL_FROM")
    except NotDone as error:
        raise ConfigError(error.message) from error


def _read_relay(host: str, user: str, env: Mapping[str, str]) -> Relay:
    if not _HOST.fullmatch(host):
        raise ConfigError(f"SMTP_HOST must be the name or address of a server, not {quoted(host)}.")
    port = _read_port(env.get("SMTP_PORT", "").strip() or "587")
    security = env.get("SMTP_SECURITY", "").strip().lower() or ("tls" if port == _TLS_PORT else "starttls")
    if security not in _SECURITY:
        raise ConfigError(f"SMTP_SECURITY must be one of {', '.join(_SECURITY)}, not {quoted(security)}.")
    password = env.get("SMTP_PASSWORD", "")
    if user and not password:
        raise ConfigError("SMTP_USER is set, but SMTP_PASSWORD is not.")
    if password and not user:
        raise ConfigError("SMTP_PASSWORD is set, but SMTP_USER is not.")
    return Relay(host, port, security, user, password)


def _read_port(text: str) -> int:
    port = int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    if not 0 < port < 1 << 16:
        raise ConfigError(f"SMTP_PORT must be a number from 1 to 65535, not {quoted(text)}.")
    return port
