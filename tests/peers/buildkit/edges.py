"""Edges of sources, ignore rules, owners, ARG, ONBUILD and here-documents that no other table has."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, File, Hard, Item, Link

FILES: dict[str, Item] = {
    "a": "a",
    "b": "b",
    ".hid": "h",
    "d/x": "x",
    "d/.y": "y",
    "d/s/z": "z",
    "d/s/t/u": "u",
    "e/x": "ex",
}
WORDS = "the words of RUN in the history have changed"
HEREDOC = "Docker 20.10 knows no here-documents"


def document(name: str, copy: str, text: str, before: str = "") -> Case:
    """A here-document, and the file that it must be."""
    start = f"FROM base\n{before}"
    return Case(
        f"edge-heredoc-{name}",
        f"{start}{copy}\n",
        {"old/doc": text},
        old=f"{start}COPY old/doc /doc\n",
        reason=HEREDOC,
    )


SOURCES = (
    Case("edge-star-takes-hidden-files", "FROM base\nCOPY d/* /x/\nCOPY .h* /y/\n", {**FILES, "d/s": 0o755}),
    Case("edge-question-is-one-character", "FROM base\nCOPY ? /x/\n", FILES),
    Case("edge-question-is-no-slash", "FROM base\nCOPY d?x /x/\n", FILES),
    Case("edge-class-with-exclamation", "FROM base\nCOPY [!a] /x/\n", FILES),
    Case("edge-class-with-caret", "FROM base\nCOPY d/[^.] /x/\n", FILES),
    Case(
        "edge-class-with-range-from-dash",
        "FROM base\nCOPY [--z] /x/\n",
        {"-": "dash", "5": "5"},
        fails=True,
        reason="differences.md: a wildcard of COPY or ADD that is no pattern",
        apart=("status",),
    ),
    Case(
        "edge-class-with-escaped-dash", "FROM base\nCOPY [\\\\--z] /x/\n", {"-": "dash", "5": "5", "+": "p"}
    ),
    Case("edge-two-stars-are-one", "FROM base\nCOPY **/x /x\n", {"d/x": "x", "d/s/x": "x"}),
    Case("edge-escaped-star", "FROM base\nCOPY d/\\* /x/\n", {"d/*": "star", "d/y": "y"}),
    Case("edge-escaped-letter", "FROM base\nCOPY \\a[a-z] /x/\n", {"ab": "ab", "cb": "cb"}),
    Case("edge-wildcard-trailing-slash", "FROM base\nCOPY d*/ /x/\n", {"d1/a": "a", "d2/b": "b"}),
    Case("edge-file-trailing-slash-folder", "FROM base\nCOPY a/ b// /x/\n", FILES),
    Case("edge-many-slashes", "FROM base\nCOPY d//s///t/ /x//y/\nCOPY .//a //z\n", FILES),
    Case("edge-folder-dot", "FROM base\nCOPY d/. /x\nCOPY ./ /y\nCOPY / /z\n", FILES),
    Case("edge-dots-up", "FROM base\nCOPY .. /x\nCOPY d/../.. /y\n", FILES),
    Case("edge-dest-dots", "FROM base\nWORKDIR /w/v\nCOPY a ../../x/../y\nCOPY a /../../z/./b\n", FILES),
    Case(
        "edge-dash-names",
        'FROM base\nCOPY -a -b /x/\nCOPY ["--c", "/y/"]\n',
        {"-a": "1", "-b": "2", "--c": "3"},
    ),
    Case("edge-double-dash", "FROM base\nCOPY -- a /x/\n", FILES),
    Case("edge-tilde", "FROM base\nCOPY a ~/x\nCOPY ~ /y\n", {"a": "a", "~": "t"}),
    Case("edge-hash-name", 'FROM base\nCOPY #a /x/\nCOPY ["#a", "/y/"]\n', {"#a": "1"}),
    Case("edge-at-and-colon", "FROM base\nCOPY a@b c:d e%20f /x/\n", {"a@b": "1", "c:d": "2", "e%20f": "3"}),
    Case("edge-dollar-name", "FROM base\nCOPY \\$a /x\n", {"$a": "1"}),
    Case("edge-long-name", f"FROM base\nCOPY {'n' * 255} /x/\n", {"n" * 255: "long"}),
    Case("edge-deep-folder", "FROM base\nCOPY . /x\n", {"/".join("abcdefghijklmnopqrstuvwxyz"): "deep"}),
    Case("edge-empty-folder", "FROM base\nCOPY e /x\nCOPY e /y/\nCOPY e/* /z/\n", {"e": 0o700}),
    Case("edge-empty-file", "FROM base\nCOPY f /x\n", {"f": File("", 0o600)}),
    Case("edge-one-source-twice", "FROM base\nCOPY a a ./a /x/\nCOPY d d /y/\n", FILES),
    Case("edge-equal-files-of-one-name", "FROM base\nCOPY d/x e/x /x/\n", {"d/x": "same", "e/x": "same"}),
    Case(
        "edge-overlapping-folders",
        "FROM base\nCOPY d e /x/\nCOPY e d /y/\nCOPY d e/x /z/\n",
        {**FILES, "e/s/z": "other"},
    ),
    Case("edge-link-to-folder-slash", "FROM base\nCOPY l/ /x\nCOPY l/. /y\n", {**FILES, "l": Link("d/s")}),
    Case("edge-link-up-and-down", "FROM base\nCOPY d/l /x\n", {**FILES, "d/l": Link("../e/../a")}),
    Case("edge-link-loop", "FROM base\nCOPY l /x\n", {"l": Link("m"), "m": Link("l")}, fails=True),
    Case("edge-link-to-itself-inside", "FROM base\nCOPY d /x\n", {"d/l": Link("l"), "d/m": Link(".")}),
    Case(
        "edge-link-to-root",
        "FROM base\nCOPY l/a /x\n",
        {"a": "a", "l": Link("/")},
        old="FROM base\nCOPY a /x\n",
        reason="Docker 20.10 follows no link to the root of the context itself",
    ),
    Case(
        "edge-hard-links-in-two-folders",
        "FROM base\nCOPY . /x\nCOPY d e /y/\n",
        {"d/f": "same", "e/g": Hard("d/f"), "e/h": Hard("d/f")},
    ),
)
OWNERS = (
    Case(
        "edge-chown-root-from-stage",
        "FROM base AS a\nRUN touch /f && chown 5:6 /f\nFROM base\nUSER www\nCOPY --from=a --chown=root:root /f /x\n"
        "COPY --from=a /f /y\nCOPY --from=a --chown=0 /f /n/z\n",
    ),
    Case(
        "edge-chown-same-number-and-name",
        "FROM base\nCOPY --chown=0:www a /x\nCOPY --chown=www:0 a /y\n",
        FILES,
    ),
    Case(
        "edge-chown-setgid-folder",
        "FROM base\nRUN mkdir /g && chown 5:6 /g && chmod 2777 /g\nCOPY --chown=7:8 d /g/d\n"
        "COPY a /g/e/f/\nCOPY d /g/h\nWORKDIR /g/w/v\nUSER www\nWORKDIR /g/u\n",
        FILES,
    ),
    Case("edge-chown-large", "FROM base\nCOPY --chown=65534:2000000 a /x\n", FILES),
    Case("edge-chown-link", "FROM base\nCOPY --chown=5:6 d /x\n", {"d/l": Link("nowhere"), "d/s": 0o700}),
    Case(
        "edge-chmod-of-new-folders",
        "FROM base\nCOPY --chmod=750 a /n/m/a\nCOPY --chmod=4711 d /o/p\n",
        FILES,
        old="FROM base\nCOPY a /n/m/a\nCOPY d /o/p\nRUN chmod -R 750 /n && chmod 711 /o /o/p && chmod -R 4711 /o/p/* /o/p/.y\n",
        reason="since Docker 28.1 folders that are made on the way take the mode, too",
    ),
    Case(
        "edge-chmod-symbolic-several",
        "FROM base\nCOPY --chmod=u+x,g=u,o= m /x\nCOPY --chmod=a-w+X m /y\nCOPY --chmod=+t,u+s m /z\n",
        {"m/f": File("f", 0o664), "m/r": File("r", 0o755), "m/d": 0o700},
        old="FROM base\nCOPY m /x\nCOPY m /y\nCOPY m /z\nRUN chmod 770 /x/f /x/r /x/d && chmod 444 /y/f"
        " && chmod 555 /y/r && chmod 511 /y/d && chmod 5664 /z/f && chmod 5755 /z/r && chmod 5700 /z/d\n",
        reason="new in Dockerfile 1.14",
    ),
)
IGNORED = tuple(
    Case(f"edge-ignore-{name}", dockerfile, {**FILES, ".dockerignore": patterns})
    for name, patterns, dockerfile in (
        ("back-and-out-again", "d\n!d/s\nd/s/t\n!d/s/t/u\n", "FROM base\nCOPY . /o\n"),
        ("folder-then-file-by-name", "d/*\n!d/x\n", "FROM base\nCOPY d /o\nCOPY d/x /p\n"),
        ("hidden", ".*\n**/.*\n", "FROM base\nCOPY . /o\n"),
        ("stars-in-the-middle", "d/**/u\n", "FROM base\nCOPY . /o\n"),
        ("three-stars", "d/***/u\n", "FROM base\nCOPY . /o\n"),
        ("stars-joined", "**x\n", "FROM base\nCOPY . /o\n"),
        ("dots-inside", "e/../d/s\n./a\nd/.\n", "FROM base\nCOPY . /o\n"),
        ("space-after-exclamation", "*\n! a\n", "FROM base\nCOPY . /o\n"),
        ("wildcard-of-what-is-left", "?\n!b\n", "FROM base\nCOPY ? /o/\n"),
        ("folder-with-slash-only", "d/s/\n/e/\n", "FROM base\nCOPY . /o\n"),
        (
            "not-for-stages",
            "x\n**/x\n",
            "FROM base AS s\nRUN echo 1 > /x\nFROM base\nCOPY --from=s /x /o/\nCOPY d /p\n",
        ),
    )
)
IGNORED += (
    Case(
        "edge-ignore-stars-then-back",
        "FROM base\nCOPY . /o\n",
        {**FILES, ".dockerignore": "**\n!**/x\n"},
        old="FROM base\nRUN mkdir -p /o/d /o/e && printf x > /o/d/x && printf ex > /o/e/x\n",
        reason="Docker 20.10 does not look into folders for what only `!**/` takes back",
    ),
)
ARGS = (
    Case(
        "edge-arg-in-source",
        "FROM base\nARG N=d\nARG P=*\nCOPY $N/$P ${N}/s/z /x/\n",
        {**FILES, "d/s": 0o755},
    ),
    Case(
        "edge-arg-in-from-of-copy",
        "FROM base AS one\nRUN touch /f\nFROM base\nARG S=one\nCOPY --from=0 /f /$S\n",
    ),
    Case(
        "edge-arg-global-in-stage-only-when-named",
        "ARG G=g\nFROM base\nRUN echo [$G] >> /o\nARG G\nRUN echo [$G] >> /o\n",
    ),
    Case(
        "edge-arg-global-changed-in-one-stage",
        "ARG G=g\nFROM base AS a\nARG G=own\nRUN echo $G > /a\nFROM base\nARG G\nCOPY --from=a /a /a\nRUN echo $G > /b\n",
    ),
    Case(
        "edge-arg-given-for-both",
        "ARG G=g\nFROM base\nARG G=own\nRUN echo $G > /o\n",
        args=("--build-arg", "G=given"),
    ),
    Case("edge-arg-unset-default", "FROM base\nARG A\nARG B=${A:-none}\nENV C=${A:-unset} D=${B:+set}\n"),
    Case(
        "edge-arg-of-the-stage-below",
        "FROM base AS a\nARG A=1\nFROM a\nRUN echo [$A] > /o\nARG A=2\nRUN echo [$A] >> /o\n",
        reason=WORDS,
        apart=("history",),
    ),
    Case(
        "edge-env-of-the-stage-below",
        "FROM base AS a\nARG A=1\nENV A=$A\nFROM a\nRUN echo [$A] > /o\n",
        reason=WORDS,
        apart=("history",),
    ),
    Case(
        "edge-arg-in-workdir-user",
        "FROM base\nARG D=dir U=www\nWORKDIR /$D/$U\nUSER $U\nRUN id -un > /tmp/o; pwd >> /tmp/o\n",
    ),
    Case(
        "edge-onbuild-arg",
        "FROM p\nRUN echo $A$B > /o\n",
        bases={"p": "FROM base\nONBUILD ARG A=a\nONBUILD ARG B=$A\n"},
    ),
    Case(
        "edge-onbuild-arg-given",
        "FROM p\nRUN echo $A > /o\n",
        bases={"p": "FROM base\nONBUILD ARG A=a\n"},
        args=("--build-arg", "A=g"),
    ),
    Case(
        "edge-onbuild-copy",
        "FROM p\n",
        FILES,
        bases={"p": "FROM base\nWORKDIR /w\nONBUILD COPY --chown=5 d/* x/\n"},
    ),
    Case(
        "edge-onbuild-user-workdir",
        "FROM p\nRUN pwd > /tmp/o; id -u >> /tmp/o\n",
        bases={"p": "FROM base\nONBUILD WORKDIR /v\nONBUILD USER 7\n"},
    ),
    Case(
        "edge-onbuild-env-and-label",
        "FROM p\n",
        bases={"p": "FROM base\nENV E=1\nONBUILD ENV F=$E\nONBUILD LABEL l=$F\n"},
    ),
    Case(
        "edge-onbuild-last-line",
        "FROM p\nCMD own\n",
        bases={"p": "FROM base\nONBUILD CMD theirs\nONBUILD ENTRYPOINT x\n"},
    ),
)
DOCUMENTS = (
    document(
        "variables",
        "COPY <<E /doc\n$A ${A} \\$A ${A:-no} ${N:-a b} $$ $\nE",
        "v v $A v a b  $\n",
        "ARG A=v\n",
    ),
    document("double-quotes", 'COPY <<"E" /doc\n$A \\$A "q" \\\nE', '$A \\$A "q" \\\n', "ARG A=v\n"),
    document("single-quotes", "COPY <<'E' /doc\n$A 'q' \"r\"\nE", "$A 'q' \"r\"\n", "ARG A=v\n"),
    document("quotes-inside", "COPY <<E /doc\n'$A' \"$A\" `x`\nE", "'v' \"v\" `x`\n", "ARG A=v\n"),
    document("backslashes", "COPY <<E /doc\na\\b \\\\ \\n\nE", "ab \\ n\n"),
    document("tabs-kept", "COPY <<E /doc\n\tone\n\t\ttwo\nE", "\tone\n\t\ttwo\n"),
    document("tabs-dropped", "COPY <<-E /doc\n\tone\n\t\ttwo\n  three\n\tE", "one\ntwo\n  three\n"),
    document("tabs-dropped-quoted", "COPY <<-'E' /doc\n\t$A\n\tE", "$A\n", "ARG A=v\n"),
    document("hash-lines", "COPY <<E /doc\n# not a comment\n\n#\nE", "# not a comment\n\n#\n"),
    document("delimiter-inside", "COPY <<E /doc\n E\nE \nEE\nE", " E\nE \nEE\n"),
    document("name-with-dot", "COPY <<a.b /doc\n1\na.b", "1\n"),
    document("looks-like-instructions", "COPY <<E /doc\nFROM x\nRUN <<F\n1\nF\nE", "FROM x\nRUN <<F\n1\nF\n"),
    document("spaces-at-the-end", "COPY <<E /doc\n one  \n\t\nE", " one  \n\t\n"),
    document("add", "ADD --chown=0:0 <<E /doc\nx\nE", "x\n"),
)
CASES = (*SOURCES, *OWNERS, *IGNORED, *ARGS, *DOCUMENTS)
