"""The installed command's first lines: so light that Ctrl-C finds nothing but this, however early it comes."""

from __future__ import annotations

import gc
import sys

# New objects at which Python looks for cycles, 700 by default: loading alone, which makes none, pays for two hundred
# such searches, and each page of files for one or two.
_OBJECTS = 10_000


def main() -> None:
    """Run the command line; an interrupt that no command awaits ends it quietly, as a shell expects (130)."""
    gc.set_threshold(_OBJECTS)
    try:
        from syncer.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
