"""What a build found in the cache is removed by another process before the build is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.build.adopting import Adoption
from lamina.build.build import build
from lamina.build.cancel import Cancel
from lamina.build.contexts import Contexts
from lamina.build.copying import copy_layer
from lamina.build.errors import BuildFailed, Swept
from lamina.build.executing import Executor
from lamina.build.records import Recorder
from lamina.build.request import BuildRequest
from lamina.build.session import Session
from lamina.build.stagerun import StageRun
from lamina.db import leases
from lamina.db.connect import Database
from lamina.dockerfile import parse
from lamina.errors import Cancelled
from lamina.events import Event, Notice, StepCached, ignore
from lamina.gc.context import Context
from lamina.gc.sweep import sweep
from lamina.graph import stages
from lamina.store.blobs import BlobStore
from lamina.store.lease import Lease
from tests.build.kitchen import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.build.request import BuildResult
    from tests.build.kitchen import Kitchen


def prune(kitchen: Kitchen) -> None:
    """What `lamina prune` does in another process: images without a name, and the whole cache."""
    with Lease.acquire(kitchen.layout) as lease:
        db = Database.open(kitchen.layout.database)
        ctx = Context(kitchen.layout, BlobStore(kitchen.layout, lease), db, lease)
        sweep(ctx, cache=True, all_images=False, dangling=True, all_cache=True)
        db.close()


def hold_nothing(kitchen: Kitchen) -> None:
    """As a new process would begin."""
    with kitchen.db.write() as tx:
        leases.drop(tx, [kitchen.lease.id])


def watched(kitchen: Kitchen, text: str, saw: Callable[[Event], None]) -> BuildResult:
    """A build whose events go to `saw`."""
    request = BuildRequest(context=str(kitchen.context), dockerfile=text.encode())
    return build(kitchen.ctx, request, HOST, saw, kitchen.enter, kitchen.tools)


FIRST = "FROM busybox\nRUN echo a > /a\n"


def test_a_layer_goes_before_the_work_begins(kitchen: Kitchen) -> None:
    kitchen.build(FIRST)
    hold_nothing(kitchen)
    seen: list[Event] = []

    def saw(event: Event) -> None:
        seen.append(event)
        if isinstance(event, StepCached) and event.diff_id and len(seen) < 10:
            prune(kitchen)

    result = watched(kitchen, FIRST + "RUN echo b > /b\n", saw)
    assert kitchen.read(result.image_id, "a") == "a\n"
    assert kitchen.read(result.image_id, "b") == "b\n"
    assert [event.text for event in seen if isinstance(event, Notice)] == [
        "what the cache had was removed meanwhile: the build begins again"
    ]


def test_a_layer_that_is_found_while_steps_are_done_stays(kitchen: Kitchen) -> None:
    """A step runs again and gives the same; the next one is found in the cache then."""
    text = "FROM busybox\nRUN echo {} > /dev/null\nRUN echo b > /b\n"
    kitchen.build(text.format(1))
    hold_nothing(kitchen)
    pruned: list[Event] = []

    def saw(event: Event) -> None:
        if isinstance(event, StepCached) and event.diff_id:
            prune(kitchen)
            pruned.append(event)

    result = watched(kitchen, text.format(2) + "RUN cat /b > /c\n", saw)
    assert len(pruned) == 1
    assert kitchen.read(result.image_id, "c") == "b\n"


def test_a_build_that_is_in_the_cache_as_a_whole(kitchen: Kitchen) -> None:
    """Its layers go after they were found, and before its image is made."""
    kitchen.build(FIRST)
    hold_nothing(kitchen)
    pruned: list[Event] = []

    def saw(event: Event) -> None:
        if isinstance(event, StepCached) and event.diff_id and not pruned:
            prune(kitchen)
            pruned.append(event)

    result = watched(kitchen, FIRST + "LABEL a=b\n", saw)
    assert pruned
    assert kitchen.read(result.image_id, "a") == "a\n"


def begun(kitchen: Kitchen, text: str) -> tuple[Session, dict[int, StageRun]]:
    """A build that has found nothing out yet, and its stages."""
    request = BuildRequest(context=str(kitchen.context), dockerfile=text.encode())
    contexts = Contexts(kitchen.ctx, request, HOST, ignore, kitchen.enter)
    record = Recorder(kitchen.ctx, request, ignore)
    plan = stages.plan(parse(text.encode()), {}, HOST)
    session = Session(kitchen.ctx, request, plan, contexts, record, kitchen.tools)
    return session, {number: StageRun(session, plan.stages[number]) for number in session.needed}


def test_a_copy_that_the_cache_knew_a_moment_ago(kitchen: Kitchen) -> None:
    """Nobody looked for its sources, so the build has to begin again."""
    text = "FROM busybox\nCOPY --from=busybox /bin/sh /sh\n"
    kitchen.build(text)
    hold_nothing(kitchen)
    _, runs = begun(kitchen, text)
    runs[0].begin(runs)
    work = runs[0].find_work(runs)
    assert work is not None
    prune(kitchen)
    assert not runs[0].find_cached()
    with pytest.raises(Swept):
        copy_layer(runs[0], work, Adoption(kitchen.ctx, runs[0].top, work, 0.0, False, None))


def test_what_stopped_one_attempt_does_not_stop_the_next(kitchen: Kitchen) -> None:
    session, runs = begun(kitchen, "FROM busybox\nRUN exit 1\n")
    with pytest.raises(BuildFailed):
        Executor(session, runs, kitchen.tools()).execute()
    session.contexts.remotes.stopper.check()
    session.contexts.close()


def test_a_stage_that_is_stopped_is_not_at_fault(kitchen: Kitchen) -> None:
    """Its error has no place in the Dockerfile: that of the stage that failed is the one to be told."""
    session, runs = begun(kitchen, "FROM busybox\nADD http://127.0.0.1:1/x /x\n")
    cancel = Cancel()
    session.contexts.stop_with(cancel)
    cancel.set()
    runs[0].begin(runs)
    with pytest.raises(Cancelled):
        runs[0].find_work(runs)
    session.contexts.close()
