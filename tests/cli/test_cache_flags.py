"""--cache-from and --cache-to as they are written: buildx's words, and what is refused."""

from __future__ import annotations

import os

import pytest

from lamina.build.given import CacheFrom, CacheTo
from lamina.cli.build_caches import parse_from, parse_to
from lamina.errors import LaminaError
from lamina.oci.digest import Digest

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("app", [CacheFrom("registry", "app")]),
        ("app:1,other", [CacheFrom("registry", "app:1"), CacheFrom("registry", "other")]),
        ("type=registry,ref=host:5000/app:x", [CacheFrom("registry", "host:5000/app:x")]),
        (f"type=registry,ref=app@{DIGEST}", [CacheFrom("registry", f"app@{DIGEST}")]),
        ("type=local,src=/a/b", [CacheFrom("local", "/a/b")]),
        (
            f"type=local,src=c,digest={DIGEST}",
            [CacheFrom("local", os.path.abspath("c"), "latest", Digest(DIGEST))],
        ),
        ("type=local,src=/a,tag=main", [CacheFrom("local", "/a", "main")]),
        ("", []),
    ],
)
def test_cache_from(text: str, found: list[CacheFrom]) -> None:
    assert list(parse_from([text])) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("app", [CacheTo("registry", "app")]),
        ("type=inline", [CacheTo("inline")]),
        ("type=inline,mode=max", [CacheTo("inline")]),
        ("type=registry,ref=app,mode=MAX", [CacheTo("registry", "app", "max")]),
        ("type=registry,ref=a,oci-mediatypes=true,image-manifest=true", [CacheTo("registry", "a")]),
        (
            "type=registry,ref=a,compression=zstd,compression-level=9,force-compression=true,ignore-error=1",
            [CacheTo("registry", "a", "min", "zstd", 9, True, True)],
        ),
        ("type=local,dest=/a,tag=main,mode=max", [CacheTo("local", "/a", "max", tag="main")]),
    ],
)
def test_cache_to(text: str, found: list[CacheTo]) -> None:
    assert list(parse_to([text])) == found


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("from", "type=gha", "--cache-from type=gha is not supported"),
        ("to", "type=gha,mode=max", "--cache-to type=gha is not supported"),
        ("to", "type=s3,region=x,bucket=y", "--cache-to type=s3 is not supported"),
        ("to", "type=azblob,name=x", "--cache-to type=azblob is not supported"),
        ("to", "type=other", "--cache-to type=other is not supported"),
        ("from", "type=inline", "an inline cache is read from its image"),
        ("from", "ref=app", "type is required"),
        ("to", "type=registry", "--cache-to type=registry needs ref"),
        ("to", "type=registry,ref=A B", "invalid reference format"),
        ("to", f"type=registry,ref=app@{DIGEST}", "cannot write to a digest"),
        ("to", "type=local", "--cache-to type=local needs dest"),
        ("from", "type=local,dest=x", "--cache-from type=local needs src"),
        ("from", "type=local,src=x,digest=x", "invalid digest"),
        ("from", "type=registry,ref=a,mode=max", "--cache-from type=registry has no option 'mode'"),
        ("to", "type=registry,ref=a,mode=some", "invalid mode 'some'"),
        ("to", "type=registry,ref=a,compression=estargz", "estargz is not written"),
        ("to", "type=registry,ref=a,compression=lzma", "unknown compression 'lzma'"),
        ("to", "type=registry,ref=a,compression-level=x", "invalid compression-level 'x'"),
        ("to", "type=registry,ref=a,compression-level=99", "invalid compression level 99"),
        ("to", "type=registry,ref=a,force-compression=true", "force-compression needs a compression"),
        ("to", "type=registry,ref=a,ignore-error=maybe", "ignore-error=maybe is neither true nor false"),
        ("to", "type=registry,ref=a,src=b", "has no option 'src'"),
        ("to", '"type=registry,ref=a', "invalid value for --cache-to"),
    ],
)
def test_what_is_refused(flag: str, text: str, message: str) -> None:
    with pytest.raises(LaminaError) as caught:
        list(parse_from([text]) if flag == "from" else parse_to([text]))
    assert message in caught.value.message
    assert caught.value.hint or "invalid" in message or "option" in message or "neither" in message
