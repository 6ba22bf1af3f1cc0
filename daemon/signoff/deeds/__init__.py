"""Carrying out what was decided about a note: asking, freezing, showing, approving, ending, going on.

Each deed records before it acts, and can be done again without harm. Whoever calls holds the plan's lock.

* `table`: which deed follows from a decision;
* `asking`, `showing`, `approving`, `ending`, `going_on`: the deeds;
* `answers`: what people answer in notes to servers.
"""

from __future__ import annotations

from signoff.deeds.asking import COPY_CODES
from signoff.deeds.table import Deeds

__all__ = ["COPY_CODES", "Deeds"]
