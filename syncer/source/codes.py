"""The API's error codes as data: what follows from each for a client, and what to tell a person.

Sources: VodBackupGet's own table, and the vendor's common error codes for 4000 to 7000.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Consequence(Enum):
    """What a client does about an answer."""

    SUCCESS = auto()
    END_OF_LISTING = auto()
    CONTEXT_LOST = auto()
    FILE_MISSING = auto()
    TRANSIENT = auto()
    """Retry for as long as one call is retried at all."""
    BRIEF = auto()
    """Retry a few times, then give up: waiting longer rarely helps."""
    QUOTA = auto()
    """Step back, then retry."""
    CLOCK = auto()
    """Sign anew once: a repeated nonce is cured by it, a wrong clock is not."""
    REFUSED = auto()
    """Asking again cannot help: credentials, permission, parameters or the account."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: its consequence, and what happened and what to do in words that end without a full stop."""

    consequence: Consequence
    words: str


_INTERNAL = Meaning(Consequence.TRANSIENT, "an internal error of the API")
_PERMISSION = (
    "the sub-account of this key may not use it; let the main account's administrator grant VodBackupGet to the owner"
    " of SYNCER_SECRET_ID"
)

CODES: dict[int, Meaning] = {
    0: Meaning(Consequence.SUCCESS, "success"),
    1: _INTERNAL,
    1000: Meaning(
        Consequence.REFUSED, "a parameter is invalid; check SYNCER_PREFIX, SYNCER_PAGE_SIZE and SYNCER_REGION"
    ),
    1001: _INTERNAL,
    1003: _INTERNAL,
    2000: _INTERNAL,
    10008: Meaning(Consequence.FILE_MISSING, "a file does not exist"),
    70005: Meaning(Consequence.CONTEXT_LOST, "the context is invalid"),
    70006: Meaning(Consequence.CONTEXT_LOST, "the context was used wrongly"),
    70008: Meaning(Consequence.END_OF_LISTING, "the listing is already complete"),
    4000: Meaning(
        Consequence.REFUSED,
        "a parameter is missing or wrong; check SYNCER_PREFIX, SYNCER_PAGE_SIZE and SYNCER_REGION",
    ),
    4100: Meaning(
        Consequence.REFUSED,
        "the signature was not accepted; check that SYNCER_SECRET_KEY belongs to SYNCER_SECRET_ID, that SYNCER_TOKEN is"
        " set if and only if the key is a temporary one, and that SYNCER_SIGNED_HOST is the host which the API expects",
    ),
    4101: Meaning(Consequence.REFUSED, _PERMISSION),
    4102: Meaning(Consequence.REFUSED, _PERMISSION),
    4103: Meaning(Consequence.REFUSED, _PERMISSION),
    4104: Meaning(
        Consequence.REFUSED,
        "the key does not exist; check SYNCER_SECRET_ID, and that the key is enabled",
    ),
    4105: Meaning(
        Consequence.REFUSED,
        "the token is wrong or has expired; renew SYNCER_TOKEN together with SYNCER_SECRET_ID and SYNCER_SECRET_KEY, or"
        " leave it empty for a permanent key",
    ),
    4106: Meaning(
        Consequence.REFUSED,
        "the account demands a second factor for this call; use a key (SYNCER_SECRET_ID and _KEY) without it",
    ),
    4110: Meaning(
        Consequence.REFUSED,
        "the access management of the account refuses; check SYNCER_SECRET_ID, SYNCER_SECRET_KEY and SYNCER_TOKEN, and"
        " that their owner may call VodBackupGet",
    ),
    4200: Meaning(Consequence.CLOCK, "the request had expired when it arrived"),
    4300: Meaning(
        Consequence.REFUSED, "the account is blocked, or this API is not meant for it; ask the vendor's support"
    ),
    4400: Meaning(Consequence.QUOTA, "the quota is exceeded; lower SYNCER_CALLS_PER_MINUTE, or see who else uses it"),
    4500: Meaning(Consequence.CLOCK, "the request looks replayed: its nonce was repeated, or a clock is off"),
    4600: Meaning(Consequence.REFUSED, "the API takes HTTPS only; SYNCER_API_URL must begin with https://"),
    5000: Meaning(Consequence.REFUSED, "the resource does not exist; check SYNCER_REGION and the account of the key"),
    5100: Meaning(Consequence.BRIEF, "the operation failed on the API's side"),
    5300: Meaning(Consequence.REFUSED, "the account's balance does not suffice"),
    5500: Meaning(Consequence.REFUSED, "the account lacks a qualification; see the vendor's console"),
    6000: _INTERNAL,
    6100: Meaning(Consequence.REFUSED, "the host does not know this call; check SYNCER_API_URL (host and path)"),
    6200: Meaning(Consequence.TRANSIENT, "the API is under maintenance"),
}

_UNKNOWN = Meaning(Consequence.BRIEF, "a code that the API's document does not list")

# Beginnings of the text codes in which a host of the newer API answers; the first that fits counts.
_TEXT_CODES: tuple[tuple[str, int], ...] = (
    ("AuthFailure.SignatureExpire", 4200),
    ("AuthFailure.SecretIdNotFound", 4104),
    ("AuthFailure.InvalidSecretId", 4104),
    ("AuthFailure.TokenFailure", 4105),
    ("AuthFailure.MFAFailure", 4106),
    ("AuthFailure.SignatureFailure", 4100),
    ("AuthFailure.UnauthorizedOperation", 4101),
    ("AuthFailure", 4110),
    ("UnauthorizedOperation", 4101),
    ("RequestLimitExceeded", 4400),
    ("LimitExceeded", 4400),
    ("InternalError", 6000),
    ("ServiceUnavailable", 6200),
    ("InvalidAction", 6100),
    ("NoSuchVersion", 6100),
    ("NoSuchProduct", 6100),
    ("UnsupportedOperation", 6100),
    ("UnsupportedProtocol", 4600),
    ("InvalidParameter", 4000),
    ("MissingParameter", 4000),
    ("UnknownParameter", 4000),
    ("IpInBlacklist", 4300),
    ("IpNotInWhitelist", 4300),
)


def meaning(code: int | str) -> Meaning:
    """Return what `code` means; one that is not listed means what its family does (4000 to 7000), or is unknown.

    Unlisted codes of the 41xx family are credentials without saying which.
    """
    if isinstance(code, str):
        code = next((number for start, number in _TEXT_CODES if code.startswith(start)), -1)
    if code in CODES:
        return CODES[code]
    if not 4000 <= code <= 7000:  # noqa: PLR2004 - the range that VodBackupGet reserves for common codes
        return _UNKNOWN
    family = code // 100 * 100
    return CODES.get(4110 if family == 4100 else family, _UNKNOWN)  # noqa: PLR2004 - keys of the table above
