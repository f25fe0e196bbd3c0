"""Databases with a witness and a clock of their own, for the campaign."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from campaign.databases import Database, new_database


@pytest.fixture(scope="session")
def campaign_database(postgres_url: str) -> Iterator[Database]:
    with new_database(postgres_url) as database:
        yield database
