"""What is listed is counted alike by page, metrics and views, also on the dot of an edge."""

from __future__ import annotations

from datetime import timedelta

from syncer.store import metrics, stock
from syncer.store.database import connect

from .place import DAY, Place

MICROSECOND = timedelta(microseconds=1)


def test_an_expiry_on_the_dot_is_past_and_an_edge_is_within_for_page_metrics_and_views(place: Place) -> None:
    for number, left in enumerate(
        (-DAY, timedelta(0), MICROSECOND, DAY, DAY + MICROSECOND, 7 * DAY, 7 * DAY + MICROSECOND)
    ):
        place.file(f"file-{number}", left)
    place.file("later", 90 * DAY)
    place.sql("UPDATE syncer.file SET expires_at = NULL WHERE file_id = 'later'")
    with connect(place.url) as connection:
        counted = stock.count(connection).sources["a"]
        buckets = {row.bucket: row.files for row in metrics.stock(connection)}
    ((overdue, live),) = place.sql(
        "SELECT count(*) FILTER (WHERE state = 'overdue'), count(*) FILTER (WHERE state = 'live') FROM report.backups"
    )
    assert counted.overdue.files == buckets[-1] == overdue == 2
    assert counted.live.files == sum(files for bucket, files in buckets.items() if bucket >= 0) == live == 6
    within = {days: tally.files for days, tally in zip(stock.HORIZONS, counted.within, strict=True)}
    assert within == {1: 2, 7: 4, 30: 5}
    for days, files in within.items():
        last = metrics.WITHIN_DAYS.index(days)
        assert sum(number for bucket, number in buckets.items() if 0 <= bucket <= last) == files
