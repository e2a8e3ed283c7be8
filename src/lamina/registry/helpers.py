"""Credential helpers: programs docker-credential-NAME, which keep secrets better than a file does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Denied

if TYPE_CHECKING:
    from lamina.registry.settings import Settings

_PATIENCE = 30  # seconds for a helper


def call(name: str, action: str, data: str, settings: Settings) -> bytes | None:
    """What `docker-credential-NAME ACTION` answers to `data` on its standard input.

    None when it knows nothing of the server. Denied for a helper that is not there, hangs or fails.
    """
    import shutil  # only where helpers are used
    import subprocess

    shown = f"credential helper docker-credential-{name}"
    program = shutil.which(f"docker-credential-{name}", path=settings.helpers) if "/" not in name else None
    if program is None:
        raise Denied(f"{shown} is not installed", hint="is it in PATH?")
    try:
        done = subprocess.run(
            [program, action],
            input=data.encode(),
            capture_output=True,
            env={"PATH": settings.helpers, "HOME": settings.home},
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = "takes too long" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise Denied(f"{shown}: {what}") from None
    if not done.returncode:
        return done.stdout
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if "not found" in said:
        return None
    raise Denied(f"{shown} failed: {said[:200]}")
