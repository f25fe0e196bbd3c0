"""A report's file appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncer.cli.report import _open
from syncer.errors import SettingsError


def fail_half_way(page: Path) -> None:
    with _open(page) as stream:
        stream.write("half")
        stream.flush()
        assert page.read_text() == "old"
        raise ZeroDivisionError


def test_a_failure_in_the_middle_leaves_the_old_file_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(page)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    """What the system says when writing fails, as far as a test can have it."""
    page = tmp_path / "page.html"
    with pytest.raises(SettingsError, match=r"page\.html: No space left on device"), _open(page):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
