"""login: whether a registry takes credentials (distribution-spec, end-1: GET /v2/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput
from lamina.fetch.exchange import Request
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops
from lamina.oci import reference as references
from lamina.registry.failures import told
from lamina.registry.reach import Reach

if TYPE_CHECKING:
    from lamina.registry.credentials import Credentials
    from lamina.registry.settings import Settings

_PATH = "login"  # any repository: only its registry is asked


def try_credentials(host: str, path: str, found: Credentials, settings: Settings) -> None:
    """Asks the registry itself, not its mirrors. Denied when it does not take them; FetchFailed."""
    if settings.offline:
        raise FetchFailed(f"cannot log in to {host}: Lamina is offline here")
    reference = references.parse(f"{host}/{path or _PATH}")
    reach = Reach(reference, settings, NeverStops(), "", found)
    try:
        at = reach.at(reach.places()[-1])
        answer = at.ask(Request(at.url[: at.url.index("/v2/") + 4], shown=f"/v2/ of {host}"))
    except Denied as error:
        raise Denied(f"login to {host} failed: {error.message}", hint=_HINT) from None
    finally:
        reach.close()
    if answer.ok:
        return
    if answer.status in (401, 403):
        raise Denied(f"login to {host} failed: {told(answer)}", hint=_HINT)
    raise InvalidInput(f"login to {host}: it answers {told(answer)}", hint="is it a registry?")


_HINT = "are the user name and the password right? some registries want an access token in its place"
