-- The panels of Grafana's dashboard: `make docs` writes deploy/grafana/dashboards/syncer.json from this file.
-- Each begins with "-- TITLE | KIND WIDTHxHEIGHT [UNIT]"; the grid is 24 wide. $source is the choice above the panels,
-- $__timeFilter(column) the dashboard's time. Only the views of schema report, which are kept.

-- Age of the knowledge | stat 6x5 s
SELECT source AS metric, extract(epoch FROM knowledge_age) AS value FROM report.sources WHERE source IN ($source);

-- Files present | stat 6x5 short
SELECT source AS metric, present_files AS value FROM report.sources WHERE source IN ($source);

-- Bytes present | stat 6x5 decbytes
SELECT source AS metric, present_bytes AS value FROM report.sources WHERE source IN ($source);

-- Files that expire within 7 days | stat 6x5 short
SELECT source AS metric, count(*) AS value
FROM report.expiring
WHERE source IN ($source) AND expires_at < now() + interval '7 days'
GROUP BY source;

-- Can it be trusted? | table 24x6
SELECT source, proven_started_at AS "complete as of", known_until AS "news as of", running, unfinished_phase AS phase,
       progress, forecast_at AS "ends at", next_full_at AS "next full pull", last_run_outcome AS "last run",
       last_run_error AS error
FROM report.sources
WHERE source IN ($source)
ORDER BY source;

-- Alerts open | table 24x6
SELECT source, alert_id AS id, rule, tier, name_group AS "group", severity, state, files, bytes, raised_at AS raised,
       sent_at AS "first told", acknowledged_by AS "acknowledged by"
FROM report.alerts
WHERE source IN ($source) AND resolved_at IS NULL
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), raised_at;

-- Bytes that expire, by day | bars 12x9 decbytes
SELECT day::text AS day, sum(bytes) AS bytes
FROM report.expiry_calendar
WHERE source IN ($source) AND days_ahead BETWEEN 0 AND 60
GROUP BY expiry_calendar.day
ORDER BY expiry_calendar.day;

-- Bytes held, by day | lines 12x9 decbytes
SELECT as_of AS time, source AS metric, live_bytes AS value
FROM report.inventory_daily
WHERE source IN ($source) AND pulled AND $__timeFilter(as_of)
ORDER BY 1;

-- What came and went, by day | lines 12x9 short
SELECT day::timestamp AT TIME ZONE 'Asia/Shanghai' AS time, sum(added) AS came, sum(expired) AS expired,
       sum(vanished) AS vanished
FROM report.inventory_daily
WHERE source IN ($source) AND $__timeFilter(day::timestamp AT TIME ZONE 'Asia/Shanghai')
GROUP BY day
ORDER BY 1;

-- How long full pulls take | lines 12x9 s
SELECT started_at AS time, source AS metric, extract(epoch FROM finished_at - started_at) AS value
FROM report.pulls
WHERE source IN ($source) AND kind = 'full' AND finished_at IS NOT NULL AND $__timeFilter(started_at)
ORDER BY 1;

-- What expires next | table 12x10
SELECT source, expires_at AS expires, name, size_bytes AS bytes, tier, file_id AS "file id"
FROM report.expiring
WHERE source IN ($source)
ORDER BY expires_at
LIMIT 100;

-- What vanished before its expiry | table 12x10
SELECT source, gone_at AS gone, name, size_bytes AS bytes, expires_at AS "would have expired", file_id AS "file id"
FROM report.backups
WHERE source IN ($source) AND state = 'vanished' AND $__timeFilter(gone_at)
ORDER BY gone_at DESC
LIMIT 100;

-- Pulls | table 24x10
SELECT source, pull_id AS pull, kind, outcome, verdict, started_at AS began, finished_at AS ended, files, inserted AS new,
       updated AS changed, gone, rejected, restarts, api_calls AS calls, coalesce(error, reason) AS reason
FROM report.pulls
WHERE source IN ($source) AND $__timeFilter(started_at)
ORDER BY started_at DESC
LIMIT 200;

-- Contexts that died | table 12x8
SELECT source, died_at AS died, page, age_seconds AS "age in seconds", code
FROM report.context_deaths
WHERE source IN ($source) AND $__timeFilter(died_at)
ORDER BY died_at DESC
LIMIT 100;

-- Entries that could not be understood | table 12x8
SELECT source, rejected_at AS seen, reason, file_id AS "file id", left(raw, 200) AS raw
FROM report.rejected
WHERE source IN ($source) AND $__timeFilter(rejected_at)
ORDER BY rejected_at DESC
LIMIT 100;
