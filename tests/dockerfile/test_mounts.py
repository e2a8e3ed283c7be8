"""RUN --mount as text: its CSV, its keys, what each type takes, and the words for what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile import DockerfileError, parse
from lamina.dockerfile.mounts import BadMount, Mount, fields, from_of
from lamina.dockerfile.mounts import parse as parse_mount


def read(text: str, **variables: str) -> Mount:
    def expand(value: str) -> str:
        for name, other in variables.items():
            value = value.replace(f"${name}", other)
        return value

    return parse_mount(text, expand)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a=b", ["a=b"]),
        ("a=b,c", ["a=b", "c"]),
        ("a=b,", ["a=b", ""]),
        (",", ["", ""]),
        ('"a=b,c",d', ["a=b,c", "d"]),
        ('"a=""b"""', ['a="b"']),
        ('""', [""]),
        ('"",a', ["", "a"]),
        ('a,""', ["a", ""]),
        ('"a",', ["a", ""]),
        (" a , b ", [" a ", " b "]),
    ],
)
def test_a_mount_is_a_row_of_csv(row: str, expected: list[str]) -> None:
    assert fields(row) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "EOF"),
        ('a"b', 'column 2: bare " in non-quoted field'),
        ('x,a"', 'column 4: bare " in non-quoted field'),
        ('"a', 'column 3: extraneous or missing " in quoted-field'),
        ('"a"b', 'column 3: extraneous or missing " in quoted-field'),
        ('"a""', 'extraneous or missing " in quoted-field'),
    ],
)
def test_bad_csv(row: str, message: str) -> None:
    with pytest.raises(BadMount, match="failed to parse csv mounts") as caught:
        fields(row)
    assert message in caught.value.message


@given(st.lists(st.text(st.characters(exclude_characters="\r\n")), min_size=1, max_size=5))
def test_whatever_is_quoted_comes_back(found: list[str]) -> None:
    row = ",".join('"' + field.replace('"', '""') + '"' for field in found)
    assert fields(row) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/a", Mount(target="/a")),
        ("TYPE=Bind,Target=/a", Mount(target="/a")),
        ("type=bind,source=s,target=t,from=f,rw", Mount("bind", "f", "s", "t", readonly=False)),
        ("src=s,dst=t,readonly", Mount(source="s", target="t")),
        ("destination=t,readwrite=0", Mount(target="t", readonly=True)),
        ("target=t,ro=False", Mount(target="t", readonly=False)),
        ("target=t,rw,ro", Mount(target="t", readonly=True)),
        ("target=a,target=b", Mount(target="b")),
        (
            "type=cache,target=/c,id=i,sharing=LOCKED,mode=0700,uid=1,gid=2,ro",
            Mount("cache", target="/c", id="i", sharing="locked", mode=0o700, uid=1, gid=2),
        ),
        ("type=cache,target=/c", Mount("cache", target="/c", readonly=False)),
        ("type=tmpfs,target=/t,size=64m", Mount("tmpfs", target="/t", readonly=False, size=64 << 20)),
        ("type=tmpfs,target=/t,ro", Mount("tmpfs", target="/t")),
        (
            "type=secret,id=s,target=/t,required,mode=0440,uid=3,gid=4,env=E",
            Mount("secret", target="/t", id="s", required=True, mode=0o440, uid=3, gid=4, env="E"),
        ),
        ("type=secret,source=s,required=false", Mount("secret", source="s")),
        ("type=ssh", Mount("ssh")),
        (
            "type=ssh,id=i,target=/s,required=1,mode=660",
            Mount("ssh", target="/s", id="i", required=True, mode=0o660),
        ),
    ],
)
def test_options(text: str, expected: Mount) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("0", 0),
        ("10", 10),
        ("10b", 10),
        ("1k", 1024),
        ("1kB", 1024),
        ("1 KiB", 1024),
        ("1.5g", 3 << 29),
        ("2T", 2 << 40),
    ],
)
def test_sizes(size: str, count: int) -> None:
    assert read(f"type=tmpfs,target=/t,size={size}").size == count


