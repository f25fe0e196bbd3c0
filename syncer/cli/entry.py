"""The installed command's first lines: so light that Ctrl-C finds nothing but this, however early it comes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; an interrupt that no command awaits ends it quietly, as a shell expects (130)."""
    try:
        from syncer.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
