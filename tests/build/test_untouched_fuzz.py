"""Rule 4 against chance: random changes below random steps; each reuse is checked by doing the step again.

LAMINA_FUZZ is how many changes are tried (60 without it), LAMINA_FUZZ_SEED the first of their seeds.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lamina.graph.rules import UNTOUCHED

from .untouched.fixtures import laboratory, scope
from .untouched.lab import Parent
from .untouched.mutations import mutated
from .untouched.nodes import Change, Tree, changed, file, folder, link, name_of, on_top, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .untouched.lab import Lab

ROUNDS = int(os.environ.get("LAMINA_FUZZ", "60"))
SEED = int(os.environ.get("LAMINA_FUZZ_SEED", "0"))
pytestmark = [pytest.mark.timeout(60 + 2 * ROUNDS), pytest.mark.usefixtures("inside")]

MAKEFILE = """\
SRC := $(wildcard src/*.c)
-include conf/local.mk
all: $(SRC:src/%.c=out/%.o)
out/%.o: src/%.c
\t@mkdir -p out; cat conf/flags inc/*.h $< > $@ 2>/dev/null; true
"""
WORLD: Tree = {
    "data/Makefile": file(MAKEFILE),
    "data/src/a.c": file("a\n"),
    "data/src/b.c": file("b\n"),
    "data/src/tool.sh": script("cat conf/rc 2>/dev/null || echo none"),
    "data/inc/a.h": file("ah\n"),
    "data/conf/flags": file("-O\n"),
    "data/doc/read.me": file("text\n"),
    "data/doc/deep/er/file": file("deep\n", 0o600, 7),
    "data/lib/one": file("1\n"),
    "data/lib/two": name_of("data/lib/one"),
    "data/cur": link("src"),
    "data/latest": link("cur/a.c"),
    "data/empty": folder(0o1777),
    "opt/bin/helper": script("echo helped"),
    "etc/app.conf": file("key=1\n"),
}
NAMES = [
    *(f"data/{path}" for path in ("src/c.c", "src/.hidden", "inc/b.h", "conf/rc", "conf/local.mk", "new", "lib/one")),
    *("etc/app.d/x", "etc/passwd", "usr/bin/helper", "bin/helper", "opt/bin/other", "data/empty/x", "out", "data/out"),
]
STEPS = {
    "cat": "cat /data/src/*.c > /out",
    "configuration": "for f in /data/conf/rc /etc/app.d/x /etc/app.conf; do test -f $f && cat $f && break; done > /out",
    "path": "export PATH=/usr/bin:/opt/bin:/bin; helper > /out 2>&1",
    "links": "cat /data/latest > /out 2>&1; readlink -f /data/latest >> /out; cd -P /data/cur && pwd >> /out",
    "list": "find /data/src /data/inc | sort > /out; ls -la /data/empty | wc -l >> /out",
    "about": "stat -c '%n %a %u %g %s' /data/src/a.c /data/lib/* /data/doc > /out 2>&1",
    "copy": "cp -a /data/doc /copied; chmod -R a+rX /copied",
    "change": "sed -i s/a/A/ /data/src/a.c; echo more >> /data/conf/flags; chmod 700 /data/inc",
    "move": "mv /data/lib /data/moved; rmdir /data/empty; mv /data/doc/read.me /data/",
    "remove": "rm -rf /data/doc; rm -f /data/src/*.c; mkdir -p /data/doc/new",
    "program": "cd /data && src/tool.sh > /out 2>&1",
    "user": "id worker > /out 2>&1; touch /mine && chown worker /mine",
    "exists": "for p in /data/new /data/out /opt/x /data/lib/one/x /data/cur/a.c; do test -e $p; echo $?; done > /out",
    "links of files": "cat /data/lib/two > /out; echo x >> /data/lib/one; cat /data/lib/two >> /out; stat -c %h /data/lib/two >> /out",
}  # fmt: skip
HOST_STEPS = {
    "make": "cd /data && make > /tmp/log 2>&1",
    "perl": "perl -e 'chdir q(/data); for (sort glob q(src/*.c inc/*)) { -r or next; open F, $_; print $_, -s _, <F> }' > /out",
}  # fmt: skip


@pytest.fixture(scope=scope)  # type: ignore[arg-type]
def world() -> Iterator[Lab]:
    """A lab with make and perl, where this machine has them."""
    found = [path for name in ("make", "perl") if (path := shutil.which(name, path="/usr/bin"))]
    with laboratory(*found) as made:
        yield made


def steps() -> dict[str, str]:
    """The steps that this machine can do."""
    host = {name: text for name, text in HOST_STEPS.items() if shutil.which(name, path="/usr/bin")}
    return {name: f"RUN {{ {text}; }} 2>/dev/null; true" for name, text in (STEPS | host).items()}


def parent_of(change: Change, rng: random.Random) -> Parent:
    """The world after a change: as one layer, or with the change on top."""
    time = Parent(()).time + rng.randrange(5) * 10**9
    links_change = any(path.startswith("data/lib") for path in change)
    if links_change or rng.random() < 0.6:
        return Parent((changed(WORLD, change),), time)
    return Parent((WORLD, on_top(change)), time)


def test_each_reuse_is_right(world: Lab) -> None:
    all_steps = steps()
    first = {name: world.step(Parent((WORLD,)), lines) for name, lines in all_steps.items()}
    counts: Counter[str] = Counter()
    for seed in range(SEED, SEED + ROUNDS):
        rng = random.Random(seed)
        change = mutated(WORLD, NAMES, rng)
        parent = parent_of(change, rng)
        for name in rng.sample(sorted(all_steps), 4):
            lines = all_steps[name]
            step = world.step(parent, lines)
            counts[step.rule or "run"] += 1
            if step.cached:
                again = world.step(parent, lines, no_cache=True)
                told = f"seed {seed}, step {name}, {step.rule}, change {change}"
                assert world.contents(again.diff_id) == world.contents(step.diff_id), told
            elif world.contents(step.diff_id) == world.contents(first[name].diff_id):
                counts["run, to no end"] += 1
    print(dict(counts))
    assert counts[UNTOUCHED] >= ROUNDS // 2, "a rule that is never used is not tested"
    assert counts["run"] >= ROUNDS // 2


SOURCES = {"a.txt": "a", "b.txt": "b", "d/c.txt": "c", "d/e.txt": "e"}
LINES = [
    "RUN cat /data/src/*.c > /src.txt",
    "RUN sort /app/*.txt > /sorted 2>/dev/null; true",
    "RUN echo x >> /data/conf/flags",
    "RUN find /app | sort > /listed 2>/dev/null; true",
    "RUN chmod -R go-w /app 2>/dev/null; true",
    "RUN mkdir -p /app/made && ls /app/d > /app/made/d 2>/dev/null; true",
    "RUN rm -rf /app/d",
    "RUN ln -sfn /data/src /app/link",
    "RUN cp -a /data/lib /app/ 2>/dev/null; true",
    "COPY a.txt /app/",
    "COPY --chown=worker b.txt /app/b.txt",
    "COPY d /app/d",
    "COPY . /app/",
    "COPY a.txt /app/link/new.txt",
    "WORKDIR /app/work",
    "USER worker",
    "ENV PATH=/opt/bin:/bin",
]  # fmt: skip


def test_dockerfiles_in_any_order(world: Lab) -> None:
    """COPY, WORKDIR and RUN in random orders, over files that change: the image is the one without a cache."""
    counts: Counter[str] = Counter()
    for seed in range(SEED, SEED + ROUNDS // 2):
        rng = random.Random(seed)
        for name, text in SOURCES.items():
            world.write({name: text if rng.random() < 0.8 else text + rng.choice("12")})
        parent = parent_of(mutated(WORLD, NAMES, rng) if rng.random() < 0.5 else {}, rng)
        lines = rng.sample(LINES, 6)
        lines = [f"{line}; true" if line.startswith("RUN") else line for line in lines]
        text = "\n".join([f"FROM {world.image(parent)}", *lines, ""])
        try:
            cached = world.build(text)
        except Exception as error:
            with pytest.raises(type(error)):
                world.build(text, no_cache=True)
            continue
        counts.update(step.rule or "run" for step in cached.steps)
        plain = world.build(text, no_cache=True)
        assert world.tree(cached.image_id) == world.tree(plain.image_id), f"seed {seed}\n{text}"
    print(dict(counts))
