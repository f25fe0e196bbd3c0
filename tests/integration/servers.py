"""Which of a test's variants another version of the database server sees too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def first_everywhere(values: Sequence[Any]) -> list[Any]:
    """Return parameters of which all servers see the first, and the newest one the others.

    For variants that say nothing of the server: what the API does, or other dice.
    """
    return [values[0], *(pytest.param(each, marks=pytest.mark.one_server) for each in values[1:])]
