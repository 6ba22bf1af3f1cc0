"""The commands: thin readers of what the daemon keeps, and the place where decisions are left for it.

* `app`: the table of commands; `commands`: what each takes; `asked`: what all of them take;
* `project`: what they all look at; `screen`: how they answer;
* one module for each command or group of them.

Modules are imported by the command that needs them: `signoff status` must not pay for `mcp`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point: runs a command, and ends the process with its exit code.

    Exit codes: 0 fine, 1 a problem found or a request refused, 2 wrong usage, 3 another daemon owns this
    vault, 4 the audit log does not verify, 130 interrupted. `audit verify` also ends with 5, 6 and 7.
    """
    from signoff.cli.app import app
    from signoff.cli.trouble import exit_code_of, tell
    from signoff.errors import SignoffError

    try:
        app(prog_name="signoff")
    except (SignoffError, OSError) as error:
        tell(error, as_json="--json" in sys.argv[1:])
        sys.exit(exit_code_of(error))
    except KeyboardInterrupt:
        sys.exit(130)
