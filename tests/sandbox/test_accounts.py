"""USER, looked up in passwd and group files of all sorts."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.sandbox.accounts import Identity, look_up

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
# a comment, and what is no row:
broken
big:x:99999999999999999999:5::/big:/bin/sh
app:x:1000:1001:An app:/home/app:/bin/sh
twin:x:1000:7::/home/twin:/bin/sh
homeless:x:12:13
"""
GROUP = b"root:x:0:\nwheel:x:10:root,app\napp:x:1001:app\nstaff:x:50:app,homeless\n33:x:34:\nbad:x:x:app\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(0, 0, (0, 10), "/root")),
        ("root", Identity(0, 0, (0, 10), "/root")),
        ("0", Identity(0, 0, (0, 10), "/root")),
        ("000", Identity(0, 0, (0, 10), "/root")),
        ("app", Identity(1000, 1001, (1001, 10, 50), "/home/app")),
        ("1000", Identity(1000, 1001, (1001, 10, 50), "/home/app")),
        ("homeless", Identity(12, 13, (13, 50), "/")),
        ("77", Identity(77, 0, (0,), "/")),
        ("app:staff", Identity(1000, 50, (50,), "/home/app")),
        ("app:33", Identity(1000, 33, (33,), "/home/app")),
        ("77:88", Identity(77, 88, (88,), "/")),
        (":staff", Identity(0, 50, (50,), "/root")),
    ],
)
def test_found(user: str, expected: Identity) -> None:
    assert look_up(user, PASSWD, GROUP) == expected


def test_an_empty_image_has_root_and_numbers() -> None:
    assert look_up("", b"", b"") == Identity(0, 0, (0,), "/")
    assert look_up("5:6", b"", b"") == Identity(5, 6, (6,), "/")


@pytest.mark.parametrize("user", ["nobody", "app:nogroup", "2147483648", "1:4294967295", "9" * 5000, "big"])
def test_refused(user: str) -> None:
    with pytest.raises(InvalidInput):
        look_up(user, PASSWD, GROUP)


def test_bytes_that_are_no_text() -> None:
    assert look_up("app", b"\xff\xfe:x:1:1\n" + PASSWD, b"\xff" + GROUP).uid == 1000
