"""One step to exact calls: which tools of which servers, with the arguments under their own names.

The tools are tried in the order of the catalogue, then of the author's `fallback`. One whose server
is not connected is left out, as long as another can be bound; so is one of the catalogue whose
server nobody configured, and a later one of the catalogue that would not take these arguments. What
the author named himself must exist and take them. The first tool that is there must take them too:
a misspelt argument is a question, never a reason to pick another server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from signoff.catalogue import Action, ActionTool, Catalogue, FollowUp, adapt
from signoff.config.section import nearest
from signoff.errors import NoteError
from signoff.model import Call, Json, ServerView, Step, Tool, Verification
from signoff.plan.expressions import late_paths
from signoff.plan.followups import filled, require_own, undo_of
from signoff.plan.schema import problems
from signoff.plan.wording import Problem

SHOWN = 3
"""Problems of one step that are spelled out."""


@dataclass(slots=True)
class Bound:
    """The calls of a step, the tools behind them by `server.tool`, and the call that takes it back."""

    action: str
    calls: list[Call] = field(default_factory=list)
    undo: Call | None = None
    verify: Verification | None = None
    tools: dict[str, Tool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tool that may carry out the step; `named` where the author himself named it."""

    tool: ActionTool
    named: bool


def bind(
    step: Step, catalogue: Catalogue, views: Mapping[str, ServerView], on_failure: str = "stop"
) -> Bound:
    """The exact calls of a step, and of what takes it back.

    Raises:
        NoteError: see `signoff.plan.freeze.freeze`; without a line.
    """
    action, calls = _calls(step.action, step.arguments, step.fallback, catalogue, views)
    bound = Bound(action)
    for call, tool in calls:
        bound.calls.append(call)
        bound.tools[call.name] = tool
    known = catalogue.find(step.action)
    if (undo := undo_of(step, known, on_failure)) is not None:
        follow_up, named = undo
        found = _follow_up(step, follow_up, f"undo of `{action}`", catalogue, views, named=named)
        if found is not None:
            bound.undo, tool = found
            bound.tools[bound.undo.name] = tool
    if known is not None and (verify := known.verify) is not None:
        found = _follow_up(step, verify, f"verify of `{action}`", catalogue, views, named=False)
        if found is not None:
            bound.verify = Verification(found[0], verify.happened, verify.after, verify.read_only)
            bound.tools[found[0].name] = found[1]
    return bound


def _follow_up(
    step: Step,
    follow_up: FollowUp,
    of: str,
    catalogue: Catalogue,
    views: Mapping[str, ServerView],
    *,
    named: bool,
) -> tuple[Call, Tool] | None:
    """A call that belongs to a step, bound; None where the catalogue names a tool that nobody has here."""
    if not named:
        require_own(follow_up.arguments, of=of)
    arguments = filled(follow_up.arguments, step, of=of)
    try:
        return _calls(follow_up.action, arguments, (), catalogue, views)[1][0]
    except NoteError as error:
        if not named and error.code in {"unknown-server", "unknown-tool"}:
            return None
        raise


def _calls(
    name: str,
    arguments: Mapping[str, Json],
    fallback: tuple[str, ...],
    catalogue: Catalogue,
    views: Mapping[str, ServerView],
) -> tuple[str, list[tuple[Call, Tool]]]:
    """The action's own name and its calls with their tools, the preferred one first; at least one."""
    action, candidates = _candidates(name, fallback, catalogue, views)
    calls: list[tuple[Call, Tool]] = []
    refusals: list[NoteError] = []
    for candidate in candidates:
        try:
            tool = _tool(candidate.tool, views)
        except NoteError as error:
            if candidate.named and error.code != "server-unavailable":
                raise
            refusals.append(error)
            continue
        adapted = adapt(candidate.tool, fitted(action, candidate.tool, tool, arguments))
        wrong = _wrong(candidate.tool, tool, adapted, action)
        if not wrong:
            calls.append((Call(candidate.tool.server, tool.name, adapted), tool))
        elif candidate.named or not calls:
            raise _as_question(wrong)
    if not calls:
        raise _not_offered(name, candidates, refusals)
    return (action.name if action else name.strip()), calls


def fitted(
    action: Action | None, wanted: ActionTool, tool: Tool, arguments: Mapping[str, Json]
) -> Mapping[str, Json]:
    """The arguments under names that this tool knows, as far as the catalogue says that they mean the same.

    A name that the tool or its entry in the catalogue knows is kept. Another one is changed only where
    exactly one of the argument's other names is known, and nothing is given under it.
    """
    known = tool.input_schema.get("properties")
    if action is None or not action.arguments or not isinstance(known, dict):
        return arguments
    names = ({*known} - {*wanted.names}) | {*wanted.names.values()}
    fitting: dict[str, Json] = {}
    for name, value in arguments.items():
        argument = None if name in names else action.argument(name)
        options = [other for other in names if argument is not None and action.argument(other) is argument]
        if argument is not None and argument.name in options:
            options = [argument.name]
        free = len(options) == 1 and options[0] not in arguments and options[0] not in fitting
        fitting[options[0] if free else name] = value
    return fitting


