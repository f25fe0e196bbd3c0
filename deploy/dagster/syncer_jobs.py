"""syncer under a firm's own Dagster: a step pulls each source by `syncer sync --json`, its exit code decides.

Tried with Dagster 1.13.29: dagster job execute -f syncer_jobs.py -j full_pulls. PULL_COMMAND names the command,
PULL_SOURCES the sources. Let no daemon run these sources too: nothing would break, but one of both would find them
busy. Dagster reads annotations when a step is defined: no `from __future__` here.
"""

import json
import os
import shlex
import subprocess
from typing import Any

import dagster

COMMAND = shlex.split(os.environ.get("PULL_COMMAND", "syncer"))
SOURCES = os.environ.get("PULL_SOURCES", "default").split(",")

# What README.md's table of exit codes means to a scheduler.
BUSY, UNAVAILABLE, DATABASE, BRAKE = 75, 4, 5, 6
TRY_AGAIN = {UNAVAILABLE: "the API does not answer", DATABASE: "the database does not answer"}


def pull(context: dagster.OpExecutionContext, source: str, kind: str) -> dict[str, Any]:
    """Run one pull; return its JSON document. Its checkpoint stands whatever happens, so that a retry resumes."""
    done = subprocess.run(
        [*COMMAND, "sync", f"--{kind}", "--source", source, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    document: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    reason = document.get("error") or f"exit code {done.returncode}"
    if done.returncode == BUSY:
        context.log.info("%s is being pulled by somebody else: %s", source, reason)
    elif done.returncode == BRAKE:
        # The listing is complete; only the marking of what is gone was refused. A person decides: docs/runbook.md.
        context.log.error("The sweep of %s was refused: %s", source, reason)
    elif done.returncode in TRY_AGAIN:
        raise dagster.RetryRequested(max_retries=5, seconds_to_wait=60) from RuntimeError(reason)
    elif done.returncode != 0:
        # Credentials, settings: asking again cannot help.
        raise dagster.Failure(description=reason, allow_retries=False)
    return document


def op_for(source: str, kind: str) -> dagster.OpDefinition:
    """Return the step that pulls one source."""

    @dagster.op(name=f"{kind}_{source.replace('-', '_').replace('.', '_')}", tags={"syncer": source})
    def step(context: dagster.OpExecutionContext) -> None:
        document = pull(context, source, kind)
        figures = ("outcome", "resumed", "pages", "files", "inserted", "updated", "gone", "api_calls")
        context.add_output_metadata({name: document[name] for name in figures if name in document})

    return step


def job_for(kind: str) -> dagster.JobDefinition:
    """Return the job that pulls every source; the quota is shared through the database, whatever runs at once."""
    steps = [op_for(source, kind) for source in SOURCES]

    @dagster.job(name=f"{kind}_pulls")
    def job() -> None:
        for step in steps:
            step()

    return job


full_pulls, recent_pulls = job_for("full"), job_for("recent")
definitions = dagster.Definitions(
    jobs=[full_pulls, recent_pulls],
    schedules=[
        dagster.ScheduleDefinition(job=full_pulls, cron_schedule="0 */6 * * *"),
        dagster.ScheduleDefinition(job=recent_pulls, cron_schedule="*/10 * * * *"),
    ],
)
