"""The sentence that `syncer sync` ends with."""

from __future__ import annotations

from collections import Counter

from syncer.cli.sync import sentence
from syncer.model import PullKind
from syncer.pull.run import RunResult


def said(*, files: int, pages: int, calls: int) -> str:
    totals = Counter(files=files, pages=pages, inserted=files)
    return sentence(
        RunResult(
            "default", PullKind.RECENT, 7, "complete", None, resumed=False, totals=totals, api_calls=calls, error=None
        ),
        1.0,
    )


def test_one_is_one_and_all_else_are_several() -> None:
    assert "1 file listed on 1 page (1 new, 0 unchanged); 1 call in 1.0 s" in said(files=1, pages=1, calls=1)
    assert "2,000 files listed on 20 pages" in said(files=2000, pages=20, calls=0)
    assert "0 calls in" in said(files=2000, pages=20, calls=0)
