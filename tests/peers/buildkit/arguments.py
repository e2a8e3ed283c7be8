"""ARG and ENV: scopes, defaults, precedence; `${}`, quotes and escapes wherever they are read."""

from __future__ import annotations

from tests.peers.buildkit.case import Case

CASES = (
    Case("arg-default", "FROM base\nARG A=1\nRUN echo $A > /a\n"),
    Case("arg-given", "FROM base\nARG A=1\nRUN echo $A > /a\n", args=("--build-arg", "A=two words")),
    Case("arg-given-empty", "FROM base\nARG A=1\nRUN echo [$A] > /a\n", args=("--build-arg", "A=")),
    Case("arg-without-value", "FROM base\nARG A\nRUN echo [${A-unset}] > /a; env | grep -c ^A= > /n; true\n"),
    Case("arg-not-declared", "FROM base\nRUN echo [$A] > /a\n", args=("--build-arg", "A=1")),
    Case("arg-before-use", "FROM base\nRUN echo [$A] > /a\nARG A=late\nRUN echo [$A] > /b\n"),
    Case("arg-several", "FROM base\nARG A=1 B=2 C\nRUN echo $A $B $C > /a\n", args=("--build-arg", "C=3")),
    Case("arg-uses-arg", "FROM base\nARG A=1\nARG B=$A-x\nARG C=${B}y\nLABEL c=$C\n"),
    Case(
        "arg-twice",
        "FROM base\nARG A=1\nLABEL a=$A\nARG A=2\nLABEL b=$A\nRUN echo $A > /a\n",
        reason="the words of RUN in the history have changed",
        apart=("history",),
    ),
    Case(
        "arg-global",
        "ARG V=base\nARG W=global\nFROM $V\nARG W\nARG V=own\nRUN echo $W $V > /a\n",
    ),
    Case("arg-global-unseen", "ARG W=global\nFROM base\nRUN echo [$W] > /a\nENV X=[$W]\n"),
    Case(
        "arg-global-given",
        "ARG V=nothing\nARG W=global\nFROM ${V}\nARG W=own\nLABEL w=$W\n",
        args=("--build-arg", "V=base", "--build-arg", "W=given"),
    ),
    Case("arg-global-own-default", "ARG W=global\nFROM base\nARG W=own\nLABEL w=$W\n"),
    Case("arg-global-uses-global", "ARG A=ba\nARG B=${A}se\nFROM ${B}\nLABEL b=yes\n"),
    Case("arg-from-default", "FROM ${V:-base}\nLABEL a=b\n"),
    Case("arg-from-blank", "ARG V\nFROM $V\n", fails=True),
    Case(
        "arg-per-stage",
        "FROM base AS one\nARG A=1\nRUN echo $A > /one\nFROM base\nRUN echo [$A] > /two\n"
        "COPY --from=one /one /one\n",
    ),
    Case(
        "arg-inherited",
        "FROM base AS one\nARG A=1\nENV E=2\nFROM one\nRUN echo [$A] [$E] > /a\nLABEL a=[$A] e=$E\n",
        reason="the words of RUN in the history have changed",
        apart=("history",),
    ),
    Case(
        "env-beats-arg",
        "FROM base\nARG A=arg\nENV A=env\nRUN echo $A > /a\nLABEL a=$A\n",
        args=("--build-arg", "A=given"),
    ),
    Case("arg-after-env", "FROM base\nENV A=env\nARG A=arg\nRUN echo $A > /a\nLABEL a=$A\nENV B=$A\n"),
    Case(
        "arg-after-env-given",
        "FROM base\nENV A=env\nARG A\nRUN echo $A > /a\nENV B=$A\n",
        args=("--build-arg", "A=given"),
    ),
    Case("env-of-arg", "FROM base\nARG A\nENV A=${A:-v1}\nRUN echo $A > /a\n", args=("--build-arg", "A=v2")),
    Case("env-of-arg-default", "FROM base\nARG A\nENV A=${A:-v1}\nRUN echo $A > /a\n"),
    Case(
        "arg-platform",
        "FROM base\nARG TARGETPLATFORM\nARG TARGETOS\nARG TARGETARCH\nARG TARGETVARIANT\nARG BUILDPLATFORM\n"
        "ARG BUILDARCH\nRUN echo $TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT] $BUILDPLATFORM > /a\n",
    ),
    Case("arg-platform-undeclared", "FROM base\nRUN echo [$TARGETPLATFORM] > /a\n"),
    Case(
        "arg-proxy",
        "FROM base\nRUN echo $HTTP_PROXY $no_proxy > /a\n",
        args=("--build-arg", "HTTP_PROXY=http://p:1", "--build-arg", "no_proxy=x"),
    ),
    Case(
        "arg-quotes",
        'FROM base\nARG A="a b"\nARG B=\'c $A\'\nARG C=d\\ e\nRUN echo "$A|$B|$C" > /a\nLABEL a=$A b=$B c=$C\n',
    ),
    Case("arg-bad-name", "FROM base\nARG =x\n", fails=True),
    Case("env-same-instruction", "FROM base\nENV a=hello\nENV a=bye b=$a\nENV c=$a\n"),
    Case("env-old-form", 'FROM base\nENV A b c   d\nENV B "q r"\nENV C a=b c\nENV D \\$A $A\n'),
    Case("env-empty", "FROM base\nENV A=\nENV B= C=c\nENV D=''\nRUN env | grep ^[A-D]= | sort > /a\n"),
    Case("env-old-form-without-value", "FROM base\nENV A\n", fails=True),
    Case(
        "env-quotes",
        "FROM base\nENV X=x\n"
        'ENV A="a b" B=a\\ b C=\'$X\' D="$X" E="a\\"b" F=\\$X G=\'it\'"\'"\'s\' H="a\\\\b" I=a\\\\b J=\\\'\n'
        'ENV K="a\\nb" L=a\\nb M=\'a\\nb\' N="\\$X" O="\\a" P=a"b"c\'d\' Q="\'" R=\'"\'\n'
        "RUN env | sort | grep -v SHLVL > /a\n",
    ),
    Case("env-open-quote", 'FROM base\nENV A="open\n', fails=True),
    Case("env-over-base", "FROM base\nENV PATH=/x:$PATH\nENV HOME=/tmp\nRUN echo $PATH $HOME > /tmp/a\n"),
    Case(
        "env-lines",
        'FROM base\nENV A=1 \\\n    B=2 \\\n\n    # a comment\n    C="3 \\\n 4"\n',
    ),
    Case("env-names", "FROM base\nENV a.b=1 A-B=2 ünï=3 1=4\nENV X=${ünï} Y=$1\n"),
    Case(
        "substitution-default",
        "FROM base\nENV S=set E=\n"
        "ENV A=${S:-w} B=${E:-w} C=${U:-w} D=${S-w} F=${E-w} G=${U-w}\n"
        "ENV H=${S:+w} I=${E:+w} J=${U:+w} K=${S+w} L=${E+w} M=${U+w}\n",
        old="FROM base\nENV S=set E=\nENV A=set B=w C=w D=set F= G=w\nENV H=w I= J= K=w L=w M=\n",
        reason="without the colon: new in Dockerfile 1.5",
    ),
    Case(
        "substitution-nested",
        "FROM base\nENV S=set\nENV A=${U:-${S}} B=${U:-a${S:+b$S}c} C=${U:-'q q'} D=${U:-\"d d\"} E=x${S}y$S-z\n",
    ),
    Case(
        "substitution-patterns",
        "FROM base\nENV P=foobarbaz.tar.gz\n"
        "ENV A=${P#f*b} B=${P##f*b} C=${P%.*} D=${P%%.*} E=${P/a/X} F=${P//a/X} G=${P#zz} H=${P/b?r/-}\n",
        old="FROM base\nENV P=foobarbaz.tar.gz\nENV A=arbaz.tar.gz B=az.tar.gz C=foobarbaz.tar D=foobarbaz"
        " E=foobXrbaz.tar.gz F=foobXrbXz.tXr.gz G=foobarbaz.tar.gz H=foo-baz.tar.gz\n",
        reason="new in Dockerfile 1.7",
    ),
    Case("substitution-required", "FROM base\nENV A=${U:?must be given}\n", fails=True),
    Case("substitution-required-set", "FROM base\nENV S=1\nENV A=${S:?no} B=${S?no}\n"),
    Case("substitution-bad", "FROM base\nENV A=${S:x}\n", fails=True),
    Case("substitution-open", "FROM base\nENV A=${S\n", fails=True),
    Case(
        "substitution-escaped", 'FROM base\nENV S=1\nENV A=\\$S B=\\${S} C=$ D="$" E=a$ F=\\\\$S G=$$ H=$-x\n'
    ),
    Case(
        "expanded-everywhere",
        "FROM base\nENV D=dir F=file P=80 U=33 S=SIGINT\nARG G=33\n"
        "LABEL l$D=x$F \"q $D\"=\"v $F\" '$D'='$F'\n"
        "COPY $F.txt /$D/\nCOPY ${F}.txt /$D/${F}2\nWORKDIR /$D\nWORKDIR $F-w\n"
        'USER $U:$G\nEXPOSE $P ${P}1/udp\nVOLUME /v$D /w$D\nVOLUME ["/j$D"]\nSTOPSIGNAL $S\n'
        'ONBUILD COPY $F /$D\nCMD echo $D\nENTRYPOINT ["echo", "$D"]\n',
        {"file.txt": "f"},
    ),
    Case(
        "escapes-everywhere",
        'FROM base\nENV D=dir\nLABEL \\$D=\\$D\nWORKDIR /\\$D\nWORKDIR "/q d"\nWORKDIR /e\\ d\n'
        "COPY 'quoted.txt' \"/quoted dest/\"\nCOPY plain\\ name /plain\\ dest\n",
        {"quoted.txt": "q", "plain name": "p"},
        fails=True,
    ),
    Case(
        "escapes-in-folders",
        "FROM base\nENV D=dir\nLABEL \\$D=\\$D\nWORKDIR /\\$D\nWORKDIR \"/q d\"\nWORKDIR /e\\ d\nWORKDIR '/s $D'\n"
        'COPY \'quoted.txt\' "/quoted/"\nUSER "33"\nSTOPSIGNAL "SIGINT"\nEXPOSE "80"\n',
        {"quoted.txt": "q"},
    ),
    Case(
        "escape-directive",
        '# escape=`\nFROM base\nENV A=a\\b B=`$A C="`"q`""\nRUN echo one `\n    two > /a\nLABEL p=C:\\dir`\\x\n',
    ),
    Case("escape-directive-late", "# a comment\n# escape=`\nFROM base\nENV A=a\\$B\n"),
    Case("escape-directive-bad", "# escape=x\nFROM base\n", fails=True),
)
