"""What differs between operating systems, behind one interface.

`posix` and `windows` are twins: each has every name below, with the same meaning. Nothing else in
the program imports `fcntl`, `msvcrt`, `resource`, `grp` or `pwd`, or asks for the platform.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from signoff.system.windows import (
        end_process_tree,
        exchange_files,
        is_being_written,
        keep_owner,
        make_owner_only_directory,
        open_regular,
        others_can_write,
        owner_only_file,
        process_group_options,
        raise_file_limit,
        rename_exclusive,
        replace_file,
        sync_directory,
        sync_file,
        try_lock,
        unlock,
    )
else:
    from signoff.system.posix import (
        end_process_tree,
        exchange_files,
        is_being_written,
        keep_owner,
        make_owner_only_directory,
        open_regular,
        others_can_write,
        owner_only_file,
        process_group_options,
        raise_file_limit,
        rename_exclusive,
        replace_file,
        sync_directory,
        sync_file,
        try_lock,
        unlock,
    )

__all__ = [
    "end_process_tree",
    "exchange_files",
    "is_being_written",
    "keep_owner",
    "make_owner_only_directory",
    "open_regular",
    "others_can_write",
    "owner_only_file",
    "process_group_options",
    "raise_file_limit",
    "rename_exclusive",
    "replace_file",
    "sync_directory",
    "sync_file",
    "try_lock",
    "unlock",
]
