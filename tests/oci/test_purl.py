"""Package URLs, as the specification of their types has them."""

from __future__ import annotations

import pytest

from lamina.oci.purl import image_purl, purl


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            purl("deb", "debian", "curl", "7.50.3-1", {"arch": "i386"}),
            "pkg:deb/debian/curl@7.50.3-1?arch=i386",
        ),
        (purl("npm", "@angular", "animation", "12.3.1"), "pkg:npm/%40angular/animation@12.3.1"),
        (purl("deb", "", "g++", "1:2~rc1+b2"), "pkg:deb/g%2B%2B@1:2~rc1%2Bb2"),
        (purl("rpm", "", "a b/c", "", {"z": "1", "a": "é", "none": ""}), "pkg:rpm/a%20b%2Fc?a=%C3%A9&z=1"),
        (image_purl("alpine:3.17", "linux/amd64"), "pkg:docker/alpine@3.17?platform=linux%2Famd64"),
        (
            image_purl("docker.io/library/alpine", "linux/arm64/v8"),
            "pkg:docker/alpine@latest?platform=linux%2Farm64%2Fv8",
        ),
        (image_purl("ghcr.io/a/b:1"), "pkg:docker/ghcr.io/a/b@1"),
        (image_purl("localhost:5000/a"), "pkg:docker/localhost:5000/a@latest"),
        (image_purl("a/b@sha256:" + "0" * 64), "pkg:docker/a/b?digest=sha256:" + "0" * 64),
    ],
)
def test_purls(made: str, expected: str) -> None:
    assert made == expected
