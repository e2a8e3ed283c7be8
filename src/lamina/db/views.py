"""The views that `lamina sql` asks: what the tables of the store say, under names that stay as tables change.

docs/database.md describes each column; a test holds the two together.
"""

from __future__ import annotations

_TYPES = {
    "f": "file", "d": "folder", "l": "link", "h": "hard link", "c": "device", "b": "device", "p": "pipe",
    "w": "whiteout",
}  # fmt: skip
_TYPE = "CASE f.kind " + " ".join(f"WHEN '{kind}' THEN '{name}'" for kind, name in _TYPES.items()) + " END"

# Paths are bytes in the tables; joined by || they are text, absolute as in every answer of Lamina.
_PATH = "'/' || CASE f.parent WHEN x'' THEN '' ELSE f.parent || '/' END || f.name"

VIEWS: dict[str, str] = {
    "images": """SELECT i.image_id,
        coalesce((SELECT min(name) FROM main.tags WHERE image_id = i.image_id), '') AS name,
        i.created, i.added, i.size, i.os, i.architecture, i.variant, i.manifest,
        (SELECT count(*) FROM main.image_layers WHERE image_id = i.image_id) AS layers
        FROM main.images AS i""",
    "names": "SELECT name, image_id, index_digest FROM main.tags",
    "image_layers": """SELECT p.image_id, p.position + 1 AS number, l.diff_id, p.chain_id, d.size,
        l.created_by FROM main.image_layers AS p JOIN main.layers AS l ON l.chain_id = p.chain_id
        JOIN main.diffs AS d ON d.diff_id = l.diff_id""",
    "layers": """SELECT l.chain_id, l.parent, l.diff_id, l.depth AS number, l.created_by, l.created, d.size,
        d.entries FROM main.layers AS l JOIN main.diffs AS d ON d.diff_id = l.diff_id""",
    "diffs": "SELECT diff_id, size, tar_size, entries, blob, media_type FROM main.diffs",
    "files": f"""SELECT d.diff_id, {_PATH} AS path, CAST(f.name AS TEXT) AS name, {_TYPE} AS type, f.mode,
        f.uid, f.gid, f.size, f.mtime / 1000000000 AS mtime, CAST(f.link AS TEXT) AS link,
        lower(hex(f.digest)) AS sha256, f.opaque
        FROM main.diffs AS d JOIN main.files AS f ON f.diff = d.num""",
    "packages": """SELECT d.diff_id, '/' || w.path AS path, f.kind AS manager, p.name, p.version,
        p.architecture, p.source FROM main.packages AS p JOIN main.package_files AS f ON f.num = p.file
        JOIN main.package_places AS w ON w.file = p.file JOIN main.diffs AS d ON d.num = w.diff""",
    "steps": """SELECT key, diff_id, created_by, created, seconds, recipe, parent, rule, origin
        FROM main.steps""",
    "ingredients": """SELECT s.key, j.key + 1 AS number, json_extract(j.value, '$[0]') AS label,
        json_extract(j.value, '$[1]') AS value FROM main.steps AS s, json_each(s.ingredients) AS j""",
    "builds": """SELECT id, status, started, seconds, dockerfile, context, target, tags, image_id, error,
        error_line, total AS steps, cached, run FROM main.builds""",
    "build_steps": """SELECT b.id AS build, s.step AS number, s.stage, s.text AS instruction, s.line,
        s.status, s.seconds, s.size, s.diff_id, s.chain_id, s.key, s.rule, s.reason
        FROM main.builds AS b JOIN main.build_steps AS s ON s.build = b.num""",
    "containers": """SELECT id, name, image_id, image_name AS image, chain_id, state, exit_code, created,
        started, finished, command FROM main.containers""",
    "cache_mounts": """SELECT num AS number, id, sharing, created_by, created, last_used, uses, size
        FROM main.cache_mounts""",
    "indexes": """SELECT i.digest, i.added, m.position + 1 AS number, m.image_id, m.manifest
        FROM main.indexes AS i JOIN main.index_images AS m ON m.digest = i.digest""",
    "packed": "SELECT diff_id, digest, size, media_type FROM main.packed",
    "places": "SELECT digest, repository, seen FROM main.places",
}  # fmt: skip
