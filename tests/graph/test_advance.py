"""advance: what each instruction does to the config, the environment and the history."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.graph.ops import CopyOp, Document, RunOp, Script, WorkdirOp
from lamina.graph.state import DEFAULT_PATH, finish
from lamina.oci.config import ContainerConfig, Healthcheck, ImageConfig

from .builder import BASE, env_of, from_base, history_of, op_of, play

SECOND = 1_000_000_000


# --- environment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instructions", "name", "value"),
    [
        (["ENV A=1"], "A", "1"),
        (["ENV A=1 B=$A"], "B", ""),  # one instruction sees what was there before it
        (["ENV A=1", "ENV B=$A"], "B", "1"),
        (["ENV LANG=de"], "LANG", "de"),
        (["ENV A old form  with blanks"], "A", "old form  with blanks"),
        (['ENV A="two words"'], "A", "two words"),
        (["ARG A=1"], "A", "1"),
        (["ARG A=1", "ENV A=2"], "A", "2"),
        (["ENV A=1", "ARG A=2"], "A", "2"),  # as BuildKit: the later one counts while building
        (["ENV A=1", "ARG A"], "A", "1"),
        (["ARG A=1", "ENV A=${A}x"], "A", "1x"),
        (["ARG A=${LANG:-none}"], "A", "C"),
        (["ENV A=${B:+set}${C-unset}"], "A", "unset"),
    ],
)
def test_env(instructions: list[str], name: str, value: str) -> None:
    assert env_of(from_base(*instructions))[name] == value


@pytest.mark.parametrize(
    ("text", "given", "value"),
    [
        ("FROM b\nARG A=1", {}, "1"),
        ("FROM b\nARG A=1", {"A": "2"}, "2"),
        ("FROM b\nARG A", {"A": "2"}, "2"),
        ("FROM b\nARG A", {}, None),
        ("FROM b", {"A": "2"}, None),
        ("ARG A=g\nFROM b", {}, None),
        ("ARG A=g\nFROM b\nARG A", {}, "g"),
        ("ARG A=g\nFROM b\nARG A=s", {}, "s"),
        ("ARG A=g\nFROM b\nARG A", {"A": "2"}, "2"),
        ("ARG A\nFROM b\nARG A", {"A": "2"}, "2"),
        ("FROM b AS x\nARG A=1\nFROM x", {}, "1"),  # a stage built on a stage has its arguments
        ("FROM b AS x\nARG A=1\nFROM b", {}, None),
        ("FROM b\nARG A=${A:-d}", {}, "d"),
    ],
)
def test_arg_scopes(text: str, given: dict[str, str], value: str | None) -> None:
    assert play(text, **given)[0].env.get("A") == value


def test_platform_args_need_to_be_declared() -> None:
    assert "TARGETARCH" not in from_base().env
    assert from_base("ARG TARGETARCH").env["TARGETARCH"] == "amd64"
    assert from_base("ARG TARGETPLATFORM").env["TARGETPLATFORM"] == "linux/amd64"
    assert from_base("ARG TARGETARCH", TARGETARCH="mine").env["TARGETARCH"] == "mine"


def test_args_do_not_get_into_the_config() -> None:
    state = from_base("ARG A=1", "ENV B=$A")
    assert state.config.env == ("PATH=/bin", "LANG=C", "B=1")


def test_env_keeps_its_place_when_it_changes() -> None:
    assert from_base("ENV NEW=1", "ENV LANG=de PATH=$PATH:/x").config.env == (
        "PATH=/bin:/x",
        "LANG=de",
        "NEW=1",
    )


def test_path_is_added_where_it_is_missing() -> None:
    bare = ImageConfig("amd64", "linux", config=ContainerConfig(env=("A=1",)))
    assert from_base(base=bare).config.env == ("A=1", f"PATH={DEFAULT_PATH}")
    state, _, _ = play("FROM scratch")
    assert state.config.env == (f"PATH={DEFAULT_PATH}",)
    assert state.config.working_dir == "/"


# --- config --------------------------------------------------------------------------------------


def test_labels_user_shell_and_the_rest() -> None:
    config = from_base(
        'LABEL a=1 "b c"="d e"',
        "LABEL a=2",
        "ENV WHO=me",
        "USER $WHO:grp",
        'SHELL ["/bin/bash", "-c"]',
        "STOPSIGNAL SIGQUIT",
        "VOLUME /b /a",
        'VOLUME ["/c"]',
        "EXPOSE 80 443/tcp 53/udp 8000-8001",
        "ONBUILD RUN make $WHO",
        "MAINTAINER a person",
    )
    assert config.config.labels == {"a": "2", "b c": "d e"}
    assert config.config.user == "me:grp"
    assert config.config.shell == ("/bin/bash", "-c")
    assert config.config.stop_signal == "SIGQUIT"
    assert config.config.volumes == ("/a", "/b", "/c")
    assert config.config.exposed_ports == ("443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp")
    assert config.config.on_build == ("RUN make $WHO",)
    assert config.image.author == "a person"


def test_expose_splits_what_a_variable_holds() -> None:
    assert from_base("ENV P='80 81/udp'", "EXPOSE $P").config.exposed_ports == ("80/tcp", "81/udp")


@pytest.mark.parametrize(
    ("instructions", "entrypoint", "cmd"),
    [
        ([], (), ("sh",)),
        (['CMD ["a", "b"]'], (), ("a", "b")),
        (["CMD a b"], (), ("/bin/sh", "-c", "a b")),
        (['SHELL ["/s"]', "CMD a b"], (), ("/s", "a b")),
        (['ENTRYPOINT ["e"]'], ("e",), ()),  # the base's CMD goes
        (['CMD ["c"]', 'ENTRYPOINT ["e"]'], ("e",), ("c",)),
        (['ENTRYPOINT ["e"]', 'CMD ["c"]'], ("e",), ("c",)),
        (["ENTRYPOINT e f"], ("/bin/sh", "-c", "e f"), ()),
        (["CMD []"], (), ()),
    ],
)
def test_entrypoint_and_cmd(
    instructions: list[str], entrypoint: tuple[str, ...], cmd: tuple[str, ...]
) -> None:
    config = from_base(*instructions).config
    assert (config.entrypoint, config.cmd) == (entrypoint, cmd)


def test_a_cmd_of_the_parent_stage_counts_as_inherited() -> None:
    state, _, _ = play('FROM base AS x\nCMD ["c"]\nFROM x\nENTRYPOINT ["e"]')
    assert state.config.cmd == ()


def test_cmd_sets_args_escaped_as_buildkit_does() -> None:
    assert from_base('CMD ["a"]').config.args_escaped
    assert not from_base('ENTRYPOINT ["a"]').config.args_escaped


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("HEALTHCHECK NONE", Healthcheck(("NONE",))),
        ("HEALTHCHECK CMD true it", Healthcheck(("CMD-SHELL", "true it"))),
        ('HEALTHCHECK CMD ["a", "b"]', Healthcheck(("CMD", "a", "b"))),
        (
            (
                "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=1h --start-interval=250ms "
                "--retries=4 CMD x"
            ),
            Healthcheck(("CMD-SHELL", "x"), 90 * SECOND, 3 * SECOND, 3600 * SECOND, SECOND // 4, 4),
        ),
    ],
)
def test_healthcheck(line: str, check: Healthcheck) -> None:
    assert from_base(line).config.healthcheck == check


def test_onbuild_of_the_base_does_not_stay() -> None:
    base = BASE._replace(config=BASE.config._replace(on_build=("RUN x",)))
    assert from_base(base=base).config.on_build == ()
    state, _, _ = play("FROM base AS x\nONBUILD RUN a\nFROM x\nONBUILD RUN b")
    assert state.config.on_build == ("RUN b",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("STOPSIGNAL BOGUS", "invalid signal: BOGUS"),
        ("EXPOSE 80/foo", "invalid proto: foo"),
        ('VOLUME [""]', "VOLUME"),
        ("COPY --chmod=999 a b", "invalid chmod parameter"),
        ("COPY http://x/y /z", "can't be a URL"),
        ('ENV A="${B:?say B}"', "say B"),
    ],
)
def test_what_is_refused(line: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_base(line)


# --- steps that make a layer ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instructions", "path"),
    [
        (["WORKDIR /app"], "/app"),
        (["WORKDIR app"], "/app"),
        (["WORKDIR /a", "WORKDIR b/../c/./d"], "/a/c/d"),
        (["WORKDIR /a", "WORKDIR ../../../x"], "/x"),
        (["ENV D=/e", "WORKDIR $D/f/"], "/e/f"),
    ],
)
def test_workdir(instructions: list[str], path: str) -> None:
    assert op_of(*instructions) == WorkdirOp(path, "")
    assert from_base(*instructions).config.working_dir == path


def test_workdir_of_the_root_makes_no_layer() -> None:
    state, lines, ops = play("FROM base\nWORKDIR /")
    assert (lines, ops, state.config.working_dir) == (["WORKDIR /"], [], "/")
    assert state.history[-1].empty_layer


def test_run_forms() -> None:
    op = op_of("ENV A=1", "ARG B=2", "USER me", "WORKDIR /w", "RUN echo $A")
    assert isinstance(op, RunOp)
    assert op.args == ("/bin/sh", "-c", "echo $A")
    assert op.shell == ("/bin/sh", "-c")
    assert (op.cwd, op.user, op.network) == ("/w", "me", "host")
    assert [(v.name, v.value, v.is_arg) for v in op.env] == [
        ("PATH", "/bin", False),
        ("LANG", "C", False),
        ("A", "1", False),
        ("B", "2", True),
    ]
    exec_form = op_of('RUN ["echo", "$A"]')
    assert isinstance(exec_form, RunOp)
    assert (exec_form.args, exec_form.shell) == (("echo", "$A"), ())
    none = op_of("RUN --network=none true")
    assert isinstance(none, RunOp)
    assert none.network == "none"


@pytest.mark.parametrize(
    ("text", "args", "script"),
    [
        ("RUN <<EOF\necho a\necho b\nEOF", ("/bin/sh", "-c", "echo a\necho b\n"), None),
        ("RUN <<-EOF\n\techo a\nEOF", ("/bin/sh", "-c", "echo a\n"), None),
        ("RUN cat <<EOF > /x\na\nEOF", ("/bin/sh", "-c", "cat <<EOF > /x\na\nEOF"), None),
        (
            "RUN cat <<A <<-B\n1\nA\n\t2\nB",
            ("/bin/sh", "-c", "cat <<A <<-B\n1\nA\n\t2\nB"),
            None,
        ),
        (
            "RUN <<EOF\n#!/usr/bin/env python\nprint(1)\nEOF",
            ("/bin/sh", "-c", "/dev/pipes/EOF"),
            Script("EOF", "#!/usr/bin/env python\nprint(1)\n"),
        ),
    ],
)
def test_run_heredocs(text: str, args: tuple[str, ...], script: Script | None) -> None:
    op = op_of(text)
    assert isinstance(op, RunOp)
    assert (op.args, op.script) == (args, script)


def test_proxies_are_there_without_arg_and_do_not_show() -> None:
    _, lines, ops = play("FROM base\nRUN x", http_proxy="http://p")
    op = ops[0]
    assert isinstance(op, RunOp)
    assert dict(op.proxies) == {"HTTP_PROXY": "http://p", "http_proxy": "http://p"}
    assert lines == ["RUN /bin/sh -c x"]
    _, lines, _ = play("FROM base\nARG HTTP_PROXY\nRUN x", HTTP_PROXY="http://p")
    assert lines[-1] == "RUN |1 HTTP_PROXY=http://p /bin/sh -c x"


@pytest.mark.parametrize(
    ("instructions", "sources", "dest"),
    [
        (["COPY a b"], ("a",), "/b"),
        (["COPY a b/"], ("a",), "/b/"),
        (["COPY . ."], ("",), "/"),
        (["WORKDIR /w", "COPY . ."], ("",), "/w/"),
        (["WORKDIR /w", "COPY a/ ./x/."], ("a",), "/w/x/"),
        (["COPY ../../a /x/../y"], ("a",), "/y"),
        (["COPY /a/./b//c /d"], ("a/b/c",), "/d"),
        (["ENV S=src D=/dst", "COPY $S/x ${D}/"], ("src/x",), "/dst/"),
        (['COPY ["a b", "/c d/"]'], ("a b",), "/c d/"),
        (["ADD a* b? /d/"], ("a*", "b?"), "/d/"),
    ],
)
def test_copy_paths(instructions: list[str], sources: tuple[str, ...], dest: str) -> None:
    op = op_of(*instructions)
    assert isinstance(op, CopyOp)
    assert (op.sources, op.dest) == (sources, dest)


def test_copy_documents() -> None:
    op = op_of("ENV V=1", "COPY <<A <<'B' <<-C /d/\n$V \"q\"\nA\n$V\nB\n\t\ttabs\n\tC")
    assert isinstance(op, CopyOp)
    assert op.documents == (Document("A", '1 "q"\n'), Document("B", "$V\n"), Document("C", "tabs\n"))


def test_copy_flags_and_sources() -> None:
    _, _, ops = play("FROM base AS one\nFROM base\nARG W=u\nCOPY --from=one --chown=$W:g --chmod=u+x a /b")
    op = ops[0]
    assert isinstance(op, CopyOp)
    assert (op.stage, op.image, op.chown, op.chmod) == (0, "", "u:g", "u+x")
    image = op_of("COPY --from=busybox:1 /bin/sh /sh")
    assert isinstance(image, CopyOp)
    assert (image.stage, image.image) == (None, "busybox:1")


@pytest.mark.parametrize(
    ("source", "cleaned"),
    [
        ("x/a", "/./x/a"),
        ("./x/a/", "/./x/a"),
        ("x/./a", "x/./a"),
        ("/x//y/./../z/./a", "x/y/./z/a"),
        ("../x/./a/..", "x/./"),
        (".", "/./"),
        ("x/.", "/./x"),
        ("x/./", "x/./"),
        ("$D/./**", "d/./**"),
    ],
)
def test_copy_parents_keeps_the_pivot(source: str, cleaned: str) -> None:
    op = op_of("ARG D=d", f"COPY --parents {source} /o")
    assert isinstance(op, CopyOp)
    assert (op.parents, op.sources) == (True, (cleaned,))


def test_copy_link_and_exclude() -> None:
    op = op_of("ARG X=*.md", "COPY --link --exclude=$X --exclude=b a /o")
    assert isinstance(op, CopyOp)
    assert (op.link, op.exclude) == (True, ("*.md", "b"))
    ordinary = op_of("COPY --link --chmod=644 a /o")
    assert isinstance(ordinary, CopyOp)
    assert not ordinary.link, "BuildKit: --chmod makes it an ordinary copy"


# --- history -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instructions", "line"),
    [
        (["RUN echo hi"], "RUN /bin/sh -c echo hi"),
        (['RUN ["echo", "hi"]'], "RUN echo hi"),
        (["ARG A=1", "ARG B", "RUN x"], "RUN |2 A=1 B= /bin/sh -c x"),
        (["ARG A=1", "ENV A=2", "RUN x"], "RUN |1 A=2 /bin/sh -c x"),
        (["ARG A=1", "ARG A=3", "RUN x"], "RUN |1 A=3 /bin/sh -c x"),
        (["COPY . ."], "COPY . ."),
        (["COPY --chown=1:2 --chmod=644 a b /c/"], "COPY --chown=1:2 --chmod=644 a b /c/"),
        (["COPY --link --exclude=x --chown=1 --parents ./a/./b c"], "COPY --parents --chown=1 ./a/./b c"),
        (["COPY <<EOF /x\n1\nEOF"], "COPY <<EOF /x"),
        (["ADD a.tar /"], "ADD a.tar /"),
        (["WORKDIR app"], "WORKDIR /app"),
        (["ENV A=1 B='two words'"], "ENV A=1 B=two words"),
        (["ENV A 1 2"], "ENV A=1 2"),
        (["LABEL a=b"], "LABEL a=b"),
        (["ARG A=1 B"], "ARG A=1 B"),
        (["USER me"], "USER me"),
        (["EXPOSE 80 53/udp"], "EXPOSE [53/udp 80/tcp]"),
        (["VOLUME /a /b"], "VOLUME [/a /b]"),
        (['CMD ["a", "b c"]'], 'CMD ["a" "b c"]'),
        (["CMD a b"], 'CMD ["/bin/sh" "-c" "a b"]'),
        (['ENTRYPOINT ["e"]'], 'ENTRYPOINT ["e"]'),
        (['SHELL ["/bin/bash", "-c"]'], "SHELL [/bin/bash -c]"),
        (["STOPSIGNAL 9"], "STOPSIGNAL 9"),
        (["MAINTAINER me"], "MAINTAINER me"),
        (
            ["HEALTHCHECK --interval=5s CMD curl -f x"],
            (
                "HEALTHCHECK {Test:[CMD-SHELL curl -f x] Interval:5s Timeout:0s "
                "StartPeriod:0s StartInterval:0s Retries:0}"
            ),
        ),
        (["ONBUILD RUN x"], ""),
    ],
)
def test_created_by(instructions: list[str], line: str) -> None:
    assert history_of(*instructions)[-1] == line


def test_history_and_times_of_the_result() -> None:
    state = from_base("ENV A=1", "RUN x", "CMD y")
    config = finish(state)
    assert [(h.created_by, h.empty_layer, h.comment) for h in config.history] == [
        ("ENV A=1", True, "lamina.dockerfile.v0"),
        ("RUN /bin/sh -c x", False, "lamina.dockerfile.v0"),
        ('CMD ["/bin/sh" "-c" "y"]', True, "lamina.dockerfile.v0"),
    ]
    assert {h.created for h in config.history} == {"2026-01-02T03:04:05Z"}
    assert config.created == "2026-01-02T03:04:05Z"
    assert len(config.diff_ids) == 1


def test_source_date_epoch_is_the_time_of_all_that_is_new() -> None:
    state = from_base("RUN x", "CMD y", SOURCE_DATE_EPOCH="1700000000")
    config = finish(state)
    assert {h.created for h in config.history} == {"2023-11-14T22:13:20Z"}
    assert config.created == "2023-11-14T22:13:20Z"
    with pytest.raises(InvalidInput, match="SOURCE_DATE_EPOCH"):
        finish(from_base("CMD y", SOURCE_DATE_EPOCH="yesterday"))


def test_an_image_without_new_layers_has_its_base_times() -> None:
    base = BASE._replace(created="2020-01-01T00:00:00Z")
    config = finish(from_base("ENV A=1", base=base))
    assert (config.created, config.history[0].created) == ("2020-01-01T00:00:00Z",) * 2
