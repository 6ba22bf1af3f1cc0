"""A server made with the SDK, which speaks the newest protocol: `python tests/servers/modern.py`."""

from __future__ import annotations

from mcp.server import MCPServer

server = MCPServer("modern")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


if __name__ == "__main__":
    server.run("stdio")
