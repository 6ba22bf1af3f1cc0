"""The MCP servers that come with Signoff: `vault` (notes in one folder) and `mail` (email over SMTP).

Each is a server like any other, in a process of its own, spoken to over stdio and listed in
`config/mcp_servers.json`; nothing in the daemon knows them. Started as `python -m
signoff.embedded.vault` and `python -m signoff.embedded.mail`.
"""
