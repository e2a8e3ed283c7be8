"""Where COPY puts what it takes: names, slashes, links and what is there already."""

from __future__ import annotations

from tests.peers.buildkit.case import MODE_OF_FOLDERS, Case, File, Link

FILES = {"a": "a", "b": "b", "d/x": "x", "d/s/y": "y"}
THERE = "FROM base\nRUN mkdir -m 750 /there && echo old > /there/a && echo keep > /there/keep && chown 3:4 /there\n"

CASES = (
    Case("place-file", "FROM base\nCOPY a /x\nCOPY a /y/\nCOPY a /z/new\nCOPY a /p/q/r/\n", FILES),
    Case(
        "place-relative",
        "FROM base\nCOPY a x\nWORKDIR /w\nCOPY a x\nCOPY a y/\nCOPY a ./z/../v\nCOPY a .\n",
        FILES,
    ),
    Case(
        "place-dot-slash",
        "FROM base\nWORKDIR /w\nCOPY b ./\nCOPY d ./\nCOPY a ..\nCOPY a ../up/\nCOPY a ../../../far\n",
        FILES,
    ),
    Case("place-root", "FROM base\nCOPY a b /\nCOPY d /\nCOPY . /.\n", FILES),
    Case("place-folder", "FROM base\nCOPY d /x\nCOPY d /y/\nCOPY d/s /y\n", FILES),
    Case("place-several", "FROM base\nCOPY a b d /x/\n", FILES),
    Case(
        "place-several-no-slash",
        "FROM base\nCOPY a b /x\n",
        FILES,
        fails=True,
        reason="differences.md: several sources of COPY into what is no folder",
        apart=("status",),
    ),
    Case("place-several-existing-no-slash", "FROM base\nCOPY a b /tmp\n", FILES),
    Case("place-several-folders-no-slash", "FROM base\nCOPY d e /x\n", {"d/1": "1", "e/2": "2"}),
    Case("place-several-dot", "FROM base\nWORKDIR /w\nCOPY a b .\n", FILES),
    Case(
        "place-same-name",
        "FROM base\nCOPY a d/a /x/\n",
        {"a": "first", "d/a": "second"},
        fails=True,
        reason="differences.md: two files of one name in one COPY or ADD",
        apart=("status",),
    ),
    Case("place-over-file", THERE + "COPY a /there/a\nCOPY d/x /there/\n", FILES),
    Case("place-into-folder-without-slash", THERE + "COPY a /there\n", FILES),
    Case("place-folder-over-folder", THERE + "COPY d /there\n", {"d": 0o711, "d/a": "new", "d/b": "b"}),
    Case(
        "place-modes-of-folders-below",
        "FROM base\nRUN mkdir -p /t/s && chmod 700 /t /t/s && chown -R 3:4 /t\nCOPY d /t\n",
        {"d": 0o755, "d/s": 0o711, "d/s/f": "f"},
    ),
    Case("place-file-over-folder", "FROM base\nRUN mkdir -p /x/a\nCOPY a /x/\n", FILES, fails=True),
    Case("place-folder-over-file", "FROM base\nCOPY d /etc/passwd\n", FILES, fails=True),
    Case(
        "place-inner-folder-over-file",
        "FROM base\nRUN mkdir /x && touch /x/s\nCOPY d /x\n",
        FILES,
        fails=True,
    ),
    Case("place-file-below-file", "FROM base\nCOPY a /etc/passwd/a\n", FILES, fails=True),
    Case("place-file-at-file-slash", "FROM base\nCOPY a /etc/passwd/\n", FILES, fails=True),
    Case("place-over-link", "FROM base\nRUN echo t > /target && ln -s target /l\nCOPY a /l\n", FILES),
    Case(
        "place-over-absolute-link", "FROM base\nRUN echo t > /target && ln -s /target /l\nCOPY a /l\n", FILES
    ),
    Case("place-over-dangling-link", "FROM base\nRUN ln -s /no/where /l\nCOPY a /l\n", FILES),
    Case("place-over-dangling-link-slash", "FROM base\nRUN ln -s /no/where /l\nCOPY a /l/\n", FILES),
    Case(
        "place-over-link-in-folder",
        "FROM base\nRUN mkdir /x && echo t > /t && ln -s /t /x/a\nCOPY a /x/\n",
        FILES,
    ),
    Case(
        "place-over-link-from-folder",
        "FROM base\nRUN mkdir /x && echo t > /t && ln -s /t /x/x\nCOPY d /x\n",
        FILES,
    ),
    Case(
        "place-through-link",
        "FROM base\nRUN mkdir -p /r/s && ln -s r/s /l\nCOPY a /l/\nCOPY b /l/n/b\nCOPY d /l\n",
        FILES,
    ),
    Case(
        "place-through-absolute-link",
        "FROM base\nRUN mkdir -p /r/s && ln -s /r/s /r/l\nCOPY a /r/l/\nCOPY d /r/l/e\n",
        FILES,
    ),
    Case(
        "place-through-dangling-link", "FROM base\nRUN ln -s /no/where /l\nCOPY a /l/n/a\nCOPY d /l\n", FILES
    ),
    Case("place-through-link-out", "FROM base\nRUN ln -s ../../../../up /l\nCOPY a /l/a\n", FILES),
    Case("place-through-link-dots", "FROM base\nRUN mkdir -p /r/s && ln -s /r/s /l\nCOPY a /l/../x\n", FILES),
    Case(
        "place-folder-over-link-to-folder",
        "FROM base\nRUN mkdir /r /x && ln -s /r /x/s\nCOPY d /x\n",
        FILES,
        fails=True,
    ),
    Case(
        "place-folder-over-link-to-file",
        "FROM base\nRUN mkdir /x && touch /r && ln -s /r /x/s\nCOPY d /x\n",
        FILES,
        fails=True,
    ),
    Case(
        "place-folder-over-dangling-link",
        "FROM base\nRUN mkdir /x && ln -s /nope /x/s\nCOPY d /x\n",
        FILES,
        fails=True,
    ),
    Case("place-link-over-file", "FROM base\nRUN mkdir /x && touch /x/l\nCOPY d /x\n", {"d/l": Link("t")}),
    Case(
        "place-link-over-folder",
        "FROM base\nRUN mkdir -p /x/l && touch /x/l/f\nCOPY d /x\n",
        {"d/l": Link("t")},
        fails=True,
    ),
    Case(
        "place-link-over-empty-folder",
        "FROM base\nRUN mkdir -p /x/l\nCOPY d /x\n",
        {"d/l": Link("t")},
        fails=True,
    ),
    Case(
        "place-link-over-link", "FROM base\nRUN mkdir /x && ln -s old /x/l\nCOPY d /x\n", {"d/l": Link("t")}
    ),
    Case(
        "place-link-loop", "FROM base\nRUN ln -s /l2 /l1 && ln -s /l1 /l2\nCOPY a /l1/a\n", FILES, fails=True
    ),
    Case("place-over-fifo", "FROM base\nRUN mkfifo /p\nCOPY a /p\n", FILES),
    Case("place-keeps-hard-link", "FROM base\nRUN echo 1 > /one && ln /one /two\nCOPY a /one\n", FILES),
    Case(
        "place-over-read-only",
        "FROM base\nRUN mkdir -m 500 /r && touch /r/a && chmod 400 /r/a\nCOPY a /r/\n",
        FILES,
    ),
    Case("place-after-delete", "FROM base\nCOPY d /x\nRUN rm -r /x/s\nCOPY a /x/s\n", FILES),
    Case(
        "place-owner-of-new-folders",
        "FROM base\nCOPY --chown=5:6 --chmod=600 a /n/m/a\nCOPY --chown=5:6 d /o/p\n",
        FILES,
        reason=MODE_OF_FOLDERS,
        apart=("n", "n/m"),
    ),
    Case(
        "place-chmod-folder",
        "FROM base\nCOPY --chmod=700 d /x\nCOPY --chmod=750 d /tmp\n",
        FILES,
        reason=MODE_OF_FOLDERS,
        apart=("x",),
    ),
    Case(
        "place-mode-of-copied-folder",
        "FROM base\nCOPY d /x\nCOPY d /y/\n",
        {"d": 0o700, "d/f": File("f", 0o600)},
    ),
    Case(
        "place-from-stage-folder",
        "FROM base AS a\nRUN mkdir -m 700 /d && touch /d/f && chown -R 8:9 /d\nFROM base\nCOPY --from=a /d /x\nCOPY --from=a /d /y/\n",
    ),
    Case("place-quoted-dot", 'FROM base\nWORKDIR /w\nCOPY ["a", "."]\nCOPY ["b", ""]\n', FILES),
    Case("place-variable-empty", "FROM base\nWORKDIR /w\nCOPY a $NOTHING\n", FILES),
    Case("place-space", 'FROM base\nCOPY ["a", "/x y/"]\nCOPY ["a", "/p q"]\n', FILES),
)
