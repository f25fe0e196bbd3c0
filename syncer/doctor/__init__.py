"""Checks whether everything that syncer needs is in order, and says what to do where it is not."""

from syncer.doctor.check import Check, Level
from syncer.doctor.examine import examine

__all__ = ["Check", "Level", "examine"]
