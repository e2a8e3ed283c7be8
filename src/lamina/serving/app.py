"""App: from a request to its answer. Whoever asks is checked first, then the path leads to the handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Cancelled, LaminaError
from lamina.serving import blobs, listing, manifests, routes, uploading
from lamina.serving.failures import BROKEN, REFUSED, UNSUPPORTED, Failure, of_store
from lamina.serving.messages import Gone, Response

if TYPE_CHECKING:
    from lamina.serving.gate import Gate
    from lamina.serving.messages import Request
    from lamina.serving.routes import Route
    from lamina.serving.site import Site

_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
_READING = ("GET", "HEAD")
_METHODS = {
    routes.MANIFEST: ("GET", "HEAD", "PUT", "DELETE"),
    routes.BLOB: ("GET", "HEAD", "DELETE"),
    routes.UPLOADS: ("POST",),
    routes.UPLOAD: ("GET", "PATCH", "PUT", "DELETE"),
}


class App:
    """Answers every request; raises only Gone, when there is nobody to answer."""

    def __init__(self, site: Site, gate: Gate, *, read_only: bool = False) -> None:
        self._site = site
        self._gate = gate
        self._read_only = read_only

    def __call__(self, request: Request) -> Response:
        """The answer, which says what went wrong if it is none."""
        try:
            response = self._handle(request)
        except Failure as failure:
            response = _failed(failure)
        except (Gone, Cancelled):
            raise Gone from None
        except LaminaError as error:
            response = _failed(of_store(error), error.message)
        except Exception as error:  # a fault of ours, or of the machine: the other clients are not to feel it
            response = _failed(Failure(BROKEN), f"{type(error).__name__}: {error}")
        return response._replace(headers=(_VERSION, *response.headers))

    def _handle(self, request: Request) -> Response:
        route = routes.find(request.path)
        if route.kind == routes.TOKEN:
            return self._gate.token(request)
        self._gate.check(request, route)
        allowed = _METHODS.get(route.kind, _READING)
        if self._read_only:
            allowed = tuple([each for each in allowed if each in _READING and route.kind != routes.UPLOAD])
        if request.method not in allowed:
            raise Failure(UNSUPPORTED, headers=(("Allow", ", ".join(allowed)),))
        if "origin" in request.headers and request.method not in _READING:
            raise Failure(REFUSED)  # a page in a browser, which may come from anywhere
        return self._answer(request, route)

    def _answer(self, request: Request, route: Route) -> Response:
        site = self._site
        if route.repository is None:
            if route.kind == routes.CATALOG:
                return listing.catalog(site, request)
            return Response(200, (("Content-Type", "application/json"),), b"{}")
        if route.kind == routes.TAGS:
            return listing.tags(site, request, route.repository)
        if route.kind == routes.REFERRERS:
            return listing.referrers(site, request, route.repository, route.what)
        if route.kind == routes.MANIFEST:
            return self._manifest(request, route)
        if route.kind == routes.BLOB:
            if request.method == "DELETE":
                return blobs.delete(site, route.repository, route.what)
            return blobs.get(site, request, route.repository, route.what)
        return self._upload(request, route)

    def _manifest(self, request: Request, route: Route) -> Response:
        assert route.repository is not None
        if request.method == "PUT":
            return manifests.put(self._site, request, route.repository, route.what)
        if request.method == "DELETE":
            return manifests.delete(self._site, route.repository, route.what)
        return manifests.get(self._site, route.repository, route.what)

    def _upload(self, request: Request, route: Route) -> Response:
        assert route.repository is not None
        if route.kind == routes.UPLOADS:
            return uploading.begin(self._site, request, route.repository)
        handler = {
            "GET": uploading.status,
            "PATCH": uploading.patch,
            "PUT": uploading.finish,
            "DELETE": uploading.cancel,
        }[request.method]
        return handler(self._site, request, route.repository, route.what)


def _failed(failure: Failure, note: str = "") -> Response:
    headers = (("Content-Type", "application/json"), *failure.headers)
    return Response(failure.kind.status, headers, failure.body(), note=note)
