"""An action: its arguments, the tools that can carry it out, and the calls that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from signoff.catalogue.names import TEXT_NAMES, fold_key
from signoff.errors import NoteError
from signoff.model import Json, Risk

KINDS = ("text", "prose", "email", "amount", "file")
"""What an argument holds: a line; a text that may stand under a heading; addresses; a sum; a file's path."""


@dataclass(frozen=True, slots=True)
class ActionTool:
    """A tool that can carry out an action.

    Attributes:
        names: the tool's argument to the action's argument that fills it; others keep their names.
        constants: arguments of the tool that are always these values.
    """

    server: str
    tool: str
    names: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.tool}"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A call that belongs to an action: `verify` asks whether it happened, `undo` takes it back.

    `action` is an action or `server.tool`; `arguments` may refer to the step with `${{ ... }}`.
    """

    action: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Verify(FollowUp):
    """The call that answers by itself what became of another one; it must only read.

    Attributes:
        happened: CEL over `result` and `with`: true where it happened, false where it did not.
        after: seconds after which a "no" is final; None where none ever is, and a person is asked instead.
        read_only: the person who configures it says so, whatever its server declares.
    """

    happened: str = ""
    after: float | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an action, and how people call it.

    Attributes:
        names: what it is also called, in notes and by tools.
        required: a note without it is a question.
        kind: one of `KINDS`.
    """

    name: str
    names: tuple[str, ...] = ()
    required: bool = False
    kind: str = "text"


@dataclass(frozen=True)
class Action:
    """A name for something that a tool does.

    Attributes:
        aliases: other names for it.
        types: values of a note's `type` that ask for it; `post/linkedin` where its `platform` says so too.
        arguments: what it takes, where the catalogue says so; see `signoff.plan.dialects`.
        phrases: how people write it in prose, with `{argument}` where a value stands.
        tools: in order of preference.
        risk: at least this; None where only the policy says.
        repeatable: whether calling twice does no harm; None where the catalogue does not say.
        timeout: seconds for one call; None for the setting's.
        retries: how often an unsent call is tried again; None for the setting's.
        cache: seconds that a result may be used again; None for never.
        idempotency_key: the action's argument that carries the key, or None.
        line: where it stands in the file, for messages.
    """

    name: str
    tools: tuple[ActionTool, ...]
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    phrases: tuple[str, ...] = ()
    risk: Risk | None = None
    repeatable: bool | None = None
    timeout: float | None = None
    retries: int | None = None
    cache: float | None = None
    verify: Verify | None = None
    undo: FollowUp | None = None
    idempotency_key: str | None = None
    line: int | None = None

    @cached_property
    def names_of_arguments(self) -> Mapping[str, Argument]:
        """The argument behind every folded name that one answers to."""
        names = {fold_key(argument.name): argument for argument in self.arguments}
        for argument in self.arguments:
            for name in argument.names:
                names.setdefault(fold_key(name), argument)
        prose = next((argument for argument in self.arguments if argument.kind == "prose"), None)
        if prose is not None:
            names = {**dict.fromkeys(TEXT_NAMES, prose), **names}
        return names

    def argument(self, name: str) -> Argument | None:
        """The argument that answers to a name; None where none does."""
        return self.names_of_arguments.get(fold_key(name))


def adapt(tool: ActionTool, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments under the tool's own names, with its constants.

    Raises:
        NoteError: when two arguments, or an argument and a constant, land on one name.
    """
    renamed = {source: target for target, source in tool.names.items()}
    adapted: dict[str, Json] = dict(tool.constants)
    origin = dict.fromkeys(tool.constants, "a constant of the catalogue")
    for name, value in arguments.items():
        target = renamed.get(name, name)
        if target in adapted:
            raise NoteError(
                f"`{name}` and {origin[target]} both give the argument `{target}` of {tool.name}.",
                code="argument-twice",
                hint=f"Leave one of them out: the catalogue names `{name}` as `{target}` there.",
            )
        adapted[target] = value
        origin[target] = f"`{name}`"
    return adapted
