"""ADD: archives that are unpacked, and what is not one."""

from __future__ import annotations

import gzip
import tarfile

from tests.peers.buildkit.case import Case, File, Link, member, tar

PLAIN = tar(
    member("a", b"a", uid=5, gid=6, uname="someone", gname="some"),
    member("d/", mode=0o2750, uid=7, gid=8),
    member("d/b", b"b", mode=0o4755),
    member("d/link", type=tarfile.SYMTYPE, linkname="b"),
    member("d/hard", type=tarfile.LNKTYPE, linkname="d/b", mode=0o755),
    member("d/out", type=tarfile.SYMTYPE, linkname="../../../etc/passwd"),
    member("p", type=tarfile.FIFOTYPE, mode=0o622),
    member("n", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("deep/er/est", b"deep"),
)
GZ, BZ2, XZ = (tar(member("a", b"a"), member("d/b", b"b"), mode=f"w:{how}") for how in ("gz", "bz2", "xz"))
TARS = {
    "t/a": "a",
    "t/d/b": "b",
    "t.tar": PLAIN,
    "t.tgz": GZ,
    "odd-name": BZ2,
    "t.tar.xz": XZ,
    "file": "file",
}
THERE = "FROM base\nRUN mkdir -p /x/d && chmod 700 /x /x/d && chown -R 3:4 /x && echo old > /x/d/b && echo keep > /x/d/k\n"

CASES = (
    Case("add-file", "FROM base\nADD file /x\nADD file /y/\n", TARS),
    Case("add-tar", "FROM base\nADD t.tar /x\nADD t.tar /y/\n", TARS),
    Case("add-tar-compressed", "FROM base\nADD t.tgz /g\nADD odd-name /b\nADD t.tar.xz /x/\n", TARS),
    Case("add-tar-root", "FROM base\nADD t.tgz /\n", TARS),
    Case("add-tar-scratch", "FROM scratch\nADD t.tgz /\n", TARS),
    Case("add-tar-workdir", "FROM base\nWORKDIR /w\nADD t.tgz .\nADD t.tgz ./sub\n", TARS),
    Case("add-tar-over", THERE + "ADD t.tar /x\n", TARS),
    Case(
        "add-tar-chown",
        "FROM base\nADD --chown=9:10 t.tgz /x/\n",
        TARS,
        old="FROM base\nCOPY --chown=9:10 t /x/\nRUN chown 0:0 /x/d\n",
        reason="Docker 20.10 forgets --chown for archives; BuildKit gives it to what the archive names",
        apart=("history",),
    ),
    Case("add-tar-chmod", "FROM base\nADD --chmod=700 t.tgz /x\n", TARS),
    Case("add-wildcard", "FROM base\nADD t.t* file /x/\n", TARS),
    Case("add-wildcard-one", "FROM base\nADD t.tg* /x\n", TARS),
    Case("add-folder-with-tar", "FROM base\nADD d /x\n", {"d/t.tar": PLAIN, "d/f": "f"}),
    Case(
        "add-not-a-tar",
        "FROM base\nADD no.tar /x\nADD no.tar.gz /y/\n",
        {"no.tar": "no tar", "no.tar.gz": b"\x1f\x8bno"},
    ),
    Case("add-gz-of-file", "FROM base\nADD f.gz /x\n", {"f.gz": gzip.compress(b"not a tar", mtime=0)}),
    Case("add-empty-file", "FROM base\nADD empty.tar /x\n", {"empty.tar": ""}),
    Case("add-empty-tar", "FROM base\nADD empty.tar /x\n", {"empty.tar": tar()}),
    Case("add-truncated-tar", "FROM base\nADD t.tar /x\n", {"t.tar": PLAIN[:1500]}, fails=True),
    Case("add-tar-link", "FROM base\nADD l /x\n", {"t.tar": GZ, "l": Link("t.tar")}),
    Case("copy-tar", "FROM base\nCOPY t.tar /x\n", TARS),
    Case("add-tar-file-there", "FROM base\nADD t.tgz /etc/passwd\n", TARS, fails=True),
    Case("add-tar-through-link", "FROM base\nRUN mkdir /r && ln -s r /l\nADD t.tgz /l\n", TARS),
    Case(
        "add-tar-link-in-way",
        "FROM base\nRUN mkdir -p /x/r && ln -s /r /x/d\nADD t.tgz /x\n",
        TARS,
    ),
    Case("add-tar-folder-over-link", "FROM base\nRUN mkdir -p /x /r && ln -s /r /x/d\nADD t.tar /x\n", TARS),
    Case(
        "add-tar-file-over-folder", "FROM base\nRUN mkdir -p /x/a/b && touch /x/a/b/c\nADD t.tgz /x\n", TARS
    ),
    Case("add-tar-folder-over-file", "FROM base\nRUN mkdir /x && touch /x/d\nADD t.tar /x\n", TARS),
    Case(
        "add-tar-same-twice",
        "FROM base\nADD t.tar /x\n",
        {"t.tar": tar(member("a", b"1"), member("a", b"22", mode=0o600))},
    ),
    Case(
        "add-tar-dots",
        "FROM base\nADD t.tar /x\n",
        {"t.tar": tar(member("./"), member("./a", b"a"), member("./d/"), member("./d/./b", b"b"))},
    ),
    Case(
        "add-tar-root-mode",
        "FROM base\nADD t.tar /x\n",
        {"t.tar": tar(member("./", mode=0o700, uid=3, gid=4), member("./a", b"a"))},
    ),
    Case("add-tar-absolute", "FROM base\nADD t.tar /x\n", {"t.tar": tar(member("/abs/a", b"a"))}),
    Case(
        "add-tar-escapes",
        "FROM base\nADD t.tar /x\n",
        {"t.tar": tar(member("../a", b"a"))},
        fails=True,
        reason="BuildKit refuses it as we do",
        apart=("status",),
    ),
    Case(
        "add-tar-own-link",
        "FROM base\nADD t.tar /x\n",
        {"t.tar": tar(member("d/"), member("l", type=tarfile.SYMTYPE, linkname="d"), member("l/a", b"a"))},
    ),
    Case(
        "add-tar-whiteouts",
        "FROM base\nADD t.tar /etc\n",
        {"t.tar": tar(member("x", b"x"), member(".wh.passwd"))},
        fails=True,
        reason="differences.md: a COPY or ADD of files named `.wh.*`",
        apart=("status",),
    ),
    Case("add-tar-unicode", "FROM base\nADD t.tar /x\n", {"t.tar": tar(member("ü/☃ " + "n" * 120, b"a"))}),
    Case(
        "add-tar-capability",
        "FROM base\nADD t.tar /x\n",
        {
            "t.tar": tar(
                member(
                    "f",
                    b"a",
                    pax_headers={
                        "SCHILY.xattr.security.capability": bytes.fromhex(
                            "0100000200040000000000000000000000000000"
                        ).decode("latin-1")
                    },
                )
            )
        },
    ),
    Case("add-many", "FROM base\nADD file t.tgz /x/\n", TARS),
    Case("add-many-no-slash", "FROM base\nADD file t.tgz /x\n", TARS, fails=True),
    Case("add-modes", "FROM base\nADD m /m\n", {"m/s": File("s", 0o4755), "m/d": 0o711}),
    Case("add-missing", "FROM base\nADD nothing.tar /x\n", fails=True),
)
