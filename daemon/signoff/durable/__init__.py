"""The only writer of files: what it says is done is on the disk, and nothing is overwritten unseen.

Every write goes to a temporary file in the same folder, is fsynced, and takes its name in one step;
then the folder is fsynced. A crash leaves the old content or the new one, and at worst a temporary
file that `sweep` removes. Names are claimed, never taken: a move or a creation finds another name or
fails where one exists. All functions block; call them from a thread.

Rules for names: temporary files begin with `.signoff-` and end with `.tmp`, so that watchers of the
vault ignore them. Assumes that one daemon owns the vault (`signoff.ownership`). Does not decide
anything about notes. The ledger appends to its own files, by the same rules.

* `reading`, `writing`: the content of files; `names`: where they are.
"""

from __future__ import annotations

from signoff.durable.names import move, remove, sync_directory
from signoff.durable.reading import Stamp, read_regular
from signoff.durable.writing import create, jot, replace, sweep, write_all

__all__ = [
    "Stamp",
    "create",
    "jot",
    "move",
    "read_regular",
    "remove",
    "replace",
    "sweep",
    "sync_directory",
    "write_all",
]
