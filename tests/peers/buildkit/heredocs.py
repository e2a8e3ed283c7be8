"""Here-documents: of RUN and of COPY. Debian's Docker engine has none, so it is told the same in old words."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, File

NEW = "here-documents are new in Dockerfile 1.4"


def heredoc(
    name: str, new: str, context: dict[str, str | File] | None = None, old: str = "FROM base\nCOPY want /x\n"
) -> Case:
    """`old` says the same; by default that /x is the file `want` of the context."""
    return Case(f"heredoc-{name}", "FROM base\n" + new, context or {}, old=old, reason=NEW)


def run(name: str, new: str, old: str) -> Case:
    return heredoc(name, new, old="FROM base\n" + old)


CASES = (
    heredoc("copy", "COPY <<EOF /x\none\n  two\n\n# three\nEOF\n", {"want": "one\n  two\n\n# three\n"}),
    heredoc("copy-empty", "COPY <<EOF /x\nEOF\n", {"want": ""}),
    heredoc(
        "copy-expands",
        "ENV A=a\nCOPY <<EOF /x\n$A ${B:-b} \\$A '$A' \"$A\" \\\\ \\n \\x\nEOF\n",
        {"want": "a b $A 'a' \"a\" \\ n x\n"},
        "FROM base\nENV A=a\nCOPY want /x\n",
    ),
    heredoc(
        "copy-quoted",
        'ENV A=a\nCOPY <<"EOF" /x\n$A \\$A \\\\ \'"\nEOF\n',
        {"want": "$A \\$A \\\\ '\"\n"},
        "FROM base\nENV A=a\nCOPY want /x\n",
    ),
    heredoc("copy-single-quoted", "COPY <<'EOF' /x\n$A\\\nb\nEOF\n", {"want": "$A\\\nb\n"}),
    heredoc(
        "copy-chomp", "COPY <<-EOF /x\n\tone\n\t\ttwo\n  \tthree\n\tEOF\n", {"want": "one\ntwo\n  \tthree\n"}
    ),
    heredoc("copy-chomp-quoted", "COPY <<-'EOF' /x\n\t$one\n\tEOF\n", {"want": "$one\n"}),
    heredoc(
        "copy-folder",
        "COPY <<one <<two /d/\n1\none\n2\ntwo\n",
        {"one": "1\n", "two": "2\n"},
        "FROM base\nCOPY one two /d/\n",
    ),
    heredoc(
        "copy-with-file",
        "COPY <<one two /d/\n1\none\n",
        {"one": "1\n", "two": "2\n"},
        "FROM base\nCOPY one two /d/\n",
    ),
    heredoc(
        "copy-chown",
        "COPY --chown=5:www --chmod=750 <<E /n/x\nhi\nE\n",
        {"want": "hi\n"},
        "FROM base\nCOPY --chown=5:www --chmod=750 want /n/x\nRUN chmod 750 /n\n",
    ),
    heredoc("add", "ADD <<EOF /x\nhi\nEOF\n", {"want": "hi\n"}),
    heredoc("copy-dos", "COPY <<EOF /x\r\none\r\ntwo\r\nEOF\r\n", {"want": "one\r\ntwo\r\n"}),
    heredoc(
        "copy-instructions-inside",
        "COPY <<EOF /x\nFROM nothing\nRUN false\nEOF\nLABEL a=b\n",
        {"want": "FROM nothing\nRUN false\n"},
        "FROM base\nCOPY want /x\nLABEL a=b\n",
    ),
    heredoc("copy-continued", "COPY <<EOF \\\n  /x\nhi\nEOF\n", {"want": "hi\n"}),
    heredoc("copy-mode", "COPY <<EOF /x\nhi\nEOF\n", {"want": File("hi\n", 0o644)}),
    run("run", "RUN <<EOF\necho one > /a\necho two >> /a\nEOF\n", "RUN printf 'one\\ntwo\\n' > /a\n"),
    run(
        "run-expands-in-shell",
        'ENV A=a\nRUN <<EOF\nB=b\necho $A $B "\\$A" \\\\ > /a\nEOF\n',
        "ENV A=a\nRUN printf 'a b $A \\\\\\n' > /a\n",
    ),
    run(
        "run-shebang",
        "RUN <<EOF\n#!/bin/sh -e\necho $0 | grep -c EOF > /a\nEOF\n",
        "RUN printf '1\\n' > /a\n",
    ),
    run(
        "run-shebang-awk",
        'RUN <<EOF\n#!/bin/awk -f\nBEGIN { print "hi" > "/a" }\nEOF\n',
        "RUN echo hi > /a\n",
    ),
    run("run-to-command", "RUN cat <<EOF > /a\nhi $HOME\nEOF\n", "RUN echo hi /root > /a\n"),
    run("run-to-command-quoted", "RUN cat <<'EOF' > /a\nhi $HOME\nEOF\n", "RUN echo 'hi $HOME' > /a\n"),
    run("run-two", "RUN cat <<A > /a && cat <<B > /b\n1\nA\n2\nB\n", "RUN echo 1 > /a && echo 2 > /b\n"),
    run("run-chomp", "RUN <<-EOF\n\techo '\tx' > /a\n\tEOF\n", "RUN printf '\\tx\\n' > /a\n"),
    run(
        "run-shell",
        'SHELL ["/bin/ash", "-ec"]\nRUN <<EOF\necho $0 > /a\nEOF\n',
        'SHELL ["/bin/ash", "-ec"]\nRUN echo /bin/ash > /a\n',
    ),
    run("run-python-like", "RUN sh <<EOF\necho hi > /a\nEOF\n", "RUN echo hi > /a\n"),
    run("run-fd", "RUN 3<<EOF cat <&3 > /a\nhi\nEOF\n", "RUN echo hi > /a\n"),
    run("run-no-newline-at-end", "RUN <<EOF\necho hi > /a\nEOF", "RUN echo hi > /a\n"),
    Case("heredoc-open", "FROM base\nCOPY <<EOF /x\nhi\n", fails=True),
    Case("heredoc-run-fails", "FROM base\nRUN <<EOF\nset -e\nfalse\ntrue\nEOF\n", fails=True),
    Case(
        "heredoc-last-status",
        "FROM base\nRUN <<EOF\nfalse\necho hi > /a\nEOF\n",
        old="FROM base\nRUN echo hi > /a\n",
        reason=NEW,
    ),
    Case(
        "heredoc-onbuild",
        "FROM heredoc-base\n",
        bases={"heredoc-base": "FROM base\nONBUILD RUN echo hi > /a\n"},
    ),
)
