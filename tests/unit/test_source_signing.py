"""The signature is the vendor's own: every vector was made by the vendor's client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.source.signing import SignatureMethod, encode, signature, string_to_sign

DOCUMENT = json.loads((Path(__file__).parent / "data" / "signing-vectors.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["label"] for vector in VECTORS])
def test_every_vector_of_the_vendors_client_is_reproduced(vector: dict[str, Any]) -> None:
    text = string_to_sign(vector["method"], vector["host"], vector["path"], vector["params"])
    assert text == vector["string_to_sign"]
    method = SignatureMethod(vector["params"]["SignatureMethod"])
    assert signature(DOCUMENT["secret_key"], text, method) == vector["signature"]


def test_names_are_sorted_as_text_and_not_as_numbers() -> None:
    params = {f"fileId.{n}": str(n) for n in range(12)}
    text = string_to_sign("GET", "host", "/path", params)
    assert text.index("fileId.10=") < text.index("fileId.2=")


def test_capitals_are_sorted_before_small_letters() -> None:
    assert string_to_sign("GET", "h", "/", {"a": "1", "Z": "2"}) == "GETh/?Z=2&a=1"


def test_an_underscore_in_a_name_becomes_a_dot_and_stays_in_a_value() -> None:
    assert string_to_sign("GET", "h", "/", {"fileId_0": "a_b"}) == "GETh/?fileId.0=a_b"


def test_values_are_signed_raw() -> None:
    assert string_to_sign("GET", "h", "/", {"context": "a+/= é&"}) == "GETh/?context=a+/= é&"


def test_a_value_that_begins_with_an_at_sign_is_left_out_with_post_only() -> None:
    params = {"prefix": "@x", "orderby": "0"}
    assert string_to_sign("POST", "h", "/", params) == "POSTh/?orderby=0"
    assert string_to_sign("GET", "h", "/", params) == "GETh/?orderby=0&prefix=@x"


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("+", "%2B"),
        ("/", "%2F"),
        ("=", "%3D"),
        (" ", "%20"),
        ("é", "%C3%A9"),
        ("备份", "%E5%A4%87%E4%BB%BD"),
        ("%2B", "%252B"),
    ],
)
def test_a_value_is_encoded_exactly_once(value: str, wire: str) -> None:
    assert encode({"context": value}) == f"context={wire}"


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9.]*", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_the_wire_form_round_trips(params: dict[str, str]) -> None:
    arrived = parse_qs(encode(params), keep_blank_values=True, strict_parsing=bool(params))
    assert {name: values[0] for name, values in arrived.items()} == params
