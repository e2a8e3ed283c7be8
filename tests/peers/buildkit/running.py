"""RUN: as whom, where, with what around it; and what it leaves behind."""

from __future__ import annotations

from tests.peers.buildkit.case import Case

CASES = (
    Case("run-shell", "FROM base\nRUN echo   'a  b' > /a && echo $0 $- >> /a\n"),
    Case("run-exec", 'FROM base\nRUN ["sh", "-c", "echo \\"$0 $1\\" > /a", "x", "$HOME"]\n'),
    Case("run-exec-not-found", 'FROM base\nRUN ["nothing-there"]\n', fails=True),
    Case(
        "run-exec-path",
        'FROM base\nENV PATH=/own\nCOPY --chmod=755 p /own/p\nRUN ["p"]\n',
        {"p": "#!/bin/sh\necho >/ran\n"},
    ),
    Case(
        "run-exec-relative",
        'FROM base\nWORKDIR /w\nCOPY --chmod=755 p .\nRUN ["./p"]\n',
        {"p": "#!/bin/sh\npwd >/ran\n"},
    ),
    Case("run-fails", "FROM base\nRUN exit 3\n", fails=True),
    Case("run-almost-json", "FROM base\nRUN [ 'x' = x ] && touch /a\n"),
    Case("run-empty", "FROM base\nRUN\n"),
    Case("run-empty-json", "FROM base\nRUN []\n", fails=True),
    Case("run-nothing", "FROM base\nRUN true\nRUN :\n"),
    Case(
        "run-environment",
        "FROM base\nENV A='x y' B=\nARG C=c\nWORKDIR /w\nRUN env | sort > /env; pwd > /pwd; id -u > /id; id -G >> /id\n",
    ),
    Case("run-environment-exec", 'FROM base\nENV A=1\nRUN ["env"]\nRUN ["sh", "-c", "env | sort > /env"]\n'),
    Case(
        "run-root-facts",
        "FROM base\nRUN umask > /u; ulimit -c > /dev/null; grep Cap[PEB] /proc/self/status > /c; tty > /t; true\n",
    ),
    Case(
        "run-seccomp-facts",
        "FROM base\nRUN grep -E 'Seccomp:|NoNewPrivs' /proc/self/status > /s; cat /proc/sys/kernel/cap_last_cap > /dev/null\n",
    ),
    Case("run-stdin", "FROM base\nRUN cat > /a\n"),
    Case("run-processes", "FROM base\nRUN echo $$ > /a; ls /proc/self/fd | wc -l > /b\n"),
    Case(
        "run-dev",
        "FROM base\nRUN ls /dev | sort > /a; ls -l /dev/fd /dev/stdin /dev/ptmx | sed 's/.* \\//\\//' > /b\n",
    ),
    Case(
        "run-user-number",
        "FROM base\nUSER 1234\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id; echo $HOME > /tmp/home\n",
    ),
    Case(
        "run-user-numbers",
        "FROM base\nUSER 1234:4321\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id; echo $HOME > /tmp/home\n",
    ),
    Case(
        "run-user-name",
        "FROM base\nUSER www\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id; echo $HOME $USER > /tmp/home\n",
    ),
    Case(
        "run-user-number-known",
        "FROM base\nUSER 33\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id; echo $HOME > /tmp/home\n",
    ),
    Case(
        "run-user-group-name",
        "FROM base\nUSER www:nogroup\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id\n",
    ),
    Case(
        "run-user-group-only-number", "FROM base\nUSER 0:33\nRUN id -u > /id; id -g >> /id; echo $HOME > /h\n"
    ),
    Case("run-user-unknown", "FROM base\nUSER whoever\nRUN true\n", fails=True),
    Case("run-group-unknown", "FROM base\nUSER www:whoever\nRUN true\n", fails=True),
    Case(
        "run-user-groups",
        "FROM base\nRUN echo 'extra:x:77:root,www' >> /etc/group\nUSER www\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id\nUSER root\nRUN id -u > /tmp/rid; id -G | tr ' ' '\\n' | sort -u >> /tmp/rid\n",
    ),
    Case(
        "run-user-groups-given",
        "FROM base\nRUN echo 'extra:x:77:www' >> /etc/group\nUSER www:www\nRUN id -u > /tmp/id; id -G | tr ' ' '\\n' | sort -u >> /tmp/id\n",
    ),
    Case("run-user-denied", "FROM base\nUSER www\nRUN touch /a\n", fails=True),
    Case("run-home-kept", "FROM base\nENV HOME=/my\nUSER www\nRUN echo $HOME > /tmp/h\n"),
    Case(
        "run-user-writes",
        "FROM base\nRUN mkdir /d && chown www:www /d\nUSER www\nRUN echo x > /d/x && mkdir -m 700 /d/y\n",
    ),
    Case("run-workdir-made", "FROM base\nUSER www\nWORKDIR /made\nRUN touch here\n"),
    Case(
        "run-deletes",
        "FROM base\nCOPY . /x/\nRUN rm /x/a && rm -r /x/d && rm -r /tmp\n",
        {"a": "a", "b": "b", "d/e/f": "f"},
    ),
    Case(
        "run-replaces-folder",
        "FROM base\nCOPY . /x/\nRUN rm -r /x/d && mkdir /x/d && touch /x/d/new\n",
        {"d/a": "a", "d/e/f": "f"},
    ),
    Case(
        "run-folder-to-file",
        "FROM base\nCOPY . /x/\nRUN rm -r /x/d && touch /x/d\nRUN rm /x/d && mkdir /x/d\n",
        {"d/a": "a"},
    ),
    Case(
        "run-file-to-link",
        "FROM base\nCOPY . /x/\nRUN rm /x/a && ln -s b /x/a && rm -r /x/d && ln -s /etc /x/d\n",
        {"a": "a", "d/a": "a"},
    ),
    Case(
        "run-deletes-and-copies-again",
        "FROM base\nCOPY . /x/\nRUN rm -r /x\nCOPY d /x\n",
        {"a": "a", "d/a": "a", "d/e": "e"},
    ),
    Case(
        "run-moves",
        "FROM base\nCOPY . /x/\nRUN mv /x/d /y && mv /x/a /x/A\n",
        {"a": "a", "d/a": "a", "d/e/f": "f"},
    ),
    Case(
        "run-chmod",
        "FROM base\nCOPY . /x/\nRUN chmod 4711 /x/a && chmod 2770 /x/d && chmod 1777 /x\n",
        {"a": "a", "d/a": "a"},
    ),
    Case(
        "run-chown",
        "FROM base\nCOPY . /x/\nRUN chown 5:6 /x/a && chown -R 7:8 /x/d && ln -s t /x/l && chown -h 9:9 /x/l\n",
        {"a": "a", "d/a": "a"},
    ),
    Case(
        "run-chmod-root",
        "FROM base\nRUN chmod 700 / && chown 1:1 /\nRUN touch /x\n",
        reason="differences.md: mode and owner of the root folder",
        apart=(".",),
    ),
    Case("run-touch-only", "FROM base\nCOPY a /a\nRUN touch -d '2001-01-01 00:00:00' /a\n", {"a": "a"}),
    Case(
        "run-hard-links",
        "FROM base\nCOPY a /a\nRUN ln /a /b && ln /a /c && echo x > /n && ln /n /m\nRUN echo more >> /b\n",
        {"a": "a"},
    ),
    Case(
        "run-special-files",
        "FROM base\nRUN mkfifo -m 622 /f && mknod -m 660 /n c 1 3 && mknod /b b 7 9 && chown 3:4 /n\n",
    ),
    Case("run-setuid", "FROM base\nRUN cp /bin/busybox /s && chown 33:33 /s && chmod 6755 /s\n"),
    Case(
        "run-odd-names",
        "FROM base\nRUN mkdir '/a b' && touch \"/a b/$(printf 'x\\ny')\" '/a b/.wh' '/a b/ü' && ln -s ' ' '/a b/l'\n",
    ),
    Case("run-sticky-folder-in-tmp", "FROM base\nRUN mkdir -p /tmp/x/y && rm -r /tmp/x && echo > /tmp/z\n"),
    Case("run-sparse", "FROM base\nRUN dd if=/dev/zero of=/s bs=1 count=1 seek=1M 2>/dev/null\n"),
    Case(
        "run-resolv-conf", "FROM base\nRUN test -s /etc/resolv.conf && test -s /etc/hosts && echo ok > /ok\n"
    ),
    Case(
        "run-network-none",
        "FROM base\nRUN --network=none ls /sys/class/net | grep -v lo; true\n",
        old="FROM base\nRUN true\n",
        reason="in the stable language since Dockerfile 1.3",
    ),
    Case("run-mount-unknown-flag", "FROM base\nRUN --whatever=x true\n", fails=True),
    Case("run-background", "FROM base\nRUN (sleep 100 &) ; echo x > /x\n"),
    Case(
        "run-lines",
        "FROM base\nRUN echo one > /a \\\n  && echo two >> /a \\\n\n  # comment\n  && echo three >> /a\n",
    ),
    Case("run-hash-in-line", "FROM base\nRUN echo a#b '#c' > /a # a comment of the shell\n"),
    Case(
        "run-variables-of-shell",
        "FROM base\nARG A=arg\nRUN A=own; echo $A ${A%n} $(echo sub) `echo tick` $((1+2)) > /a\n",
    ),
    Case("run-quotes", 'FROM base\nRUN echo "a\'b" \'c"d\' \\"e\\" \\$HOME > /a\n'),
)
