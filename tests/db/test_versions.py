import random, time
from lamina.db.versions import versions, versions_at
from tests.insight.imaging import image, GONE, link
from tests.layers.conftest import *
from lamina.tree.change import apply
from lamina.tree.tree import Tree
from lamina.db import cachedb
from lamina.oci import config as configs
from lamina.oci.digest import Digest

def test_random(store):
    rng = random.Random(5)
    for case in range(60):
        layers = []
        tree=Tree(); ids=[]
        for n in range(rng.randint(1,6)):
            layer = {}
            for _ in range(rng.randint(1,6)):
                path="/".join(rng.choice("abc") for _ in range(rng.randint(1,3)))
                what = rng.choice(["x", "yy"+str(n), None, GONE, link("q")])
                if any(layer.get(p, None) is not None for p in layer if path.startswith(p+"/")): continue
                if any(p.startswith(path+"/") for p in layer) and what is not None: continue
                layer[path]=what
            if layer: layers.append(layer)
        if not layers: continue
        i = image(store, *layers)
        c = configs.parse(store.blobs.read(Digest(i)))
        conn = store.db.read()
        tree=Tree(); states=[]
        for d in c.diff_ids:
            tree = apply(tree, cachedb.files(conn, d)); states.append(tree)
        seen={}
        for v in versions(conn, c.diff_ids):
            seen[v.path]=v
            assert versions_at(conn, c.diff_ids, v.path) == v
            for n,t in enumerate(states):
                a=v.after(n); e=t.get(v.path)
                assert (a.entry._replace(opaque=False) if a else None) == e or v.path==b"", (layers, v, n, e)
        for t in states:
            for e in t: assert e.path in seen
        for folder in (b"a", b"b/c"):
            sub = [v for v in versions(conn, c.diff_ids, folder)]
            assert sub == [v for v in versions(conn, c.diff_ids) if v.path==folder or v.path.startswith(folder+b"/")]
            sub = [v for v in versions(conn, c.diff_ids, folder, deep=False)]
            assert sub == [v for v in versions(conn, c.diff_ids) if v.path==folder or v.path.rpartition(b"/")[0]==folder]
