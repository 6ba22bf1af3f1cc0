"""MCP servers: their configuration, the connections to them, their health, and calling their tools.

`config` reads `mcp_servers.json`; `pool` is what the rest of the program uses. `owner` keeps one server
connected over `stdio` or `http`; `outcome` says what the end of a call means. The SDK (`mcp`) is
not imported by `config` and what it needs: reading a configuration does not pay for it.
"""
