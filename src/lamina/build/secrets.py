"""What a secret holds: read when a RUN needs it, kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput

if TYPE_CHECKING:
    from lamina.build.given import Secret

_LARGEST = 500 * 1024  # bytes, as in BuildKit


def content_of(secret: Secret) -> bytes:
    """The bytes of a secret. Denied when its file cannot be read, InvalidInput when it is too large."""
    content = secret.value
    if content is None:
        try:
            with open(secret.path, "rb") as file:
                content = file.read(_LARGEST + 1)
        except OSError as error:
            raise Denied(f"cannot read the secret {secret.id} from {secret.path}: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise InvalidInput(
            f"secret {secret.id} too big. max size 500KB", hint="a secret is a key, not a file share"
        )
    return content
