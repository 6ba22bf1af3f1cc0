"""Reads Windows access lists in their text form (SDDL): pure, so that it is tested everywhere."""

from __future__ import annotations

import re

# Everyone, Authenticated Users, Users, Guests, Anonymous, Interactive, Network.
_MANY_PEOPLE = frozenset({"WD", "AU", "BU", "BG", "AN", "IU", "NU"})
_WRITE_WORDS = frozenset({"FA", "GA", "FW", "GW", "DC", "LC", "WD", "WO", "SD"})
# Write or append data, delete, delete a child, change the access list or the owner, all, write.
_WRITE_BITS = 0x2 | 0x4 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000
_ACE = re.compile(r"\(([^()]*)\)")


def grants_write_to_others(sddl: str) -> bool:
    """Whether an access list lets groups that hold more than one person write, delete or take over."""
    if "D:" not in sddl or "D:NO_ACCESS_CONTROL" in sddl:
        return True
    access = sddl.split("D:", 1)[1].split("S:", 1)[0]
    return any(_grants(ace.split(";")) for ace in _ACE.findall(access))


def _grants(ace: list[str]) -> bool:
    if len(ace) < 6 or ace[0] != "A" or "IO" in ace[1] or ace[5] not in _MANY_PEOPLE:
        return False
    rights = ace[2]
    if rights.startswith("0x"):
        return bool(int(rights, 16) & _WRITE_BITS)
    return any(rights[at : at + 2] in _WRITE_WORDS for at in range(0, len(rights), 2))
