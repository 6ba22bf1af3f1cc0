"""`signoff servers call`: one call of a tool that only reads, made because a person asks for it here and now.

Whoever types this gives what `edit` gives in a note. That is enough where the policy asks for no more, for a
call of low risk whose tool declares itself read-only, and where the default approver may approve by `edit`.
Everything else needs a plan. The call is written down in `logs/mcp_actions.log`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from signoff.catalogue import Catalogue
from signoff.cli.connect import ENDING, PATIENCE, require_server
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.errors import CallError, NotFound, RequestRefused
from signoff.logs import close_logs, open_logs, say_action
from signoff.model import Call, CallResult, Json, JsonObject, Method, Risk, Tool
from signoff.plan.schema import problems
from signoff.policy import Policy, judge

NOBODY = "-"
"""Stands for the plan in the readable log, where there is none."""


def call(project: Project, server: str, tool: str, given: Sequence[str], *, as_json: bool) -> int:
    """Makes the call and shows its result; 1 where the tool says that it failed.

    Args:
        given: `NAME=VALUE` each, or one JSON object.

    Raises:
        NotFound: there is no such server or tool.
        RequestRefused: the tool does more than read, the policy asks for more, or an argument is wrong.
        CallError: the call was not made, or went wrong.
    """
    require_server(project, server)
    _require_gesture(project)
    open_logs(project.settings.logs, terminal=False)
    try:
        with SCREEN.busy(f"Calling {server}.{tool}…"):
            result = asyncio.run(_call(project, server, tool, given))
    finally:
        close_logs()
    clean = project.redactor_of(server)
    shown = clean.json(result.to_json())
    if as_json:
        SCREEN.json(shown)
    else:
        SCREEN.lines(clean.text(result.text) or json.dumps(shown, indent=2))
    return 0


async def _call(project: Project, server: str, tool: str, given: Sequence[str]) -> CallResult:
    from signoff.servers.pool import ServerPool

    configs = {server: project.servers[server]}
    pool = ServerPool(
        configs,
        logs=project.settings.logs,
        tokens=project.tokens,
        default_timeout=project.settings.execution.timeout,
        connect_timeout=PATIENCE,
    )
    async with pool:
        await pool.settled(PATIENCE + ENDING)
        view = pool.view(server)
        if view.tools is None:
            raise RequestRefused(f"{server} cannot be called: {view.problem}", code="server-unavailable")
        definition = view.tools.get(tool)
        if definition is None:
            raise NotFound(
                f"The server {server} has no tool `{tool}`.",
                code="unknown-tool",
                hint=f"It has {', '.join(sorted(view.tools)) or 'none'}.",
            )
        arguments = read_arguments(given, definition)
        require_harmless(Call(server, tool, arguments), definition, project.catalogue, project.policy)
        require_fit(server, definition, arguments)
        clean = project.redactor_of(server)
        pin: JsonObject = {"launch": view.launch, "definition": definition.definition()}
        say_action("CALL", NOBODY, "", f"{server}.{tool} asked for on the command line")
        say_action("PARAMS", NOBODY, "", json.dumps(clean.json(arguments)))
        try:
            result = await pool.call(server, tool, arguments, pin=pin)
        except CallError as error:
            say_action("RESPONSE", NOBODY, "", f"{error.code} {clean.text(error.message)}")
            raise
        say_action("RESPONSE", NOBODY, "", f"done {clean.text(result.text[:400])}")
        return result


def _require_gesture(project: Project) -> None:
    approver = project.settings.default_approver
    if approver is None or Method.EDIT not in approver.methods:
        raise RequestRefused(
            "Nothing is called from here: no default approver may approve by a gesture alone.",
            code="needs-a-plan",
            hint="Write a plan, and approve it.",
        )


def require_harmless(call: Call, tool: Tool, catalogue: Catalogue, policy: Policy) -> None:
    """A call may be made without a plan only where it reads, and the policy asks for no more than a gesture.

    Raises:
        RequestRefused: `needs-a-plan`.
    """
    judgement = judge(call, call.name, tool.annotations, catalogue, policy)
    needs = judgement.requirement
    if tool.annotations.get("readOnlyHint") is not True:
        why = "it does not declare itself read-only"
    elif judgement.denied:
        why = "the policy forbids it"
    elif judgement.risk is not Risk.LOW:
        why = f"its risk is {judgement.risk.value}: {judgement.because}"
    elif needs.method.rank > Method.EDIT.rank or needs.approvers > 1 or judgement.limits:
        why = "the policy asks for more than a word on the command line"
    else:
        return
    raise RequestRefused(
        f"{call.name} is not called from here: {why}.",
        code="needs-a-plan",
        hint="Write a plan, and approve it.",
    )


def read_arguments(given: Sequence[str], tool: Tool) -> dict[str, Json]:
    """The arguments: text where the schema wants text, else JSON.

    Raises:
        RequestRefused: one is not `NAME=VALUE`.
    """
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            whole = json.loads(given[0])
        except ValueError:
            raise RequestRefused("What --with gives is not a JSON object.", code="argument-invalid") from None
        return dict(whole)
    found: dict[str, Json] = {}
    properties = tool.input_schema.get("properties")
    for each in given:
        name, sign, value = each.partition("=")
        if not sign:
            raise RequestRefused(
                f"--with {each} is not NAME=VALUE.", code="argument-invalid", hint="Or give one JSON object."
            )
        schema = properties.get(name) if isinstance(properties, dict) else None
        found[name] = value if _wants_text(schema) else _json_or_text(value)
    return found


def require_fit(server: str, tool: Tool, arguments: dict[str, Json]) -> None:
    """The arguments fit the tool's schema.

    Raises:
        RequestRefused: `argument-invalid`.
    """
    found = problems(arguments, tool, server=server)
    if found:
        raise RequestRefused(f"{found[0].message} Nothing was called.", code="argument-invalid")


def _wants_text(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string"


def _json_or_text(value: str) -> Json:
    try:
        found: Json = json.loads(value)
    except ValueError:
        return value
    return found
