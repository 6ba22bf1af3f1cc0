"""MCP servers: their configuration, the connections to them, their health, and calling their tools.

The pool can be used on its own. It keeps every server connected, starts it again when it is lost, and says of
each call that went wrong what may have happened:

    import asyncio
    from signoff.servers import Ask, CallError, OutcomeUnknown, ServerPool, Transient

    async def main(config):
        async with ServerPool(config) as pool:
            await pool.settled(30)                      # every server is there, or has failed once

            result = await pool.call("notes.look", {"text": "hello"}, timeout=10)
            print(result.text)

            answers = await pool.call_many(
                [Ask("notes.look", {"text": word}) for word in ("one", "two", "three")],
                concurrency=2, timeout=30,
            )
            print([answer.result.text for answer in answers])

            try:
                await pool.call("notes.fail", {"text": "no"})
            except OutcomeUnknown:
                print("it may have happened: look before you try again")
            except Transient:
                print("it was not sent: try again, or another server")
            except CallError as error:
                print(error.server, error.tool, error.detail)

            print(pool.health()["notes"].status, pool.registry.recommended("look").name)

    asyncio.run(main(CONFIG))

`CONFIG` is the path of an `mcp_servers.json`, or what would be in it (`{"mcpServers": {...}}`). Errors are
named by what the caller must do; all are `CallError`, with `server`, `tool`, `attempt`, `cause` and `detail`:

    Transient               provably not sent: may be tried again
      BreakerOpen           ... and is not tried for now
    RateLimited             refused for now; `retry_after`
    AuthenticationFailed    the server does not know us
    Refused                 the tool says that it failed, or will not
    ServerFault             it failed inside; it may or may not have acted
    OutcomeUnknown          sent, and no answer: it may have happened
      TimedOut              ... because its time ran out

Inside: `config` reads `mcp_servers.json`; `owner` keeps one server connected over `stdio`, `http` or `sse`;
`replicas` are the owners of one name; `outcome` says what the end of a call means. The SDK (`mcp`) is not
imported by `config` and what it needs, nor by this module until it is asked for a name that does: reading a
configuration does not pay for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from signoff.errors import (
    AuthenticationFailed,
    BreakerOpen,
    CallError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    Transient,
)

if TYPE_CHECKING:
    from signoff.servers.calling import PinChanged
    from signoff.servers.config import ServerConfig, load_servers
    from signoff.servers.diagnosis import Diagnosis
    from signoff.servers.health import ServerHealth
    from signoff.servers.many import Answer, Ask
    from signoff.servers.pool import ServerPool
    from signoff.servers.registry import Registry

__all__ = [
    "Answer",
    "Ask",
    "AuthenticationFailed",
    "BreakerOpen",
    "CallError",
    "Diagnosis",
    "OutcomeUnknown",
    "PinChanged",
    "RateLimited",
    "Refused",
    "Registry",
    "ServerConfig",
    "ServerFault",
    "ServerHealth",
    "ServerPool",
    "TimedOut",
    "Transient",
    "load_servers",
]

_WHERE = {
    "Answer": "many",
    "Ask": "many",
    "Diagnosis": "diagnosis",
    "PinChanged": "calling",
    "Registry": "registry",
    "ServerConfig": "config",
    "ServerHealth": "health",
    "ServerPool": "pool",
    "load_servers": "config",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
