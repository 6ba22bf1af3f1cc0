"""What a benchmark gives: figures with their targets, and the table they are shown in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        measured: the figure, with its unit and spread.
        baseline: what it is compared with, measured in the same run; empty where there is none.
        ratio: measured over baseline, or what the target speaks of; None where there is no such number.
        target: what the specification asks for; empty where it asks for nothing.
        met: whether it is; None where nothing is asked for.
        samples: what the figure was taken from, in the unit of `measured`.
    """

    name: str
    measured: str
    baseline: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    samples: tuple[float, ...] = ()

    def to_json(self) -> dict[str, object]:
        """For a record."""
        return asdict(self)


def spread(samples: Sequence[float], unit: str, digits: int = 2) -> str:
    """The median, and the least and the most in brackets."""
    middle = statistics.median(samples)
    if len(samples) == 1:
        return f"{middle:.{digits}f} {unit}"
    return f"{middle:.{digits}f} {unit} ({min(samples):.{digits}f} to {max(samples):.{digits}f})"


def show(figures: Sequence[Figure]) -> None:
    """Print the figures as a table."""
    table = Table(show_lines=False)
    for column in ("figure", "measured", "baseline of the same run", "ratio", "target", "met"):
        table.add_column(column, overflow="fold")
    for figure in figures:
        met = "" if figure.met is None else ("yes" if figure.met else "NO")
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        table.add_row(figure.name, figure.measured, figure.baseline, ratio, figure.target, met)
    Console(width=None if Console().is_terminal else 180).print(table)
