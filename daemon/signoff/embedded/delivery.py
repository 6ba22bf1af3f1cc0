"""Handing a message to an SMTP server, so that afterwards it is known what happened.

The moment that counts is the last line of the message, a single dot. Until it is sent, whatever goes
wrong is `NotDone`: a server must not deliver what it was not told is complete (RFC 5321, 4.1.1.10).
After it, only the server's answer tells: 2xx is a delivery, 4xx and 5xx are `NotDone`, and no answer
is `OutcomeLost`. So the dot is sent apart from the rest.
"""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from signoff.embedded.tools import NotDone, OutcomeLost

CONNECT = 10.0
"""Seconds for the connection."""

ANSWER = 15.0
"""Seconds for each of the server's answers before the message."""

ACCEPT = 60.0
"""Seconds for the answer to the message."""

_LONGEST_WORDS = 300  # characters of the server's that are passed on
_SHUTTING_DOWN = 421


@dataclass(frozen=True, slots=True)
class Relay:
    """The server that takes our mail.

    Attributes:
        security: `tls` from the start, `starttls` (required, never skipped), or `none`.
        user: empty where one sends without logging in.
    """

    host: str
    port: int
    security: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who the server took the message for, and whom it refused, with its words."""

    accepted: tuple[str, ...]
    refused: dict[str, str]


def deliver(
    relay: Relay, sender: str, recipients: Sequence[str], data: bytes, *, given_up: Callable[[], bool]
) -> Delivery:
    """Hands a message to the server for those recipients that it accepts.

    Args:
        relay: the server.
        sender: the envelope's sender.
        recipients: at least one.
        data: the message, with CRLF line ends.
        given_up: asked right before the message is completed; if true it is not.

    Raises:
        NotDone: certainly not sent to anybody.
        OutcomeLost: completed, and never answered.
    """
    with contextlib.ExitStack() as stack:
        try:
            connection = _connect(relay)
            stack.callback(connection.close)
            refused = _envelope(connection, relay, sender, recipients)
            _all_but_the_dot(connection, data)
        except (OSError, UnicodeError) as error:  # smtplib's and ssl's are OSError
            raise NotDone(_reason(error, relay)) from None
        if given_up():
            raise NotDone("The call was cancelled before the message was complete.")
        code, words = _finish(connection, relay)
        if not 200 <= code < 300:
            raise NotDone(f"The mail server refused the message ({code}: {words}).")
        with contextlib.suppress(OSError):
            connection.putcmd("quit")
    return Delivery(tuple(address for address in recipients if address not in refused), refused)


def _connect(relay: Relay) -> smtplib.SMTP:
    name = _own_name()
    if relay.security == "tls":
        context = ssl.create_default_context()
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            relay.host, relay.port, local_hostname=name, timeout=CONNECT, context=context
        )
    else:
        connection = smtplib.SMTP(relay.host, relay.port, local_hostname=name, timeout=CONNECT)
    try:
        _patience(connection, ANSWER)
        connection.ehlo_or_helo_if_needed()
        if relay.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
        if relay.user:
            connection.login(relay.user, relay.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _own_name() -> str:
    """For EHLO. Not `getfqdn`, which asks the network and may take many seconds."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _patience(connection: smtplib.SMTP, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _envelope(
    connection: smtplib.SMTP, relay: Relay, sender: str, recipients: Sequence[str]
) -> dict[str, str]:
    """Names the sender and the recipients; those that the server refuses, with its words."""
    code, words = connection.mail(sender)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, words, sender)
    refused: dict[str, str] = {}
    for address in recipients:
        code, words = connection.rcpt(address)
        if code == _SHUTTING_DOWN:
            raise smtplib.SMTPResponseException(code, words)
        if code not in {250, 251, 252}:
            refused[address] = f"{code}: {_words(words, relay)}"
    if len(refused) == len(recipients):
        listed = "; ".join(f"{address} ({reason})" for address, reason in refused.items())
        raise NotDone(f"The mail server refused every recipient: {listed[: 3 * _LONGEST_WORDS]}.")
    return refused


