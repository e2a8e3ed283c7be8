"""What COPY takes from its sources: kinds, modes, owners, names."""

from __future__ import annotations

from tests.peers.buildkit.case import MODE_OF_FOLDERS, Case, File, Hard, Link

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
TREE = {
    "d/a": "a",
    "d/.dot": "dot",
    "d/sub/b": "b",
    "d/sub/.hidden/c": "c",
    "d/empty": 0o755,
    "d/link": Link("a"),
    "d/up": Link("../out"),
    "d/abs": Link("/etc/passwd"),
    "d/dangling": Link("nowhere"),
    "d/to-sub": Link("sub"),
    "out": "out",
}
PLAIN = {name: item for name, item in TREE.items() if not isinstance(item, Link)}
UNKNOWN = "differences.md: names of --chown that the image's /etc/passwd and /etc/group lack"
LOST = "differences.md: file capabilities of files in the context"
MODES = {
    "m/plain": File("p", 0o644),
    "m/run": File("r", 0o755),
    "m/setuid": File("s", 0o4755),
    "m/setgid": File("g", 0o2711),
    "m/none": File("n", 0o000),
    "m/group": File("w", 0o664),
    "m/all": File("w", 0o666),
    "m/private": 0o700,
    "m/private/x": "x",
    "m/sticky": 0o1777,
    "m/setgid-dir": 0o2775,
    "m/closed": 0o000,
}
PLAIN_MODES = {
    "m/plain": File("p", 0o644),
    "m/run": File("r", 0o755),
    "m/none": File("n", 0o000),
    "m/folder": 0o700,
    "m/folder/x": File("x", 0o666),
}

