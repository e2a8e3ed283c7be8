"""Several stages, --target, COPY --from, ONBUILD."""

from __future__ import annotations

from tests.peers.buildkit.case import Case

NUMBER = "differences.md: --target"
TWO = "FROM base AS one\nRUN echo 1 > /one\nFROM base AS two\nCOPY --from=one /one /two\nLABEL l=two\n"

CASES = (
    Case("stage-name", TWO),
    Case("stage-number", "FROM base\nRUN echo 1 > /one\nFROM base\nCOPY --from=0 /one /two\n"),
    Case(
        "stage-number-of-named", "FROM base AS a\nRUN echo 1 > /one\nFROM scratch\nCOPY --from=0 /one /two\n"
    ),
    Case("stage-case", "FROM base AS One\nRUN echo 1 > /one\nfrom base As TWO\nCOPY --from=oNE /one /two\n"),
    Case(
        "stage-base",
        "FROM base AS one\nENV A=1\nWORKDIR /w\nUSER 5\nCMD x\nFROM one\nRUN id -u > /tmp/id; pwd >> /tmp/id\n",
    ),
    Case("stage-target", TWO, args=("--target", "one")),
    Case("stage-target-number", TWO, args=("--target", "0"), reason=NUMBER, apart=("status",)),
    Case("stage-target-case", TWO, args=("--target", "ONE")),
    Case("stage-target-unknown", TWO, args=("--target", "three"), fails=True),
    Case(
        "stage-target-unnamed",
        "FROM base\nLABEL a=0\nFROM base\nLABEL a=1\n",
        args=("--target", "0"),
        reason=NUMBER,
        apart=("status",),
    ),
    Case(
        "stage-unused-fails",
        "FROM base AS bad\nRUN false\nFROM missing-image AS worse\nFROM base\nLABEL a=b\n",
    ),
    Case(
        "stage-unused-later",
        "FROM base AS one\nLABEL a=b\nFROM base AS two\nRUN false\n",
        args=("--target", "one"),
    ),
    Case("stage-empty", "FROM base AS a\nFROM a AS b\nFROM b\n"),
    Case("stage-named-like-image", "FROM base AS base\nRUN echo 1 > /one\nFROM base\nRUN cat /one > /two\n"),
    Case(
        "stage-same-name-twice",
        "FROM base AS a\nRUN echo 1 > /f\nFROM base AS a\nRUN echo 2 > /f\nFROM base\nCOPY --from=a /f /f\n",
    ),
    Case(
        "stage-later",
        "FROM base\nCOPY --from=later /x /x\nFROM base AS later\nRUN touch /x\n",
        fails=True,
        args=("--target", "0"),
    ),
    Case("stage-itself", "FROM base AS me\nCOPY --from=me /x /x\n", fails=True),
    Case("stage-number-too-high", "FROM base\nCOPY --from=7 /x /x\n", fails=True),
    Case("stage-bad-name", "FROM base AS -x\n", fails=True),
    Case("stage-scratch-name", "FROM base AS scratch\n"),
    Case("stage-context-name", "FROM base AS context\n"),
    Case("stage-without-as", "FROM base x y\n", fails=True),
    Case(
        "stage-from-scratch",
        "FROM scratch AS files\nCOPY d /d\nFROM base\nCOPY --from=files /d /e\nCOPY --from=files / /f\n",
        {"d/a": "a"},
    ),
    Case("from-missing-file", "FROM base AS a\nFROM base\nCOPY --from=a /nope /x\n", fails=True),
    Case("from-image", "FROM base\nCOPY --from=busybox /bin/sh /x\nCOPY --from=busybox /etc /y\n"),
    Case("from-image-unknown", "FROM base\nCOPY --from=missing-image /bin/sh /x\n", fails=True),
    Case(
        "from-variable",
        "ARG S=a\nFROM base AS a\nRUN touch /x\nFROM base\nARG S=a\nCOPY --from=$S /x /x\n",
        fails=True,
    ),
    Case(
        "from-links",
        "FROM base AS a\nRUN mkdir /d && echo x > /d/x && ln -s d /l && ln -s /d/x /f && ln -s ../../etc/passwd /d/up\nFROM base\nCOPY --from=a /l /l\nCOPY --from=a /f /f\nCOPY --from=a /d /d\nCOPY --from=a /l/x /x\n",
    ),
    Case(
        "from-owners",
        "FROM base AS a\nRUN mkdir /d && touch /d/a && chown 5:6 /d/a && chown 7:8 /d && chmod 4700 /d/a\nFROM base\nCOPY --from=a /d /d\nCOPY --from=a /d/a /a\nCOPY --from=a --chown=1:2 /d /e\n",
    ),
    Case(
        "from-wildcard",
        "FROM base AS a\nRUN mkdir /d && touch /d/a1 /d/a2 /d/b\nFROM base\nCOPY --from=a /d/a* /e/\n",
    ),
    Case(
        "from-special",
        "FROM base AS a\nRUN mkdir /d && mkfifo /d/p && mknod /d/n c 1 3 && chown 5:6 /d/n\nFROM base\nCOPY --from=a /d /d\n",
        old="FROM base\nRUN mkdir /d && mkfifo /d/p && mknod /d/n c 1 3 && chown 5:6 /d/n\n",
        reason="Docker 20.10 loses special files",
    ),
    Case(
        "from-hard-links",
        "FROM base AS a\nRUN mkdir /d && echo x > /d/a && ln /d/a /d/b\nFROM base\nCOPY --from=a /d /d\n",
    ),
    Case("from-root", "FROM base AS a\nRUN touch /new\nFROM scratch\nCOPY --from=a / /\n"),
    Case(
        "from-ignores-dockerignore",
        "FROM base AS a\nRUN touch /x\nFROM base\nCOPY --from=a /x /x\n",
        {".dockerignore": "x\n"},
    ),
    Case("from-relative", "FROM base AS a\nWORKDIR /w\nRUN touch f\nFROM base\nCOPY --from=a w/f /f\n"),
    Case(
        "from-relative-to-its-workdir",
        "FROM base AS a\nWORKDIR /w\nRUN touch f\nFROM base\nCOPY --from=a f /f\n",
        fails=True,
    ),
    Case(
        "from-deleted",
        "FROM base AS a\nRUN mkdir /d && touch /d/a /d/b\nRUN rm /d/a\nFROM base\nCOPY --from=a /d /d\n",
    ),
    Case(
        "from-names",
        "FROM base AS a\nRUN echo 'me:x:99:98::/:/x' >> /etc/passwd\nFROM base\nCOPY --from=a --chown=me /tmp /x\n",
        fails=True,
        reason="differences.md: names of --chown that the image's /etc/passwd and /etc/group lack",
        apart=("status",),
    ),
    Case("add-from", "FROM base AS a\nFROM base\nADD --from=a /x /x\n", fails=True),
    Case(
        "onbuild",
        "FROM trigger\nRUN cat /x > /y\n",
        {"f": "f"},
        bases={"trigger": "FROM base\nONBUILD COPY f /x\nONBUILD RUN echo more >> /x\nONBUILD ENV A=1\n"},
    ),
    Case(
        "onbuild-order",
        "FROM trigger2\nENV B=$A\nRUN echo $A $B > /c\n",
        bases={"trigger2": "FROM base\nENV A=0\nONBUILD ENV A=1\nONBUILD WORKDIR /w\nONBUILD LABEL a=$A\n"},
    ),
    Case(
        "onbuild-arg",
        "FROM trigger3\nARG V=own\nRUN echo $V > /b\n",
        bases={"trigger3": "FROM base\nONBUILD ARG V=trigger\nONBUILD RUN echo $V > /a\n"},
        args=("--build-arg", "V=given"),
        reason="the words of RUN in the history have changed",
        apart=("history",),
    ),
    Case(
        "onbuild-once",
        "FROM trigger4 AS a\nFROM a\nLABEL x=y\n",
        bases={"trigger4": "FROM base\nONBUILD RUN echo >> /times\n"},
    ),
    Case("onbuild-of-stage", "FROM base AS a\nONBUILD RUN touch /x\nFROM a\nRUN ls /x\n"),
    Case(
        "onbuild-copy-from",
        "FROM base AS files\nRUN echo > /x\nFROM trigger5\n",
        bases={"trigger5": "FROM base\nONBUILD COPY --from=files /x /y\n"},
        old="FROM base AS files\nRUN echo > /x\nFROM base\nCOPY --from=files /x /y\n",
        reason="Docker 20.10 does not see the stage that a trigger copies from",
    ),
    Case(
        "onbuild-cmd",
        'FROM trigger6\nENTRYPOINT ["/e"]\n',
        bases={"trigger6": 'FROM base\nONBUILD CMD ["triggered"]\n'},
    ),
    Case(
        "onbuild-fails", "FROM trigger7\n", bases={"trigger7": "FROM base\nONBUILD RUN false\n"}, fails=True
    ),
    Case(
        "onbuild-twice-used",
        "FROM trigger8 AS a\nFROM trigger8\nCOPY --from=a /n /m\n",
        bases={"trigger8": "FROM base\nONBUILD RUN echo x >> /n\n"},
    ),
    Case(
        "base-config",
        "FROM configured\nRUN id -u > /tmp/id; pwd >> /tmp/id; echo $A >> /tmp/id\n",
        bases={
            "configured": 'FROM base\nENV A=a\nUSER 7:8\nWORKDIR /w\nLABEL l=m\nVOLUME /v\nEXPOSE 80\nSTOPSIGNAL 9\nHEALTHCHECK CMD x\nENTRYPOINT ["/e"]\nCMD c\nMAINTAINER me\n'
        },
    ),
    Case(
        "base-config-changed",
        "FROM configured2\nENV A=b\nLABEL l=n o=p\nVOLUME /v2\nEXPOSE 81\nHEALTHCHECK NONE\nENTRYPOINT x\nWORKDIR sub\n",
        bases={
            "configured2": 'FROM base\nENV A=a\nWORKDIR /w\nLABEL l=m\nVOLUME /v\nEXPOSE 80\nHEALTHCHECK CMD x\nENTRYPOINT ["/e"]\nCMD c\n'
        },
    ),
    Case("base-with-tag", "FROM base:latest\nLABEL a=b\n"),
    Case("base-with-domain", "FROM docker.io/library/base\nLABEL a=b\n"),
    Case("base-bad-name", "FROM Base!\n", fails=True),
    Case("base-upper-case", "FROM BASE\n", fails=True),
    Case("base-platform", "FROM --platform=linux/amd64 base\nLABEL a=b\n"),
    Case("base-platform-variable", "FROM --platform=$BUILDPLATFORM base\nLABEL a=b\n"),
    Case("no-from", "RUN true\n", fails=True),
)
