"""What `make` installs is named in full by the lock files: it resolves nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def locked(file: str) -> dict[str, Requirement]:
    """What a lock file pins for this platform and Python, by name."""
    lines = (line.rstrip("\\ ") for line in (ROOT / file).read_text().splitlines())
    pins = [Requirement(line) for line in lines if line and not line.startswith((" ", "#"))]
    return {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate()}


def needed(name: str, extras: set[str]) -> Iterator[Requirement]:
    """What an installed package needs here, with some of its extras."""
    for text in metadata.requires(name) or ():
        need = Requirement(text)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield need


@pytest.mark.parametrize(
    ("file", "extras"), [("requirements.lock", set()), ("requirements-dev.lock", {"dev"})]
)
def test_each_package_that_is_needed_is_pinned_and_installed_at_that_version(
    file: str, extras: set[str]
) -> None:
    pins = locked(file)
    waiting, seen = list(needed("signoff", extras)), set()
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if (name, frozenset(need.extras)) in seen:
            continue
        seen.add((name, frozenset(need.extras)))
        assert name in pins, f"{need} is not in {file}"
        version = metadata.version(name)
        assert need.specifier.contains(version, prereleases=True), f"{need} is not met by {version}"
        assert pins[name].specifier.contains(version), f"{name} {version} is not the one in {file}"
        waiting += needed(name, need.extras)
    assert len(seen) > 20


def test_make_resolves_nothing_so_that_a_new_release_elsewhere_breaks_no_installation() -> None:
    recipe = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert recipe
    assert all("--no-deps" in line for line in recipe)
