"""COPY --parents: Docker 20.10 has no such flag, so it copies file by file."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, File, Item, Link

TREE: dict[str, Item] = {
    "x/a.txt": "xa",
    "x/y/b.txt": "xyb",
    "x/y/z/c.txt": "xyzc",
    "x/y/z/d.md": "xyzd",
    "y/a.txt": "ya",
    "top.txt": "top",
}
MODES: dict[str, Item] = {"x": 0o711, "x/y": 0o2750, "x/y/f": File("f", 0o600), "x/y/g": "g"}


def keeping(name: str, copy: str, old: str, files: dict[str, Item] = TREE, before: str = "") -> Case:
    """A COPY --parents, and the instructions that give the same without it."""
    return Case(
        f"parents-{name}",
        f"FROM base\n{before}COPY --parents {copy}\n",
        files,
        old=f"FROM base\n{before}{old}\n",
        reason="new in Dockerfile 1.20",
    )


def one(*names: str, folder: str = "/o") -> str:
    return "\n".join(f"COPY {name} {folder}/{name}" for name in names)


XYZ = "COPY x/y /o/x/y"
CASES = (
    keeping("files", "x/a.txt y/a.txt /o/", one("x/a.txt", "y/a.txt")),
    keeping("no-slash", "x/a.txt /o", one("x/a.txt")),
    keeping("dot-slash", "./x/a.txt /o/", one("x/a.txt")),
    keeping("absolute", "/x/a.txt ../y/a.txt /o/", one("x/a.txt", "y/a.txt")),
    keeping("folder", "x/y /o/", XYZ),
    keeping("folder-slash", "x/y/ /o", XYZ),
    keeping("folder-dot", "x/y/. /o/", XYZ),
    keeping("top", "top.txt /o/", one("top.txt")),
    keeping("root", "x/y/b.txt /", "COPY x/y/b.txt /x/y/b.txt"),
    keeping("workdir", "x/a.txt .", "COPY x/a.txt /w/x/a.txt", before="WORKDIR /w\n"),
    keeping("pivot", "x/./y/b.txt /o/", "COPY x/y/b.txt /o/y/b.txt"),
    keeping("pivot-twice", "x/./y/./z /o/", "COPY x/y/z /o/y/z"),
    keeping("pivot-folder", "x/y/./z /o/", "COPY x/y/z /o/z"),
    keeping("pivot-wildcard", "./x/./y/*.txt /o/", "COPY x/y/b.txt /o/y/b.txt"),
    keeping(
        "pivot-after-wildcard", "*/./a.txt /o/x/", "COPY x/a.txt /o/x/a.txt", {"x/a.txt": "xa", "y/b": "b"}
    ),
    keeping("pivot-name", "x/./a.txt y/./y* /o/", "COPY x/a.txt y/yy /o/", {**TREE, "y/yy": "yy"}),
    keeping("wildcard", "*/*.txt /o/", one("x/a.txt", "y/a.txt")),
    keeping("wildcard-folder", "x/*/z /o/", "COPY x/y/z /o/x/y/z"),
    keeping("wildcard-top", "*.txt /o/", one("top.txt")),
    keeping("wildcard-class", "[xy]/?.txt /o/", one("x/a.txt", "y/a.txt")),
    keeping("stars", "x/**/*.txt /o/", one("x/a.txt", "x/y/b.txt", "x/y/z/c.txt")),
    keeping("stars-first", "**/a.txt /o/", one("x/a.txt", "y/a.txt")),
    keeping("stars-last", "x/** /o/", "COPY x /o/x"),
    keeping("stars-folder", "**/z /o/", "COPY x/y/z /o/x/y/z"),
    keeping("stars-pivot", "x/./**/*.md /o/", "COPY x/y/z/d.md /o/y/z/d.md"),
    keeping("stars-in-name", "x/**.txt /o/", "COPY x/y/.txt /o/x/y/", {**TREE, "x/y/.txt": ""}),
    keeping("nothing", "x/m* /o/", "RUN mkdir /o"),
    keeping("nothing-pivot", "x/y/./m* /o/", "RUN mkdir /o"),
    keeping("nothing-before-pivot", "m*/./x /o/", "RUN true"),
    keeping("modes", "x/y/f /o/", "COPY x /o/x\nRUN rm /o/x/y/g && chmod 711 /o/x", MODES),
    keeping(
        "modes-over",
        "x/y/f /o/",
        "RUN chmod 711 /o/x && chmod 2750 /o/x/y && chown 3:4 /o /o/x /o/x/y\nCOPY x/y/f /o/x/y/f",
        MODES,
        before="RUN mkdir -p /o/x/y && chmod -R 777 /o && chown -R 3:4 /o\n",
    ),
    keeping(
        "chown",
        "--chown=5:6 x/y/f /o/n/",
        "COPY --chown=5:6 x /o/n/x\nRUN rm /o/n/x/y/g && chmod 711 /o/n/x",
        MODES,
    ),
    keeping(
        "chmod",
        "--chmod=750 x/y/f /tmp/",
        "COPY x /tmp/x\nRUN rm /tmp/x/y/g && chmod -R 750 /tmp/x && chmod 750 /tmp/x /tmp/x/y",
        MODES,
    ),
    keeping("link-below", "x/l /o/", "COPY x /o/x\nRUN rm /o/x/f", {"x/l": Link("../nowhere"), "x/f": "f"}),
    keeping("link-before-pivot", "way/./a.txt /o/", "COPY x/a.txt /o/", {"x/a.txt": "xa", "way": Link("x")}),
    keeping("exclude", "--exclude=**/*.md x /o/", "COPY x /o/x\nRUN rm /o/x/y/z/d.md"),
    keeping("exclude-path", "--exclude=x/y/z x /o/", "COPY x /o/x\nRUN rm -r /o/x/y/z"),
    keeping("exclude-pivot", "--exclude=y/z x/./y /o/", "COPY x/y /o/y\nRUN rm -r /o/y/z"),
    keeping("several", "x/a.txt x/y/*.txt x/y/z /o/", one("x/a.txt", "x/y/b.txt") + "\nCOPY x/y/z /o/x/y/z"),
    keeping("ignored", "x/**/*.md y /o/", "RUN mkdir /o\nCOPY y /o/y", {**TREE, ".dockerignore": "**/z\n"}),
    keeping("odd-names", '["x y/./[[]1]/ü", "/o/"]', 'COPY ["x y/[[]1]/ü", "/o/[1]/ü"]', {"x y/[1]/ü": "u"}),
    Case(
        "parents-false",
        "FROM base\nCOPY --parents=false x/y/b.txt /o/\n",
        TREE,
        old="FROM base\nCOPY x/y/b.txt /o/\n",
        reason="new in Dockerfile 1.20",
    ),
    Case(
        "parents-from-stage",
        "FROM base AS a\nRUN mkdir -p /t/b/c/d && touch /t/b/c/f /t/b/c/d/g && chmod 700 /t/b && chown 5:6 /t/b\n"
        "FROM base\nCOPY --from=a --parents /t/b/c/f /o/\nCOPY --from=a --parents /t/./b/c/d /p/\n",
        old="FROM base\nRUN mkdir -p /o/t/b/c /p/b/c/d && touch /o/t/b/c/f /p/b/c/d/g"
        " && chmod 700 /o/t/b /p/b && chown 5:6 /o/t/b /p/b\n",
        reason="new in Dockerfile 1.20",
    ),
    Case("parents-missing", "FROM base\nCOPY --parents x/missing /o/\n", TREE, fails=True),
    Case("parents-missing-pivot", "FROM base\nCOPY --parents x/./missing /o/\n", TREE, fails=True),
    Case("parents-of-add", "FROM base\nADD --parents x/a.txt /o/\n", TREE, fails=True),
)
