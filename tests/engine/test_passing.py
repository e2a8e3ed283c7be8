"""What `run --step` makes for its time, and takes away again: no more than that."""

from __future__ import annotations

from pathlib import Path

import lamina
from lamina.db import imagedb, indexdb, leases
from lamina.db.indexdb import IndexRow, Member
from lamina.engine import passing
from lamina.engine.opened import Opened
from lamina.oci.digest import ImageID, sha256


def test_an_image_that_others_need_stays(tmp_path: Path) -> None:
    """It has the ID of one that is part of an index, or of one that another process has just made."""
    root = str(tmp_path / "root")
    with lamina.Engine.open(root) as engine:
        built = engine.build(lamina.BuildRequest(None, b"FROM scratch\nCOPY <<EOF /a\nb\nEOF\n"))
    one, two = Opened(root, None), Opened(root, None)
    try:
        c, image_id = one.ctx.db.read(), ImageID(built.image_id)
        row = imagedb.need_image(c, image_id)
        index = IndexRow(sha256(b"index"), image_id, row.added)
        with one.ctx.db.write() as tx:
            indexdb.put_index(tx, index, [Member(image_id, row.manifest)])
        passing.remove_image(one, image_id)
        assert imagedb.get_image(c, image_id) == row
        with one.ctx.db.write() as tx:
            indexdb.delete_index(tx, index.digest)
        with two.ctx.db.write() as tx:
            leases.hold(tx, two.ctx.lease.id, leases.IMAGE, image_id)
        passing.remove_image(one, image_id)
        assert imagedb.get_image(c, image_id) == row
        two.close()
        passing.remove_image(one, image_id)
        assert imagedb.get_image(c, image_id) is None
    finally:
        two.close()
        one.close()
