"""What BuildKit's own tests build, as Dockerfiles of our own: see test_like_the_reference.py."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.build.given import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


class Case(NamedTuple):
    """A Dockerfile, the files beside it, what else the build is given, and files of its image."""

    dockerfile: str
    files: Mapping[str, str | bytes] = {}
    options: Mapping[str, Any] = {}
    holds: Mapping[str, str] = {}
    lacks: tuple[str, ...] = ()


def tar_of_a_link() -> bytes:
    """An archive with one link, to a folder that is not there."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("symlink")
        member.type, member.linkname = tarfile.SYMTYPE, "../tmp/symlink-target"
        archive.addfile(member)
    return out.getvalue()


TREE = {"foo.go": "foo", "bar.go": "bar", "sub/dir1/dir2/foo": "deep"}

COPYING = {
    "a file to a name and to a folder": Case(
        "FROM busybox\nCOPY foo /foo2\nCOPY foo /\nRUN echo -n bar > foo3\n"
        'RUN [ "$(cat foo)$(cat foo2)$(cat foo3)" = barbarbar ]\n',
        {"foo": "bar"},
    ),
    "through a link that an archive brought": Case(
        "FROM scratch\nADD t.tar /\nCOPY foo /symlink/\n",
        {"t.tar": tar_of_a_link(), "foo": "content0"},
        holds={"tmp/symlink-target/foo": "content0"},
    ),
    "to an empty destination": Case(
        'FROM busybox\nENV empty=""\nCOPY testfile $empty\nRUN [ "$(cat /testfile)" = contents0 ]\n',
        {"testfile": "contents0"},
    ),
    "to a folder with a slash": Case(
        'FROM busybox\nCOPY testfile /sample/\nRUN [ "$(cat /sample/testfile)" = contents0 ]\n',
        {"testfile": "contents0"},
    ),
    "link to the working directory": Case(
        'FROM busybox\nWORKDIR /var/www\nCOPY --link testfile .\nRUN [ "$(cat testfile)" = contents0 ]\n',
        {"testfile": "contents0"},
    ),
    "link to an empty destination": Case(
        'FROM busybox\nWORKDIR /var/www\nENV empty=""\nCOPY --link testfile $empty\n'
        'RUN [ "$(cat testfile)" = contents0 ]\n',
        {"testfile": "contents0"},
    ),
    "a wildcard that matches nothing beside a file": Case(
        "FROM scratch\nCOPY foo nomatch* /\n", {"foo": "contents0"}, holds={"foo": "contents0"}
    ),
    "through links of a stage": Case(
        "FROM busybox AS build\n"
        "RUN mkdir -p /out/sub && ln -s /out/sub /sub && ln -s out/sub /sub2 && echo -n data > /sub/foo\n"
        "FROM scratch\nCOPY --from=build /sub/foo .\nCOPY --from=build /sub2/foo bar\n",
        holds={"foo": "data", "bar": "data"},
    ),
    "the same files again": Case(
        "FROM scratch\nCOPY sub sub\nCOPY sub sub\nCOPY foo.go dest/foo.go\nCOPY foo.go dest/foo.go\n"
        "COPY sub dest\n",
        TREE,
        holds={"sub/dir1/dir2/foo": "deep", "dest/foo.go": "foo", "dest/dir1/dir2/foo": "deep"},
    ),
    "a source in a variable": Case(
        "FROM scratch\nENV FOO bar\nCOPY $FOO baz\n", {"bar": "bar-contents"}, holds={"baz": "bar-contents"}
    ),
    "wildcards and folders": Case(
        "FROM scratch\nCOPY *.go /gofiles/\nCOPY f*.go foo2.go\nCOPY sub/* /subdest/\n"
        "COPY sub/*/dir2/foo /subdest2/\nCOPY sub/*/dir2/foo /subdest3/bar\nCOPY . all/\n"
        "COPY sub/dir1/ subdest4\nCOPY sub/dir1/. subdest5\nCOPY sub/dir1 subdest6\n",
        TREE,
        holds={
            "gofiles/foo.go": "foo",
            "gofiles/bar.go": "bar",
            "foo2.go": "foo",
            "subdest/dir2/foo": "deep",
            "subdest2/foo": "deep",
            "subdest3/bar": "deep",
            "all/foo.go": "foo",
            "subdest4/dir2/foo": "deep",
            "subdest5/dir2/foo": "deep",
            "subdest6/dir2/foo": "deep",
        },
    ),
    "relative to the working directory": Case(
        "FROM busybox\nWORKDIR /test1\nWORKDIR test2\nRUN [ $PWD = /test1/test2 ]\nCOPY foo ./\n"
        "RUN [ $(cat /test1/test2/foo) = hello ]\nADD foo ./bar/baz\n"
        "RUN [ $(cat /test1/test2/bar/baz) = hello ]\nWORKDIR ..\nCOPY foo ./\n"
        "RUN [ $(cat /test1/foo) = hello ]\nCOPY foo /test3/\nRUN [ $(cat /test3/foo) = hello ]\n"
        "WORKDIR /test4\nCOPY . .\nRUN [ $(cat /test4/foo) = hello ]\n"
        "WORKDIR /test5/test6\nCOPY foo ../\nRUN [ $(cat /test5/foo) = hello ]\n",
        {"foo": "hello"},
    ),
    "names that are not ASCII, or look quoted": Case(
        "FROM scratch\nCOPY test-äöü.txt /\nCOPY test-%C3%A4%C3%B6%C3%BC.txt /\nCOPY test+aou.txt /\n",
        {"test-äöü.txt": "foo", "test-%C3%A4%C3%B6%C3%BC.txt": "bar", "test+aou.txt": "baz"},
        holds={"test-äöü.txt": "foo", "test-%C3%A4%C3%B6%C3%BC.txt": "bar", "test+aou.txt": "baz"},
    ),
    "symbolic modes as chmod sets them": Case(
        "FROM busybox AS base\nRUN mkdir /in /in/d /want && touch /in/f && chmod 666 /in/f && chmod "
        "124 /in/d\n"
        "RUN for m in go-w u=rw,g=r,o=r a+X; do dd if=/in/f of=/want/$m 2>/dev/null; chmod 666 /want/$m; "
        "chmod $m /want/$m; done\n"
        "FROM base\nCOPY --from=base --chmod=go-w /in/f /got/go-w\n"
        "COPY --from=base --chmod=u=rw,g=r,o=r /in/f /got/u=rw,g=r,o=r\n"
        "COPY --from=base --chmod=a+X /in/f /got/a+X\n"
        "COPY --from=base --chmod=a+X /in /gotdir\n"
        "RUN for m in go-w u=rw,g=r,o=r a+X; do [ $(stat -c %a /got/$m) = $(stat -c %a /want/$m) ] "
        "|| exit 1; done\n"
        "RUN chmod a+X /in/d; [ $(stat -c %a /gotdir/d) = $(stat -c %a /in/d) ]\n",
    ),
    "octal modes, also of folders that are made": Case(
        "FROM busybox\nARG mode\nCOPY --chmod=0644 foo /a\nCOPY --chmod=777 foo /b\nCOPY --chmod=0 foo /c\n"
        "COPY --chmod=777 foo /parent/foo\nCOPY --chmod=770 foo /parent/sub/foo\n"
        "COPY --chmod=${mode} foo /d\n"
        'RUN [ "$(stat -c %a /a /b /c /parent /parent/sub /d | tr "\\n" " ")" = "644 777 0 777 770 755 " ]\n',
        {"foo": "x"},
        {"build_args": {"mode": "755"}},
    ),
    "relative paths of a stage are absolute": Case(
        "FROM scratch AS base\nWORKDIR /foo\nCOPY one /\nFROM scratch\nCOPY --from=base one .\n",
        {"one": "1"},
        holds={"one": "1"},
    ),
    "from an image that no stage names": Case(
        "FROM scratch\nCOPY --from=busybox /etc/group test\n",
        holds={"test": "root:x:0:\nstaff:x:50:\nworkers:x:4321:\n"},
    ),
    "from a stage that hides an image": Case(
        "FROM busybox AS golang\nRUN echo -n foo > /go\nFROM scratch\nCOPY --from=golang /go go\n",
        holds={"go": "foo"},
    ),
    "stage names in any case": Case(
        "FROM scratch AS STAge0\nCOPY foo bar\nFROM scratch AS staGE1\nCOPY --from=staGE0 bar baz\n"
        "FROM scratch\nCOPY --from=stage1 baz bax\n",
        {"foo": "foo-contents"},
        {"target": "Stage1"},
        holds={"baz": "foo-contents"},
    ),
    "less what .dockerignore leaves out": Case(
        "FROM scratch\nCOPY . .\n",
        {".dockerignore": "\nba*\nDockerfile\n!bay\n.dockerignore\n", "foo": "f", "bar": "r", "bay": "y"},
        holds={"foo": "f", "bay": "y"},
        lacks=("bar", ".dockerignore"),
    ),
    "heredocs with symbols, tabs and variables": Case(
        "FROM busybox\nENV name=world\nCOPY <<EOF1 <<'EOF2' <<-EOF3 /d/\nhello $name \\$name \"q\"\nEOF1\n"
        "hello $name\nEOF2\n\t\tindented\n\tEOF3\n",
        holds={"d/EOF1": 'hello world $name "q"\n', "d/EOF2": "hello $name\n", "d/EOF3": "indented\n"},
    ),
}

