"""Rule 4 against chance: random changes below random steps; each reuse is checked by doing the step again.

LAMINA_FUZZ is how many changes are tried (6 without it, with ./test --peers 12), LAMINA_FUZZ_SEED the first of their seeds.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lamina.build.planning import plan
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError
from lamina.graph.rules import INDEPENDENT, UNTOUCHED
from lamina.layers.planned import PlannedLayers
from tests.machine import THOROUGH

from .kitchen import HOST
from .planned import check as check_plan
from .planned import request_of
from .untouched.fixtures import laboratory, scope
from .untouched.lab import Parent
from .untouched.mutations import mutated, touches_links
from .untouched.nodes import Change, Tree, changed, file, folder, link, name_of, on_top, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.plan import BuildPlan

    from .untouched.lab import Lab

ROUNDS = int(os.environ.get("LAMINA_FUZZ", "12" if THOROUGH else "6"))
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
    *(
        f"data/{path}"
        for path in ("src/c.c", "src/.hidden", "inc/b.h", "conf/rc", "conf/local.mk", "new", "lib/one")
    ),
    *(
        "etc/app.d/x",
        "etc/passwd",
        "usr/bin/helper",
        "bin/helper",
        "opt/bin/other",
        "data/empty/x",
        "out",
        "data/out",
    ),
]
STEPS = {
    "cat": "cat /data/src/*.c > /out",
    "configuration": "for f in /data/conf/rc /etc/app.d/x /etc/app.conf; do test -f $f && cat $f && break; done > /out",
    "path": "export PATH=/usr/bin:/opt/bin:/bin; helper > /out 2>&1",
    "links": "cat /data/latest > /out 2>&1; readlink -f /data/latest >> /out; cd -P /data/cur && pwd >> /out",
    "list": "find /data/src /data/inc | sort > /out; ls -la /data/empty | wc -l >> /out",
    "about": "stat -c '%n %a %u %g %s' /data/src/a.c /data/lib/* > /out 2>&1; stat -c '%n %a %u' /data/doc >> /out",
    "copy": "cp -a /data/doc /copied; chmod -R a+rX /copied",
    "change": "sed -i s/a/A/ /data/src/a.c; echo more >> /data/conf/flags; chmod 700 /data/inc",
    "move": "mv /data/lib /data/moved; rmdir /data/empty; mv /data/doc/read.me /data/",
    "remove": "rm -rf /data/doc; rm -f /data/src/*.c; mkdir -p /data/doc/new",
    "program": "cd /data && src/tool.sh > /out 2>&1",
    "user": "id worker > /out 2>&1; touch /mine && chown worker /mine",
    "exists": "for p in /data/new /data/out /opt/x /data/lib/one/x /data/cur/a.c; do test -e $p; echo $?; done > /out",
    "links of files": "cat /data/lib/two > /out; echo x >> /data/lib/one; cat /data/lib/two >> /out; stat -c %h /data/lib/two >> /out",
}  # fmt: skip
AS_WORKER = ("cat", "links", "list", "copy", "change", "remove", "exists")
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
    """The steps that this machine can do, some also as another user."""
    host = {name: text for name, text in HOST_STEPS.items() if shutil.which(name, path="/usr/bin")}
    found = {name: f"RUN {{ {text}; }} 2>/dev/null; true" for name, text in (STEPS | host).items()}
    others = {
        f"{name} as worker": "USER worker\n" + found[name].replace("/out", "/tmp/out") for name in AS_WORKER
    }
    return found | others


def parent_of(change: Change, rng: random.Random, world: Tree = WORLD) -> Parent:
    """The world after a change: as one layer, with the change on top, or with another on top of that."""
    time = Parent(()).time + rng.randrange(5) * 10**9
    way = rng.random()
    if way < 0.5 or touches_links(world, change):
        return Parent((changed(world, change),), time)
    layers: tuple[Tree, ...] = (world, on_top(change))
    if way > 0.75:
        now = changed(world, change)
        more = mutated(now, NAMES, rng)
        if not touches_links(now, more):
            layers = (*layers, on_top(more))
    return Parent(layers, time)


def one_round(lab: Lab, rng: random.Random, names: list[str], told: str) -> Counter[str]:
    """Four steps on a changed world. Each reuse is checked; counts how they went."""
    counts: Counter[str] = Counter()
    change = mutated(WORLD, NAMES, rng)
    parent = parent_of(change, rng)
    for name in rng.sample(names, 4):
        lines, place = steps()[name], f"{told}, step {name}, change {change}"
        first = lab.step(Parent((WORLD,)), lines)
        try:
            step = lab.step(parent, lines)
        except DockerfileError as error:  # its user is gone
            with pytest.raises(DockerfileError, match=re.escape(error.message)):
                lab.step(parent, lines, no_cache=True)
            continue
        counts[step.rule or "run"] += 1
        if step.cached:
            again = lab.step(parent, lines, no_cache=True)
            assert lab.contents(again.diff_id) == lab.contents(step.diff_id), f"{place}, {step.rule}"
        elif lab.contents(step.diff_id) == lab.contents(first.diff_id):
            counts["run, to no end"] += 1
        if rng.random() < 0.1:
            with lab.untraced():
                plain = lab.step(parent, lines, no_cache=True)
            assert lab.contents(plain.diff_id) == lab.contents(step.diff_id), f"{place}, recorded or not"
    return counts


def test_each_reuse_is_right(world: Lab) -> None:
    counts: Counter[str] = Counter()
    for seed in range(SEED, SEED + ROUNDS):
        counts += one_round(world, random.Random(seed), sorted(steps()), f"seed {seed}")
    print(dict(counts))
    assert counts[UNTOUCHED] >= ROUNDS // 2, "a rule that is never used is not tested"
    assert counts["run"] >= ROUNDS // 3


SOURCES = {"a.txt": "a", "b.txt": "b", "d/c.txt": "c", "d/e.txt": "e"}
APP: Tree = {
    **WORLD,
    "app/b.txt": file("of the parent", 0o600, 7, x=b"1"),
    "app/d": folder(0o750, 7),
    "app/d/c.txt": file("of the parent"),
    "app/d/x.txt": file("x"),
    "app/link": link("/data/doc"),
    "srv/real": folder(0o711),
}
APP_NAMES = [
    *("app", "app/a.txt", "app/d/e.txt", "app/work", "app/work/x", "app/link", "app/link/new.txt", "app/new"),
    *("etc/passwd", "data/src/c.c", "srv", "srv/real/x"),
]
LINES = [
    "RUN cat /data/src/*.c > /src.txt",
    "RUN sort /app/*.txt > /sorted",
    "RUN echo x >> /data/conf/flags",
    "RUN find /app | sort > /listed",
    "RUN chmod -R go-w /app",
    "RUN mkdir -p /app/made && ls /app/d > /app/made/d",
    "RUN rm -rf /app/d",
    "RUN ln -sfn /data/src /app/link",
    "RUN cp -a /data/lib /app/",
    "RUN mv /app/b.txt /app/a.txt",
    "COPY a.txt /app/",
    "COPY a.txt /app/new",
    "COPY --chown=worker b.txt /app/b.txt",
    "COPY --chmod=600 b.txt /app/b.txt",
    "COPY d /app/d",
    "COPY d /app/link",
    "COPY . /app/",
    "COPY --link a.txt /app/d/",
    "COPY a.txt /app/link/new.txt",
    "COPY --parents d/c.txt /srv/real/",
    "ADD b.txt /app/made/",
    "WORKDIR /app/work",
    "WORKDIR /app/link/deep",
    "WORKDIR /srv/real",
    "USER worker",
    "ENV PATH=/opt/bin:/bin",
]


def plan_of(lab: Lab, text: str) -> BuildPlan:
    """What --plan says of the next build."""
    ctx = PlannedLayers.of(lab.layout)
    try:
        return plan(ctx, request_of(lab, text), HOST)
    finally:
        ctx.db.close()


def test_dockerfiles_in_any_order(world: Lab) -> None:
    """COPY, WORKDIR and RUN in random orders, over files that change: the image is the one without a cache.

    And what --plan said before is what the build does.
    """
    counts: Counter[str] = Counter()
    for seed in range(SEED, SEED + ROUNDS):
        rng = random.Random(seed)
        for name, text in SOURCES.items():
            world.write({name: text if rng.random() < 0.8 else text + rng.choice("12")})
        change = mutated(APP, APP_NAMES, rng) if rng.random() < 0.8 else {}
        parent = parent_of(change, rng, APP)
        lines = [line + "; true" if line.startswith("RUN") else line for line in rng.sample(LINES, 5)]
        text = "\n".join([f"FROM {world.image(parent)}", *lines, ""])
        try:
            planned = plan_of(world, text)
            cached = world.build(text)
        except LaminaError as error:
            with pytest.raises(LaminaError, match=re.escape(error.message)):
                world.build(text, no_cache=True)
            counts["refused"] += 1
            continue
        counts.update(step.rule or "run" for step in cached.steps)
        check_plan(planned, cached)
        plain = world.build(text, no_cache=True)
        told = f"seed {seed}\n{text}\n{change}"
        assert world.tree(cached.image_id) == world.tree(plain.image_id), told
    print(dict(counts))
    assert counts[UNTOUCHED] + counts[INDEPENDENT] >= ROUNDS // 2
