"""Which addresses that a server names may be asked on its word.

The address of a server is the user's own choice. What a server then names (where to log in, where tokens
come from) is not: such an address must be encrypted, and must not lead into the private network, unless the
server itself is there. The check is of the name as it resolves now; who must filter more, has a proxy for it.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def refusal(url: str, *, known: str) -> str:
    """Why an address may not be asked, in plain words; empty where it may.

    Args:
        url: what was named.
        known: the address that the user configured.
    """
    try:
        parts, own = urlsplit(url), urlsplit(known)
        host = parts.hostname or ""
    except ValueError:
        return "it is no address"
    if not host or parts.scheme not in {"http", "https"}:
        return f"{parts.scheme or 'it'} is no way to ask for a token"
    if parts.username or parts.password:
        return "the address holds a name or a password"
    local = is_loopback(host)
    if parts.scheme == "http" and not local:
        return f"{host} is not asked without encryption (https)"
    if host == own.hostname:
        return ""
    return (
        "" if not is_private(host) else f"{host} is in a private network, and the server itself is not there"
    )


def is_loopback(host: str) -> bool:
    """Whether a name means this machine by itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(host: str) -> bool:
    """Whether a host is, or resolves to, an address that is not on the public internet."""
    try:
        found = (
            [host] if _is_literal(host) else [str(entry[4][0]) for entry in socket.getaddrinfo(host, None)]
        )
    except OSError:
        return False  # it cannot be asked anyway
    return any(not ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