def _not_offered(name: str, candidates: list[Candidate], refusals: list[NoteError]) -> NoteError:
    """The question for an action that nothing configured offers, naming what would."""
    waiting = next((error for error in refusals if error.code == "server-unavailable"), None)
    if waiting is not None or len(refusals) == 1 or {error.code for error in refusals} != {"unknown-server"}:
        return waiting or refusals[0]
    tools = ", ".join(f"`{candidate.tool.name}`" for candidate in candidates[:4])
    servers = dict.fromkeys(candidate.tool.server for candidate in candidates)
    return NoteError(
        f"No server that is configured offers `{name.strip()[:80]}`. The catalogue knows it as {tools}.",
        code="unknown-server",
        hint=f"Add a server called {' or '.join(f'`{server}`' for server in list(servers)[:4])} to "
        "`mcp_servers.json`, or write into `actions.yaml` which tool does it.",
    )


def _candidates(
    name: str, fallback: tuple[str, ...], catalogue: Catalogue, views: Mapping[str, ServerView]
) -> tuple[Action | None, list[Candidate]]:
    """The catalogue's entry and all tools to try, each once, in order."""
    found = catalogue.resolve(name)
    if not found.tools:
        raise _unknown_action(name, catalogue, views)
    candidates = {tool.name: Candidate(tool, found.action is None) for tool in found.tools}
    for other in fallback:
        named = catalogue.resolve(other)
        if not named.tools:
            raise _unknown_action(other, catalogue, views)
        for tool in named.tools:
            known = candidates.get(tool.name)
            candidates[tool.name] = Candidate(known.tool if known else tool, named.action is None)
    return found.action, list(candidates.values())


def _tool(wanted: ActionTool, views: Mapping[str, ServerView]) -> Tool:
    """The tool as its server declares it."""
    view = views.get(wanted.server)
    if view is None:
        close = nearest(wanted.server, list(views))
        known = ", ".join(f"`{name}`" for name in sorted(views)) or "none"
        raise NoteError(
            f"There is no server `{wanted.server}`, which `{wanted.name}` asks for.",
            code="unknown-server",
            hint=f"Did you mean `{close[0]}.{wanted.tool}`?"
            if close
            else f"Servers that are configured: {known}. One that is added to config/mcp_servers.json "
            "counts a moment after it is saved.",
        )
    if view.tools is None:
        raise NoteError(
            f"The server `{wanted.server}` is not available, so `{wanted.name}` cannot be checked: "
            f"{view.problem.rstrip('.') or 'it has not been connected yet'}.",
            code="server-unavailable",
            hint="The plan is checked again when the server is there.",
        )
    tool = view.tools.get(wanted.tool)
    if tool is None:
        raise _unknown_tool(wanted, list(view.tools), views)
    return tool


def _unknown_tool(wanted: ActionTool, tools: list[str], views: Mapping[str, ServerView]) -> NoteError:
    """The question for a tool that a known server does not have."""
    close = [f"{wanted.server}.{other}" for other in nearest(wanted.tool, tools)]
    close = close or nearest(wanted.name, _all_tools(views))
    known = ", ".join(f"`{wanted.server}.{other}`" for other in sorted(tools)[:10]) or "none"
    return NoteError(
        f"The server `{wanted.server}` has no tool `{wanted.tool}`.",
        code="unknown-tool",
        hint=f"Did you mean `{close[0]}`?" if close else f"Its tools: {known}.",
    )


def _unknown_action(name: str, catalogue: Catalogue, views: Mapping[str, ServerView]) -> NoteError:
    """The question for a name that nothing answers to."""
    tools = list(_all_tools(views))
    close = [tool for tool in tools if tool.partition(".")[2] == name.strip()] or catalogue.nearest(
        name, tools
    )
    return NoteError(
        f"There is no action `{name[:80]}`.",
        code="unknown-action",
        hint=f"Did you mean {' or '.join(f'`{other}`' for other in close[:3])}?"
        if close
        else "Write an action of the catalogue, or `server.tool`; `signoff servers tools` lists the tools.",
    )


def _all_tools(views: Mapping[str, ServerView]) -> list[str]:
    """Every known tool as `server.tool`."""
    return [f"{view.name}.{tool}" for view in views.values() for tool in view.tools or ()]


def _wrong(
    wanted: ActionTool, tool: Tool, adapted: dict[str, Json], action: Action | None
) -> tuple[Problem, ...]:
    """What is wrong with the arguments of a call."""
    checked = adapted
    if action is not None and action.idempotency_key is not None:  # the daemon fills it in for each call
        checked = {**dict.fromkeys(_targets(wanted, action.idempotency_key), "key"), **adapted}
    return problems(
        checked, tool, server=wanted.server, late=late_paths(adapted), written_as=dict(wanted.names)
    )


def _targets(wanted: ActionTool, argument: str) -> Iterator[str]:
    """The tool's name of an action's argument."""
    yield next((target for target, source in wanted.names.items() if source == argument), argument)


def _as_question(wrong: tuple[Problem, ...]) -> NoteError:
    """The problems of one call as one error: the first in full, the next ones after it."""
    first, *others = wrong
    meant = [f"{problem.message} {problem.hint}".strip() for problem in others[: SHOWN - 1]]
    if len(others) >= SHOWN:
        meant.append(f"And {len(others) - SHOWN + 1} more.")
    also = f" Also: {' '.join(meant)}" if meant else ""
    return NoteError(first.message, code=first.code, hint=f"{first.hint}{also}".strip())
