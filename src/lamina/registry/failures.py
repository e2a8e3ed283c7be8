"""What registries say when they refuse, as errors: in Docker's words where it has some."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput, LaminaError, NotFound
from lamina.fetch.failures import FetchFailed
from lamina.fetch.failures import NoRanges as NoRanges  # what `Repository.part` raises
from lamina.fetch.headers import retry_after

if TYPE_CHECKING:
    from lamina.fetch.ask import Answer
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings

# What one must be allowed to do for it; who looks for a blob is about to push it.
_RIGHTS = {"push": "push", "look for": "push", "delete": "delete"}
_LONGEST = 300  # characters of a registry's own words
LOGIN = "is the name right? `lamina login HOST` keeps credentials; those of docker and podman count too"


def check_online(reference: Reference, settings: Settings) -> None:
    """FetchFailed where no registry is to be asked at all."""
    if settings.offline:
        raise FetchFailed(
            f"cannot fetch {reference.with_default_tag().familiar()}: Lamina is offline here",
            hint="LAMINA_OFFLINE=1, or offline = true in registries.toml, says so",
        )


def refused(answer: Answer, reference: Reference, host: str, what: str, verb: str = "fetch") -> LaminaError:
    """The error for an answer that is none of success; `what` was asked for: the manifest, a blob."""
    said = told(answer)
    if answer.status in (401, 403) or (answer.status == 404 and "NAME_UNKNOWN" in codes(answer)):
        name = reference.familiar_name
        return (NotFound if answer.status == 404 else Denied)(
            f"{_RIGHTS.get(verb, 'pull')} access denied for {name}, repository does not exist or may require "
            f"authorization: {host}: {said}",
            hint=LOGIN,
        )
    named = reference.familiar_name in what
    if answer.status == 404:
        whose = "" if named else f" for {reference.familiar()}"
        return NotFound(f"{what}{whose} not found: {host}: {said}")
    whose = "" if named else f" of {reference.familiar()}"
    seconds = retry_after(answer.headers.get("retry-after", ""))
    hint = f"the registry asks to wait {seconds:.0f} seconds" if seconds else None
    return FetchFailed(f"cannot {verb} {what}{whose}: {host} answered {said}", hint=hint)


def told(answer: Answer) -> str:
    """A registry's own words in an answer (distribution-spec, error codes), else its status."""
    words = [_words(each) for each in _errors(answer)]
    text = "; ".join(word for word in words if word) or f"{answer.status} {answer.reason}".rstrip()
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST]


def _words(error: dict[str, object]) -> str:
    said = f"{str(error.get('code', '')).replace('_', ' ').lower()}: {error.get('message', '')}".strip(": ")
    detail = error.get("detail")
    digest = detail.get("digest") if isinstance(detail, dict) else None
    return f"{said} ({str(digest)[:19]})" if digest else said


def codes(answer: Answer) -> list[str]:
    """The codes of a registry's errors."""
    return [str(each.get("code", "")) for each in _errors(answer)]


def _errors(answer: Answer) -> list[dict[str, object]]:
    try:
        found = json.loads(answer.body)["errors"]
        return [each for each in found if isinstance(each, dict)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


class ManifestRefused(InvalidInput):
    """A registry does not want a manifest as it is: its `status`, and the `codes` that it gives."""

    def __init__(self, message: str, status: int, codes: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.codes = codes
