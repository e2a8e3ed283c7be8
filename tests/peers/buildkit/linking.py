"""COPY and ADD --link: Docker 20.10 has no such flag, so it builds the same in other words."""

from __future__ import annotations

from tests.peers.buildkit.case import Case, File, Item, Link, member, tar

FILES: dict[str, Item] = {"a": "a", "b": "b", "d/x": "x", "d/s/y": "y", "d/l": Link("x")}
NEW = "new in Dockerfile 1.4"


def linking(name: str, before: str, with_link: str, without: str, files: dict[str, Item] = FILES) -> Case:
    """One build after `before`, and the instructions that give the same without --link."""
    start = f"FROM base\n{before}"
    return Case(f"link-{name}", f"{start}{with_link}\n", files, old=f"{start}{without}\n", reason=NEW)


CASES = (
    linking("file", "", "COPY --link a /x\nCOPY --link b /y/", "COPY a /x\nCOPY b /y/"),
    linking("folder", "", "COPY --link d /x\nADD --link d /y/", "COPY d /x\nADD d /y/"),
    linking("false", "RUN ln -s /tmp /way\n", "COPY --link=false a /way/", "COPY a /way/"),
    linking("true", "RUN ln -s /tmp /way\n", "COPY --link=true a /way/", "RUN rm /way\nCOPY a /way/"),
    linking(
        "over-link-to-folder",
        "RUN mkdir -p /r/s && touch /r/s/t && ln -s r/s /way\n",
        "COPY --link a /way/\nCOPY --link d /way",
        "RUN rm /way\nCOPY a /way/\nCOPY d /way",
    ),
    linking(
        "over-dangling-link", "RUN ln -s /no/where /way\n", "COPY --link a /way", "RUN rm /way\nCOPY a /way"
    ),
    linking(
        "over-link-deep",
        "RUN mkdir -p /p /r && ln -s /r /p/way\n",
        "COPY --link a /p/way/q/",
        "RUN rm /p/way\nCOPY a /p/way/q/",
    ),
    linking(
        "over-folder",
        "RUN mkdir -m 700 /p /p/s && touch /p/keep && chown -R 3:4 /p\n",
        "COPY --link a /p/",
        "RUN chmod 755 /p && chown 0:0 /p\nCOPY a /p/",
    ),
    linking(
        "over-folders-below",
        "RUN mkdir -p /p/s && chmod 700 /p /p/s && touch /p/s/keep && chown -R 3:4 /p\n",
        "COPY --link d /p",
        "RUN chmod 755 /p && chown 0:0 /p\nCOPY d /p",
        {"d": 0o750, "d/s": 0o711, "d/s/f": "f"},
    ),
    linking("over-tmp", "", "COPY --link a /tmp/", "RUN chmod 755 /tmp\nCOPY a /tmp/"),
    linking(
        "file-over-folder",
        "RUN mkdir -p /x/y && touch /x/y/z\n",
        "COPY --link a /x",
        "RUN rm -r /x\nCOPY a /x",
    ),
    linking("folder-over-file", "RUN touch /x\n", "COPY --link d /x", "RUN rm /x\nCOPY d /x"),
    linking("below-file", "RUN touch /x\n", "COPY --link a /x/a", "RUN rm /x\nCOPY a /x/a"),
    linking(
        "chown",
        "RUN mkdir -m 700 /p\n",
        "COPY --link --chown=5:6 a /p/n/\nCOPY --link --chown=7 d /o/p",
        "COPY --chown=5:6 a /p/n/\nRUN chmod 755 /p && chown 5:6 /p\nCOPY --chown=7 d /o/p",
    ),
    linking("workdir", "WORKDIR /w/v\n", "COPY --link a .\nCOPY --link b ../u/", "COPY a .\nCOPY b ../u/"),
    linking("wildcard", "", "COPY --link [ab] d/* /x/", "COPY [ab] d/* /x/"),
    linking("several", "", "COPY --link a b d /x/\nCOPY --link . /all", "COPY a b d /x/\nCOPY . /all"),
    linking("root", "", "COPY --link d /\nCOPY --link a /", "COPY d /\nCOPY a /"),
    linking(
        "then-run",
        "RUN mkdir /r && ln -s r /way\n",
        "COPY --link a /way/\nRUN cat /way/a > /seen; ls -ld /way | cut -c1 >> /seen; rm /way/a",
        "RUN rm /way\nCOPY a /way/\nRUN cat /way/a > /seen; ls -ld /way | cut -c1 >> /seen; rm /way/a",
    ),
    linking(
        "twice-over",
        "",
        "COPY --link d /x\nRUN rm -r /x/s\nCOPY --link d /x",
        "COPY d /x\nRUN rm -r /x/s\nCOPY d /x",
    ),
    linking(
        "documents",
        "",
        "COPY --link <<one <<two /x/\n1\none\n2\ntwo",
        "RUN mkdir /x; echo 1 >/x/one; echo 2 >/x/two",
    ),
    linking("variable", "ARG D=/v/\n", "COPY --link a $D", "COPY a $D"),
    linking("json", "", 'COPY --link ["a", "b", "/x y/"]', 'COPY ["a", "b", "/x y/"]'),
    linking(
        "modes",
        "",
        "COPY --link m /m",
        "COPY m /m",
        {"m/s": File("s", 0o4755), "m/n": File("n", 0o000), "m/t": 0o1777, "m/g": 0o2775},
    ),
    linking(
        "chmod-is-ordinary",
        "RUN mkdir -m 700 /p && ln -s p /way\n",
        "COPY --link --chmod=640 a /way/",
        "COPY --chmod=640 a /way/",
    ),
    linking(
        "add-tar",
        "RUN mkdir /usr/lib; ln -s usr/lib /lib\n",
        "ADD --link t.tar /",
        "RUN rm /lib\nADD t.tar /",
        {"t.tar": tar(member("lib/x", b"x", uid=3, gid=4), member("e/", mode=0o700))},
    ),
    Case(
        "link-from-stage",
        "FROM base AS a\nRUN mkdir -m 750 /o && touch /o/f && chown -R 5:6 /o\nFROM base\nCOPY --link --from=a /o /n\n",
        old="FROM base AS a\nRUN mkdir -m 750 /o && touch /o/f && chown -R 5:6 /o\nFROM base\nCOPY --from=a /o /n\n",
        reason=NEW,
    ),
    Case(
        "link-scratch",
        "FROM scratch\nCOPY --link d /d\nCOPY --link --chown=1:2 a /d/\n",
        FILES,
        old="FROM scratch\nCOPY --chown=1:2 d /d\nCOPY d /d\nCOPY --chown=1:2 a /d/\n",
        reason=NEW,
    ),
    Case(
        "link-onbuild",
        "FROM base AS p\nONBUILD COPY --link a /o/\nFROM p\n",
        FILES,
        old="FROM base\nCOPY a /o/\n",
        reason=NEW,
    ),
    Case("link-chown-name", "FROM base\nCOPY --link --chown=www a /x\n", FILES, fails=True),
    Case("link-not-a-boolean", "FROM base\nCOPY --link=maybe a /x\n", FILES, fails=True),
)
