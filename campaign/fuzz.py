"""`python -m campaign.fuzz -max_total_time=60`: atheris against decode, in an environment of its own (`make fuzz`).

No answer of any shape may make decode raise, and no entry may cost another: a good one beside a bad one is read whole.
The same checks are drawn by Hypothesis in tests/campaign/test_fuzz.py.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

try:  # only in the fuzzer's own environment; it must be there before what it watches is imported
    import atheris
except ImportError:
    atheris = None
else:
    atheris.enabled_hooks.add("str")

if atheris is None:
    from syncer.model import Page
    from syncer.source.decode import ApiError, Malformed, decode
else:
    with atheris.instrument_imports(include=["syncer"]):
        from syncer.model import Page
        from syncer.source.decode import ApiError, Malformed, decode

GOOD: tuple[dict[str, Any], ...] = (
    {
        "fileId": "9031868222808082655",
        "name": "6000_first",
        "size": 7865592,
        "type": "mp4",
        "duration": 35,
        "status": 2,
        "createTime": "2016-11-30 10:34:33",
        "expireTime": "2016-12-30 10:34:33",
        "url": "http://1000.vod2.myqcloud.com/vodgzp/9031868222808082655/0.mp4",
    },
    {"fileId": "9031868222808082999", "name": "6000_last", "size": "12", "expireTime": ""},
)
_MARKS = ("\\u0000", "\\ud800", "\\uD800", "\x00")


def check_bytes(body: bytes) -> None:
    """Decode any bytes: a page, an error or the verdict that it is no answer, and nothing else."""
    answer = decode(body)
    assert isinstance(answer, (Page, ApiError, Malformed)), answer
    if isinstance(answer, Page):
        check_page(answer)


def check_page(page: Page) -> None:
    """Check what holds of every page: each entry is a file or a rejection, and everything can be stored."""
    accounted = len({file.file_id for file in page.files}) + len(page.rejected)
    assert len(page.files) <= page.entries, "more files than entries"
    assert accounted or not page.entries, "entries came and none was accounted for"
    for file in page.files:
        assert file.file_id, "a file without an id"
        texts = [file.file_id, file.name, file.file_type, file.url, file.created_raw, file.expires_raw]
        for text in texts:
            assert text is None or _storable(text), f"PostgreSQL cannot hold {text!r}"
        for number in (file.size_bytes, file.duration_seconds):
            assert number is None or 0 <= number < 2**63, number
        assert _storable(json.dumps(dict(file.extra), ensure_ascii=False, allow_nan=False)), file.extra
    for entry in page.rejected:
        assert _storable(entry.raw), f"PostgreSQL cannot hold {entry.raw!r}"
        assert entry.reason, "an entry was rejected without a reason"


def check_beside(fragment: str) -> None:
    """Put any JSON value between two good entries: neither may be lost or changed."""
    first, last = (json.dumps(entry) for entry in GOOD)
    body = f'{{"code":0,"message":"","context":"next","fileSet":[{first},{fragment},{last}]}}'
    answer = decode(body.encode("utf-8", "surrogatepass"))
    assert isinstance(answer, Page), answer
    check_page(answer)
    assert answer.entries == len(GOOD) + 1, answer.entries
    alone = decode(json.dumps({"code": 0, "context": "next", "fileSet": GOOD}).encode())
    assert isinstance(alone, Page)
    ids = {file.file_id: file for file in answer.files}
    for file in alone.files:
        # an entry of the same id may well say something else of the same file, and the last one counts
        assert file.file_id in ids, f"lost beside {fragment!r}"
        assert file.file_id in fragment or ids[file.file_id] == file, f"changed beside {fragment!r}"


def one_value(text: str) -> bool:
    """Return whether `text` is exactly one JSON value that Python can read (and deep ones it cannot)."""
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _one_input(data: bytes) -> None:
    check_bytes(data)
    text = data.decode("utf-8", "surrogateescape")
    entry = '{"fileId":"1","name":' + text + "}"
    for fragment in (text, entry):
        if one_value(fragment):
            check_beside(fragment)
    check_bytes(b'{"code":0,"fileSet":[' + data + b"]}")
    check_bytes(b'{"code":0,"fileSet":[],"context":' + data + b"}")


def main() -> None:
    """Fuzz until told to stop; libFuzzer's own options apply."""
    if atheris is None:
        sys.exit("atheris is not installed here: run make fuzz")
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(_seeds()):
            (Path(directory) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, directory], _one_input)
        atheris.Fuzz()


def _seeds() -> list[bytes]:
    """Return what to begin with: a whole answer, each field of an entry, and values that are odd."""
    odd = ['"\\u0000\\ud800"', "1e400", "-1", "[[[{}]]]", '"2016-11-30 24:00:00"', "1" * 30, "null", "true"]
    answer = {"code": 0, "message": "", "context": "next", "fileCount": 2, "fileSet": GOOD}
    errors = [{"code": "70008", "message": "(70008)x"}, {"Response": {"Error": {"Code": "A", "Message": "b"}}}]
    fields = [json.dumps({name: value}) for entry in GOOD for name, value in entry.items()]
    entries = [f'{{"fileId":"7","{name}":{value}}}' for name in GOOD[0] for value in odd]
    texts = [json.dumps(each) for each in (answer, *errors, *GOOD)]
    return [text.encode() for text in (*texts, *fields, *entries, *odd)]


if __name__ == "__main__":
    main()
