"""inside: how tests of the rooms below the engine are root, also for an ordinary user.

These rooms act as root "in here" (docs/architecture.md, Privilege). For an ordinary user each test that has
the fixture `inside`, by itself or through another fixture, therefore runs in a forked child that entered a
user namespace as the command line does: with all sub-IDs of the user, or with one ID where there are none.
"""

from __future__ import annotations

import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Iterable
from zlib import crc32

import pytest
from _pytest.runner import runtestprotocol
from _pytest.terminal import TerminalReporter

from lamina.mount import userns
from tests.machine import THOROUGH

# Large tables of cases of one shape: ./test takes every second case, with --peers or a PATH all of them.
_TABLES = {
    *("build/test_rules_traced.py", "build/test_rules_untouched.py", "build/test_rules_independent.py"),
    *("build/test_untouched_steps.py", "build/test_planning.py", "build/test_run_mounts.py"),
    *("build/test_like_the_reference.py", "build/test_run.py", "build/test_stages.py"),
    *("snapshot/test_conformance.py", "containers/test_run.py", "e2e/test_full_disk_elsewhere.py"),
    *("e2e/test_bad_elsewhere.py", "e2e/test_elsewhere.py", "e2e/test_cache_mounts.py"),
    *("e2e/test_bad_archives.py", "e2e/test_bad_cache_archives.py", "e2e/test_reproducible.py"),
    *("e2e/test_build_records.py", "e2e/test_bad_input.py", "e2e/test_build_errors.py"),
    *("e2e/test_bad_outputs.py", "e2e/test_bad_store.py", "e2e/test_interop.py"),
}
_COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_configure() -> None:
    """No test asks a registry but those of its own, which say so.

    A shell that starts us in the background has us ignore Ctrl-C, and so all that we start.
    """
    os.environ["LAMINA_OFFLINE"] = "1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Halves the tables, where the whole suite runs and is to be done in ten minutes."""
    if THOROUGH or not os.environ.get("LAMINA_TEST_SUMS"):
        return
    left_out = [item for item in items if _is_case(item) and crc32(item.nodeid.encode()) % 2]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


def _is_case(item: pytest.Item) -> bool:
    folder, name = item.path.parts[-2:]
    return f"{folder}/{name}" in _TABLES and hasattr(item, "callspec")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Says how many tests passed, failed ... in the file that ./test adds up, which starts several of us."""
    if sums := os.environ.get("LAMINA_TEST_SUMS"):
        counts = {kind: len(terminalreporter.getreports(kind)) for kind in _COUNTED}
        with open(sums, "a") as file:
            file.write("".join(f"{count} {kind}\n" for kind, count in counts.items()))


@pytest.fixture
def inside() -> userns.IdMap:
    """The user and group IDs that exist where this test runs, as root."""
    return userns.current_ids()


@pytest.fixture
def many_ids(inside: userns.IdMap) -> None:
    """Skips a test that needs more than one user ID."""
    if inside.single:
        pytest.skip("needs more than one ID: newuidmap and rows in /etc/subuid")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs `item` in a child of its own where it needs to be inside and is not; None leaves it to pytest."""
    if "inside" not in getattr(item, "fixturenames", ()) or userns.is_privileged():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports_of_child(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.session._setupstate.teardown_exact(nextitem)  # what earlier tests left for tests beside this one
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _reports_of_child(item: pytest.Item) -> Iterable[pytest.TestReport]:
    result, says_result = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        os.close(result)
        _child(item, says_result)
    os.close(says_result)
    try:
        with open(result, "rb") as pipe:
            answer = pipe.read()
    finally:
        os.kill(child, signal.SIGKILL)  # it is done, or the time limit of the test is over
        os.waitpid(child, 0)
    hook = item.config.hook
    for report in pickle.loads(answer) if answer else ():
        yield hook.pytest_report_from_serializable(config=item.config, data=report)
    if not answer:
        yield _died(item)


def _child(item: pytest.Item, says_result: int) -> None:
    """Does not return."""
    try:
        userns.enter()
        before = _to_end(item)
        reports = [
            item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
            # Only what belongs to the test itself ends here: what tests share is the parent's ...
            for report in runtestprotocol(item, log=False, nextitem=item.parent)
        ]
        _end_beyond(item, before)  # ... but for what nobody had made before
        with open(says_result, "wb") as pipe:
            pickle.dump(reports, pipe)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _to_end(item: pytest.Item) -> dict[object, int]:
    """How much each module, package ... has to end that tests share, such as a registry that runs."""
    return {node: len(ends) for node, (ends, _) in item.session._setupstate.stack.items()}


def _end_beyond(item: pytest.Item, before: dict[object, int]) -> None:
    """Ends what this child made for all tests of a module: it is nobody else's."""
    for node, (ends, _) in reversed(list(item.session._setupstate.stack.items())):
        while len(ends) > before.get(node, 0):
            ends.pop()()


def _died(item: pytest.Item) -> pytest.TestReport:
    where = item.location
    return pytest.TestReport(item.nodeid, where, {}, "failed", "the child of this test died", "call")
