"""What to do about a server, by the code of what is wrong with it; for people who know no MCP. Pure."""

from __future__ import annotations

from pathlib import PurePath

from signoff.servers.keyring import PREFIX
from signoff.servers.launch import ServerConfig, StdioLaunch

_FILE = "config/mcp_servers.json"
_RESTART = "signoff servers restart {name}"

REMEDIES: dict[str, str] = {
    "disabled": f"Nothing, if that is meant; else take `disabled` out of its entry in {_FILE}.",
    "missing-variable": "Write it into config/.env, as NAME=value: a running daemon takes it at once. What "
    "is set in the environment counts from its next start.",
    "command-not-found": f"Install it, or give its full path as `command` in {_FILE}; then: {_RESTART}",
    "folder-not-found": f"Make the folder, or mend `cwd` in {_FILE}; then: {_RESTART}",
    "cannot-start": "Look whether the file may be executed and is a program for this computer.",
    "exited": f"Mend what it complains of, then: {_RESTART}.",
    "line-too-long": "It is started again by itself; if it happens again, tell the people who make it: it "
    "writes something that is no answer.",
    "timeout": "It may be fetching something, waiting for a login, or be something else altogether: try what "
    "its entry says by hand.",
    "protocol": "Look whether it is an MCP server at all, started as its makers say, and whether there is a "
    "newer version.",
    "authentication": f"Check the key or token that {_FILE} gives it; if it wants a login in the browser: "
    "signoff servers login {name}",
    "not-found": f"Check its `url` in {_FILE}: many servers are at an address that ends in /mcp.",
    "moved": f"Put the new address into {_FILE}.",
    "refused": "Try later. If that stays: look at the state of the service, and check `url` and `headers` in "
    f"{_FILE}.",
    "unreachable": "Check that it runs, that its address is right, and your network. It is tried again by "
    "itself.",
    "certificate": "Ask whoever runs it to renew its certificate, or check its address; this check cannot be "
    "switched off.",
    "session-lost": "Nothing: it is connected again by itself.",
    "not-answering": f"Wait a little: if it stays silent it is started again by itself; or now: {_RESTART}",
    "failing": f"Look at what it says; perhaps: {_RESTART}.",
    "tools-ambiguous": "Tell the people who make it: one name must mean one tool.",
    "connecting": "Wait a little, then ask again: signoff servers check {name}",
}
"""By the reason code of a server's health."""

_WROTE = frozenset({"exited", "timeout", "protocol", "failing"})
"""What a program's own words may explain."""

_COMMANDS = {
    "npx": "npx comes with Node.js: install that from https://nodejs.org",
    "node": "install Node.js from https://nodejs.org",
    "uvx": "uvx comes with uv: install that from https://docs.astral.sh/uv",
    "uv": "install uv from https://docs.astral.sh/uv",
    "bunx": "bunx comes with Bun: install that from https://bun.sh",
    "bun": "install Bun from https://bun.sh",
    "deno": "install Deno from https://deno.com",
    "docker": "install Docker from https://docs.docker.com/get-docker",
    "pipx": "install pipx from https://pipx.pypa.io",
}
"""Programs that start most servers, and where to have them from."""


def remedy(reason: str, config: ServerConfig) -> str:
    """What to do now; empty where nothing is wrong."""
    reason = reason.removeprefix("replica-")
    text = REMEDIES.get(reason, "")
    if reason == "missing-variable":
        text = _setting(config)
    if isinstance(config.launch, StdioLaunch):
        if reason == "command-not-found":
            text = _installing(str(config.identity.get("command", ""))) or text
        if reason in _WROTE:
            text += " All that it wrote is in logs/servers/{name}.stderr"
    return text.replace("{name}", config.name)


def _setting(config: ServerConfig) -> str:
    """Where to put what is missing: into the environment, into the keyring, or some of it into each."""
    kept = [name.removeprefix(PREFIX) for name in config.missing if name.startswith(PREFIX)]
    said = [REMEDIES["missing-variable"]] if len(kept) < len(config.missing) or not kept else []
    own = [f"signoff servers secret {name}" for name in kept if "/" not in name]
    said += [f"Put it into the keyring: {'; '.join(own)}."] if own else []
    said += (
        ["If it is there and the keyring is locked, unlock that, then: signoff servers reload"]
        if kept
        else []
    )
    return " ".join(said)


def _installing(command: str) -> str:
    known = _COMMANDS.get(PurePath(command).name)
    if known is None:
        return ""
    return f"{known[:1].upper()}{known[1:]}; or give its full path as `command` in {_FILE}. Then: {_RESTART}"
