"""--filter key=value of the list commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def parse(texts: Iterable[str], known: Iterable[str]) -> dict[str, list[str]]:
    """Values by key. InvalidInput for a key that is not among `known`, or without `=`."""
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InvalidInput(f"invalid filter {text!r}", hint="a filter is written name=value")
        if key not in known:
            raise InvalidInput(f"invalid filter '{key}'", hint=f"the filters are {', '.join(sorted(known))}")
        found.setdefault(key, []).append(value.strip())
    return found


def one_of(wanted: Mapping[str, list[str]], key: str, known: Sequence[str]) -> None:
    """InvalidInput for a value of `key` that nothing ever has."""
    for value in wanted.get(key, ()):
        if value not in known:
            raise InvalidInput(f"invalid filter '{key}={value}'", hint=f"one of {', '.join(known)}")


def truth(value: str, key: str) -> bool:
    """A filter's true or false."""
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise InvalidInput(f"invalid filter '{key}={value}'", hint="true or false")


def name_matches(pattern: str, name: str) -> bool:
    """Go's path.Match of a pattern with an image's name, with or without its tag."""
    repository = name.rpartition(":")[0] or name
    return any(_match(pattern, candidate) for candidate in (name, repository))


def _match(pattern: str, name: str) -> bool:
    """`*` and `?` stop at a slash, as they do not in fnmatch: so each part is matched alone."""
    from fnmatch import fnmatchcase  # only when a pattern is given

    parts, patterns = name.split("/"), pattern.split("/")
    if len(parts) != len(patterns):
        return False
    return all(fnmatchcase(part, one) for part, one in zip(parts, patterns, strict=True))
