"""A catalogue, servers and notes that the tests of plans share."""

from __future__ import annotations

from collections.abc import Mapping

from signoff.catalogue import Action, ActionTool, Catalogue
from signoff.errors import NoteError
from signoff.model import FrozenPlan, Json, JsonObject, Plan, ServerView, Tool
from signoff.note.document import parse
from signoff.plan.freeze import freeze
from signoff.plan.read import read_plan


def schema(required: tuple[str, ...] = (), **properties: Json) -> JsonObject:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


TEXT: Json = {"type": "string"}
SEND = schema(("to", "subject"), to=TEXT, subject=TEXT, body=TEXT)
MESSAGE = schema(("recipient", "title"), recipient=TEXT, title=TEXT, text=TEXT)
PAY = schema(
    ("amount",), amount={"type": "number", "maximum": 500}, currency={"enum": ["EUR", "USD"]}, note=TEXT
)

CATALOGUE = Catalogue.of(
    [
        Action(
            "send_email",
            (
                ActionTool("mail", "send_email"),
                ActionTool("gmail", "send_message", {"recipient": "to", "title": "subject", "text": "body"}),
            ),
            aliases=("email", "email_send"),
        ),
        Action("pay", (ActionTool("bank", "pay_invoice"),)),
    ]
)


def view(name: str, *tools: Tool, launch: JsonObject | None = None) -> ServerView:
    launch = launch or {"command": f"{name}-server", "args": ["--stdio"]}
    return ServerView(name, launch, {tool.name: tool for tool in tools})


VIEWS: Mapping[str, ServerView] = {
    "mail": view("mail", Tool("send_email", "Sends a mail.", SEND, {"readOnlyHint": False})),
    "gmail": view("gmail", Tool("send_message", "Sends a message.", MESSAGE)),
    "bank": view("bank", Tool("pay_invoice", "Pays.", PAY), Tool("pay_back", "Pays back.", PAY)),
    "linkedin": ServerView("linkedin", {"url": "https://example.com"}, None, "LINKEDIN_TOKEN is not set"),
}


def read(text: str | bytes) -> Plan | None:
    data = text if isinstance(text, bytes) else text.encode()
    return read_plan(parse(data), CATALOGUE, fallback_title="The file")


def plan_of(text: str) -> Plan:
    plan = read(text)
    assert plan is not None
    return plan


def question(text: str) -> NoteError:
    """The question that reading a note ends in."""
    try:
        plan = read(text)
    except NoteError as error:
        return error
    raise AssertionError(f"read without a question: {plan}")


def frozen(
    text: str, views: Mapping[str, ServerView] = VIEWS, catalogue: Catalogue = CATALOGUE
) -> FrozenPlan:
    return freeze(plan_of(text), "the-plan", catalogue, views)


def refusal(text: str, views: Mapping[str, ServerView] = VIEWS) -> NoteError:
    """The question that freezing a note ends in."""
    try:
        frozen(text, views)
    except NoteError as error:
        return error
    raise AssertionError("frozen without a question")


def item(number: int, block: str, name: str = "Do it") -> str:
    """An item of the list under `## Steps`; each line of the block is indented under it."""
    lines = "".join(f"   {line}\n" for line in block.strip("\n").split("\n"))
    return f"{number}. [ ] {name}\n   ```yaml\n{lines}   ```\n"


def steps(*blocks: str, front: str = "") -> str:
    """A note with these blocks under `## Steps`."""
    head = f"---\n{front}\n---\n" if front else ""
    return head + "\n## Steps\n\n" + "".join(item(number, block) for number, block in enumerate(blocks, 1))


MAIL = "action: send_email\nwith:\n  to: client@example.com\n  subject: Q4 proposal"
