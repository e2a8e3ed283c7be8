"""JSON in and out: always the same bytes for the same value, and never more than we are willing to read.

What we write is what Go's encoder writes (no spaces, fields in the order given, `<`, `>` and `&`
escaped), since that is what Docker and BuildKit name images by.
"""

from __future__ import annotations

import json

from lamina.errors import InvalidInput

MAX_SIZE = 4 << 20  # bytes of one document: what registries accept for a manifest
MAX_DEPTH = 64  # levels of lists and objects
_TOO_DEEP = "has too many levels"


def dumps(value: object) -> bytes:
    """Writes `value` as UTF-8 JSON; dictionaries keep their order. A lone surrogate becomes U+FFFD."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    if not text.isascii():
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def loads(data: bytes, what: str, *, max_size: int = MAX_SIZE) -> object:
    """Reads JSON that came from elsewhere; `what` names it in messages.

    InvalidInput when it is longer than `max_size` bytes, deeper than MAX_DEPTH, not UTF-8, not JSON,
    or has a key twice in one object (two readers could take two values).
    """
    if len(data) > max_size:
        raise InvalidInput(f"{what}: {len(data)} bytes of JSON, at most {max_size} are read")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise InvalidInput(f"{what}: {_TOO_DEEP}") from None
    except ValueError as e:  # JSONDecodeError and UnicodeDecodeError are ValueErrors too
        reason = "a number with too many digits" if str(e).startswith("Exceeds the limit") else str(e)
        raise InvalidInput(f"{what}: not valid JSON: {reason}") from None
    _check_depth(value, what)
    return value


def loads_object(data: bytes, what: str, *, max_size: int = MAX_SIZE) -> dict[str, object]:
    """As `loads`; InvalidInput when the value is not an object."""
    value = loads(data, what, max_size=max_size)
    if not isinstance(value, dict):
        raise InvalidInput(f"{what}: not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        for key, _ in reversed(pairs):  # the first that is there no more was there twice
            if made.pop(key, pairs) is pairs:
                break
        raise ValueError(f"key {key[:100]!r} appears twice")
    return made


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: object, what: str) -> None:
    level, depth = [value], 0
    while level:
        below: list[object] = []
        for item in level:
            if type(item) is dict:
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        level = [item for item in below if type(item) is dict or type(item) is list]
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{what}: {_TOO_DEEP}")
