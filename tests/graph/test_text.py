"""Ports, modes, signals and Go's way of printing: tables of input and output."""

from __future__ import annotations

import pytest

from lamina.graph.chmod import parse_mode
from lamina.graph.gotext import duration, plain_list, quote, quoted_list
from lamina.graph.ports import expand_ports
from lamina.graph.signals import is_signal


@pytest.mark.parametrize(
    ("spec", "ports"),
    [
        ("80", ["80/tcp"]),
        ("80/udp", ["80/udp"]),
        ("80/UDP", ["80/udp"]),
        ("80/", ["80/tcp"]),
        ("8000-8002/sctp", ["8000/sctp", "8001/sctp", "8002/sctp"]),
        ("8080:80", ["80/tcp"]),
        ("127.0.0.1:8080:80/tcp", ["80/tcp"]),
        ("[::1]:8080:80", ["80/tcp"]),
        ("8000-8010:80", ["80/tcp"]),
        ("0", ["0/tcp"]),
    ],
)
def test_expand_ports(spec: str, ports: list[str]) -> None:
    assert list(expand_ports([spec])) == ports


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("/tcp", "no port specified"),
        ("80/icmp", "invalid proto: icmp"),
        ("65536", "invalid containerPort: 65536"),
        ("http", "invalid containerPort: http"),
        ("90-80", "invalid containerPort: 90-80"),
        ("1-2-3", "invalid containerPort: 1-2-3"),
        ("x:80", "invalid hostPort: x"),
        ("1-2:80-90", "invalid ranges"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("", "no port specified"),
    ],
)
def test_expand_ports_refuses(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand_ports([spec])


@pytest.mark.parametrize(
    ("text", "before", "folder", "after"),
    [
        ("0755", 0o644, False, 0o755),
        ("4711", 0o644, False, 0o4711),
        ("0", 0o644, False, 0),
        ("u+x", 0o644, False, 0o744),
        ("+x", 0o644, False, 0o755),
        ("a-w", 0o666, False, 0o444),
        ("go=", 0o777, False, 0o700),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("g=u", 0o640, False, 0o660),
        ("u+s", 0o755, False, 0o4755),
        ("g+s,+t", 0o755, True, 0o3755),
        ("u-s", 0o4755, False, 0o755),
        ("u=rw", 0o4755, False, 0o655),
        ("u=rwx", 0o6700, True, 0o2700),
        ("u+r-w", 0o200, False, 0o400),
    ],
)
def test_parse_mode(text: str, before: int, folder: bool, after: int) -> None:
    assert oct(parse_mode(text).apply(before, folder)) == oct(after)


@pytest.mark.parametrize("text", ["", "8", "10000", "u", "z+x", "u+q", "u+x,", "+x;", "0o755", "-1", "٧"])
def test_parse_mode_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="invalid chmod parameter"):
        parse_mode(text)


@pytest.mark.parametrize(
    "text", ["SIGTERM", "TERM", "sigterm", "9", "SIGRTMIN", "RTMIN+3", "rtmin+15", "SIGRTMAX-14", "WINCH"]
)
def test_is_signal(text: str) -> None:
    assert is_signal(text)


@pytest.mark.parametrize(
    "text", ["", "SIG", "0", "-9", "SIGFOO", "RTMIN+99", "RTMIN-1", "TERM KILL", "sigsig"]
)
def test_is_no_signal(text: str) -> None:
    assert not is_signal(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (250_000_000, "250ms"),
        (1_500_000_000, "1.5s"),
        (30_000_000_000, "30s"),
        (60_000_000_000, "1m0s"),
        (3_630_000_000_000, "1h0m30s"),
        (86_400_000_000_000, "24h0m0s"),
    ],
)
def test_duration(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_quote() -> None:
    assert quote('a "b" \\ \n\t\x01 é \udcff') == r'"a \"b\" \\ \n\t\x01 é \xff"'
    assert quoted_list(["/bin/sh", "-c", "echo hi"]) == '["/bin/sh" "-c" "echo hi"]'
    assert plain_list(["a", "b c"]) == "[a b c]"
    assert quoted_list([]) == "[]"
