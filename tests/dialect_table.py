"""Notes of our own in every shape that is read, labelled by hand: the calls, the question, or nothing.

Each row is a name, the note, and what it must come to: a list of `(action, arguments)`, a question as
`Asked(code, line)`, or None for a note that is left alone. The catalogue is the shipped one.
"""
# ruff: noqa: E501, ISC004  a note is read best as it is, on one line where it is short

from __future__ import annotations

from dialect_table_loose import LOOSE, Asked, Label

__all__ = ["TABLE", "Asked", "Label"]

ANA = {"to": "ana@example.com", "subject": "Q4", "body": "Dear Ana,\n\nthe figures are in.\n\nBen"}
LETTER = "Dear Ana,\n\nthe figures are in.\n\nBen"
HEAD = "---\ntype: approval_request\naction: send_email\nto: ana@example.com\nsubject: Q4\nstatus: pending\n---\n"
APPROVE = "\n## To approve\nMove this file to /Approved.\n"
MAIL_FRONT = "---\naction: send_email\nto: ana@example.com\nsubject: Q4\n---\n"

TABLE: list[tuple[str, str, Label]] = [
    # ------------------------------------------------------------ flat keys
    (
        "flat, text under a heading",
        f"{HEAD}# Approval\n\n## Message\n{LETTER}\n{APPROVE}",
        [("send_email", ANA)],
    ),
    ("flat, other headings", f"{MAIL_FRONT}## Draft Content:\n\n{LETTER}\n", [("send_email", ANA)]),
    (
        "flat, a heading with a sign before it",
        f"{MAIL_FRONT}## 📧 Email Body\n{LETTER}\n",
        [("send_email", ANA)],
    ),
    ("flat, text in a fence", f"{MAIL_FRONT}## Draft\n```\n{LETTER}\n```\n{APPROVE}", [("send_email", ANA)]),
    (
        "flat, a fence with a header line",
        "---\naction: email_send\nto: ana@example.com\n---\n## Draft Content\n```\nSubject: Q4\n\n"
        + LETTER
        + "\n```\n",
        [("send_email", ANA)],
    ),
    (
        "flat, text in the front matter",
        "---\naction_type: send_email\nrecipient_email: ana@example.com\nsubject: Q4\nmessage: |\n"
        "  Dear Ana,\n\n  the figures are in.\n\n  Ben\n---\n",
        [("send_email", ANA)],
    ),
    (
        "flat, a footer below a rule",
        f"{MAIL_FRONT}## Body\n\n{LETTER}\n\n---\n*Drafted by an agent.*\n",
        [("send_email", ANA)],
    ),
    (
        "flat, a line drawn directly under the text",
        f"{MAIL_FRONT}## Body\n\n{LETTER}\n---\n*Footer*\n",
        [("send_email", ANA)],
    ),
    ("flat, CRLF", (MAIL_FRONT + "## Body\n" + LETTER + "\n").replace("\n", "\r\n"), [("send_email", ANA)]),
    (
        "flat, the body agrees with the keys",
        f"{HEAD}## Details\n- **To:** Ana <ana@example.com>\n- **Subject:** Q4\n\n## Message\n{LETTER}\n",
        [("send_email", ANA)],
    ),
    (
        "flat, a list of recipients",
        "---\naction: email\nto: [a@example.com, b@example.com]\nsubject: Q4\ncc: c@example.com\nbody: Hi\n---\n",
        [
            (
                "send_email",
                {
                    "to": ["a@example.com", "b@example.com"],
                    "subject": "Q4",
                    "cc": "c@example.com",
                    "body": "Hi",
                },
            )
        ],
    ),
    (
        "flat, the message it answers is quoted below",
        f"{HEAD}## Original Message\n**To:** me@example.com\n**Subject:** Help\n\nPlease pay now.\n\n"
        f"## Proposed Reply\n{LETTER}\n",
        [("send_email", ANA)],
    ),
    (
        "flat, an answer to the sender",
        "---\naction: whatsapp_reply\nfrom: Ana\nto: Ana\n---\n## Message\nWhen do you come?\n\n## Draft Reply\nAt six.\n",
        Asked("values-disagree", 10),
    ),
    (
        "flat, an answer under its own heading",
        "---\naction: whatsapp_reply\nfrom: Ana\nto: Ana\n---\n## Their Message\nWhen do you come?\n\n## Reply Message\nAt six.\n",
        [("send_whatsapp", {"to": "Ana", "text": "At six."})],
    ),
    (
        "flat, a payment",
        "---\ntype: approval_request\naction: payment\namount: 500.00\nrecipient: Acme Ltd\nreason: Invoice 12\n---\n"
        "## Details\n- **Amount:** $500.00\n- **To:** Acme Ltd\n- **Reference:** Invoice 12\n",
        [("make_payment", {"to": "Acme Ltd", "amount": 500, "reference": "Invoice 12"})],
    ),
    (
        "flat, a sum with thousands and its currency",
        "---\naction: pay\nto: Acme Ltd\namount: EUR 1,250.50\n---\n",
        [("make_payment", {"to": "Acme Ltd", "amount": 1250.5, "currency": "EUR"})],
    ),
    (
        "flat, a number typed as one stays as typed where it is a text",
        "---\ntype: whatsapp_reply\nto_number: 00491701234567\n---\n## Reply Message\nOn my way.\n\n---\n## Next\n",
        [("send_whatsapp", {"to": "00491701234567", "text": "On my way."})],
    ),
    (
        "flat, a number with its owner's name",
        "---\ntype: whatsapp_reply\nto_number: 491701234567\nto_name: Ana\n---\n**To:** Ana (+491701234567)\n\n"
        "## Message\nOn my way.\n",
        [("send_whatsapp", {"to": "491701234567", "text": "On my way."})],
    ),
    (
        "flat, a post by its type",
        "---\ntype: linkedin_post\ncreated: 2026-01-01\n---\n# A post\n\n## Post Content\nWe are hiring.\n\n#jobs\n\n## Notes\nx\n",
        [("post_linkedin", {"text": "We are hiring.\n\n#jobs"})],
    ),
    (
        "flat, a post by its type and platform",
        "---\ntype: social_post\nplatform: Twitter\n---\n## Content\nWe are hiring.\n",
        [("post_twitter", {"text": "We are hiring."})],
    ),
    (
        "flat, a heading with a remark",
        "---\ntype: tweet\n---\n## Tweet (2 of 280)\nHi\n",
        [("post_twitter", {"text": "Hi"})],
    ),
    (
        "flat, a list under a heading",
        "---\ntype: social_post\nplatform: instagram\n---\n## Caption\nSun\n\n## Media\n- a/sun.jpg\n- a/sea.jpg\n",
        [("post_instagram", {"text": "Sun", "image": ["a/sun.jpg", "a/sea.jpg"]})],
    ),
    (
        "flat, JSON under a heading",
        '---\ntype: social_post\nplatform: instagram\n---\n## Caption\nSun\n\n## Media\n[\n  "a/sun.jpg"\n]\n',
        [("post_instagram", {"text": "Sun", "image": "a/sun.jpg"})],
    ),
    (
        "flat, a tool named directly",
        "---\naction: calendar.create_event\ntitle: Review\nstart: 2026-03-01 10:00\n---\n",
        [("calendar.create_event", {"title": "Review", "start": "2026-03-01 10:00"})],
    ),
    (
        "flat, a file in the vault",
        f"{MAIL_FRONT[:-4]}attachment: Files/q4.pdf\n---\n## Body\n{LETTER}\n",
        [("send_email", {**ANA, "attachments": "Files/q4.pdf"})],
    ),
    (
        "flat, priority and id in the words of others",
        f"---\nid: approval_1\npriority: P1\nmode: draft\naction: send_email\nto: ana@example.com\nsubject: Q4\n---\n"
        f"## Body\n{LETTER}\n",
        [("send_email", ANA)],
    ),
    (
        "flat, words that say there is none",
        f"{MAIL_FRONT[:-4]}cc: none\nattachments: N/A\nscheduled_for: now\n---\n## Body\n{LETTER}\n",
        [("send_email", ANA)],
    ),
    (
        "flat, code and links in the text",
        f"{MAIL_FRONT}## Body\nSee [the page](https://example.com) and [[Q4]], item [1] and a <b>word</b>.\n",
        [
            (
                "send_email",
                {
                    **ANA,
                    "body": "See [the page](https://example.com) and [[Q4]], item [1] and a <b>word</b>.",
                },
            )
        ],
    ),
    # ------------------------------------------------------------ labels and tables
    (
        "labels",
        "# Request\n\n**Action:** Send Email\n- **To:** ana@example.com\n- **Subject:** Q4\n- **Body:** Hello\n",
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "labels with the text below",
        f"**Action**: `send_email`\n**To**: `ana@example.com`\n**Subject**: Q4\n\n**Body:**\n{LETTER}\n\n---\n*x*\n",
        [("send_email", ANA)],
    ),
    (
        "labels, the action in the front matter",
        "---\naction_type: send_email\n---\n## Request Details\n\n**To**: ana@example.com\n**Subject**: Q4\n**Body**: Hello\n"
        "\n## Context\n\nMade up.\n",
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "labels, two actions in two sections",
        "## First\n**Action:** post_linkedin\n**Text:** One\n\n## Second\n**Action:** post_twitter\n**Text:** Two\n",
        [("post_linkedin", {"text": "One"}), ("post_twitter", {"text": "Two"})],
    ),
    (
        "a table",
        "# Pay\n\n| Field | Value |\n|---|---|\n| Action | payment |\n| **To** | Acme Ltd |\n| Amount | 120 EUR |\n",
        [("make_payment", {"to": "Acme Ltd", "amount": 120, "currency": "EUR"})],
    ),
    # ------------------------------------------------------------ structures
    (
        "a tool with its server",
        "---\nmcp_server: gmail\ntool_name: send_email\ntool_inputs:\n  to: ana@example.com\n  subject: Q4\n  body: Hello\n---\n",
        [("gmail.send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "a tool with JSON in a text",
        '---\nmcp_server: slack\ntool_name: post_message\ntool_inputs: \'{"channel": "sales", "text": "Done"}\'\n---\n',
        [("slack.post_message", {"channel": "sales", "text": "Done"})],
    ),
    (
        "mcp_tool and mcp_params",
        "---\nmcp_tool: mcp__crm__add_note\nmcp_params: {customer: 7, note: Called}\n---\n",
        [("crm.add_note", {"customer": 7, "note": "Called"})],
    ),
    (
        "an action with its parameters",
        "---\naction: email_send\nparams:\n  recipient: ana@example.com\n  subject: Q4\n  content: Hello\n---\n",
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "a list of actions",
        "---\nactions:\n  - action: send_email\n    params: {to: ana@example.com, subject: Q4, body: Hello}\n"
        "  - {tool: slack.post_message, arguments: {channel: sales, text: Sent}}\n---\n",
        [
            ("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"}),
            ("slack.post_message", {"channel": "sales", "text": "Sent"}),
        ],
    ),
    (
        "a list of actions as JSON",
        '---\nactions: \'[{"action": "post_linkedin", "text": "We are hiring"}]\'\n---\n',
        [("post_linkedin", {"text": "We are hiring"})],
    ),
    (
        "a JSON block",
        '---\nstatus: pending\n---\n# Mail\n\n```json\n{"action": "send_email", "to": "ana@example.com", '
        '"subject": "Q4", "body": "Hello"}\n```\n',
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "a YAML block that agrees with the front matter",
        "---\ntype: approval_request\naction_type: send_email\n---\n## Execution Plan\n\n```yaml\nmcp_server: gmail\n"
        "tool_name: send_email\ntool_inputs:\n  to: ana@example.com\n  subject: Q4\n  body: Hello\nretry_policy: {max: 3}\n```\n",
        [("gmail.send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    (
        "an explicit plan and a block that say the same",
        "---\naction: send_email\nwith: {to: ana@example.com, subject: Q4, body: Hi}\n---\n```json\n"
        '{"action": "email", "recipient": "ana@example.com", "subject": "Q4", "text": "Hi"}\n```\n',
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hi"})],
    ),
    (
        "an explicit plan with prose of labels",
        "---\naction: send_email\nwith: {to: ana@example.com, subject: Q4, body: Hi}\n---\n**To:** eve@example.com\n\n## Message\nBye\n",
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hi"})],
    ),
    # ------------------------------------------------------------ phrases
    (
        "phrases",
        '## Steps\n\n1. [ ] Read the note Ideas/today.md\n2. Think\n3. Tweet "We are hiring"\n',
        [("read_note", {"path": "Ideas/today.md"}), ("post_twitter", {"text": "We are hiring"})],
    ),
    (
        "phrases with labels under the item",
        "## Actions\n- Send an email to ana@example.com.\n  - **Subject:** Q4\n  - **Body:** Hello\n",
        [("send_email", {"to": "ana@example.com", "subject": "Q4", "body": "Hello"})],
    ),
    # ------------------------------------------------------------ questions
    (
        "two recipients",
        f"{HEAD}## Details\n- **To:** eve@example.com\n\n## Message\n{LETTER}\n",
        Asked("values-disagree", 9),
    ),
    ("two subjects", f"{HEAD}**Subject:** Q3\n\n## Message\n{LETTER}\n", Asked("values-disagree", 8)),
    ("two texts", f"{HEAD}## Message\nOne\n\n## Draft\nTwo\n", Asked("values-disagree", 12)),
    (
        "two sums",
        "---\naction: pay\nto: Acme\namount: 50\n---\n- **Amount:** $500\n",
        Asked("values-disagree", 6),
    ),
    (
        "two currencies",
        "---\naction: pay\nto: Acme\namount: 50 EUR\ncurrency: USD\n---\n",
        Asked("values-disagree", 4),
    ),
    (
        "dollars that are euros",
        "---\naction: pay\nto: Acme\namount: $50\ncurrency: EUR\n---\n",
        Asked("values-disagree", 4),
    ),
    ("two actions", "---\naction: send_email\naction_type: payment\n---\n", Asked("two-readings", 3)),
    (
        "two dialects that differ",
        f"{HEAD}## Message\n{LETTER}\n\n## Plan\n```yaml\nmcp_server: gmail\ntool_name: send_email\ntool_inputs:\n"
        "  to: eve@example.com\n  subject: Q4\n  body: Hello\n```\n",
        Asked("two-readings", 18),
    ),
    (
        "an explicit plan and a block that differ",
        "---\naction: send_email\nwith: {to: ana@example.com, subject: Q4, body: Hi}\n---\n```json\n"
        '{"action": "send_email", "to": "eve@example.com", "subject": "Q4", "body": "Hi"}\n```\n',
        Asked("two-readings", 6),
    ),
    (
        "a block that is complete beside recipients that differ",
        f"{HEAD}**To:** eve@example.com\n\n```yaml\nmcp_server: gmail\ntool_name: send_email\ntool_inputs:\n"
        "  to: ana@example.com\n  subject: Q4\n  body: Hello\n```\n",
        Asked("values-disagree", 8),
    ),
    (
        "a text that may be the sender's",
        "---\naction: whatsapp_reply\nfrom: Ana\nto: Ana\n---\n## Message\nWhen do you come?\n",
        Asked("text-unclear", 3),
    ),
    (
        "what came in, beside who it was from",
        "---\naction: whatsapp_reply\nto: Ana\n---\n## Details\n- **From:** Ana\n- **Message:** When do you come?\n",
        Asked("text-missing", 2),
    ),
    ("no text", HEAD + "# Mail\n\nPlease send the figures.\n", Asked("text-missing", 3)),
    ("an empty text", f"{HEAD}## Message\n\n## Notes\nx\n", Asked("text-missing", 8)),
    ("a text that is a comment", f"{HEAD}## Message\n<!-- write here -->\n", Asked("text-missing", 8)),
    ("a text that says it is elsewhere", f"{HEAD}- **Body:** See below\n", Asked("text-missing", 3)),
    (
        "no recipient",
        "---\naction: send_email\nsubject: Q4\nbody: Hello\n---\n",
        Asked("argument-missing", 2),
    ),
    (
        "an empty recipient",
        "---\naction: send_email\nto:\nsubject: Q4\nbody: Hello\n---\n",
        Asked("argument-missing", 3),
    ),
    ("nothing at all", "---\naction: send_email\n---\n", Asked("argument-missing", 2)),
    (
        "a name without an address",
        "---\naction: send_email\nto: Ana\nsubject: Q4\nbody: Hello\n---\n",
        Asked("address-missing", 3),
    ),
    (
        "a name to be filled in",
        f"{HEAD}## Message\nDear Ana,\n\nbest,\n[Your Name]\n",
        Asked("placeholder", 12),
    ),
    ("a variable", f"{HEAD}## Message\nDear {{{{NAME}}}},\n", Asked("placeholder", 9)),
    ("an expression", f"{HEAD}## Message\n${{{{ steps.a.result }}}}\n", Asked("placeholder", 9)),
    ("TODO", f"{HEAD}## Message\nDear Ana,\nTODO: the figures\n", Asked("placeholder", 10)),
    ("dots", f"{HEAD}## Message\n...\n", Asked("placeholder", 9)),
    (
        "an address to be filled in",
        "---\naction: send_email\nto: <the address>\nsubject: Q4\nbody: Hi\n---\n",
        Asked("placeholder", 3),
    ),
    (
        "a slot in a subject",
        "---\naction: send_email\nto: a@example.com\nsubject: Report for <month>\nbody: Hi\n---\n",
        Asked("placeholder", 4),
    ),
    (
        "a sum without digits",
        "---\naction: pay\nto: Acme\namount: the usual\n---\n",
        Asked("amount-missing", 4),
    ),
    (
        "a sum that is several",
        "---\naction: pay\nto: Acme\namount: 50-100 EUR\n---\n",
        Asked("amount-unclear", 4),
    ),
    (
        "a sum in an unknown currency",
        "---\naction: pay\nto: Acme\namount: Rs. 50,000\n---\n",
        Asked("amount-unclear", 4),
    ),
    (
        "an unknown action",
        "---\ntype: approval_request\naction: launch_rocket\n---\n",
        Asked("unknown-action", 3),
    ),
    ("a mistyped action", "---\naction: send_emial\nto: a@example.com\n---\n", Asked("unknown-action", 2)),
    (
        "a request without an action",
        "---\ntype: approval_request\ntask: refund\n---\n# Refund Ana\n",
        Asked("action-missing", 2),
    ),
    (
        "a file outside",
        f"{MAIL_FRONT[:-4]}attachment: ../../etc/passwd\n---\n## Body\nHi\n",
        Asked("file-outside", 5),
    ),
    (
        "a file with a drive",
        f"{MAIL_FRONT[:-4]}attachment: C:\\x.pdf\n---\n## Body\nHi\n",
        Asked("file-outside", 5),
    ),
    (
        "a file address",
        f"{MAIL_FRONT[:-4]}attachment: file:///etc/passwd\n---\n## Body\nHi\n",
        Asked("file-outside", 5),
    ),
    ("no file", f"{MAIL_FRONT[:-4]}attachment: the invoice\n---\n## Body\nHi\n", Asked("file-unclear", 5)),
    (
        "a time that is not read",
        "---\ntype: tweet\nscheduled_for: next week\n---\n## Content\nHi\n",
        Asked("time-unclear", 3),
    ),
    (
        "another platform",
        "---\naction: post_linkedin\nplatform: facebook\n---\n## Content\nHi\n",
        Asked("values-disagree", 3),
    ),
    ("a quoted text", f"{HEAD}## Message\n> Dear Ben\n", Asked("text-unclear", 9)),
    (
        "more under a heading than can be read",
        "---\ntype: tweet\n---\n## Content\nSun\n\n## Media\nThe photo of last summer,\nor a newer one.\n",
        Asked("text-unclear", 8),
    ),
    ("text and fence", f"{HEAD}## Message\nDraft below.\n```\nHi\n```\n", Asked("text-unclear", 10)),
    (
        "text on both sides of a rule",
        f"{HEAD}## Message\nHi\n\n---\n\nmore of it\n",
        Asked("text-unclear", 13),
    ),
    (
        "a hidden comment in the text",
        f"{HEAD}## Message\nHi\n<!-- and pay -->\nBen\n",
        Asked("text-unclear", 10),
    ),
    (
        "the message it answers within the text",
        f"{HEAD}## Draft\nHi\n\n### Original Message\nOld\n",
        Asked("text-unclear", 11),
    ),
    (
        "an unknown label in a labelled text",
        f"{HEAD}**Body:**\nHi\n\n**Please note:** more\n",
        Asked("text-unclear", 11),
    ),
    (
        "a label of an argument within the text",
        f"{HEAD}## Message\nHi\n\n**Subject:** Q4\n",
        Asked("text-unclear", 11),
    ),
    (
        "a tool without its server",
        "---\ntool_name: make_coffee\ntool_inputs: {cups: 2}\n---\n",
        Asked("unknown-action", 2),
    ),
    (
        "an unknown argument",
        "---\naction: send_email\nparams: {to: a@example.com, colour: red}\n---\n",
        Asked("argument-unknown", 3),
    ),
    (
        "a placeholder in a structure",
        "---\nmcp_tool: crm.add\nmcp_params: {note: '{{NOTE}}'}\n---\n",
        Asked("placeholder", 3),
    ),
    (
        "a phrase without its text",
        "## Steps\n1. Send email to ana@example.com\n",
        Asked("argument-missing", 2),
    ),
    # ------------------------------------------------------------ left alone
    (
        "an e-mail received",
        "---\ntype: email\nfrom: eve@example.com\nto: me@example.com\nsubject: Pay\naction: reply_email\n---\n## Body\nPay now\n",
        None,
    ),
    (
        "a message received",
        "---\ntype: whatsapp_message\nfrom: Eve\n---\n## Message\nSend email to a@example.com\n",
        None,
    ),
    ("a dropped file", "---\ntype: file_drop\naction_type: send_email\n---\n**To:** a@example.com\n", None),
    ("a briefing", "---\ntype: ceo_briefing\n---\n## Actions\n- Send email to ana@example.com\n", None),
    (
        "a log",
        "# Log\n\n## 10:42\n- **Action:** send_email\n- **To:** a@example.com\n- **Result:** success\n",
        None,
    ),
    (
        "a record",
        f"---\naction: send_email\nto: a@example.com\nexecuted_at: 2026-01-01\n---\n## Body\n{LETTER}\n",
        None,
    ),
    (
        "a record by its status",
        f"---\ntype: linkedin_post\nstatus: posted\n---\n## Content\n{LETTER}\n",
        None,
    ),
    (
        "a record by its title",
        "---\ntype: approval_request\nstatus: approved\n---\n# Approval Record: mail\n",
        None,
    ),
    (
        "a record by its last line",
        f"---\ntype: linkedin_post\nstatus: pending\n---\n## Content\n{LETTER}\n\n---\n*Posted: 2026-03-14 00:56*\n",
        None,
    ),
    ("a dashboard", "# Dashboard\n\n| Action | Status |\n|---|---|\n| send_email | 3 waiting |\n", None),
    ("a handbook", "# Handbook\n\n## Example\n```yaml\naction: send_email\nto: a@example.com\n```\n", None),
    (
        "a manual of several blocks",
        '# How\n```json\n{"action": "payment"}\n```\n```json\n{"action": "send_email"}\n```\n',
        None,
    ),
    (
        "a quoted plan",
        "> ---\n> action: send_email\n> ---\n> **Action:** send_email\n> **To:** a@example.com\n",
        None,
    ),
    (
        "a quote that goes on without its sign",
        "> He wrote:\n**Action:** send_email\n**To:** a@example.com\n",
        None,
    ),
    ("a block of another kind", "---\nstatus: x\n---\n```python\naction: send_email\n```\n", None),
    (
        "front matter in a block",
        "# Template\n```markdown\n---\naction: send_email\nto: a@example.com\n---\n```\n",
        None,
    ),
    ("a comment", "<!--\n**Action:** send_email\n**To:** a@example.com\n-->\n", None),
    ("prose", "# Plan\n\n**Action:** reply to Ana and send email\n**To:** ana@example.com\n", None),
    (
        "a plan of prose",
        "---\ntype: plan\naction_type: send_email\n---\n## Steps\n1. Draft the email\n2. Send it\n",
        Asked("argument-missing", 3),
    ),
    ("tasks", "---\ntype: plan\n---\n## Steps\n- [ ] Read the mail\n- [ ] Send email to the client\n", None),
    ("words in a list of actions", "---\nactions: [review, reply]\n---\n", None),
    ("a recipe", "---\nsteps: [boil, salt]\ntype: recipe\n---\n", None),
    ("an invoice as a note", "---\ntype: invoice\namount: 500\ncustomer: Acme\n---\n", None),
    *LOOSE,
]
