"""Checks of who gets in, and of what is no name: end-1, errors, authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.isolate import Skip

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench


def check_it_says_that_it_is_a_registry(bench: Bench) -> None:
    assert bench.ask("GET", "/v2/").status == 200


def check_without_a_user_it_says_what_it_wants(bench: Bench) -> None:
    if not bench.target.user:
        raise Skip("the registry is open to all")
    for path in ("/v2/", f"{bench.repository}/tags/list", f"{bench.repository}/manifests/latest"):
        reply = bench.ask("GET", path, anonymous=True)
        assert reply.status == 401, path
        assert reply.headers["www-authenticate"].split()[0] in ("Basic", "Bearer")
        assert reply.codes() == ["UNAUTHORIZED"]
    assert bench.ask("POST", f"{bench.repository}/blobs/uploads/", anonymous=True).status == 401


def check_a_wrong_password_is_none(bench: Bench) -> None:
    if not bench.target.user:
        raise Skip("the registry is open to all")
    for header in (bench.basic("wrong"), bench.basic(""), "Basic !", "Basic", "Bearer x", "Basic bm9uZQ=="):
        reply = bench.ask("GET", "/v2/", headers={"Authorization": header}, anonymous=True)
        assert reply.status in (400, 401), header


def check_errors_have_the_form_of_the_spec(bench: Bench) -> None:
    bench.image(tag="here")
    assert bench.get("missing").codes() == ["MANIFEST_UNKNOWN"]
    digest = "sha256:" + "0" * 64
    assert bench.ask("GET", f"{bench.repository}/blobs/{digest}").codes() == ["BLOB_UNKNOWN"]
    assert bench.ask("GET", f"{bench.repository}-none/tags/list").codes() == ["NAME_UNKNOWN"]


def check_what_is_no_name_is_refused(bench: Bench) -> None:
    for name in ("UPPER", "a//b", "-a", "a_-b", "..", "a/../b", "%2e%2e/x", "a%00b"):
        reply = bench.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert 300 <= reply.status < 500, name


def check_what_is_no_tag_is_refused(bench: Bench) -> None:
    data = bench.image()
    for tag in (".a", "-a", "a" * 129, "a%20b", "a%2Fb"):
        assert 400 <= bench.put(tag, data).status < 500, tag


def check_paths_that_are_none(bench: Bench) -> None:
    for path in ("/v2/x", "/v2/x/what/ever", "/v2/%2e%2e/%2e%2e/etc/passwd", "/v2/../../etc/passwd", "/v3/"):
        assert 300 <= bench.ask("GET", path).status < 500, path


def check_methods_that_are_none(bench: Bench) -> None:
    for method, path in (("PATCH", "tags/list"), ("POST", "manifests/x"), ("DELETE", "tags/list")):
        assert bench.ask(method, f"{bench.repository}/{path}").status in (400, 404, 405), (method, path)
