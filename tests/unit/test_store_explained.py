"""What a failing database is called: the address as it was written, no password, and whole sentences."""

from __future__ import annotations

import pytest

from syncer.errors import DatabaseUnavailable
from syncer.store.database import connect


def test_a_refused_connection_is_told_in_sentences_with_the_address_as_it_was_written() -> None:
    with (
        pytest.raises(DatabaseUnavailable) as raised,
        connect("postgresql://reader:s3cret@127.0.0.1:1/backups"),
    ):
        raise AssertionError("nobody listens on port 1")
    said = str(raised.value)
    assert "The database at postgresql://reader:***@127.0.0.1:1/backups failed: " in said
    assert "s3cret" not in said
    assert "?." not in said
    assert ".." not in said
    assert "Connection refused; Is the server running" in said
