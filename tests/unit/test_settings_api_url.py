"""The API is asked over TLS; plain http is for a simulator nearby, never for a host that others stand in front of."""

from __future__ import annotations

import pytest

from syncer.settings.parsers import parse_api_url


@pytest.mark.parametrize(
    "url",
    [
        "https://vod.api.qcloud.com/v2/index.php",
        "http://127.0.0.1:8080/v2/index.php",
        "http://[::1]:8080/v2/index.php",
        "http://localhost/v2/index.php",
        "http://simulator:8080/v2/index.php",
        "http://10.0.3.4/v2/index.php",
    ],
)
def test_accepted(url: str) -> None:
    assert parse_api_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://vod.api.qcloud.com/v2/index.php",
        "http://8.8.8.8/",
        "http://[2001:4860:4860::8888]/",
        "http://localhost.example.com/",
    ],
)
def test_plain_http_to_a_host_far_away_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with https://") as refused:
        parse_api_url(url)
    assert url not in str(refused.value)