ARGUMENTS = {
    "a global one that is given": Case(
        "ARG tag=nosuchtag\nFROM busybox:${tag}\n", options={"build_args": {"tag": "latest"}}
    ),
    "a required one that is given": Case(
        'ARG FOO=${FOO:?"custom error"}\nFROM busybox\n', options={"build_args": {"FOO": "bar"}}
    ),
    "a default that needs another": Case(
        'FROM scratch\nARG FOO\nARG BAR=${FOO:?"foo missing"}\n', options={"build_args": {"BAR": "123"}}
    ),
    "several in one instruction": Case(
        'ARG a1="foo bar" a2=box\nARG a3="$a2-foo"\nFROM busy$a2 AS build\nARG a3 a4="123 456" a1\n'
        'RUN echo -n "$a1:$a3:$a4" > /out\n',
        holds={"out": "foo bar:box-foo:123 456"},
    ),
    "quoted global ones": Case(
        'ARG a1="box"\nARG a2="$a1-foo"\nFROM busy$a1 AS build\nARG a2\nARG a3="bar-$a2"\n'
        "RUN echo -n $a3 > /out\n",
        holds={"out": "bar-box-foo"},
    ),
    "the target's name by its stage": Case(
        'FROM busybox\nRUN echo -n "value:$TARGETSTAGE" > /first\nARG TARGETSTAGE\n'
        'RUN echo -n "value:$TARGETSTAGE" > /second\n',
        holds={"first": "value:", "second": "value:default"},
    ),
    "the target's name when it has one": Case(
        'FROM busybox AS final\nARG TARGETSTAGE\nRUN echo -n "value:$TARGETSTAGE" > /second\n',
        holds={"second": "value:final"},
    ),
    "defaults in ENV": Case(
        'ARG image=idlebox\nFROM busy${image#idle}\nARG my_arg\nENV my_arg "my_arg=${my_arg:-def_val}"\n'
        'ENV my_trimmed_arg "${my_arg%%e*}"\nRUN echo -n $my_arg $my_trimmed_arg > /out\n',
        holds={"out": "my_arg=def_val my_arg=d"},
    ),
    "an empty one in ENV is given": Case(
        'FROM busybox\nARG my_arg\nENV my_arg "my_arg=${my_arg:-def_val}"\nRUN echo -n $my_arg > /out\n',
        options={"build_args": {"my_arg": ""}},
        holds={"out": "my_arg=def_val"},
    ),
    "an empty one is a variable, one without a value is none": Case(
        'FROM busybox\nARG FOO\nARG BAR=\nRUN env > /env; [ -n "$(sort /env | busybox grep "^BAR=$")" ] && '
        '[ -z "$(busybox grep FOO= /env)" ]\n'
    ),
    "percent signs": Case("FROM busybox\nENV myenv foo%sbar\nRUN [ \"$myenv\" = 'foo%sbar' ]\n"),
    "of the platform, in FROM": Case(
        "FROM scratch AS build-linux\nCOPY foo bar\nFROM build-${TARGETOS}\nCOPY foo2 bar2\n",
        {"foo": "d0", "foo2": "d1"},
        holds={"bar": "d0", "bar2": "d1"},
    ),
    "of a platform that is not ours, one of them overridden": Case(
        "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETPLATFORM\nARG TARGETOS\n"
        "RUN mkdir /out && echo -n $TARGETPLATFORM > /out/platform && echo -n $TARGETOS > /out/os\n"
        "FROM scratch\nCOPY --from=build out .\n",
        options={"platforms": ("darwin/ppc64le",), "build_args": {"TARGETOS": "freebsd"}},
        holds={"platform": "darwin/ppc64le", "os": "freebsd"},
    ),
}

