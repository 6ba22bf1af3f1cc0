"""What servers offer, what they answer, and what they ask in the middle of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signoff.model.values import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server declares it.

    Attributes:
        annotations: `readOnlyHint`, `destructiveHint`, `idempotentHint`, `openWorldHint` as far as
            the server gave them (the names of the protocol); a claim, not a fact.
    """

    name: str
    description: str
    input_schema: JsonObject
    annotations: JsonObject = field(default_factory=dict)

    def definition(self) -> JsonObject:
        """The part that the digest pins: name, description, input schema and annotations."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema,
            "annotations": self.annotations,
        }


@dataclass(frozen=True, slots=True)
class ServerView:
    """What is known of one server at one moment, as the reader and the gate need it.

    Attributes:
        launch: its launch identity: `{"command": ..., "args": [...]}` or `{"url": ...}`, with
            references to the environment unexpanded, so that no secret is in it.
        tools: by name; None while they are not known (not yet connected and none cached).
        problem: in plain words, why they are not known; empty where they are.
        cached: the tools are what an earlier connection saw, not this one: good for reading a note, never
            the ground for a call.
    """

    name: str
    launch: JsonObject
    tools: Mapping[str, Tool] | None
    problem: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a tool answered, when it did not say that it failed.

    Attributes:
        content: the content blocks as JSON, as the protocol has them.
        structured: the structured content, or None.
        text: the text blocks joined with newlines, for people and for `result.text`.
        cached_at: when the call was made that this answer comes from, where it was not this one; else None.
    """

    content: list[Json]
    structured: Json
    text: str
    cached_at: str | None = None

    def to_json(self) -> JsonObject:
        """The form in which results are kept as blobs."""
        found: JsonObject = {"content": self.content, "structured": self.structured, "text": self.text}
        return found if self.cached_at is None else found | {"cached_at": self.cached_at}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a server asks a person in the middle of a call.

    Attributes:
        mode: `form`, or `url`: something is to be done at an address, outside of this program.
        message: the server's words.
        schema: of a form, the schema of the answer; else None.
        url: the address; empty for a form.
        problem: reason code and words, where it cannot be put to anybody; else None.
        key: the server's name for it, where its call is suspended meanwhile; else empty.
        needed: all that this call lacks; None where it is merely open while its server asks.
    """

    mode: str
    message: str
    schema: Json = None
    url: str = ""
    problem: tuple[str, str] | None = None
    key: str = ""
    needed: InputNeeded | None = None

    def to_json(self) -> JsonObject:
        """The form in which questions are kept as blobs."""
        return {"mode": self.mode, "message": self.message, "schema": self.schema, "url": self.url}

    @classmethod
    def of_json(cls, kept: JsonObject) -> Inquiry:
        """The opposite of `to_json`."""
        mode, message, url = (str(kept.get(key) or "") for key in ("mode", "message", "url"))
        return cls(mode, message, kept.get("schema"), url)


@dataclass(frozen=True, slots=True)
class InputNeeded:
    """A call was answered with what is missing, and has not been carried out: it is suspended.

    Attributes:
        requests: by the server's key, what it asks.
        state: given back as it is when the call is resumed; None where there is none.
    """

    requests: Mapping[str, Inquiry]
    state: str | None

    def to_json(self) -> JsonObject:
        """The form in which it is kept."""
        asked: JsonObject = {key: inquiry.to_json() for key, inquiry in self.requests.items()}
        return {"requests": asked, "state": self.state}

    @classmethod
    def of_json(cls, kept: JsonObject) -> InputNeeded:
        """The opposite of `to_json`."""
        requests, state = kept.get("requests"), kept.get("state")
        asked = requests if isinstance(requests, dict) else {}
        found = {key: Inquiry.of_json(each) for key, each in asked.items() if isinstance(each, dict)}
        return cls(found, state if isinstance(state, str) else None)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server is told: `accept` with the values of the form, `decline` or `cancel`.

    `goes_on` is False where the call may not be resumed, since its approval does not stand any more.
    """

    action: str
    content: JsonObject | None = None
    goes_on: bool = True
