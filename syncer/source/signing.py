"""Signs a request as version 2 of the API's signature demands; pure, and the only module that knows the rules."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal
from urllib.parse import quote, urlencode

HttpMethod = Literal["GET", "POST"]


class SignatureMethod(StrEnum):
    """Values of the common parameter `SignatureMethod`; the API takes an absent one for HmacSHA1."""

    HMAC_SHA1 = "HmacSHA1"
    HMAC_SHA256 = "HmacSHA256"


_DIGESTS = {SignatureMethod.HMAC_SHA1: hashlib.sha1, SignatureMethod.HMAC_SHA256: hashlib.sha256}


def string_to_sign(method: HttpMethod, host: str, path: str, params: Mapping[str, str]) -> str:
    """Return the text whose HMAC is the signature: method, host, path and every parameter, raw and unencoded.

    `params` are all parameters but `Signature`, `host` has neither scheme nor port. Names are sorted in ASCII order
    (`fileId.10` before `fileId.2`) and an underscore in one becomes a dot. With POST, a value that begins with `@`
    is left out: the API takes it for an uploaded file (common parameters, "signature").
    """
    pairs = (
        f"{name.replace('_', '.')}={params[name]}"
        for name in sorted(params)
        if not (method == "POST" and params[name].startswith("@"))
    )
    return f"{method}{host}{path}?{'&'.join(pairs)}"


def signature(secret_key: str, text: str, method: SignatureMethod) -> str:
    """Return the HMAC of `text` under `secret_key` in standard base64."""
    return b64encode(hmac.digest(secret_key.encode(), text.encode(), _DIGESTS[method])).decode()


def encode(params: Mapping[str, str]) -> str:
    """Return `params` as they go over the wire, in a query string or a form body: each value encoded exactly once.

    Everything that is not unreserved is percent-encoded as UTF-8, a space too: a bare `+` would arrive as a space.
    """
    return urlencode(params, quote_via=quote)
