"""A stub server that does not speak before so many of its kind have been started.

    python tests/servers/together.py FOLDER NAME NUMBER [options of the stub]

Servers that are started one after the other would wait for each other for ever.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def wait_for_all(folder: Path, name: str, number: int) -> None:
    """Say that this one is here, and wait until all are."""
    folder.mkdir(exist_ok=True)
    (folder / name).touch()
    while len(list(folder.iterdir())) < number:
        time.sleep(0.01)


if __name__ == "__main__":
    wait_for_all(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.argv[1:4] = []
    import stub

    stub.main()
