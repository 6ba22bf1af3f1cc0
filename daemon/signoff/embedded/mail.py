"""The `mail` server: one tool, `send_email`, over SMTP or into an outbox folder.

    python -m signoff.embedded.mail --vault DIR [--outbox DIR]

Settings come from the environment: SMTP_HOST, SMTP_PORT (587), SMTP_USER, SMTP_PASSWORD,
SMTP_SECURITY (`starttls`, `tls` or `none`; `tls` by default on port 465, else `starttls`), MAIL_FROM
and MAIL_OUTBOX (default `Outbox` in the vault). With no SMTP_HOST nothing is sent: the message is
written to the outbox as an `.eml` file, and the result says so.

What became of a message is said only where it is known; see `delivery`. Where it is not, the process
ends without an answer (see `serving`), and the daemon starts it again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from signoff.embedded.letter import LONGEST_SUBJECT, MOST_RECIPIENTS
from signoff.embedded.mail_settings import Settings, read_settings
from signoff.embedded.mail_tools import send_email
from signoff.embedded.tools import Tool, schema
from signoff.errors import ConfigError
from signoff.model import JsonObject

_LONGEST_BODY = 1 << 20  # characters


def tool_with(settings: Settings) -> Tool:
    """`send_email`, as it is declared."""
    text: JsonObject = {"type": "string"}
    texts: JsonObject = {"type": "array", "items": text}
    some: JsonObject = {"anyOf": [text, {**texts, "maxItems": MOST_RECIPIENTS}]}
    return Tool(
        name="send_email",
        title="Send an email",
        description=(
            "Sends one plain-text email over SMTP, with attachments from the vault. Where no SMTP host is "
            "set, nothing is sent: the message goes to an outbox folder as an .eml file, and the result says "
            "so."
        ),
        input_schema=schema(
            {
                "to": {
                    "anyOf": [
                        {**text, "minLength": 1},
                        {**texts, "minItems": 1, "maxItems": MOST_RECIPIENTS},
                    ],
                    "description": "Recipients: a list, or text with commas between them.",
                },
                "subject": {**text, "maxLength": LONGEST_SUBJECT, "description": "One line."},
                "body": {**text, "maxLength": _LONGEST_BODY, "description": "Plain text."},
            },
            {
                "cc": {**some, "description": "Further recipients, seen by all."},
                "bcc": {**some, "description": "Further recipients, named in no header."},
                "attachments": {
                    "anyOf": [text, {**texts, "maxItems": 50}],
                    "description": "Paths of files inside the vault, with /; 20 MB in total.",
                },
                "from": {**text, "description": "Sender; MAIL_FROM where it is absent."},
            },
        ),
        output_schema=schema(
            {
                "message_id": text,
                "delivered": {"enum": ["smtp", "outbox"]},
                "accepted": texts,
                "refused": {"type": "object", "additionalProperties": text},
                "recipients": texts,
                "attachments": {"type": "array", "items": {"type": "object"}},
            },
            {"path": text},
            closed=False,
        ),
        nothing="The mail was NOT sent.",
        run=lambda call: send_email(settings, call),
        open_world=True,
    )


def settings_of(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings; ends with status 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(prog="signoff.embedded.mail", description="Sends mail over SMTP.")
    parser.add_argument(
        "--vault", required=True, metavar="DIR", type=Path, help="where attachments may come from"
    )
    parser.add_argument("--outbox", metavar="DIR", type=Path, help="for .eml files where no SMTP_HOST is set")
    options = parser.parse_args(arguments)
    if not options.vault.is_dir():
        parser.error(f"There is no vault {options.vault}. Nothing was started.")
    try:
        return read_settings(options.vault.resolve(), options.outbox, env)
    except ConfigError as error:
        parser.error(f"{error.message} Nothing was started.")


def main() -> None:
    """Serves over standard input and output until that closes."""
    settings = settings_of()
    from signoff.embedded.serving import serve  # half a second, which a refused start need not cost

    serve("signoff-mail", "Sends email over SMTP, or into an outbox folder.", [tool_with(settings)])


if __name__ == "__main__":
    main()
