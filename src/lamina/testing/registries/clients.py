"""Checks of many clients at once, of slow ones, and of connections that are used again."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from lamina.testing.registries.bench import Bench, digest_of, noise

if TYPE_CHECKING:
    from collections.abc import Callable

_MANY = 8


def check_one_connection_for_many_questions(bench: Bench) -> None:
    """Also after 404, HEAD, a refusal and an upload: nothing is left on the line for the next answer."""
    data = bench.image("a", tag="v1")
    line = bench._line
    assert line is not None
    for _ in range(2):
        assert bench.get("v1").body == data
        assert bench.get("none").status == 404
        assert bench.get("v1", "HEAD").status == 200
        assert bench.put("bad", b"{").status == 400
        assert bench.finish(bench.begin(), digest_of(b"x"), b"y").status == 400
        assert bench.blob(bench.put_blob(b"more")) == b"more"


def check_the_same_blob_by_many(bench: Bench) -> None:
    data = noise(300_000, bench.repository)
    _at_once(bench, lambda own, number: own.put_blob(data, bench.repository))
    assert bench.blob(digest_of(data)) == data


def check_many_blobs_and_tags_at_once(bench: Bench) -> None:
    def push(own: Bench, number: int) -> None:
        data = own.image(f"image {number}", tag=f"v{number}", repository=bench.repository)
        assert own.get(f"v{number}", repository=bench.repository).body == data

    _at_once(bench, push)
    found = json.loads(bench.ask("GET", f"{bench.repository}/tags/list").body)["tags"]
    assert sorted(found) == sorted(f"v{number}" for number in range(_MANY))


def check_one_tag_by_many(bench: Bench) -> None:
    """One of them wins, whole."""
    made: dict[int, bytes] = {}

    def push(own: Bench, number: int) -> None:
        made[number] = own.image(f"image {number}", tag="v1", repository=bench.repository)

    _at_once(bench, push)
    assert bench.get("v1").body in made.values()


def check_the_same_blob_read_by_many(bench: Bench) -> None:
    data = noise(1 << 20)
    digest = bench.put_blob(data)

    def pull(own: Bench, number: int) -> None:
        assert own.blob(digest, bench.repository) == data

    _at_once(bench, pull)


def check_a_slow_client_holds_nobody_up(bench: Bench) -> None:
    lines = []
    try:
        for _ in range(_MANY):
            line = bench.connect()
            line.putrequest("PUT", bench.path(bench.begin() + "&digest=" + digest_of(b"x")))
            line.putheader("Content-Length", "1000")
            if bench.target.user:
                line.putheader("Authorization", bench.basic())
            line.endheaders()
            line.send(b"a little")
            lines.append(line)
        assert bench.blob(bench.put_blob(b"quick")) == b"quick"
    finally:
        for line in lines:
            line.close()


def check_a_reader_that_leaves(bench: Bench) -> None:
    digest = bench.put_blob(noise(4 << 20))
    line = bench.connect()
    headers = {"Authorization": bench.basic()} if bench.target.user else {}
    line.request("GET", bench.path(f"{bench.repository}/blobs/{digest}"), headers=headers)
    assert line.getresponse().read(1000)
    line.close()
    assert bench.ask("HEAD", f"{bench.repository}/blobs/{digest}").status == 200


def _at_once(bench: Bench, work: Callable[[Bench, int], object]) -> None:
    """Does it by several clients, each with a connection of its own."""
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            with Bench(bench.target, f"own-{number}") as own:
                work(own, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(_MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
