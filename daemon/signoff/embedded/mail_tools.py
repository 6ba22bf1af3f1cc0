"""What the tool of the `mail` server does: from checked arguments to a message sent or filed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signoff import durable
from signoff.embedded.delivery import deliver
from signoff.embedded.inside import check_name, locate, quoted
from signoff.embedded.letter import (
    MOST_RECIPIENTS,
    Attachment,
    Letter,
    check_body,
    check_subject,
    compose,
    message_id,
    read_address,
    read_addresses,
)
from signoff.embedded.mail_settings import Settings
from signoff.embedded.tools import Answer, Call, NotDone, PartlyDone
from signoff.errors import UnsafeFile
from signoff.model import Json, JsonObject

MAX_ATTACHED = 20_000_000
"""Bytes, all attachments of a message together."""

_KEY = "signoff/idempotency-key"
_NOBODY = "signoff@localhost"  # the sender of what only goes to the outbox


def send_email(settings: Settings, call: Call) -> Answer:
    """Sends one message, or writes it to the outbox.

    Raises:
        NotDone, OutcomeLost: see `delivery`.
    """
    letter = read_letter(settings, call)
    data = compose(letter, datetime.now(UTC))
    if settings.relay is None:
        return _to_outbox(settings.outbox, letter, data)
    sent = deliver(
        settings.relay, letter.sender.addr_spec, letter.recipients, data, given_up=call.given_up.is_set
    )
    text = f"Sent to {', '.join(sent.accepted)} as {letter.message_id}."
    if sent.refused:
        refused = "; ".join(f"{address} ({reason})" for address, reason in sent.refused.items())
        text += f" NOT sent to {refused}: the mail server refused."
    return Answer(text, _result(letter, "smtp", sent.accepted, sent.refused))


def read_letter(settings: Settings, call: Call) -> Letter:
    """What the arguments ask for, checked whole before anything is done.

    Raises:
        NotDone: one of them is wrong; the message names it.
    """
    asked = call.arguments
    to, cc, bcc = (read_addresses(asked.get(name), name) for name in ("to", "cc", "bcc"))
    if not to:
        raise NotDone("`to` is empty.")
    if len(to) + len(cc) + len(bcc) > MOST_RECIPIENTS:
        raise NotDone(f"There are more than {MOST_RECIPIENTS} recipients.")
    sender = asked.get("from") or settings.sender or ("" if settings.relay else _NOBODY)
    if not sender:
        raise NotDone("There is no sender: set MAIL_FROM, or give `from`.")
    author = read_address(sender, "from")
    key = call.meta.get(_KEY)
    return Letter(
        sender=author,
        to=to,
        cc=cc,
        bcc=bcc,
        subject=check_subject(asked["subject"]),
        body=check_body(asked["body"]),
        attachments=_attachments(settings.vault, asked.get("attachments")),
        message_id=message_id(key if isinstance(key, str) else None, author),
    )


def _attachments(vault: Path, asked: Any) -> tuple[Attachment, ...]:
    paths = [asked] if isinstance(asked, str) else asked or []
    read: list[Attachment] = []
    for path in paths:
        read.append(_attachment(vault, path, MAX_ATTACHED - sum(len(each.data) for each in read)))
    return tuple(read)


def _attachment(vault: Path, path: str, room: int) -> Attachment:
    name, exists = locate(vault, check_name(path))
    if not exists:
        raise NotDone(f"There is no file {quoted(path)} in the vault to attach.")
    try:
        return Attachment(name, durable.read_regular(vault, name, max_bytes=room)[0])
    except UnsafeFile as error:
        if error.code == "note-too-large":
            raise NotDone(
                f"With {quoted(path)} the attachments have more than {MAX_ATTACHED:,} bytes."
            ) from error
        raise NotDone(f"{quoted(path)} is not a regular file; it cannot be attached.") from error
    except OSError as error:
        raise NotDone(f"{quoted(path)} cannot be read: {error.strerror}.") from error


def _to_outbox(outbox: Path, letter: Letter, data: bytes) -> Answer:
    """Writes the message as a file named by its Message-ID, so that a repeated attempt finds it there."""
    path = (outbox / f"{letter.message_id[1:].partition('@')[0]}.eml").absolute()
    wrote = "it was written to"
    try:
        if not outbox.is_dir():
            outbox.mkdir(mode=0o700, parents=True)
            durable.sync_directory(outbox.parent)
        durable.create(path, data, mode=0o600)
    except FileExistsError:
        if not path.is_file():
            raise NotDone(f"The outbox {outbox} is not a folder, or {path} is not a file.") from None
        wrote = "an earlier attempt wrote it to"
    except OSError as error:
        if path.is_file():
            raise PartlyDone(
                f"No SMTP host is set, so nothing was sent. {path} was written, but the disk did not confirm "
                f"it ({error.strerror})."
            ) from error
        raise NotDone(
            f"No SMTP host is set, and the outbox {outbox} cannot be written: {error.strerror}."
        ) from error
    return Answer(
        f"Nothing was sent, for no SMTP host is set (SMTP_HOST): {wrote} {path}.",
        {**_result(letter, "outbox", (), {}), "path": str(path)},
    )


def _result(
    letter: Letter, delivered: str, accepted: Sequence[str], refused: Mapping[str, str]
) -> JsonObject:
    attached: list[Json] = [
        {"path": each.path, "bytes": len(each.data), "sha256": hashlib.sha256(each.data).hexdigest()}
        for each in letter.attachments
    ]
    return {
        "message_id": letter.message_id,
        "delivered": delivered,
        "accepted": [*accepted],
        "refused": dict(refused),
        "recipients": [*letter.recipients],
        "attachments": attached,
    }
