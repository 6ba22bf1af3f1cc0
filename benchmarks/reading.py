"""How a folder of notes is read: `python -m benchmarks.reading DIR [--catalogue FILE] [--mend] [--list]`.

For every form of plan it prints how many notes are presented, how many end in a question and with which
code, how many are left alone, and how long a note takes. Nothing is written; servers are not asked, so
`presented` means: read to exact calls.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from signoff import observe
from signoff.catalogue import Catalogue, load_catalogue
from signoff.note.document import MAX_NOTE
from signoff.note.mend import mend


@dataclass(frozen=True)
class Outcome:
    """What one note came to, and the seconds that took."""

    path: Path
    kind: str  # presented, asked or left alone
    detail: str  # the dialect, or the question's code
    said: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--catalogue", type=Path, help="an actions.yaml; the shipped one otherwise")
    parser.add_argument(
        "--mend", action="store_true", help="mend known breakages of front matter first, in memory"
    )
    parser.add_argument("--list", action="store_true", help="a line for every note that is not left alone")
    asked = parser.parse_args(arguments)
    if not asked.folder.is_dir():
        parser.error(f"there is no folder {asked.folder}")
    catalogue = load_catalogue(asked.catalogue)
    outcomes = [measure(path, catalogue, mending=asked.mend) for path in notes(asked.folder)]
    if not outcomes:
        print("There are no notes.")
        return 1
    if asked.list:
        for each in outcomes:
            if each.kind != "left alone":
                print(f"{each.path}: {each.kind} ({each.detail}) {each.said}")
        print()
    print(table(outcomes))
    return 0


def notes(folder: Path) -> Iterator[Path]:
    """The notes of a folder and of those below it, in order."""
    yield from (path for path in sorted(folder.rglob("*.md")) if path.is_file() and not path.is_symlink())


def measure(path: Path, catalogue: Catalogue, *, mending: bool) -> Outcome:
    """Reads one note."""
    with path.open("rb") as file:
        data = file.read(MAX_NOTE + 1)
    data = (mend(data) or data) if mending else data
    before = time.perf_counter()
    reading = observe.read(path.name, data, catalogue)
    taken = time.perf_counter() - before
    if reading.problem is not None and not reading.left_alone:
        return Outcome(path, "asked", reading.problem.code, str(reading.problem), taken)
    if reading.plan is None:
        return Outcome(path, "left alone", "", "", taken)
    said = ", ".join(step.action for step in reading.plan.steps)
    return Outcome(path, "presented", reading.plan.dialect, said, taken)


def table(outcomes: Sequence[Outcome]) -> str:
    """The figures, for people."""
    times = sorted(outcome.seconds * 1000 for outcome in outcomes)
    kinds = Counter(outcome.kind for outcome in outcomes)
    lines = [f"{len(outcomes)} notes", ""]
    for kind in ("presented", "asked", "left alone"):
        lines.append(f"{kind:<12}{kinds[kind]:>6}")
        details = Counter(outcome.detail for outcome in outcomes if outcome.kind == kind and outcome.detail)
        for detail, count in details.most_common():
            of = [
                outcome.seconds * 1000
                for outcome in outcomes
                if (outcome.kind, outcome.detail) == (kind, detail)
            ]
            lines.append(f"  {detail:<24}{count:>4}   {statistics.median(of):6.2f} ms")
    ninth = times[int(len(times) * 0.9)] if len(times) > 1 else times[0]
    median = statistics.median(times)
    most = f"{ninth:.2f} ms at the ninth decile, {times[-1]:.2f} ms at most"
    lines += ["", f"a note: {median:.2f} ms at the median, {most}"]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
