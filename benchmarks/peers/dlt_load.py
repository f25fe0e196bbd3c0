"""dlt: the listing merged into a table by its key; `python dlt_load.py [csv]`, csv for its COPY loader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import dlt
from pages import pages

COLUMNS: dict[str, Any] = {"createTime": {"data_type": "text"}, "expireTime": {"data_type": "text"}}


@dlt.resource(name="file", primary_key="fileId", write_disposition="merge", columns=COLUMNS)
def listing() -> Iterator[list[dict[str, Any]]]:
    """Yield the pages."""
    yield from pages()


pipeline = dlt.pipeline(
    "benchmark",
    pipelines_dir=os.environ["WORK_DIRECTORY"],
    destination=dlt.destinations.postgres(os.environ["TARGET_URL"]),
    dataset_name="loaded",
)
pipeline.run(listing(), loader_file_format="csv" if sys.argv[1:] == ["csv"] else None)
