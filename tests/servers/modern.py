"""A server made with the SDK, which speaks the newest protocol: `python tests/servers/modern.py`."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("modern")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@server.tool()
async def grow(context: Context) -> str:
    """Offers one tool more from now on, and says so."""
    server.add_tool(lambda: "grown", name="grown", description="Is new.")
    await context.notify_tools_changed()
    return "ok"


if __name__ == "__main__":
    server.run("stdio")