def _all_but_the_dot(connection: smtplib.SMTP, data: bytes) -> None:
    code, words = connection.docmd("DATA")
    if code != 354:
        raise smtplib.SMTPDataError(code, words)
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    connection.send(re.sub(rb"(?m)^\.", b"..", lines))


def _finish(connection: smtplib.SMTP, relay: Relay) -> tuple[int, str]:
    """Completes the message; the server's code and words.

    Raises:
        OutcomeLost: there was no answer, or none that can be understood.
    """
    try:
        _patience(connection, ACCEPT)
        connection.send(b".\r\n")
        code, words = connection.getreply()
    except Exception as error:  # noqa: BLE001  # whatever it is, the dot may be out
        raise OutcomeLost(
            "the connection to the mail server was lost after the message was handed over and before the "
            f"answer came ({type(error).__name__}): the mail may have been sent, or not."
        ) from None
    if not 200 <= code < 600:
        raise OutcomeLost(
            f"the mail server answered the message with nonsense ({code}): it may have been sent, or not."
        )
    return code, _words(words, relay)


def _reason(error: Exception, relay: Relay) -> str:
    return _its_reason(error, relay) if isinstance(error, smtplib.SMTPException) else _no_way(error, relay)


def _its_reason(error: smtplib.SMTPException, relay: Relay) -> str:
    """Why the server did not take the message."""
    place = f"{relay.host}:{relay.port}"
    match error:
        case smtplib.SMTPAuthenticationError():
            said = f"{error.smtp_code}: {_words(error.smtp_error, relay)}"
            return f"Mail server {place}: authentication failed ({said}); check SMTP_USER and SMTP_PASSWORD."
        case smtplib.SMTPSenderRefused():
            said = f"{error.smtp_code}: {_words(error.smtp_error, relay)}"
            return f"The mail server refused the sender {error.sender} ({said})."
        case smtplib.SMTPResponseException():
            return f"The mail server {place} refused ({error.smtp_code}: {_words(error.smtp_error, relay)})."
        case smtplib.SMTPNotSupportedError():
            wanted = "SMTP_SECURITY and SMTP_USER"
            return (
                f"The mail server {place} does not offer what {wanted} ask for: {_words(str(error), relay)}"
            )
        case smtplib.SMTPServerDisconnected():
            return f"The mail server {place} closed the connection before the message was complete."
        case _:
            return f"The mail server {place}: {_words(str(error), relay)}"


def _no_way(error: Exception, relay: Relay) -> str:
    """Why the server could not be spoken to."""
    place = f"{relay.host}:{relay.port}"
    match error:
        case ssl.SSLCertVerificationError():
            return f"The certificate of the mail server {place} is not valid: {error.verify_message}."
        case ssl.SSLError():
            return f"No secure connection to the mail server {place} ({error.reason}); see SMTP_SECURITY."
        case socket.gaierror():
            return f"The name of the mail server {relay.host} cannot be resolved."
        case UnicodeError():
            return "SMTP_USER and SMTP_PASSWORD must be plain ASCII; smtplib cannot log in with others."
        case ConnectionRefusedError():
            return f"The mail server {place} refused the connection."
        case TimeoutError():
            return f"The mail server {place} did not answer in time."
        case _:
            return f"The connection to the mail server {place} failed: {_words(str(error), relay)}."


def _words(said: bytes | str, relay: Relay) -> str:
    """What a server said, on one line, safe to print, not too long, and without the password.

    Some servers repeat what they were told.
    """
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    for secret in _forms_of_password(relay):
        text = text.replace(secret, "[password]")
    shown = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(shown.split())[:_LONGEST_WORDS]


def _forms_of_password(relay: Relay) -> list[str]:
    if not relay.password:
        return []
    sent = (relay.password, f"\0{relay.user}\0{relay.password}")
    return [relay.password, *(base64.b64encode(each.encode()).decode() for each in sent)]