CASES = (
    Case("copy-folder", "FROM base\nCOPY d /x\nCOPY d/ /y/\nCOPY ./d/. /z\n", TREE),
    Case("copy-everything", "FROM base\nCOPY . /all\n", TREE),
    Case("copy-link", "FROM base\nCOPY d/link /x\nCOPY d/link /y/\nCOPY d/to-sub /z\n", TREE),
    Case("copy-dangling-link", "FROM base\nCOPY d/dangling /x\n", TREE, fails=True),
    Case("copy-link-leading-out", "FROM base\nCOPY l /x\n", {"l": Link("../../../outside")}, fails=True),
    Case("copy-absolute-link", "FROM base\nCOPY l /x\n", {"l": Link("/out"), "out": "inside"}),
    Case("copy-through-link", "FROM base\nCOPY to/a /x\n", {**TREE, "to": Link("d")}),
    Case("copy-through-link-deep", "FROM base\nCOPY to/sub/b /x\n", {**TREE, "to": Link("d")}),
    Case(
        "copy-link-to-link", "FROM base\nCOPY one /x\n", {"one": Link("two"), "two": Link("d/a"), "d/a": "a"}
    ),
    Case("copy-link-wildcard", "FROM base\nCOPY d/l* d/t* /x/\n", TREE),
    Case(
        "copy-link-below-wildcard", "FROM base\nCOPY to/* /x/\n", {"d/a": "a", "d/s/b": "b", "to": Link("d")}
    ),
    Case("copy-link-by-wildcard", "FROM base\nCOPY t* /x/\n", {"d/a": "a", "d/s/b": "b", "to": Link("d")}),
    Case("copy-modes", "FROM base\nCOPY m /m\n", MODES),
    Case(
        "copy-modes-one-by-one",
        "FROM base\nCOPY m/setuid m/none m/all /f/\nCOPY m/sticky /s\nCOPY m/private /p\n",
        MODES,
    ),
    Case(
        "copy-chmod",
        "FROM base\nCOPY --chmod=711 m /m\nCOPY --chmod=600 m/run /r\n",
        PLAIN_MODES,
        reason=MODE_OF_FOLDERS,
        apart=("m",),
    ),
    Case(
        "copy-chmod-setuid",
        "FROM base\nCOPY --chmod=4711 m /m\nCOPY --chmod=0 m /n\n",
        MODES,
        old="FROM base\nCOPY m /m\nRUN chmod 711 /m; chmod -R 4711 /m/*\nCOPY m /n\nRUN chmod -R 0 /n\n",
        reason="Docker 20.10 leaves the upper three bits as they are; they are part of the mode",
    ),
    Case(
        "copy-chmod-zero",
        "FROM base\nCOPY --chmod=0 m /m\n",
        PLAIN_MODES,
        reason=MODE_OF_FOLDERS,
        apart=("m",),
    ),
    Case(
        "copy-chmod-four-digits",
        "FROM base\nCOPY --chmod=0755 m/none /r\nADD --chmod=1777 m/sticky /s\n",
        MODES,
        reason=MODE_OF_FOLDERS,
        apart=("s",),
    ),
    Case(
        "copy-chmod-links",
        "FROM base\nCOPY --chmod=700 d /d\nCOPY --chmod=700 d/link /l\n",
        TREE,
        reason=MODE_OF_FOLDERS,
        apart=("d",),
    ),
    Case(
        "copy-chmod-bad",
        "FROM base\nCOPY --chmod=999 m /m\n",
        MODES,
        fails=True,
        reason="refused since Dockerfile 1.14",
        apart=("status",),
    ),
    Case(
        "copy-chmod-symbolic",
        "FROM base\nCOPY --chmod=u=rwX,go=rX m /m\n",
        MODES,
        old="FROM base\nCOPY m /m\nRUN chmod -R u=rwX,go=rX /m\n",
        reason="new in Dockerfile 1.14",
    ),
    Case(
        "copy-chmod-variable",
        "FROM base\nARG M=640\nCOPY --chmod=$M m /m\n",
        PLAIN_MODES,
        old="FROM base\nARG M=640\nCOPY --chmod=640 m /m\nRUN chmod 640 /m\n",
        reason="new in Dockerfile 1.14",
    ),
    Case("copy-chown-numbers", "FROM base\nCOPY --chown=5:6 d /d\nCOPY --chown=7 d/a /new/folder/a\n", TREE),
    Case("copy-chown-names", "FROM base\nCOPY --chown=www:nogroup d/a /a\nCOPY --chown=www d/a /b\n", TREE),
    Case("copy-chown-mixed", "FROM base\nCOPY --chown=www:7 d/a /a\nCOPY --chown=7:www d/a /b\n", TREE),
    Case("copy-chown-group-only", "FROM base\nCOPY --chown=:www d/a /a\n", TREE),
    Case(
        "copy-chown-user-only-colon",
        "FROM base\nCOPY --chown=www: d/a /a\n",
        TREE,
        reason="Docker 20.10 takes group 0; for BuildKit an empty group is none",
        apart=("a",),
    ),
    Case(
        "copy-chown-unknown",
        "FROM base\nCOPY --chown=whoever d/a /a\n",
        TREE,
        fails=True,
        reason=UNKNOWN,
        apart=("status",),
    ),
    Case(
        "copy-chown-unknown-group",
        "FROM base\nCOPY --chown=0:whoever d/a /a\n",
        TREE,
        fails=True,
        reason=UNKNOWN,
        apart=("status",),
    ),
    Case("copy-chown-scratch-name", "FROM scratch\nCOPY --chown=www d/a /a\n", TREE, fails=True),
    Case("copy-chown-scratch", "FROM scratch\nCOPY --chown=1:2 d/a /n/a\n", TREE),
    Case("copy-chown-variable", "FROM base\nARG U=www\nENV G=7\nCOPY --chown=$U:$G d/a /a\n", TREE),
    Case(
        "copy-chown-own-passwd",
        "FROM base\nCOPY p /etc/passwd\nCOPY --chown=me a /a\n",
        {"p": "me:x:99:98::/:/x\n", "a": "a"},
    ),
    Case("copy-chown-setuid", "FROM base\nCOPY --chown=1:1 m /m\n", MODES),
    Case("copy-ignores-user", "FROM base\nUSER www\nCOPY d/a /new/a\n", TREE),
    Case(
        "copy-hard-links",
        "FROM base\nCOPY h /h\nCOPY h/one /one\n",
        {"h/one": "same", "h/two": Hard("h/one")},
    ),
    Case(
        "copy-hard-link-outside", "FROM base\nCOPY b* /h/\n", {"a": "same", "b1": Hard("a"), "b2": Hard("a")}
    ),
    Case(
        "copy-capability",
        "FROM base\nCOPY f /f\nCOPY . /all/\n",
        {"f": File("x", 0o755, CAPABILITY)},
        reason=LOST,
        apart=("f", "all/f"),
    ),
    Case(
        "copy-odd-names",
        'FROM base\nCOPY ["a b", "c  d", "/names of/"]\nCOPY ["ünï", "☃", "/ü dir/"]\n',
        {"a b": "1", "c  d": "2", "ünï": "3", "☃": "4"},
    ),
    Case(
        "copy-brackets",
        'FROM base\nCOPY [ "b[[]0].txt", "/bracket" ]\nCOPY b[[]0].txt /plain\nCOPY [ab]1 /set\nCOPY x\\*y /star\n',
        {"b[0].txt": "b", "a1": "a", "x*y": "star"},
    ),
    Case(
        "copy-newline-name",
        "FROM base\nCOPY . /n/\n",
        {"a\nb": "1", "tab\there": "2", " lead": "3", "back\\slash": "4"},
    ),
    Case("copy-quote-in-json", 'FROM base\nCOPY [ "q\\"q", "/q" ]\n', {'q"q': "5"}, fails=True),
    Case("copy-nothing-there", "FROM base\nCOPY missing /x\n", TREE, fails=True),
    Case("copy-wildcard-nothing", "FROM base\nCOPY missing* /x/\n", TREE),
    Case("copy-wildcard-and-file", "FROM base\nCOPY out missing* /x/\n", TREE),
    Case("copy-wildcard", "FROM base\nCOPY d/* /x/\nCOPY d/?* /y/\nCOPY o*t /z\n", PLAIN),
    Case("copy-wildcard-broken-link", "FROM base\nCOPY d/* /x/\n", TREE, fails=True),
    Case(
        "copy-wildcard-deep",
        "FROM base\nCOPY */sub/b /x\nCOPY d/*/b /y\nCOPY d/*/.h* /z/\n",
        PLAIN,
        old="FROM base\nCOPY d/sub/b /x\nCOPY d/sub/b /y\nCOPY d/sub/.hidden /z/\n",
        reason="Docker 20.10 stumbles over files beside the folders that a wildcard matches",
    ),
    Case(
        "copy-wildcard-folders",
        "FROM base\nCOPY f* /x/\n",
        {"f1/a": "1", "f2/a": "2", "f2/b": "b", "f3": "3"},
    ),
    Case(
        "copy-wildcard-ranges",
        "FROM base\nCOPY [a-c]? /x/\nCOPY [^a-c]? /y/\n",
        {"a1": "1", "b2": "2", "d3": "3", "c": "4"},
    ),
    Case(
        "copy-wildcard-bad",
        "FROM base\nCOPY [a /x/\n",
        {"a": "1"},
        fails=True,
        reason="differences.md: a wildcard of COPY or ADD that is no pattern",
        apart=("status",),
    ),
    Case("copy-wildcard-one-folder-no-slash", "FROM base\nCOPY f* /x\n", {"f1/a": "1"}),
    Case(
        "copy-parent-of-context",
        "FROM base\nCOPY ../d/a /x\nCOPY ../../d /y/\nCOPY /d/a /z\nCOPY d/../out /w\n",
        TREE,
    ),
    Case("copy-below-file", "FROM base\nCOPY out/x /x\n", TREE, fails=True),
    Case("copy-file-with-slash", "FROM base\nCOPY out/ /x\n", TREE),
    Case("copy-url", "FROM base\nCOPY http://127.0.0.1:1/x /x\n", fails=True),
    Case("copy-no-destination", "FROM base\nCOPY out\n", TREE, fails=True),
    Case("copy-unknown-flag", "FROM base\nCOPY --whatever out /x\n", TREE, fails=True),
    Case("copy-flag-twice", "FROM base\nCOPY --chown=1 --chown=2 out /x\n", TREE, fails=True),
    Case("copy-dockerfile", "FROM base\nCOPY Dockerfile .dockerignore /x/\n", {".dockerignore": "nothing\n"}),
    Case("copy-fifo-is-not-asked-for", "FROM base\nCOPY d/sub /x\n", TREE),
)
