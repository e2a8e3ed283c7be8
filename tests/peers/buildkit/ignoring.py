""".dockerignore: what of the context is there at all."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, Link

TREE = {
    "a.txt": "a",
    "b.md": "b",
    "README.md": "r",
    "d/a.txt": "da",
    "d/b.md": "db",
    "d/e/a.txt": "dea",
    "d/e/f/c.tmp": "c",
    "node_modules/x/y": "y",
    "d/node_modules/z": "z",
    ".git/config": "g",
    "lone": 0o755,
}


def ignoring(
    name: str, patterns: str, *, dockerfile: str = "FROM base\nCOPY . /x/\n", fails: bool = False
) -> Case:
    return Case(f"ignore-{name}", dockerfile, {**TREE, ".dockerignore": patterns}, fails=fails)


CASES = (
    ignoring("simple", "a.txt\n.git\nnode_modules\n"),
    ignoring("everywhere", "**/a.txt\n**/node_modules\n"),
    ignoring("suffix", "*.md\n"),
    ignoring("one-level", "*/*.txt\n"),
    ignoring("two-levels", "*/*/*.txt\n"),
    ignoring("double-star-tail", "d/**\n"),
    ignoring("double-star-middle", "d/**/c.tmp\n**/e/*.txt\n"),
    ignoring("negation", "*.md\n!README.md\n"),
    ignoring("negation-lost", "!README.md\n*.md\n"),
    ignoring("negation-in-folder", "d\n!d/e/a.txt\n"),
    ignoring("everything-but", "*\n!d\nd/b.md\n"),
    ignoring("all-but-deep", "**\n!d/e/f\n"),
    ignoring("comments", "# a.txt\n\n  a.txt  \n#!x\n\\#x\n"),
    ignoring("slashes", "/a.txt\nd/e/\n./b.md\n../b.md\nd//b.md\n"),
    ignoring("dot", ".\n"),
    ignoring("dos", "a.txt\r\n*.md\r\n"),
    ignoring("bom", "\ufeffa.txt\n"),
    ignoring("question", "?.txt\n[bd].md\nd/[^e]*\n"),
    ignoring("bad-pattern", "[\n", fails=True),
    ignoring("lone-exclamation", "!\n", fails=True),
    ignoring("case", "A.TXT\nreadme.md\n"),
    ignoring("dockerfile", "Dockerfile\n.dockerignore\n"),
    ignoring("named-one", "a.txt\n", dockerfile="FROM base\nCOPY a.txt /x\n", fails=True),
    ignoring("named-folder", "d\n", dockerfile="FROM base\nCOPY d /x\n", fails=True),
    ignoring("all-of-folder", "d/*\n", dockerfile="FROM base\nCOPY d /x\n"),
    ignoring("wildcard", "d/a.txt\n", dockerfile="FROM base\nCOPY d/* /x/\n"),
    ignoring("wildcard-all", "*.md\n", dockerfile="FROM base\nCOPY *.md /x/\n"),
    ignoring("everything", "*\n", dockerfile="FROM base\nCOPY . /x/\n"),
    ignoring("trailing-space", "b.md \nd/e \n"),
    ignoring("escaped", "a\\.txt\n\\!x\n"),
    ignoring("negated-folder-of-ignored", "d\n!d/e\nd/e/f\n"),
    Case(
        "ignore-by-name",
        "FROM base\nCOPY . /x/\n",
        {**TREE, ".dockerignore": "*.md\n", "other.Dockerfile.dockerignore": "*.txt\n"},
        args=("-f", "other.Dockerfile"),
    ),
    Case(
        "ignore-link",
        "FROM base\nCOPY . /x/\n",
        {"t/f": "f", "l": Link("t"), "k": Link("nothing"), ".dockerignore": "t\nk\n"},
    ),
    Case(
        "ignore-through-link",
        "FROM base\nCOPY l /x\n",
        {"t": "f", "l": Link("t"), ".dockerignore": "t\n"},
        fails=True,
    ),
)
