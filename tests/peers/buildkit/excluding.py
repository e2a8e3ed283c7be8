"""COPY and ADD --exclude: Docker 20.10 has no such flag, so it removes afterwards."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, Item, Link

TREE: dict[str, Item] = {
    "d/a.txt": "a",
    "d/b.md": "b",
    "d/s/a.txt": "sa",
    "d/s/c.md": "sc",
    "d/s/t/a.txt": "sta",
    "e/a.txt": "ea",
    "e/l": Link("a.txt"),
    "home.txt": "ht",
    "home.md": "hm",
}
NEW = "new in Dockerfile 1.19"


def excluding(name: str, flags: str, copy: str, removed: str, files: dict[str, Item] = TREE) -> Case:
    """A COPY with --exclude, and what a RUN has to remove below / after the same without."""
    return Case(
        f"exclude-{name}",
        f"FROM base\nCOPY {flags} {copy}\n",
        files,
        old=f"FROM base\nCOPY {copy}\nRUN cd / && rm -r {removed}\n",
        reason=NEW,
    )


CASES = (
    excluding("top", "--exclude=*.txt", "d /o", "o/a.txt"),
    excluding("everywhere", "--exclude=**/*.txt", "d /o", "o/a.txt o/s/a.txt o/s/t/a.txt"),
    excluding("twice", "--exclude=*.txt --exclude=s/*.md", "d /o", "o/a.txt o/s/c.md"),
    excluding("folder", "--exclude=s", "d /o", "o/s"),
    excluding("folder-slash", "--exclude=s/", "d /o/", "o/s"),
    excluding("folder-deep", "--exclude=s/t", "d /o", "o/s/t"),
    excluding("contents", "--exclude=s/*", "d /o", "o/s/*"),
    excluding("contents-stars", "--exclude=s/**", "d /o", "o/s/*"),
    excluding("one-level", "--exclude=*/*.txt", "d /o", "o/s/a.txt"),
    excluding("class", "--exclude=[ab].??", "d /o", "o/b.md"),
    excluding("context", "--exclude=d/s --exclude=home.*", ". /o", "o/d/s o/home.txt o/home.md"),
    excluding("dots", "--exclude=./s/../s/t", "d /o", "o/s/t"),
    excluding("several-folders", "--exclude=a.txt", "d/s e /o/", "o/a.txt", {**TREE, "e/a.txt": "sa"}),
    excluding("links", "--exclude=l", "e /o", "o/l"),
    excluding("everything", "--exclude=*", "d /o", "o/*"),
    excluding("negation", "--exclude=s --exclude=!s/t", "d /o", "o/s/a.txt o/s/c.md"),
    excluding("negation-lost", "--exclude=!s/t --exclude=s", "d /o", "o/s"),
    excluding("all-but", "--exclude=** --exclude=!b.md", "d /o", "o/s o/a.txt"),
    excluding("case", "--exclude=S --exclude=B.md --exclude=a.txt", "d /o", "o/a.txt"),
    excluding("hidden", "--exclude=.*", "h /o", "o/.x o/.y", {"h/.x": "1", "h/.y/z": "2", "h/v": "3"}),
    excluding("odd-names", "--exclude=[[]1]", "h /o", "o/[1]", {"h/[1]": "1", "h/2": "2"}),
    excluding("wildcard-folders", "--exclude=*.txt", "[de] /o/", "o/a.txt", {**TREE, "e/a.txt": "a"}),
    Case(
        "exclude-nothing",
        "FROM base\nCOPY --exclude=nothing --exclude= d /o\n",
        TREE,
        old="FROM base\nCOPY d /o\n",
        reason=NEW,
    ),
    Case(
        "exclude-chown",
        "FROM base\nCOPY --exclude=s --chown=5:6 d /n/o\n",
        TREE,
        old="FROM base\nCOPY --chown=5:6 d /n/o\nRUN rm -r /n/o/s\n",
        reason=NEW,
    ),
    Case(
        "exclude-files",
        "FROM base\nCOPY --exclude=*.txt hom* /o/\n",
        TREE,
        old="FROM base\nCOPY home.md /o/\n",
        reason=NEW,
    ),
    Case(
        "exclude-add",
        "FROM base\nADD --exclude=*.txt d /o\n",
        TREE,
        old="FROM base\nADD d /o\nRUN rm /o/a.txt\n",
        reason=NEW,
    ),
    Case(
        "exclude-variable",
        "FROM base\nARG X=s\nCOPY --exclude=$X --exclude=${Y:-b}.md d /o\n",
        TREE,
        old="FROM base\nCOPY d/a.txt /o/\n",
        reason=NEW,
    ),
    Case(
        "exclude-from-stage",
        "FROM base AS a\nCOPY d /t\nFROM base\nCOPY --from=a --exclude=**/a.txt /t /o\n",
        TREE,
        old="FROM base\nCOPY d /o\nRUN rm /o/a.txt /o/s/a.txt /o/s/t/a.txt\n",
        reason=NEW,
    ),
    Case(
        "exclude-and-ignored",
        "FROM base\nCOPY --exclude=s . /o\n",
        {**TREE, "s/x": "x", ".dockerignore": "e\n*.md\nDockerfile*\n.dockerignore\n"},
        old="FROM base\nCOPY . /o\nRUN rm -r /o/s\n",
        reason=NEW,
    ),
    Case(
        "exclude-onbuild",
        "FROM base AS p\nONBUILD COPY --exclude=s d /o\nFROM p\n",
        TREE,
        old="FROM base\nCOPY d/*.* /o/\n",
        reason=NEW,
    ),
    Case("exclude-without-value", "FROM base\nCOPY --exclude d /o\n", TREE, fails=True),
    Case("exclude-bad", "FROM base\nCOPY --exclude=[a d /o\n", TREE, fails=True),
)
