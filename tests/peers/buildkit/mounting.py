"""RUN --mount: what the process sees, and what stays in the layer.

Mount points are in the base or made before: Debian's engine leaves the folders that it makes for them.
"""

from __future__ import annotations

from tests.peers.buildkit.case import Case, Link

_SECRET = ("--secret", "id=s,src=/etc/debian_version")
_STAGE = (
    "FROM base AS made\nRUN mkdir -p /o/d && echo 1 > /o/one && echo 2 > /o/d/two && ln -s d /o/l"
    " && ln -s /o/d /abs && chmod 710 /o/d && chown 5:6 /o/one\nFROM base\nRUN mkdir /m\n"
)
_SEE = "find /m | sort > /see; find /m -type f -exec stat -c '%n %a %u:%g %s' {} \\; | sort >> /see; cat $(find /m -type f | sort) >> /see"

CASES = (
    Case(
        "mount-context",
        f"FROM base\nRUN mkdir /m\nRUN --mount=target=/m,source=in {_SEE}\n",
        {"in/a": "A", "in/d/b": "B"},
    ),
    Case(
        "mount-context-ignored",
        f"FROM base\nRUN mkdir /m\nRUN --mount=target=/m {_SEE.replace('/m ', '/m/in ')}\n",
        {"in/a": "A", "in/d/b": "B", "in/d/c": "C", ".dockerignore": "**/b\n"},
    ),
    Case(
        "mount-context-modes",
        "FROM base\nRUN mkdir /m\nRUN --mount=target=/m,source=in stat -c '%n %a %u:%g' /m /m/d /m/d/b > /see\n",
        {"in/d/b": "B", "in/d": 0o750, "in": 0o700},
    ),
    Case(
        "mount-context-file",
        "FROM base\nRUN touch /f\nRUN --mount=source=in/a,target=/f cat /f > /see\n",
        {"in/a": "A"},
    ),
    Case(
        "mount-context-link",
        "FROM base\nRUN mkdir /m\nRUN --mount=source=l,target=/m cat /m/a > /see\n",
        {"in/a": "A", "l": Link("in")},
    ),
    Case(
        "mount-context-up",
        "FROM base\nRUN mkdir /m\nRUN --mount=source=../../in,target=/m cat /m/a > /see\n",
        {"in/a": "A"},
    ),
    Case("mount-context-missing", "FROM base\nRUN --mount=source=nope,target=/tmp true\n", fails=True),
    Case(
        "mount-context-wildcard",
        "FROM base\nRUN --mount=source=i*,target=/tmp true\n",
        {"in/a": ""},
        fails=True,
    ),
    Case("mount-stage", _STAGE + f"RUN --mount=from=made,source=/o,target=/m {_SEE}\n"),
    Case("mount-stage-link", _STAGE + "RUN --mount=from=made,source=abs,target=/m cat /m/two > /see\n"),
    Case(
        "mount-stage-file",
        _STAGE + "RUN touch /f\nRUN --mount=from=made,source=o/one,target=/f cat /f > /see\n",
    ),
    Case("mount-stage-missing", _STAGE + "RUN --mount=from=made,source=nope,target=/m true\n", fails=True),
    Case(
        "mount-stage-later",
        "FROM base AS a\nRUN --mount=from=b,target=/tmp true\nFROM base AS b\nFROM a\n",
        fails=True,
        reason="BuildKit refuses it since 0.9: the older one mounts an empty folder",
        apart=("status",),
    ),
    Case(
        "mount-image",
        "FROM busybox\nRUN mkdir /m\nRUN --mount=from=base,target=/m ls /m/bin/sh > /see\n",
    ),
    Case(
        "mount-ro",
        "FROM base\nRUN mkdir /m\nRUN --mount=target=/m ! touch /m/x && ! rm /m/a && echo ok > /ok\n",
        {"a": "A"},
    ),
    Case(
        "mount-rw",
        "FROM base\nRUN mkdir /m\nRUN --mount=target=/m,rw,source=in touch /m/x && rm /m/a && ls /m > /see\n"
        "RUN --mount=target=/m,source=in ls /m > /see2\n",
        {"in/a": "A", "in/b": "B"},
    ),
    Case(
        "mount-rw-stage",
        _STAGE
        + "RUN --mount=from=made,source=o,target=/m,rw rm -r /m/d && echo 9 > /m/one && ls /m > /see\n",
    ),
    Case(
        "mount-target-workdir",
        "FROM base\nWORKDIR /tmp\nRUN mkdir m\nRUN --mount=source=in,target=m cat m/a > /see\n",
        {"in/a": "A"},
    ),
    Case(
        "mount-target-default", "FROM base\nWORKDIR /tmp\nRUN --mount=source=in cat a > /see\n", {"in/a": "A"}
    ),
    Case("mount-target-root", "FROM base\nRUN --mount=target=/ true\n", fails=True),
    Case("mount-target-none", "FROM base\nRUN --mount=source=in true\n", {"in/a": "A"}, fails=True),
    Case(
        "mount-target-link",
        "FROM base\nRUN mkdir /real && ln -s /real /lnk\nRUN --mount=source=in,target=/lnk ls /real > /see\n",
        {"in/a": "A"},
    ),
    Case("mount-target-file", "FROM base\nRUN --mount=target=/etc/passwd true\n", fails=True),
    Case(
        "mount-twice",
        "FROM base\nRUN mkdir /m\nRUN --mount=source=a,target=/m --mount=source=b,target=/m ls /m > /see\n",
        {"a/a": "", "b/b": ""},
    ),
    Case(
        "mount-in-mount",
        "FROM base\nRUN mkdir /m\nRUN --mount=source=a,target=/m --mount=source=b,target=/m/d ls /m /m/d > /see\n",
        {"a/a": "", "a/d/x": "", "b/b": ""},
    ),
    Case(
        "mount-in-read-only-mount",
        "FROM base\nRUN mkdir /m\nRUN --mount=target=/m --mount=type=tmpfs,target=/m/new true\n",
        fails=True,
    ),
    Case(
        "mount-variables",
        "FROM base\nARG what=in\nENV at=/m\nRUN mkdir /m\nRUN --mount=source=$what,target=$at ls /m > /see\n",
        {"in/a": "A"},
        old="FROM base\nARG what=in\nENV at=/m\nRUN mkdir /m\nRUN --mount=source=in,target=/m ls /m > /see\n",
        reason="variables in mounts came with Dockerfile 1.5",
    ),
    Case(
        "mount-over-folder",
        "FROM base\nRUN mkdir /m && touch /m/kept\nRUN --mount=source=in,target=/m,rw rm /m/a; ls /m > /see\n",
        {"in/a": ""},
    ),
    Case(
        "mount-tmpfs",
        "FROM base\nRUN mkdir -m 711 /m\nRUN --mount=type=tmpfs,target=/m touch /m/x && ls /m > /see && stat -c '%a %u:%g' /m >> /see\n",
    ),
    Case(
        "mount-tmpfs-size",
        "FROM base\nRUN mkdir /m\nRUN --mount=type=tmpfs,target=/m,size=1m ! dd if=/dev/zero of=/m/x bs=1M count=2 2>/dev/null && echo > /ok\n",
        old="FROM base\nRUN mkdir /m\nRUN echo > /ok\n",
        reason="size came with Dockerfile 1.4",
    ),
    Case(
        "mount-cache",
        "FROM base\nRUN mkdir /m\nRUN --mount=type=cache,target=/m stat -c '%a %u:%g' /m > /see && touch /m/x\nRUN --mount=type=cache,target=/m ls /m > /see2\n",
    ),
    Case(
        "mount-cache-mode",
        "FROM base\nRUN mkdir /m\nRUN --mount=type=cache,id=mode,target=/m,mode=0710,uid=3,gid=4 stat -c '%a %u:%g' /m > /see\n",
    ),
    Case(
        "mount-cache-from",
        _STAGE
        + "RUN --mount=type=cache,id=from,target=/m,from=made,source=/o ls /m > /see && cat /m/one >> /see\n",
    ),
    Case(
        "mount-cache-ro",
        "FROM base\nRUN mkdir /m\nRUN --mount=type=cache,id=ro,target=/m,ro ! touch /m/x && echo > /ok\n",
    ),
    Case(
        "mount-secret",
        "FROM base\nRUN mkdir -p /run/secrets\nRUN --mount=type=secret,id=s cat /run/secrets/s > /see && stat -c '%a %u:%g' /run/secrets/s >> /see\n",
        args=_SECRET,
    ),
    Case(
        "mount-secret-options",
        "FROM base\nRUN --mount=type=secret,id=s,target=/etc/s,mode=0440,uid=33,gid=34 cat /etc/s > /see && stat -c '%a %u:%g' /etc/s >> /see\n",
        args=_SECRET,
    ),
    Case(
        "mount-secret-not-given",
        "FROM base\nRUN mkdir -p /run/secrets\nRUN --mount=type=secret,id=none ls /run/secrets > /see\n",
    ),
    Case("mount-secret-required", "FROM base\nRUN --mount=type=secret,id=none,required true\n", fails=True),
    Case("mount-secret-from", "FROM base\nRUN --mount=type=secret,id=s,from=base true\n", fails=True),
    Case("mount-secret-nothing", "FROM base\nRUN --mount=type=secret true\n", fails=True),
    Case(
        "mount-ssh-not-given",
        "FROM base\nRUN --mount=type=ssh echo $SSH_AUTH_SOCK > /see; test -e $SSH_AUTH_SOCK || echo none >> /see\n",
    ),
    Case("mount-ssh-required", "FROM base\nRUN --mount=type=ssh,required true\n", fails=True),
    Case("mount-bad-type", "FROM base\nRUN --mount=type=volume,target=/m true\n", fails=True),
    Case("mount-bad-key", "FROM base\nRUN --mount=targt=/m true\n", fails=True),
    Case("mount-bad-mode", "FROM base\nRUN --mount=type=cache,target=/m,mode=rwx true\n", fails=True),
    Case("mount-bind-mode", "FROM base\nRUN --mount=target=/m,mode=0755 true\n", fails=True),
    Case("mount-bad-csv", 'FROM base\nRUN --mount=target=/m\\"x true\n', fails=True),
    Case(
        "mount-quoted",
        'FROM base\nRUN mkdir /m\nRUN --mount=\\"source=a,b\\",target=/m ls /m > /see\n',
        {"a,b/c": ""},
    ),
    Case(
        "mount-onbuild",
        "FROM parent\n",
        {"in/a": "A"},
        bases={"parent": "FROM base\nRUN mkdir /m\nONBUILD RUN --mount=source=in,target=/m ls /m > /see\n"},
    ),
    Case(
        "mount-history",
        "FROM base\nARG a=b\nRUN mkdir /m\nRUN --mount=type=tmpfs,target=/m --mount=target=/tmp true\n",
    ),
    Case(
        "mount-user",
        "FROM base\nRUN mkdir /m && chown www /tmp\nUSER www\nRUN --mount=source=in,target=/m cat /m/a > /tmp/see\n",
        {"in/a": "A"},
    ),
)
