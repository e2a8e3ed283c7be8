"""Layers with a table of contents, of which single files can be fetched: zstd:chunked and eStargz.

`writer.ChunkedWriter` makes the former from a tar; `opening.opened` reads both, so far that a tar can be put
together from parts that are here and parts that are fetched. All here is bytes in, bytes out.
"""
