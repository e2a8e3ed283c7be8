"""The text itself: comments, blank lines, line ends, case, continuations."""

from __future__ import annotations

from tests.peers.buildkit.case import Case

CASES = (
    Case("text-comments", "# one\n\n  # two\nFROM base\n\t# three\n#\nLABEL a=b\n#end"),
    Case("text-comment-in-line", "FROM base\nLABEL a=b # not a comment=c\n", fails=True),
    Case("text-dos", "FROM base\r\nENV A=a \\\r\n  B=b\r\n\r\nRUN echo hi > /a\r\nCMD x y\r\n"),
    Case("text-dos-escape", "# escape=`\r\nFROM base\r\nENV A=a `\r\n  B=b\r\n"),
    Case("text-tabs", "FROM\tbase\nENV\tA=a\tB=b\nCOPY\ta\t/x\nRUN\techo\thi\t>\t/a\n", {"a": "a"}),
    Case("text-indented", "  FROM base\n\tENV A=a\n   RUN echo hi > /a\n"),
    Case("text-case", 'from base\nenv A=a\nRun echo hi > /a\ncmD ["x"]\nLaBeL l=m\n'),
    Case("text-trailing-backslash", "FROM base\nRUN echo hi > /a \\\n"),
    Case("text-trailing-backslash-blank", "FROM base\nENV A=a \\\n\n\n  B=b\n"),
    Case("text-backslash-space", "FROM base\nENV A=a \\  \n  B=b\n"),
    Case("text-two-backslashes", "FROM base\nLABEL a=b\\\\\nLABEL c=d\n"),
    Case("text-split-word", "FROM ba\\\nse\nEN\\\nV A=a\\\nb\n"),
    Case("text-continued-indent", "FROM base\nRUN echo 'a\\\n   b' > /a\nLABEL l=\"a\\\n   b\"\n"),
    Case(
        "text-comment-in-run", "FROM base\nRUN echo a > /a && \\\n# gone\n   # gone too\n    echo b >> /a\n"
    ),
    Case("text-comment-with-backslash", "FROM base\n# comment \\\nLABEL a=b\n"),
    Case("text-bom", "\ufeffFROM base\nLABEL a=b\n".encode()),
    Case("text-no-newline", "FROM base\nLABEL a=b"),
    Case("text-empty", "", fails=True),
    Case("text-only-comments", "# nothing\n\n", fails=True),
    Case("text-unknown", "FROM base\nNOTHING x\n", fails=True),
    Case("text-no-arguments", "FROM base\nENV\n", fails=True),
    Case("text-not-utf8", b"FROM base\nLABEL a=\xff\xfe\n"),
    Case("text-unicode-space", "FROM base\nENV A=a\u00a0b B=b\n", fails=True),
    Case("text-long-line", "FROM base\nLABEL a=" + "x" * 60000 + "\n"),
    Case("text-too-long-line", "FROM base\nLABEL a=" + "x" * 70000 + "\n", fails=True),
    Case("text-semicolons", "FROM base\nENV A=a; B=b\nRUN echo x > /a; echo y > /b;\n"),
    Case("text-syntax-like-comment", '# not-a-directive=x\n# escape=`\nFROM base\nLABEL a=\\"\n'),
    Case("text-equals-spaces", "FROM base\nENV A = b\n"),
    Case("text-label-equals-spaces", "FROM base\nLABEL a = b\n"),
    Case("text-add-flags-spaces", "FROM base\nCOPY   --chown=1:2    a    /x\n", {"a": "a"}),
    Case("text-flag-after-source", "FROM base\nCOPY a --chown=1:2 /x/\n", {"a": "a"}, fails=True),
    Case("text-file-elsewhere", "FROM base\nCOPY a /x\n", {"a": "a"}, args=("-f", "sub/My.Dockerfile")),
)
