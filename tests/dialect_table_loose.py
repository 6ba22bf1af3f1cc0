"""Notes of our own that name no action in a key, or put no heading over their text; see `dialect_table`."""
# ruff: noqa: E501, ISC004  a note is read best as it is, on one line where it is short

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Asked:
    """The question that a note must end in: its code and line."""

    code: str
    line: int


Label: TypeAlias = "list[tuple[str, dict[str, Any]]] | Asked | None"

LETTER = "Dear Ana,\n\nthe figures are in.\n\nBen"
MAIL = "---\naction: send_email\nto: ana@example.com\nsubject: Q4\n---\n"
SENT = [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": LETTER})]
CHAT = "---\ntype: whatsapp_reply\nto_number: 491701234567\n---\n"
CHATTED = [("send_whatsapp", {"to": "491701234567", "text": "On my way."})]
HIRING = [("post_linkedin", {"text": "We are hiring."})]

LOOSE: list[tuple[str, str, Label]] = [
    # ------------------------------------------------------------ texts under other headings, or none
    ("all of the body is the text", f"{MAIL}\n{LETTER}\n", SENT),
    (
        "all of the body is the text, CRLF, with a list in it",
        f"{MAIL}Dear Ana,\n\n- one\n- two\n".replace("\n", "\r\n"),
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Dear Ana,\n\n- one\n- two"})],
    ),
    (
        "a body that begins with its subject",
        f"---\naction: send_email\nto: ana@example.com\n---\nSubject: Q4\n\n{LETTER}\n",
        SENT,
    ),
    (
        "a body that may be an order",
        f"{MAIL}Please send Ana the figures.\n",
        Asked("text-unclear", 6),
    ),
    (
        "a body that speaks of the note",
        f"{MAIL}Dear Ana,\n\nthe figures.\n\nWaiting for approval.\n",
        Asked("text-unclear", 10),
    ),
    (
        "a body with a label",
        f"{MAIL}**Context:** she asked on Monday.\n\n{LETTER}\n",
        Asked("text-missing", 2),
    ),
    ("a body with a rule", f"{MAIL}{LETTER}\n\n---\nx\n", Asked("text-missing", 2)),
    ("a body with boxes", f"{MAIL}- [ ] Write to Ana\n", Asked("text-missing", 2)),
    ("a body with a quote", f"{MAIL}Dear Ana,\n\n> you wrote\n", Asked("text-missing", 2)),
    ("a body that is a table", f"{MAIL}| a | b |\n|---|---|\n| c | d |\n", Asked("text-missing", 2)),
    ("a body under a heading of its own", f"{MAIL}# Figures\n\n{LETTER}\n", Asked("text-missing", 2)),
    ("a body with something to fill in", f"{MAIL}Dear [Name],\n\nhello\n", Asked("placeholder", 6)),
    (
        "a payment takes no body",
        "---\naction: pay\nto: Acme\namount: 5\n---\nFor the hosting.\n",
        [("make_payment", {"to": "Acme", "amount": 5})],
    ),
    (
        "a heading that says draft, whose, and to whom",
        f"{CHAT}## Draft WhatsApp Reply — Ana (urgent)\n\nOn my way.\n\n## Notes\nx\n",
        CHATTED,
    ),
    (
        "a drafted text below labels and a rule",
        f"{CHAT}## Draft WhatsApp Reply — Ana\n\n**To:** Ana (+491701234567)\n**Re:** the key\n\n---\n\nOn my way.\n\n---\n\n## Notes\nMove it.\n",
        CHATTED,
    ),
    (
        "a drafted text that is quoted",
        f"{CHAT}## Drafted Reply\n\n> On my way.\n\n## Instructions\n1. Look\n",
        CHATTED,
    ),
    (
        "a quoted text of several rows",
        f"{CHAT}## Proposed Reply\n> On my way.\n>\n> Ben\n",
        [("send_whatsapp", {"to": "491701234567", "text": "On my way.\n\nBen"})],
    ),
    ("a quote under a plain heading", f"{CHAT}## Message\n\n> On my way.\n", Asked("text-unclear", 7)),
    (
        "a callout under a drafted heading",
        f"{CHAT}## Draft Reply\n> [!note] Look\n> at it\n",
        Asked("text-unclear", 6),
    ),
    (
        "a drafted text for somewhere else",
        f"{CHAT}## Draft LinkedIn Post\n\nWe are hiring.\n",
        Asked("text-missing", 2),
    ),
    (
        "two drafted texts",
        f"{CHAT}## Draft Reply\nYes.\n\n## Suggested Message\nNo.\n",
        Asked("values-disagree", 9),
    ),
    (
        "a text ready for review",
        "---\ntype: linkedin_post\n---\n## LinkedIn Post Ready for Review\n\nWe are hiring.\n\n## To Approve\nMove it.\n",
        HIRING,
    ),
    ("a message to be sent", f"{CHAT}## Message to be sent\nOn my way.\n", CHATTED),
    (
        "a preview",
        "---\ntype: linkedin_post\n---\n## Post Preview\nWe are hiring.\n",
        Asked("text-missing", 4),
    ),
    (
        "a title that says draft, with its text between rules",
        f"{MAIL}# Draft Email Reply\n\n**To:** ana@example.com\n**Subject:** Q4\n\n---\n\n{LETTER}\n\n---\n\n*Original message from Ana:*\n\n> When?\n",
        SENT,
    ),
    (
        "a title that says draft, without a rule",
        f"{MAIL}# Draft Email Reply\n\nLook at it.\n\n{LETTER}\n",
        Asked("text-missing", 2),
    ),
    (
        "a text with its length below",
        "---\ntype: tweet\n---\n## Tweet\nWe are hiring.\n\n*(14/280 characters)*\n",
        [("post_twitter", {"text": "We are hiring."})],
    ),
    (
        "a text with a remark below",
        "---\ntype: tweet\n---\n## Tweet\nWe are hiring.\n\n*Drafted with help.*\n",
        Asked("text-unclear", 7),
    ),
    # ------------------------------------------------------------ actions in a title, or in items
    (
        "a message by its title",
        "# WhatsApp Reply — Ana\n\n- **To:** Ana\n- **Status:** Pending\n\n## Message\n\nAt six.\n\n---\n*Queued.*\n",
        [("send_whatsapp", {"to": "Ana", "text": "At six."})],
    ),
    (
        "a post by its title",
        "# LinkedIn Post Draft\n\n## Post Content\nWe are hiring.\n\n## Approval Instructions\n- [ ] Post it\n",
        HIRING,
    ),
    (
        "a post by its title and platform",
        "---\nplatform: LinkedIn\nscheduled_for: 2026-01-18T23:35:47\n---\n# LinkedIn Post\n\n**Content:**\nWe are hiring.\n\n---\n\n## Approval Instructions\n- Move it\n",
        HIRING,
    ),
    (
        "a title of a message already sent",
        "# WhatsApp Reply — Ana\n\n- **To:** Ana\n- **Sent:** 2026-02-26\n- **Status:** Pending\n\n## Message\nAt six.\n",
        Asked("done-unclear", 4),
    ),
    (
        "a title without a recipient",
        "# WhatsApp Reply\n**Status:** Pending\n\n## Message\nAt six.\n",
        Asked("argument-missing", 1),
    ),
    (
        "a title for another platform",
        "---\nplatform: facebook\nstatus: pending\n---\n# LinkedIn Post\n## Post Content\nHi\n",
        Asked("values-disagree", 2),
    ),
    (
        "a title of a post that waits for nothing",
        "# LinkedIn Post\n\n## Post Content\nWe are hiring.\n",
        None,
    ),
    (
        "a title of a post without its text",
        "# LinkedIn Post Draft — Acme\n\n- **Status:** Draft\n\n---\n\nWe are hiring.\n",
        None,
    ),
    (
        "a title that only speaks of a post",
        "# LinkedIn Post Workflow - Completed\n\n**Status:** Pending\n\n## Post Content\nx\n",
        None,
    ),
    (
        "tools with their parameters as items",
        '---\ntype: social_post\nplatforms: [linkedin, twitter]\n---\n# Posts\n\n## Actions\n\n### One\n\n**MCP Tool**: `linkedin.create_post`\n**Parameters**:\n- text: "We are hiring."\n- visibility: "public"\n\n**Expected Outcome**: a post\n\n'
        '### Two\n\n**MCP Tool**: `twitter.create_post`\n**Parameters**:\n- text: "We are hiring!"\n',
        [
            ("linkedin.create_post", {"text": "We are hiring.", "visibility": "public"}),
            ("twitter.create_post", {"text": "We are hiring!"}),
        ],
    ),
    # ------------------------------------------------------------ requests that name no action
    (
        "a status that waits for approval",
        "---\ntype: proposal\nstatus: pending_approval\n---\nI have drafted a reply. Please approve.\n",
        Asked("action-missing", 3),
    ),
    (
        "a flag that asks for approval",
        "---\ntype: plan\nrequires_approval: true\n---\n# Plan\n\n## Draft Gmail Reply\n> Dear Ana\n",
        Asked("action-missing", 3),
    ),
    (
        "an answer to a question of ours",
        "---\nstatus: draft\n---\nSend it.\n\n%% signoff %%\n> [!question] Signoff: x\n\n%% signoff %%\n",
        Asked("action-missing", 2),
    ),
    ("a flag that says no approval", "---\ntype: plan\nrequires_approval: false\n---\n# Plan\n", None),
    (
        "a status of a mail that came in",
        "---\ntype: email\nfrom: eve@example.com\nstatus: pending_approval\n---\nHello\n",
        None,
    ),
    ("a platform and a text", "---\nplatform: linkedin\n---\nWe are hiring.\n", Asked("action-missing", 2)),
    (
        "a drafted text alone",
        "---\nsource: whatsapp\n---\n# Meeting\n\n## Draft Response\n```\nSee you.\n```\n",
        Asked("action-missing", 6),
    ),
    ("a drafted text that is a template's", "# Mail\n\n## Draft Reply\n{{REPLY}}\n", None),
    ("a drafted text still to be written", "# Mail\n\n## Draft Reply\n[to be written]\n", None),
    (
        "an unknown kind of action",
        "---\naction_type: unknown\n---\n# Plan\n1. Think\n",
        Asked("unknown-action", 2),
    ),
    ("a kind that says there is no action", "---\naction_type: none\n---\n# Plan\n", None),
    (
        "a record that allows something",
        "---\ntype: approval_record\nactions_authorized:\n  - gmail_reply: the figures\n---\nAPPROVED\n",
        Asked("arguments-missing", 3),
    ),
    (
        "a record of a decision",
        "---\ntype: approval_record\nstatus: approved\n---\nAPPROVED: people do it.\n",
        None,
    ),
    (
        "a table of tools with values",
        "# Plan\n\n| Tool | Parameters |\n|---|---|\n| send_email | to: ana@example.com |\n",
        Asked("action-missing", 5),
    ),
    (
        "a table of tools without values",
        "# Plan\n\n| Tool | Parameters |\n|---|---|\n| send_email | to, subject |\n",
        None,
    ),
    (
        "a recipient and a text",
        "---\nto: ana@example.com\nsubject: Q4\n---\n## Message\nHi\n",
        Asked("action-missing", 2),
    ),
    (
        "a mail from nobody",
        "---\ntype: email\nfrom: dashboard\nto: ana@example.com\n---\n## Message Body\nHi\n",
        Asked("action-missing", 4),
    ),
    (
        "a mail from somebody",
        "---\ntype: email\nfrom: eve@example.com\nto: ana@example.com\n---\n## Message\nHi\n",
        None,
    ),
    # ------------------------------------------------------------ front matter that cannot be read
    (
        "a mail that came in, with a colon",
        "---\ntype: email\nsubject: Re: Q4\nfrom: eve@example.com\n---\nHello\n",
        None,
    ),
    (
        "a mail that came in, with a quoted name",
        '---\ntype: email\nfrom: "Eve" <eve@example.com>\n---\nHello\n',
        None,
    ),
    ("a task with glued dashes", "---\ntype: task\ncreated: 2026-01-01---\n# Look\n", None),
    ("a log with a key twice", "---\ntype: log\nrow: 1\nrow: 2\n---\n", None),
    (
        "a plan with a colon",
        "---\naction: send_email\nsubject: Re: Q4\n---\n## Message\nHi\n",
        Asked("yaml-invalid", 3),
    ),
    (
        "a plan with a key twice",
        "---\naction: send_email\nto: a@example.com\nto: b@example.com\n---\n",
        Asked("yaml-duplicate-key", 4),
    ),
    (
        "a request with a key twice",
        "---\nstatus: pending_approval\nrow: 1\nrow: 2\n---\nDraft.\n",
        Asked("yaml-duplicate-key", 4),
    ),
]
