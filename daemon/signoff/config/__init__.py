"""The project's config folder and the environment: the only code that reads them.

`mcp_servers.json` alone is read elsewhere (`signoff.servers.config`). Everything is read strictly:
an unknown key, a wrong type or a bad duration is a `ConfigError` that says where and what is known.
"""

from __future__ import annotations

from signoff.config.durations import format_duration, parse_duration, spell_duration
from signoff.config.environment import load_environment
from signoff.config.folders import Folders
from signoff.config.section import nearest, suggestion
from signoff.config.settings import (
    ApprovalSettings,
    Approver,
    ExecutionSettings,
    HealthSettings,
    Settings,
    VaultSettings,
    load_settings,
    with_vault,
)

__all__ = [
    "ApprovalSettings",
    "Approver",
    "ExecutionSettings",
    "Folders",
    "HealthSettings",
    "Settings",
    "VaultSettings",
    "format_duration",
    "load_environment",
    "load_settings",
    "nearest",
    "parse_duration",
    "spell_duration",
    "suggestion",
    "with_vault",
]
