"""The checks of deploy/ that take seconds; `deploy/check` runs the others too."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from checks import containers, grafana, kubernetes, prometheus, units  # noqa: E402, F401 - from deploy/, each registers its checks
from checks.outcome import CHECKS, Check, Failed, Skipped  # noqa: E402

QUICK = [each for each in CHECKS if each.quick]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Find what `deploy/check` has installed, if it ran here."""
    monkeypatch.setenv("PATH", f"{ROOT / '.venv-deploy' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return


@pytest.mark.parametrize("each", QUICK, ids=lambda each: each.name)
def test_what_deploy_claims(each: Check) -> None:
    try:
        each.look()
    except Skipped as reason:
        pytest.skip(str(reason))
    except Failed as failure:
        pytest.fail(str(failure), pytrace=False)


def test_the_commands_of_the_documents_name_files_that_exist() -> None:
    for document in ("install.md", "upgrade.md"):
        text = (ROOT / "docs" / document).read_text(encoding="utf-8")
        for path in set(re.findall(r"\bdeploy/[\w./-]+\w", text)):
            made_later = path.startswith("deploy/compose/secrets")
            assert made_later or (ROOT / path).exists(), f"{document} names {path}"
