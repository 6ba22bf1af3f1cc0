"""An independent look for the values of a plan in its note: by plain search, with nothing of the reader's.

`missing` names what stands nowhere in the note; `contradicted` names recipients and sums that a line of the
note says otherwise; `cut` names texts that begin or end in the middle of something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from signoff.model import Plan, Step

RECIPIENTS = ("to", "recipient", "channel", "customer", "vendor", "cc", "bcc")
TEXTS = ("body", "text", "content", "message", "caption", "description")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TO_LINE = re.compile(
    r"^[ \t]*(?:[-*+] )?[*_]*(?:to|recipient|recipient_email|to_email)[*_]*\s*:[*_]*(?P<rest>.*)$",
    re.IGNORECASE,
)
_AMOUNT_LINE = re.compile(
    r"^[ \t]*(?:[-*+] )?[*_]*amount[*_]*\s*:[*_]*\s*[\"']?\W{0,3}(?P<sum>\d[\d,]*(?:\.\d+)?)[\"']?[*\s]*$",
    re.IGNORECASE,
)
_EDGE = re.compile(
    r"#{1,6}(?:\s|$)|(?:-\s*){3,}$|(?:\*\s*){3,}$|(?:_\s*){3,}$|```|~~~|[-*+]?\s*[*_]{2}|[*_(<%>]|$"
)
"""What may stand next to a text: a heading, a rule, a fence, a label, a remark, or the end."""


def missing(source: str, plan: Plan) -> list[str]:
    """Values that stand nowhere in the note."""
    hay = [_rows(source), _rows(_unescaped(source))]
    return [
        f"{step.action}.{name}: {str(value)[:60]!r}"
        for step in plan.steps
        for name, value in _leaves(step.arguments)
        if not _stands(value, hay, source)
    ]


def contradicted(source: str, plan: Plan) -> list[str]:
    """Recipients and sums of a plan of one step that another line of the note gives differently."""
    if len(plan.steps) != 1:
        return []
    arguments, found = plan.steps[0].arguments, []
    lines = _own_lines(source)
    said = {a.lower() for line in lines if (m := _TO_LINE.match(line)) for a in _ADDRESS.findall(m["rest"])}
    given = {a.lower() for key in ("to", "recipient") for a in _ADDRESS.findall(str(arguments.get(key, "")))}
    if said and given and said != given:
        found.append(f"the note says {sorted(said)}, the call {sorted(given)}")
    sums = {_decimal(m["sum"]) for line in lines if (m := _AMOUNT_LINE.match(line))}
    amount = arguments.get("amount")
    if sums and amount is not None and sums != {_decimal(str(amount))}:
        found.append(f"the note says {sums}, the call {amount}")
    return found


def cut(source: str, step: Step) -> list[str]:
    """Texts of several lines whose neighbours in the body look like more of the same."""
    found = []
    rows = [row.strip().removeprefix(">").strip() for row in source.splitlines()]
    for name in TEXTS:
        value = step.arguments.get(name)
        wanted = [row.strip() for row in value.strip().split("\n")] if isinstance(value, str) else []
        if len(wanted) < 2:
            continue
        places = [n for n in range(len(rows)) if rows[n : n + len(wanted)] == wanted]
        edges = [_odd_edges(rows, at, at + len(wanted)) for at in places]
        if edges and all(
            edges
        ):  # it may stand there twice; in quotes or after its label it is not looked for
            found += [f"{name}: {row[:60]!r}" for row in edges[0]]
    return found


def _odd_edges(rows: list[str], start: int, end: int) -> list[str]:
    before = next((row for row in reversed(rows[:start]) if row), "")
    after = next((row for row in rows[end:] if row), "")
    return [row for row in (before, after) if not _EDGE.match(row) and not _is_key(row)]


def _is_key(row: str) -> bool:
    return re.match(r"[\w -]{1,40}:", row) is not None


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    elif value is not None:
        yield name, value


def _stands(value: Any, hay: list[str], source: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() in source.lower()
    if isinstance(value, int | float):
        return _decimal(str(value)) in {_decimal(number) for number in _NUMBER.findall(source)}
    needle = _rows(value)
    flat = " ".join(value.split())
    return any(needle in text or flat in " ".join(text.split()) for text in hay)


def _rows(text: str) -> str:
    """Filled rows only, without quote marks and blanks around them."""
    rows = (" ".join(re.sub(r"^[ \t]*>?[ \t]*", "", row).split()) for row in text.splitlines())
    return "\n".join(row for row in rows if row)


def _unescaped(text: str) -> str:
    plain = text.replace("\\n", "\n").replace('\\"', '"').replace("''", "'").replace("\\|", "|")
    return re.sub(r"\\u[0-9a-fA-F]{4}", lambda match: str(json.loads(f'"{match[0]}"')), plain)


def _own_lines(source: str) -> list[str]:
    """Lines outside of fences and quotes, and not below a heading of somebody else's."""
    lines, fenced, theirs = [], False, False
    for line in source.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif line.startswith("#"):
            theirs = (
                re.search(r"original|incoming|received|example|source|context|history", line, re.IGNORECASE)
                is not None
            )
        if not (fenced or theirs or line.lstrip().startswith(">")):
            lines.append(line)
    return lines


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return Decimal(-1)