@pytest.mark.parametrize(
    ("text", "message", "at", "hint"),
    [
        ("type=bin,target=/a", 'unsupported mount type "bin"', "type=bin", "did you mean bind?"),
        (
            "type=volume",
            'unsupported mount type "volume"',
            "type=volume",
            "one of bind, cache, tmpfs, secret, ssh",
        ),
        ("targt=/a", "unexpected key 'targt' in 'targt=/a'", "targt=/a", "did you mean target?"),
        ("target", "invalid field 'target' must be a key=value pair", "target", ""),
        ("", "failed to parse csv mounts: EOF", "--mount", ""),
        ("target=/a,", "invalid field '' must be a key=value pair", "", ""),
        ("ro=yes", "invalid value for ro: yes", "ro=yes", "true or false"),
        ("readwrite=2", "invalid value for readwrite: 2", "readwrite=2", ""),
        ("type=secret,id=x,required=no", "invalid value for required: no", "required=no", ""),
        (
            "required,target=/a",
            "unexpected key 'required' for mount type 'bind'",
            "required",
            "comes after type=",
        ),
        ("required,type=secret,id=a", "unexpected key 'required' for mount type 'bind'", "required", ""),
        ("type=cache,required=1", "unexpected key 'required' for mount type 'cache'", "required=1", ""),
        ("size=1m,type=tmpfs", "unexpected key 'size' for mount type 'bind'", "size=1m", "tmpfs"),
        ("type=tmpfs,size=lots", "invalid value for size: lots", "size=lots", ""),
        ("type=tmpfs,size=-1", "invalid value for size: -1", "size=-1", ""),
        (
            "type=cache,sharing=share",
            'unsupported sharing value "share"',
            "sharing=share",
            "did you mean shared?",
        ),
        ("type=cache,mode=rwx", "invalid value rwx for mode", "mode=rwx", "octal"),
        ("type=cache,mode=0888", "invalid value 0888 for mode", "mode=0888", ""),
        ("type=cache,mode=", "invalid value  for mode", "mode=", ""),
        ("type=cache,uid=www", "invalid value www for uid", "uid=www", "number"),
        ("type=cache,gid=-1", "invalid value -1 for gid", "gid=-1", ""),
        ("type=cache,gid=4294967295", "invalid value 4294967295 for gid", "gid=4294967295", ""),
        ("target=/a,mode=0755", 'mode not allowed for "bind" type mounts', "mode=", ""),
        ("type=tmpfs,uid=0", 'uid not allowed for "tmpfs" type mounts', "uid=", ""),
        ("gid=1", 'gid not allowed for "bind" type mounts', "gid=", ""),
        ("type=secret,id=a,from=b", "secret mount should not have a from", "from=", ""),
        ("type=secret,id=a,sharing=shared", "secret mount should not define sharing", "sharing=", ""),
        ("type=secret", "invalid secret mount. one of source, target required", "--mount", "id=NAME"),
        ("type=secret,id=a,source=b", "both source and id can't be set", "--mount", ""),
        ("type=secret,id=a,env=", "invalid value for env: ", "env=", ""),
        ("type=ssh,source=a", "ssh does not support source", "--mount", ""),
        ("target=/a,sharing=locked", "invalid cache sharing set for bind mount", "sharing=", ""),
    ],
)
def test_errors(text: str, message: str, at: str, hint: str) -> None:
    with pytest.raises(BadMount) as caught:
        read(text)
    assert caught.value.message == message
    assert caught.value.at == at
    assert hint in (caught.value.hint or "")


def test_variables_stand_in_values(kind: str = "tmpfs") -> None:
    assert read("type=$k,target=$t,size=$s", k=kind, t="/x", s="1k") == Mount(
        "tmpfs", target="/x", readonly=False, size=1024
    )
    with pytest.raises(BadMount, match="invalid value maybe for uid"):
        read("type=cache,uid=$u", u="maybe")
    with pytest.raises(BadMount, match=r"unexpected key '\$k'"):
        read("$k=/x", k="target")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from=a,target=/x", "a"),
        ('target=/x,"from=a,b"', "a,b"),
        ("target=/x,FROM=a", "a"),
        ("target=/x,from=a,from=b", "b"),
        ("target=/x", ""),
        ("type=tmpfs,from=a,target=/x", ""),
    ],
)
def test_from_of(text: str, expected: str) -> None:
    assert from_of(text) == expected


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ("RUN --mount=from=$x,target=/ y", (2, 5), "'from' doesn't support variable expansion"),
        ('RUN --mount=\\"a y', (2, 5), "failed to parse csv mounts: parse error on line 1, column 3"),
        ('RUN --mount=a=b\\"c y', (2, 5), 'bare " in non-quoted field'),
        ("ONBUILD RUN --mount=from=${x} y", (2, 13), "define alias stage instead"),
    ],
)
def test_what_is_wrong_before_variables_are_known(line: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(f"FROM a\n{line}\n".encode())
    assert (caught.value.line, caught.value.column) == place
    assert message in caught.value.message


def test_a_dollar_at_the_end_of_from_is_no_variable() -> None:
    assert parse(b"FROM a\nRUN --mount=from=x$,target=/y z\n").instructions
