"""Digests and chain IDs."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.oci import digest
from lamina.oci.digest import DiffID

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_sha256() -> None:
    assert digest.sha256(b"") == f"sha256:{EMPTY}"
    assert digest.hex_of(digest.parse(f"sha256:{EMPTY}")) == EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY,
        f"sha256:{EMPTY[:-1]}",
        f"sha256:{EMPTY.upper()}",
        f"sha256:{EMPTY}\n",
        "sha256:../" + "a" * 61,
    ],
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid digest"):
        digest.parse(text)


def test_chain_id_of_two_layers() -> None:
    first = digest.chain_id(None, DiffID("sha256:" + "a" * 64))
    assert first == "sha256:" + "a" * 64
    second = digest.chain_id(first, DiffID("sha256:" + "b" * 64))
    assert str(second) == digest.sha256(b"sha256:" + b"a" * 64 + b" sha256:" + b"b" * 64)
