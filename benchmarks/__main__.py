"""`python -m benchmarks [NAME...] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import approvals, audit, discovery, execution, idle, raw, servers, workflows
from benchmarks.figure import Figure, show
from benchmarks.house import scratch

BENCHMARKS: dict[str, Callable[..., list[Figure]]] = {
    "in-flight": execution.in_flight,
    "one": execution.one_at_a_time,
    "latency": approvals.latency,
    "thousand": approvals.thousand,
    "idle": idle.idle,
    "event": idle.event_cost,
    "discovery": discovery.discovery,
    "servers": servers.servers,
    "audit": audit.verify,
    "check": workflows.check,
    "parallel": workflows.parallel,
    "ready": workflows.ready,
}


def main() -> int:
    """Run the benchmarks that are named, or all; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, once each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a record of all figures")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile the daemon with cProfile")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}")
    figures: list[Figure] = []
    with scratch() as folder:
        sync = raw.fsync_ms(folder)
        figures.append(Figure("fsync of this disk, 800 bytes appended", f"{sync:.3f} ms"))
        for name in options.names or BENCHMARKS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures.extend(BENCHMARKS[name](folder, quick=options.quick, profile=options.profile))
    show(figures)
    if options.json:
        machine = {"platform": platform.platform(), "python": platform.python_version()}
        record = {
            "machine": machine,
            "quick": options.quick,
            "figures": [figure.to_json() for figure in figures],
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
