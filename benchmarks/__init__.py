"""The figures of Signoff, each beside the raw MCP client in the same run; see README.md."""
