"""The simulator's own signatures equal those of the vendor's Python client (version 2.0.15, an invented key)."""

from __future__ import annotations

import pytest

from syncer.simulator.signature import signature, string_to_sign

KEY = "secret-key-for-tests"
COMMON = {
    "Action": "VodBackupGet",
    "RequestClient": "SDK_PYTHON_2.0.15",
    "Region": "gz",
    "SecretId": "secret-id-for-tests",
    "Nonce": "345122",
    "Timestamp": "1480473273",
    "SignatureMethod": "HmacSHA1",
}
DOCUMENTED = "OYdtlAD5DqRXFyB7fqPYFqD7FaPXGaD8GiNQeAd9DqTxfaPXfaNyfyHzeAdSDqTQL8drLkhrjCrvlIDVDS7QGqBXoH=="
VECTORS = [
    ("GET", {}, "U0Uw9bJkoJZfyQgczCNqXl2rudQ="),
    ("GET", {"prefix": "6000ab"}, "yOMIa7A7vNuB6X5DM8TJYuTLMps="),
    ("GET", {"context": DOCUMENTED}, "HMuBZ6BoeT2QyISS+I77hW6UH7A="),
    ("GET", {"context": "ab+c/d==", "pageSize": "100"}, "FRAsA7PdAnJ5Fh72w3Hh47qJd90="),
    ("GET", {"fileId.0": "9031868222808082655", "fileId.1": "9031868222808082709"}, "ZXdIPKg9Lx62ckMdSMD/l5SZ2dw="),
    ("GET", {"SignatureMethod": "HmacSHA256", "prefix": "6000ab"}, "5d9EyPyTFUHkuKEGh0iv5zP9YRGrkQDuw1q7EijM7N4="),
    ("POST", {"prefix": "6000ab"}, "Tmp7+Q2t0G0/CTnNDaNXKYIVPHU="),
    ("GET", {"orderby": "1", "pageSize": "100", "Token": "token-for-tests"}, "VoLizgjJBwKxqqozSZHZholJs/c="),
]


@pytest.mark.parametrize(("method", "own", "expected"), VECTORS)
def test_a_signature_equals_the_vendors(method: str, own: dict[str, str], expected: str) -> None:
    params = COMMON | own
    text = string_to_sign(method, "vod.api.qcloud.com", "/v2/index.php", params)
    assert signature(KEY, text, params["SignatureMethod"]) == expected


def test_ids_are_sorted_as_text_so_the_tenth_comes_before_the_second() -> None:
    text = string_to_sign("GET", "h", "/", {"fileId.2": "c", "fileId.10": "b", "fileId.0": "a", "Signature": "x"})
    assert text == "GETh/?fileId.0=a&fileId.10=b&fileId.2=c"


def test_with_post_alone_a_value_that_begins_with_an_at_sign_is_not_signed() -> None:
    assert string_to_sign("POST", "h", "/", {"a": "1", "prefix": "@x"}) == "POSTh/?a=1"
    assert string_to_sign("GET", "h", "/", {"a": "1", "prefix": "@x"}) == "GETh/?a=1&prefix=@x"