RUNNING = {
    "an entry point has no say": Case('FROM busybox\nENTRYPOINT ["/nosuchcmd"]\nRUN ["ls"]\n'),
    "a heredoc": Case("FROM busybox\nRUN <<EOF\necho a > /x\necho b >> /x\nEOF\n", holds={"x": "a\nb\n"}),
    "a heredoc that is a script": Case(
        "FROM busybox\nRUN <<EOF\n#!/bin/cat\nI am read\nEOF\nRUN <<-'EOF' sh > /y\n\techo $0\n\tEOF\n",
        holds={"y": "sh\n"},
    ),
    "a heredoc in quotes is none": Case('FROM busybox\nRUN echo "<<EOF" > /x\n', holds={"x": "<<EOF\n"}),
    "several heredocs for the shell": Case(
        "FROM busybox\nRUN cat <<A > /a && cat <<B > /b\none\nA\ntwo\nB\n", holds={"a": "one\n", "b": "two\n"}
    ),
    "mount: the context": Case(
        'FROM busybox\nRUN --mount=target=/context [ "$(cat /context/testfile)" = contents0 ]\n',
        {"testfile": "contents0"},
    ),
    "mount: two of the context, one in the other": Case(
        "FROM busybox\nRUN --mount=source=.,target=/tmp/test \\\n"
        "  --mount=source=b.txt,target=/tmp/b.txt \\\n"
        "  cat /tmp/test/a.txt /tmp/b.txt > /combined.txt\n",
        {"a.txt": "foo\n", "b.txt": "bar\n"},
        holds={"combined.txt": "foo\nbar\n"},
    ),
    "mount: a tmpfs is gone": Case(
        "FROM busybox\nRUN --mount=target=/mytmp,type=tmpfs touch /mytmp/foo\nRUN [ ! -f /mytmp/foo ]\n"
    ),
    "mount: the size of a tmpfs": Case(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/dev/shm,size=128m busybox mount | busybox grep "
        "/dev/shm "
        "| busybox grep size=131072k\n"
    ),
    "mount: caches by their targets": Case(
        "FROM busybox\nRUN --mount=type=cache,target=/mycache touch /mycache/foo\n"
        "RUN --mount=type=cache,target=/mycache2 [ ! -f /mycache2/foo ]\n"
        "RUN --mount=type=cache,target=/mycache [ -f /mycache/foo ]\n"
    ),
    "mount: variables in options": Case(
        "ARG META_PATH=/tmp/meta\nFROM busybox AS one\nENV SOME_PATH=/mycache\nARG META_PATH MNT_TYPE=cache\n"
        "RUN --mount=type=$MNT_TYPE,target=/mycache touch /mycache/foo\n"
        "RUN --mount=type=cache,target=$SOME_PATH [ -f $SOME_PATH/foo ]\n"
        "RUN --mount=type=cache,id=my,target=/tmp/meta touch /tmp/meta/foo\n"
        "RUN --mount=type=cache,id=my,target=$META_PATH [ -f /tmp/meta/foo ]\n"
        "FROM one\nRUN --mount=type=$MNT_TYPE,id=my,target=/whatever [ -f /whatever/foo ]\n"
    ),
    "shm size": Case(
        "FROM busybox\nRUN busybox mount | busybox grep /dev/shm | busybox grep size=131072k\n",
        options={"shm_size": 134217728},
    ),
    "owners and mode of a secret, of which nothing stays": Case(
        "FROM busybox\nRUN --mount=type=secret,required=false,mode=741,uid=100,gid=102,target=/mysecret "
        '[ "$(stat -c "%u %g %f" /mysecret)" = "100 102 81e1" ]\nRUN [ ! -f /mysecret ]\n',
        options={"secrets": (Secret("mysecret", value=b"pw"),)},
    ),
    "the working directory of a user is his": Case(
        "FROM busybox\nUSER worker\nWORKDIR /mydir\nRUN [ $(stat -c %u:%g /mydir) = 1234:4321 ]\n"
    ),
    "a working directory that is there stays as it is": Case(
        "FROM busybox\nRUN mkdir /mydir && chown 1234:4321 /mydir\nWORKDIR /mydir\n"
        "RUN [ $(stat -c %u:%g /mydir) = 1234:4321 ]\n"
    ),
    "owners of what is copied onto folders": Case(
        "FROM busybox AS source\nRUN touch /file && chown 100:200 /file && mkdir -p /dir/subdir && "
        "touch /dir/subdir/nested && chown 100:200 /dir && chown 101:201 /dir/subdir && "
        "chown 102:202 /dir/subdir/nested\n"
        "FROM busybox AS base\nRUN mkdir -p /there/sub && touch /there/file && chown 500:600 /there && "
        "chown 501:601 /there/sub /there/file\n"
        "FROM base AS plain\nCOPY --from=source /file .\nCOPY --from=source /dir /dir\n"
        "COPY --from=source /dir/. /there\nRUN stat -c %u:%g /file /dir /dir/subdir "
        "/dir/subdir/nested /there "
        "/there/sub /there/file /there/subdir /there/subdir/nested | tr '\\n' ' ' > /owners\n"
        "FROM base\nCOPY --from=source --chown=300:400 /file .\n"
        "COPY --from=source --chown=300:400 /dir /dir\n"
        "COPY --from=source --chown=300:400 /dir/. /there\nRUN stat -c %u:%g /file /dir /dir/subdir "
        "/dir/subdir/nested /there /there/sub /there/file /there/subdir /there/subdir/nested "
        "| tr '\\n' ' ' > /chowned\nCOPY --from=plain /owners /\n",
        holds={
            "owners": "100:200 0:0 101:201 102:202 500:600 501:601 501:601 101:201 102:202 ",
            "chowned": "300:400 300:400 300:400 300:400 500:600 501:601 501:601 300:400 300:400 ",
        },
    ),
    "owners by name and by variable, of folders that are made too": Case(
        "FROM busybox\nARG group\nENV owner worker\nCOPY --chown=worker:staff . /dest\n"
        "COPY --chown=${owner}:${group} . /dest01\nADD --chown=1000:${group} foo /added\n"
        "RUN [ \"$(stat -c %u:%g /dest /dest01 /added | tr '\\n' ' ')\" = '1234:50 1234:4321 1000:4321 ' ]\n",
        {"foo": "x"},
        {"build_args": {"group": "workers"}},
    ),
    "users by name, number and group": Case(
        "FROM busybox\nRUN [ $(id -u):$(id -g) = 0:0 ]\n"
        "RUN echo 'dockerio:x:1001:1001::/bin:/bin/false' >> /etc/passwd && echo 'dockerio:x:1001:' "
        ">> /etc/group "
        "&& echo 'supplementary:x:1002:dockerio' >> /etc/group\n"
        "USER dockerio\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1001/1001 1002' ]\n"
        "USER 1001\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1001/1001 1002' ]\n"
        "USER dockerio:dockerio\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1001/1001' ]\n"
        "USER 1001:dockerio\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1001/1001' ]\n"
        "USER dockerio:1002\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1002/1002' ]\n"
        "USER 1001:supplementary\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1001:1002/1002' ]\n"
        "USER 4567\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '4567:0/0' ]\n"
        "USER 1042:1043\nRUN [ \"$(id -u):$(id -g)/$(id -G)\" = '1042:1043/1043' ]\n"
    ),
}
TRIGGERS = {
    "run once, in the stage that begins from them": Case(
        "FROM busybox AS base\nONBUILD RUN mkdir -p /out && echo -n 11 >> /out/foo\nFROM base AS mid\n"
        "RUN cat /out/foo > /out/bar\nFROM mid\n",
        holds={"out/foo": "11", "out/bar": "11"},
    ),
    "copy from another stage": Case(
        "FROM busybox AS src\nRUN echo -n 12 > /file\nFROM busybox AS base\n"
        "ONBUILD COPY --from=src /file /out/foo\nFROM base\n",
        holds={"out/foo": "12"},
    ),
    "use a cache": Case(
        "FROM busybox AS base\n"
        "ONBUILD RUN --mount=type=cache,target=/cache echo -n 42 >> /cache/foo && echo -n 11 >> /bar\n"
        'FROM base\nRUN --mount=type=cache,target=/cache [ "$(cat /cache/foo)" = 42 ] && [ "$(cat '
        '/bar)" = 11 ]\n'
    ),
    "heredocs": Case(
        "FROM busybox AS base\nONBUILD RUN <<EOF\necho -n one > /x\nEOF\nONBUILD COPY <<-E /y\n"
        "\ttwo\n\tE\nFROM base\n",
        holds={"x": "one", "y": "two\n"},
    ),
}
AWK = "FROM busybox\nRUN ln -s busybox /bin/awk\n"
SYMBOLS = {"plain": ("\n", "\\\n", "$\n"), "raw": ("\\\n", "\\\\\n", "\\$\n")}
HEREDOCS = {
    "symbols, by the quotes of the word": Case(
        'FROM scratch\nCOPY <<EOF quotes\n"quotes in file"\nEOF\n'
        + "".join(
            f"COPY <<{word} {kind}{number}\n{text}\nEOF\n"
            for kind, word in (("plain", "EOF"), ("raw", '"EOF"'))
            for number, text in enumerate(("\\", "\\\\", "\\$"))
        ),
        holds={"quotes": '"quotes in file"\n'}
        | {f"{kind}{number}": text for kind, texts in SYMBOLS.items() for number, text in enumerate(texts)},
    ),
    "a language that is no shell": Case(
        AWK + 'SHELL ["/bin/awk"]\nRUN <<EOF\nBEGIN {\n\tprint "foo" > "/dest"\n}\nEOF\n',
        holds={"dest": "foo\n"},
    ),
    "a script with its own interpreter": Case(
        AWK + 'RUN <<EOF\n#!/bin/awk -f\nBEGIN {\n\tprint "hello" > "/dest"\n}\nEOF\n',
        holds={"dest": "hello\n"},
    ),
    "pipes, and numbers of their own": Case(
        AWK + "RUN cat <<EOF1 | tr a-z A-Z > /out1; \\\n\tcat <<EOF2 > /out2\nhello\nEOF1\nworld\nEOF2\n"
        'RUN <<EOF 3<<IN1 awk -f -\nBEGIN { getline line < "/proc/self/fd/3"; print line > "/fd3" }\n'
        "EOF\nhi\nIN1\n",
        holds={"out1": "HELLO\n", "out2": "world\n", "fd3": "hi\n"},
    ),
    "tabs that stay, and tabs that go": Case(
        "FROM busybox\nCOPY <<EOF /c1\n\tfoo\nEOF\nCOPY <<-EOF /c2\n\tbar\nEOF\n"
        'RUN <<EOF\necho "\n\tfoo" > /r1\nEOF\nRUN <<-EOF\necho "\n\tbar" > /r2\nEOF\n'
        'RUN <<EOF\n#!/bin/sh\necho "\n\tfoo" > /s1\nEOF\nRUN <<-EOF\n#!/bin/sh\necho "\n\tbar" > /s2\nEOF\n'
        'RUN <<-EOF sh > /t2\necho "\n\tbar"\nEOF\n',
        holds={"c1": "\tfoo\n", "c2": "bar\n", "r1": "\n\tfoo\n", "r2": "\nbar\n", "s1": "\n\tfoo\n"}
        | {"s2": "\nbar\n", "t2": "\nbar\n"},
    ),
    "variables, by the quotes of the word": Case(
        "FROM busybox\nARG name=world\nCOPY <<EOF /c1\nHello '${name}' \"$name\"!\nEOF\n"
        "COPY <<'EOF' /c2\nHello '${name}'!\nEOF\nCOPY <<\"EOF\" /c3\nHello \"${name}\"!\nEOF\n"
        'RUN <<EOF\ngreeting="Hello"\necho "${greeting} ${name}!" > /r1\nEOF\n'
        'RUN <<EOF\nname="new world"\necho "Hello ${name}!" > /r2\nEOF\n',
        holds={"c1": "Hello 'world' \"world\"!\n", "c2": "Hello '${name}'!\n", "c3": 'Hello "${name}"!\n'}
        | {"r1": "Hello world!\n", "r2": "Hello new world!\n"},
    ),
}
