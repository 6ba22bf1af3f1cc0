"""A letter: strict addresses in, the bytes of an RFC 5322 message out.

Nothing is repaired: an address or a line that mail programs could read in two ways is refused. The
composed bytes are read back before they go anywhere, and must say what was asked, to whom it was
asked, and nothing else. Bcc recipients are in the envelope only. No I/O.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from signoff.embedded.inside import invisible, quoted
from signoff.embedded.tools import NotDone

MOST_RECIPIENTS = 100
"""To, cc and bcc together."""

LONGEST_SUBJECT = 900
"""Characters."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})*")
_NAMED = re.compile(r'(?:"(?P<quoted>[^"\\]*)"|(?P<plain>[^"\\<>,;:@()\[\]]*))\s*<(?P<address>[^<>]*)>')
_ENTRY = re.compile(r'(?:[^",]|"[^"]*")+')
_HEADERS = frozenset(
    {
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
    }
)
# Only ASCII leaves, so that no server on the way has to be asked for more (8BITMIME, SMTPUTF8).
_POLICY = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send: its path in the vault, and what was in it when it was read."""

    path: str
    data: bytes

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out. Addresses are ASCII; `message_id` has its angle brackets."""

    sender: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    subject: str
    body: str
    attachments: tuple[Attachment, ...]
    message_id: str

    @property
    def recipients(self) -> tuple[str, ...]:
        """The envelope: every address once, in order."""
        return tuple(dict.fromkeys(address.addr_spec for address in (*self.to, *self.cc, *self.bcc)))


def read_address(text: str, field: str) -> Address:
    """One address, `a@b.example` or `Name <a@b.example>`.

    Args:
        text: as the author wrote it.
        field: the argument it came in, for the message.

    Raises:
        NotDone: it is not exactly that.
    """
    if invisible(text):
        raise NotDone(
            f"`{field}`: {quoted(text)} holds a line break or another character that does not show."
        )
    stripped = text.strip()
    named = _NAMED.fullmatch(stripped)
    name = "" if named is None else (named["quoted"] or named["plain"] or "").strip()
    plain = stripped if named is None else named["address"]
    if not plain.isascii():
        raise NotDone(
            f"`{field}`: {quoted(plain)} has letters beyond ASCII; write the domain in its `xn--` form, "
            "and ask for another address where they are before the @."
        )
    found = _ADDRESS.fullmatch(plain)
    if found is None or len(plain) > 254 or len(found["local"]) > 64:
        raise NotDone(f"`{field}`: {quoted(text)} is not an email address.")
    return Address(display_name=name, addr_spec=plain)


def read_addresses(value: object, field: str) -> tuple[Address, ...]:
    """A list of addresses, or text with commas between them; none where it is None or empty.

    Raises:
        NotDone: one of them is not an address; the message names it.
    """
    entries = _split(value, field) if isinstance(value, str) else value or []
    if not isinstance(entries, list):
        raise NotDone(f"`{field}` must be text or a list of texts.")
    return tuple(read_address(entry, field) for entry in entries)


def _split(text: str, field: str) -> list[str]:
    if not text.strip():
        return []
    if ";" in text:
        raise NotDone(f"`{field}`: put commas between addresses, not semicolons.")
    entries = _ENTRY.findall(text)
    if ",".join(entries) != text:
        raise NotDone(f"`{field}`: {quoted(text)} has an empty entry or a quotation mark without its twin.")
    return entries


def message_id(key: str | None, sender: Address) -> str:
    """The Message-ID: the same for the same idempotency key, else a fresh one."""
    seed = (
        uuid.uuid4().hex if key is None else hashlib.sha256(b"signoff/mail\0" + key.encode()).hexdigest()[:40]
    )
    return f"<{seed}@{sender.domain}>"


def check_subject(subject: str) -> str:
    """The subject itself.

    Raises:
        NotDone: it breaks the line, hides something, or is too long.
    """
    if invisible(_without_joiners(subject)):
        raise NotDone("`subject` holds a line break or another character that does not show.")
    if len(subject) > LONGEST_SUBJECT:
        raise NotDone(f"`subject` has {len(subject)} characters; at most {LONGEST_SUBJECT} are sent.")
    return subject


def check_body(body: str) -> str:
    """The body itself; text of any direction may be in it.

    Raises:
        NotDone: it holds control characters or half of one.
    """
    for mark in body:
        if unicodedata.category(mark) in {"Cc", "Cs"} and mark not in "\t\n\r":
            raise NotDone(f"`body` holds the control character U+{ord(mark):04X}.")
    return body


def compose(letter: Letter, now: datetime) -> bytes:
    """The message as it goes over the wire, with CRLF line ends and ASCII only.

    Raises:
        NotDone: it cannot be written so that it reads back the same.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = letter.sender
    if letter.to:
        message["To"] = letter.to
    if letter.cc:
        message["Cc"] = letter.cc
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = letter.message_id
    message.set_content(letter.body)
    for attachment in letter.attachments:
        kind, encoding = mimetypes.guess_type(attachment.name, strict=False)
        main, _, sub = (kind if kind and encoding is None else "application/octet-stream").partition("/")
        if main in {"message", "multipart"}:
            main, sub = "application", "octet-stream"
        message.add_attachment(attachment.data, maintype=main, subtype=sub, filename=attachment.name)
    data = message.as_bytes()
    _require_same(letter, data)
    return data


def _require_same(letter: Letter, data: bytes) -> None:
    """Old versions of the standard library fold some names so that they read as other addresses."""
    read = message_from_bytes(data, policy=policy.SMTP)
    said = {name: _addresses(read, name) for name in ("From", "To", "Cc")}
    meant = {
        "From": [letter.sender.addr_spec],
        "To": [address.addr_spec for address in letter.to],
        "Cc": [address.addr_spec for address in letter.cc],
    }
    names = [name.lower() for name in read]
    if said != meant or len(names) != len(set(names)) or not _HEADERS.issuperset(names) or not data.isascii():
        raise NotDone("The message cannot be written so that it is certain to be read as it was meant.")


def _addresses(message: EmailMessage, name: str) -> list[str]:
    return [address.addr_spec for header in message.get_all(name, []) for address in header.addresses]


def _without_joiners(text: str) -> str:
    return text.replace("\u200c", "")  # it shapes Persian and Indian words
