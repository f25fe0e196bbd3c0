"""The listing for the peers: signs each call as the API asks, yields each page; nothing of syncer is in it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests


def pages() -> Iterator[list[dict[str, Any]]]:
    """Yield every page's `fileSet`, newest first, over one kept-alive connection."""
    url, context = os.environ["API_URL"], ""
    parts = urlsplit(url)
    nonces = count(secrets.randbelow(2**30) + 1)  # none twice, which the API would refuse
    with requests.Session() as session:
        while True:
            params = {
                "Action": "VodBackupGet",
                "Region": "gz",
                "SecretId": os.environ["API_SECRET_ID"],
                "SignatureMethod": "HmacSHA256",
                "Timestamp": str(int(time.time())),  # noqa: TID251 - a program of its own
                "Nonce": str(next(nonces)),
                "orderby": "1",
                "pageSize": "100",
            } | ({"context": context} if context else {})
            text = f"GET{parts.hostname}{parts.path}?" + "&".join(f"{name}={params[name]}" for name in sorted(params))
            digest = hmac.digest(os.environ["API_SECRET_KEY"].encode(), text.encode(), hashlib.sha256)
            reply = session.get(f"{url}?{urlencode(params | {'Signature': b64encode(digest).decode()})}", timeout=30)
            answer = json.loads(reply.content)
            if answer["code"] != 0:
                raise SystemExit(f"the API answered {answer}")
            yield answer["fileSet"]
            context = answer["context"]
            if not context:
                return
