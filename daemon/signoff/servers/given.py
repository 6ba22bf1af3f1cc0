"""The configuration of a pool, in whichever form somebody has it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from signoff.errors import ConfigError
from signoff.servers.config import ServerConfig, load_servers, parse_servers
from signoff.servers.entry import Source
from signoff.servers.keyring import Keyring

Given = Mapping[str, ServerConfig] | Mapping[str, Any] | str | Path
"""A configuration: read already, as JSON has it, or the path of a file."""


def configs_of(given: Given) -> Mapping[str, ServerConfig]:
    """The servers.

    Raises:
        ConfigError: there is no such file, or it is wrong.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        if not path.exists():
            raise ConfigError("There is no such file.", file=str(path))
        return load_servers(path, os.environ, keyring=Keyring(path.absolute().parent))
    if all(isinstance(config, ServerConfig) for config in given.values()):
        return cast("Mapping[str, ServerConfig]", given)
    here = Path.cwd()
    text = json.dumps(given)
    source = Source(here / "configuration", text)
    return parse_servers(json.loads(text), os.environ, source=source, root=here, python=sys.executable)
