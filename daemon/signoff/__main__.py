"""`python -m signoff` is `signoff`."""

from __future__ import annotations

from signoff.cli import main

if __name__ == "__main__":
    main()
