"""Values that must not be shown: those of variables whose names say that they are secret. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.graph.reason import MASKED

if TYPE_CHECKING:
    from collections.abc import Iterable

# Wider than the check SecretsUsedInArgOrEnv: what is masked in vain costs little.
_ANYWHERE = "pass(?:word|wd|phrase)|pword|secret|token|credential|api_?key|private_?key|access_?key"
_A_WORD = "auth|key|pass|pat|pwd|psw|bearer|cookie|dsn"
_SECRET = re.compile(rf"{_ANYWHERE}|(?:^|[_\W])(?:{_A_WORD})(?:$|[_\W])", re.IGNORECASE)
_IN_TEXT = re.compile(rf"([\w-]*(?:{_ANYWHERE})[\w-]*\"?\s*[=:]\s*\"?)([^\s\"',;&|]+)", re.IGNORECASE)
_IN_URL = re.compile(r"(://)[^/@\s]+@")
_SHORTEST = 4  # characters of a value that is looked for in other texts


def is_secret(name: str) -> bool:
    """Whether a variable is called as if its value were a secret."""
    return _SECRET.search(name) is not None


def secrets_of(variables: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The values of those variables (name, value) that are secret, the longest first."""
    found = {value for name, value in variables if len(value) >= _SHORTEST and is_secret(name)}
    return tuple(sorted(found, key=len, reverse=True))


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these values, without what `password=` and the like stand before, and without the
    names and passwords of URLs.
    """
    for secret in secrets:
        text = text.replace(secret, MASKED)
    if "://" in text:
        text = _IN_URL.sub(rf"\1{MASKED}@", text)
    return _IN_TEXT.sub(rf"\1{MASKED}", text)
