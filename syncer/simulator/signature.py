"""The signature (version 2) as the server computes it, written apart from the client's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping


def string_to_sign(method: str, host: str, path: str, params: Mapping[str, str]) -> str:
    """Build the text that a request's signature covers.

    Every parameter but `Signature`, sorted by name in ASCII order, values raw. With POST a value that begins with `@`
    is left out; an underscore in a name counts as a full stop (rules of the vendor's signing page).
    """
    pairs = [
        f"{name.replace('_', '.')}={value}"
        for name, value in sorted(params.items())
        if name != "Signature" and not (method == "POST" and value.startswith("@"))
    ]
    return f"{method}{host}{path}?{'&'.join(pairs)}"


def signature(key: str, text: str, method_name: str | None) -> str:
    """Sign `text` with `key`: SHA-256 if `method_name` is HmacSHA256, else SHA-1; standard base64."""
    digest = hashlib.sha256 if method_name == "HmacSHA256" else hashlib.sha1
    mac = hmac.digest(key.encode(), text.encode("utf-8", "surrogatepass"), digest)
    return base64.b64encode(mac).decode("ascii")
