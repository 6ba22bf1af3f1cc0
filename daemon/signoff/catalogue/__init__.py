"""The catalogue: names of actions, and the tools that carry them out (`actions.yaml`).

An action is looked up by its name, then by an alias, then as a tool named directly (`server.tool`).
Names compare without regard to case, and `-`, `_` and spaces are one. Two actions that answer to
the same name are an error when the file is read: what runs must never depend on an order.

A user's file extends the one that comes with the program: an action of its own replaces the shipped one
of that name (whose `arguments` and `types` it keeps where it gives none), and a name that it claims is
taken from whatever shipped action answered to it.

* `names`: how names compare; `action`: what an action is; `lookup`: what a name comes to;
* `file`: reads the file, strictly. Everything after that is pure.
"""

from __future__ import annotations

from signoff.catalogue.action import Action, ActionTool, Argument, FollowUp, Verify, adapt
from signoff.catalogue.file import load_catalogue
from signoff.catalogue.lookup import Catalogue, Resolution
from signoff.catalogue.names import TEXT_NAMES, fold, fold_key

__all__ = [
    "TEXT_NAMES",
    "Action",
    "ActionTool",
    "Argument",
    "Catalogue",
    "FollowUp",
    "Resolution",
    "Verify",
    "adapt",
    "fold",
    "fold_key",
    "load_catalogue",
]
