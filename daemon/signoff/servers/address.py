"""Which addresses that a server names may be asked on its word.

The address of a server is the user's own choice. What a server then names (where to log in, where tokens
come from) is not: such an address must be encrypted, and must not lead into the private network, unless the
server itself is there. What was looked up for the check is handed on, so that nothing else is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Vetted:
    """What became of the check.

    Attributes:
        refusal: why the address may not be asked, in plain words; empty where it may.
        addresses: what its name stands for, as it was looked up for the check.
    """

    refusal: str
    addresses: tuple[str, ...] = ()


def refusal(url: str, *, known: str) -> str:
    """Why an address may not be asked; empty where it may. See `vet`."""
    return vet(url, known=known).refusal


def vet(url: str, *, known: str) -> Vetted:
    """Whether an address may be asked, and what it stands for; looks it up.

    Args:
        url: what was named.
        known: the address that the user configured.
    """
    try:
        parts, own = urlsplit(url), urlsplit(known)
        host = parts.hostname or ""
    except ValueError:
        return Vetted("it is no address")
    if not host or parts.scheme not in {"http", "https"}:
        return Vetted(f"{parts.scheme or 'it'} is no way to ask for a token")
    if parts.username or parts.password:
        return Vetted("the address holds a name or a password")
    if parts.scheme == "http" and not is_loopback(host):
        return Vetted(f"{host} is not asked without encryption (https)")
    addresses = _looked_up(host)
    if host != own.hostname and any(_is_private(address) for address in addresses):
        return Vetted(f"{host} is in a private network, and the server itself is not there")
    return Vetted("", addresses)


def is_loopback(host: str) -> bool:
    """Whether a name means this machine by itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _looked_up(host: str) -> tuple[str, ...]:
    """What a name stands for; nothing where it is not known: then it cannot be asked anyway."""
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_private(address: str) -> bool:
    """Whether an address is not on the public internet."""
    return not ipaddress.ip_address(address.partition("%")[0]).is_global
