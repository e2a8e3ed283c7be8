"""What builds are refused for: tables for test_build_errors.py."""

from __future__ import annotations

CHECKSUM = "sha256:" + "0" * 64
# name: (Dockerfile, with a line `^` below the place that the message must point at, what the message says)
DOCKERFILES = {
    # --- the file as a whole
    "nothing but comments": ("# only\n^", "file with no instructions"),
    "only ARG": ("ARG foo=bar\n^", "dockerfile contains no stages to build"),
    "an instruction before FROM": ("ENV a=b\n^\nFROM busybox", "no build stage in current context"),
    "an unknown instruction": ('FROM busybox\nFNTRYPOINT ["sh"]\n^', "unknown instruction: FNTRYPOINT"),
    "an unknown front end": ("#syntax=foobar\n        ^\nFROM busybox", "front end foobar cannot be loaded"),
    "two syntax directives": ("#syntax=a\n# syntax=b\n^\nFROM a", "only one syntax parser directive"),
    "a bad escape": ("# escape=x\n         ^\nFROM busybox", "invalid escape token"),
    "bad check options": ("# check=foo=bar\n        ^\nFROM busybox", 'invalid check option "foo"'),
    "a heredoc without an end": ("FROM busybox\nCOPY <<EOF /x\n     ^\nabc", "unterminated heredoc"),
    "JSON with numbers": ("FROM busybox\nCMD [1]\n    ^", "arrays must be comprised of strings only"),
    # --- FROM
    "FROM with two words": ("FROM busybox AS\n^", "FROM requires either one or three arguments"),
    "a bad stage name": ("FROM busybox AS 1x\n                ^", "invalid name for build stage"),
    "a base without a name": ("ARG X\nFROM $X\n     ^", r"base name \(\$X\) should not be blank"),
    "a base that is no name": ("FROM Foo:bar\n     ^", "invalid reference format"),
    "a base that is not there": ("FROM nosuch:1\n     ^", "image not found in the store: nosuch:1"),
    "a bad platform": ("FROM --platform=a/b/c/d busybox\n     ^", "failed to parse platform a/b/c/d"),
    "an empty platform": ("FROM --platform=$X busybox\n     ^", "empty platform value from expression"),
    "a stage from itself": ("FROM ab AS ab\n     ^", "image not found in the store: ab"),
    # --- flags
    "an unknown flag": ("FROM busybox\nCOPY --foo=bar a b\n     ^", "unknown flag: --foo"),
    "a flag of another instruction": ("FROM busybox\nADD --parents a b\n    ^", "unknown flag: --parents"),
    "a flag twice": (
        "FROM busybox\nCOPY --chown=1 --chown=2 a b\n     ^",
        "duplicate flag specified: --chown",
    ),
    "a flag without a value": ("FROM busybox\nCOPY --from a b\n     ^", "missing a value on flag: --from"),
    "a flag that is no boolean": ("FROM busybox\nCOPY --link=1 a b\n     ^", "expecting boolean value"),
    # --- arguments of instructions
    "ENV without anything": ("FROM busybox\nENV\n^", "ENV requires at least one argument"),
    "ENV with a name alone": ("FROM busybox\nENV a\n    ^", "ENV must have two arguments"),
    "ENV without =": ("FROM busybox\nENV a=b c\n        ^", 'can\'t find = in "c"'),
    "LABEL without a name": ("FROM busybox\nLABEL =x\n      ^", "LABEL names can not be blank"),
    "ARG without a name": ("FROM busybox\nARG =x\n    ^", "ARG names can not be blank"),
    "WORKDIR without a path": ("FROM busybox\nWORKDIR\n^", "WORKDIR requires exactly one argument"),
    "SHELL as a text": (
        "FROM busybox\nSHELL bash\n      ^",
        "SHELL requires the arguments to be in JSON form",
    ),
    "STOPSIGNAL that is none": ("FROM busybox\nSTOPSIGNAL SIGFOO\n^", "invalid signal: SIGFOO"),
    "EXPOSE of a word": ("FROM busybox\nEXPOSE abc\n^", "invalid containerPort: abc"),
    "EXPOSE of a range the wrong way": ("FROM busybox\nEXPOSE 90-80\n^", "invalid containerPort: 90-80"),
    "EXPOSE of a protocol": ("FROM busybox\nEXPOSE 80/foo\n^", "invalid proto: foo"),
    "VOLUME of nothing": ("FROM busybox\nVOLUME $x\n^", "VOLUME specified can not be an empty string"),
    "HEALTHCHECK of a kind": ("FROM busybox\nHEALTHCHECK curl\n            ^", "Unknown type"),
    "HEALTHCHECK without a unit": (
        "FROM busybox\nHEALTHCHECK --interval=1 CMD x\n            ^",
        "missing unit in duration",
    ),
    "HEALTHCHECK too often": (
        "FROM busybox\nHEALTHCHECK --start-interval=1us CMD x\n            ^",
        "cannot be less than 1ms",
    ),
    "HEALTHCHECK with few retries": (
        "FROM busybox\nHEALTHCHECK --retries=-1 CMD x\n            ^",
        "--retries cannot be negative",
    ),
    "ONBUILD ONBUILD": ("FROM busybox\nONBUILD ONBUILD RUN x\n        ^", "Chaining ONBUILD via"),
    "ONBUILD FROM": ("FROM busybox\nONBUILD FROM x\n        ^", "FROM isn't allowed as an ONBUILD trigger"),
    # --- variables
    "a required global ARG": ('ARG FOO=${FOO:?"custom error"}\n        ^\nFROM busybox', "FOO: custom error"),
    "a required ARG": ('FROM busybox\nARG FOO\nARG BAR=${FOO:?"is missing"}\n        ^', "FOO: is missing"),
    "a bad substitution": ("FROM busybox\nENV B=1 A=${x!y}\n          ^", r"unsupported modifier \(!\)"),
    "an open substitution": ('FROM busybox\nLABEL a="${"\n        ^', "missing '}'"),
    # --- COPY and ADD
    "COPY of one word": ("FROM busybox\nCOPY a\n^", "COPY requires at least two arguments"),
    "COPY from a variable": (
        "FROM busybox\nCOPY --from=$FOO . .\n     ^",
        "variable expansion is not supported for --from",
    ),
    "COPY from a later stage": (
        "FROM busybox AS target\nCOPY --from=build / /out\n     ^\nFROM busybox AS build\nFROM target",
        'cannot copy from stage "build", it needs to be defined before current stage "target"',
    ),
    "COPY from its own stage": (
        "FROM busybox AS x\nCOPY --from=x a b\n     ^",
        "circular dependency detected",
    ),
    "COPY from a stage by a number too high": (
        "FROM busybox\nCOPY --from=7 a b\n     ^",
        "invalid stage index 7",
    ),
    "COPY of a URL": ("FROM busybox\nCOPY http://x.y/z /\n     ^", "source can't be a URL for COPY"),
    "COPY of a repository": (
        "FROM busybox\nCOPY git@x.y:a/b.git /\n     ^",
        "source can't be a git ref for COPY",
    ),
    "COPY of what is not there": ("FROM busybox\nCOPY nothere /x\n     ^", '"/nothere": not found'),
    "COPY of what is ignored": ("FROM busybox\nCOPY ignored /x\n     ^", "excluded .* by .dockerignore"),
    "COPY of several to a file": ("FROM busybox\nCOPY a b /x\n^", "the destination must be a directory"),
    "COPY of a folder onto a file": ("FROM busybox\nCOPY d /bin/busybox\n^", "not a directory: /bin/busybox"),
    "COPY to a heredoc": (
        "FROM busybox\nCOPY a <<E\n       ^\nE",
        "cannot accept a heredoc as a destination",
    ),
    "--chmod that is no mode": (
        "FROM busybox\nCOPY --chmod=64a a /\n     ^",
        "invalid chmod parameter: '64a'",
    ),
    "--chmod that is too large": (
        "FROM busybox\nADD --chmod=10000 a /\n    ^",
        "invalid chmod parameter: '10000'",
    ),
    "--chown of nobody": ("FROM busybox\nCOPY --chown=nobodyhere a /\n^", "unknown user 'nobodyhere'"),
    "--chown that is too large": (
        "FROM busybox\nCOPY --chown=99999999999 a /\n^",
        "ID 99999999999 is too large",
    ),
    "--exclude that is no pattern": (
        "FROM busybox\nCOPY --exclude=! d /x\n     ^",
        "illegal exclusion pattern",
    ),
    "--checksum of a file": (
        f"FROM busybox\nADD --checksum={CHECKSUM} a /\n    ^",
        "checksum requires HTTP.* or Git sources",
    ),
    "--checksum of two": (
        f"FROM busybox\nADD --checksum={CHECKSUM} http://a/b http://c/d /\n    ^",
        "checksum can't be specified for multiple sources",
    ),
    "--checksum that is no digest": (
        "FROM busybox\nADD --checksum=md5:12 http://127.0.0.1:9/x /\n                      ^",
        "invalid digest",
    ),
    # --- RUN
    "--mount with an unknown option": (
        "FROM busybox\nRUN --mount=typ=tmpfs true\n            ^",
        "unexpected key 'typ'",
    ),
    "--mount of an unknown type": (
        "FROM busybox\nRUN --mount=type=tmp,target=/x true\n            ^",
        'unsupported mount type "tmp"',
    ),
    "--mount from a variable": (
        "FROM busybox\nENV t=x\nRUN --mount=from=$t,target=/tmp ls\n    ^",
        "'from' doesn't support variable expansion",
    ),
    "--mount onto the root": (
        "FROM busybox\nRUN --mount=type=cache,target=/ true\n    ^",
        'invalid mount target "/"',
    ),
    "--mount without =": (
        "FROM busybox\nRUN --mount=target=/x,blah true\n                      ^",
        "invalid field 'blah'",
    ),
    "--mount that is no boolean": (
        "FROM busybox\nRUN --mount=target=/x,ro=ja true\n                      ^",
        "invalid value for ro: ja",
    ),
    "--mount with the option of another type": (
        "FROM busybox\nRUN --mount=target=/x,required true\n                      ^",
        "unexpected key 'required' for mount type 'bind'",
    ),
    "--mount with a mode it has not": (
        "FROM busybox\nRUN --mount=target=/x,mode=0700 true\n                      ^",
        'mode not allowed for "bind" type mounts',
    ),
    "--mount with unknown sharing": (
        "FROM busybox\nRUN --mount=type=cache,target=/x,sharing=all true\n                                 ^",
        'unsupported sharing value "all"',
    ),
    "--mount of a secret that is not there": (
        "FROM busybox\nRUN --mount=type=secret,id=k,required true\n                        ^",
        "secret k: not found",
    ),
    "--mount of a secret without a name": (
        "FROM busybox\nRUN --mount=type=secret true\n    ^",
        "one of source, target required",
    ),
    "--mount of an agent that is not there": (
        "FROM busybox\nRUN --mount=type=ssh,required true\n    ^",
        'no SSH key "default" forwarded',
    ),
    "--mount of what is not there": (
        "FROM busybox\nRUN --mount=source=nothere,target=/x true\n            ^",
        '"/nothere": not found',
    ),
    "--network that is none": ("FROM busybox\nRUN --network=lan true\n    ^", 'invalid network mode "lan"'),
    "--security that is none": ("FROM busybox\nRUN --security=x true\n    ^", 'security "x" is not valid'),
    "--security that is not allowed": (
        "FROM busybox\nRUN --security=insecure true\n    ^",
        "security.insecure is not allowed",
    ),
    "--device": ("FROM busybox\nRUN --device=vendor.com/class=x true\n    ^", "RUN --device is not"),
    "a RUN without a command": ("FROM busybox\nRUN []\n^", "no command specified"),
    "a user that is not there": (
        "FROM busybox\nUSER nobodyhere\nRUN true\n^",
        "unable to find user nobodyhere",
    ),
}
# name: (flags, what the message says, the status)
FLAGS = {
    "quiet and progress": (["-q", "--progress=tty"], "progress=tty and quiet cannot be used together", 1),
    "progress": (["--progress=foo"], "invalid progress mode 'foo'", 1),
    "check and call": (
        ["--check", "--call=outline"],
        "--check and --call=outline cannot be used together",
        1,
    ),
    "call": (["--call=foo"], "invalid --call method 'foo'", 1),
    "format without check": (["--format=json"], "--format needs --check or --call", 1),
    "several platforms into a docker archive": (
        ["--platform=linux/amd64,linux/arm64", "-o", "type=docker,dest=x.tar"],
        "docker exporter does not currently support exporting manifest lists",
        1,
    ),
    "an index of one into a docker archive": (
        ["--build-arg=BUILDKIT_MULTI_PLATFORM=1", "-o", "type=docker,dest=x.tar"],
        "docker exporter does not currently support exporting manifest lists",
        1,
    ),
    "several platforms and no index": (
        ["--platform=linux/amd64,linux/arm64", "--build-arg=BUILDKIT_MULTI_PLATFORM=0"],
        "conflicting config: returning multiple target platforms is not allowed",
        1,
    ),
    "platform": (["--platform=a/b/c/d"], "invalid platform 'a/b/c/d'", 1),
    "output of no type": (["-o", "dest=x"], "type is required for output", 1),
    "output of an unknown type": (["-o", "type=foo"], "output type 'foo' is not supported", 1),
    "output into a registry": (["-o", "type=registry"], "tag is needed when pushing to registry", 1),
    "output with an unknown option": (["-o", "type=oci,dest=x.tar,foo=1"], "unknown option 'foo'", 1),
    "output of files into nothing": (["-o", "type=local"], "needs a folder", 1),
    "two outputs on STDOUT": (
        ["-o", "-", "-o", "type=oci,dest=-"],
        "only one output can go to standard output",
        1,
    ),
    "attestation of no type": (["--attest=mode=max"], "attestation type not specified", 1),
    "attestation of an unknown type": (["--attest=type=foo"], "unknown attestation type 'foo'", 1),
    "attestation twice": (["--attest=type=sbom", "--sbom"], "duplicate attestation field sbom", 1),
    "provenance": (["--provenance=mode=foo"], "invalid provenance mode 'foo'", 1),
    "annotation": (["--annotation=foo"], 'invalid annotation "foo", expected key=value', 1),
    "annotation of an index that is none": (["--annotation=index:a=b"], "index annotations not supported", 1),
    "label": (["--label==x"], "invalid label '=x'", 1),
    "build-arg": (["--build-arg==x"], "invalid build-arg '=x'", 1),
    "build-context": (["--build-context=foo"], "invalid context value: foo, expected key=value", 1),
    "build-context that is not there": (
        ["--build-context=foo=nothere"],
        "failed to get build context foo: nothere",
        1,
    ),
    "build-context with a bad name": (["--build-context=FOO!=."], "invalid context name FOO!", 1),
    "secret that is not there": (["--secret=id=x,src=nothere"], "failed to stat nothere: no such file", 1),
    "secret with an unknown key": (["--secret=id=x,foo=y"], "unexpected key 'foo'", 1),
    "secret of an unknown type": (["--secret=type=x,id=y"], "unsupported secret type 'x'", 1),
    "ssh without an agent": (["--ssh=default"], "make sure SSH_AUTH_SOCK is set", 1),
    "ssh that is not there": (["--ssh=default=/nothere"], "failed to stat /nothere", 1),
    "ssh twice": (["--ssh=a=/etc/passwd", "--ssh=a=/etc/passwd"], "invalid duplicate ID a", 1),
    "allow": (["--allow=foo"], "unknown entitlement 'foo'", 1),
    "network": (["--network=foo"], "network mode 'foo' is not supported", 1),
    "add-host": (["--add-host=foo"], "invalid host 'foo'", 1),
    "add-host without an address": (["--add-host=foo:1.2.3"], "invalid IP address in add-host", 1),
    "shm-size": (["--shm-size=x"], "invalid size for --shm-size", 1),
    "ulimit": (["--ulimit=foo=1"], "invalid ulimit type: foo", 1),
    "ulimit with a soft one above": (["--ulimit=nofile=10:5"], "soft limit must be less than or equal", 1),
    "target": (["--target=x"], 'target stage "x" could not be found', 1),
    "tag": (["-t", "Foo"], "invalid reference format", 1),
    "a time that is none": (["--build-arg=SOURCE_DATE_EPOCH=abc"], "invalid SOURCE_DATE_EPOCH: abc", 1),
    "a host name that is none": (
        ["--build-arg=BUILDKIT_SANDBOX_HOSTNAME=a b"],
        "invalid BUILDKIT_SANDBOX_HOSTNAME 'a b'",
        1,
    ),
    "multi-platform": (
        ["--build-arg=BUILDKIT_MULTI_PLATFORM=x"],
        "invalid boolean value for BUILDKIT_MULTI",
        1,
    ),
    "keep-git-dir": (
        ["--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=x"],
        "invalid boolean value for BUILDKIT_CON",
        1,
    ),
    "front end": (
        ["--build-arg=BUILDKIT_SYNTAX=x/y"],
        "front end x/y cannot be loaded .BUILDKIT_SYNTAX",
        1,
    ),
    "check options": (["--build-arg=BUILDKIT_DOCKERFILE_CHECK=foo"], 'invalid check option "foo"', 1),
    "Dockerfile": (["-f", "nothere"], "failed to read dockerfile: nothere", 1),
}
# Flags of `docker buildx build` that Lamina knows and does not have.
REFUSED = (
    "--builder=x --cgroup-parent=x --cpu-period=1 --cpu-quota=1 --cpu-shares=1 "
    "-c=1 --cpuset-cpus=0 --cpuset-mems=0 --debug -D --isolation=x --memory=1g -m=1g --memory-swap=1g "
    "--policy=x --print=outline --security-opt=x"
)
# Every other flag of `docker buildx build --help`, and its hidden ones.
TAKEN = (
    "add-host allow annotation attest build-arg build-context cache-from cache-to call check compress file "
    "force-rm iidfile label load metadata-file network no-cache no-cache-filter output platform progress "
    "provenance pull push quiet rm sbom secret shm-size squash ssh tag target ulimit"
)
