"""The schema, as an ordered list of changes; a database is brought up to date by those it lacks.

Digests, IDs and times are text as users see them; the digests of files, of which there are very many,
are 32 bytes. A table whose rows are found by their whole key has no rowid: the key is the table.
"""

from __future__ import annotations

from typing import NamedTuple


class Migration(NamedTuple):
    """One change of the schema, and what it is for."""

    what: str
    statements: tuple[str, ...]


_LAYERS = (
    # num is never used again, so a number that somebody remembers cannot mean another layer
    """CREATE TABLE diffs (
        num INTEGER PRIMARY KEY AUTOINCREMENT,
        diff_id TEXT NOT NULL UNIQUE,
        content_id TEXT NOT NULL,
        size INTEGER NOT NULL,
        tar_size INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        blob TEXT,
        media_type TEXT NOT NULL)""",
    """CREATE TABLE layers (
        chain_id TEXT PRIMARY KEY,
        parent TEXT REFERENCES layers (chain_id),
        diff_id TEXT NOT NULL REFERENCES diffs (diff_id),
        content_id TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created TEXT NOT NULL,
        depth INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX layers_parent ON layers (parent)",
    "CREATE INDEX layers_diff ON layers (diff_id)",
)

_CACHE = (
    # parent and name apart: the children of a folder are one range of the key
    """CREATE TABLE files (
        diff INTEGER NOT NULL REFERENCES diffs (num) ON DELETE CASCADE,
        parent BLOB NOT NULL,
        name BLOB NOT NULL,
        kind TEXT NOT NULL,
        mode INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        gid INTEGER NOT NULL,
        size INTEGER NOT NULL,
        mtime INTEGER NOT NULL,
        link BLOB NOT NULL,
        rdev INTEGER NOT NULL,
        xattrs BLOB NOT NULL,
        digest BLOB NOT NULL,
        opaque INTEGER NOT NULL,
        PRIMARY KEY (diff, parent, name)) WITHOUT ROWID""",
    """CREATE TABLE steps (
        key TEXT PRIMARY KEY,
        diff_id TEXT REFERENCES diffs (diff_id),
        ingredients TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created TEXT NOT NULL,
        seconds REAL NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX steps_diff ON steps (diff_id)",
    """CREATE TABLE writable (
        key TEXT PRIMARY KEY,
        chain_id TEXT REFERENCES layers (chain_id),
        created TEXT NOT NULL,
        lease TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX writable_chain ON writable (chain_id)",
    "CREATE TABLE contexts (num INTEGER PRIMARY KEY, root TEXT NOT NULL UNIQUE)",
    """CREATE TABLE stats (
        context INTEGER NOT NULL REFERENCES contexts (num) ON DELETE CASCADE,
        path BLOB NOT NULL,
        size INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        mode INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        gid INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (context, path)) WITHOUT ROWID""",
)

_IMAGES = (
    """CREATE TABLE images (
        image_id TEXT PRIMARY KEY,
        manifest TEXT NOT NULL,
        created TEXT NOT NULL,
        size INTEGER NOT NULL,
        os TEXT NOT NULL,
        architecture TEXT NOT NULL,
        variant TEXT NOT NULL,
        added TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE image_layers (
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        chain_id TEXT NOT NULL REFERENCES layers (chain_id),
        PRIMARY KEY (image_id, position)) WITHOUT ROWID""",
    "CREATE INDEX image_layers_chain ON image_layers (chain_id)",
    """CREATE TABLE tags (
        name TEXT PRIMARY KEY,
        image_id TEXT NOT NULL REFERENCES images (image_id)) WITHOUT ROWID""",
    "CREATE INDEX tags_image ON tags (image_id)",
)

_CONTAINERS = (
    # image_id refers to nothing: a container outlives an image that was removed by force
    """CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image_id TEXT NOT NULL,
        image_name TEXT NOT NULL,
        chain_id TEXT REFERENCES layers (chain_id),
        config_json TEXT NOT NULL,
        snapshotter TEXT NOT NULL,
        state TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_start INTEGER NOT NULL,
        exit_code INTEGER,
        created TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT NOT NULL,
        command TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX containers_image ON containers (image_id)",
    "CREATE INDEX containers_chain ON containers (chain_id)",
)

_LEASES = (
    """CREATE TABLE leases (
        lease TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (lease, kind, name)) WITHOUT ROWID""",
)

_CACHE_MOUNTS = (
    # size is NULL from the moment the folder is lent: whoever asks for it measures again
    """CREATE TABLE cache_mounts (
        num INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL,
        id TEXT NOT NULL,
        sharing TEXT NOT NULL,
        mode INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        gid INTEGER NOT NULL,
        seed TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created TEXT NOT NULL,
        last_used TEXT NOT NULL,
        uses INTEGER NOT NULL,
        size INTEGER,
        detached INTEGER NOT NULL)""",
    "CREATE INDEX cache_mounts_key ON cache_mounts (key)",
)

_BUILDS = (
    # num says which came later; steps are found by it, and go with their build
    """CREATE TABLE builds (
        num INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        lease TEXT NOT NULL,
        started TEXT NOT NULL,
        seconds REAL NOT NULL,
        dockerfile TEXT NOT NULL,
        context TEXT NOT NULL,
        target TEXT NOT NULL,
        tags TEXT NOT NULL,
        image_id TEXT NOT NULL,
        error TEXT NOT NULL,
        error_line INTEGER NOT NULL,
        total INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        run INTEGER NOT NULL,
        has_logs INTEGER NOT NULL,
        log_bytes INTEGER NOT NULL)""",
    """CREATE TABLE build_steps (
        build INTEGER NOT NULL REFERENCES builds (num) ON DELETE CASCADE,
        step INTEGER NOT NULL,
        stage TEXT NOT NULL,
        text TEXT NOT NULL,
        line INTEGER NOT NULL,
        place INTEGER NOT NULL,
        places INTEGER NOT NULL,
        status TEXT NOT NULL,
        began REAL NOT NULL,
        seconds REAL NOT NULL,
        diff_id TEXT NOT NULL,
        size INTEGER,
        key TEXT NOT NULL,
        chain_id TEXT NOT NULL,
        state TEXT NOT NULL,
        kept TEXT NOT NULL,
        PRIMARY KEY (build, step)) WITHOUT ROWID""",
)

_INDEXES = (
    # an index is also a single manifest that is not its image's own (annotations, compressed layers)
    """CREATE TABLE indexes (
        digest TEXT PRIMARY KEY,
        image_id TEXT NOT NULL REFERENCES images (image_id),
        added TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX indexes_image ON indexes (image_id)",
    """CREATE TABLE index_images (
        digest TEXT NOT NULL REFERENCES indexes (digest) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        image_id TEXT NOT NULL REFERENCES images (image_id),
        manifest TEXT NOT NULL,
        PRIMARY KEY (digest, position)) WITHOUT ROWID""",
    "CREATE INDEX index_images_image ON index_images (image_id)",
    "ALTER TABLE tags ADD COLUMN index_digest TEXT REFERENCES indexes (digest)",
    "CREATE INDEX tags_index ON tags (index_digest)",
)

_URLS = (
    """CREATE TABLE urls (
        url TEXT PRIMARY KEY,
        etag TEXT NOT NULL,
        modified TEXT NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        time INTEGER) WITHOUT ROWID""",
)

_TRACES = (
    # recipe: the key without the parent. parent: the chain ID that the step was done on, NULL if not known.
    # rule: by which the layer was taken over, "" if the step was done. ran: when, in seconds since 1970
    "ALTER TABLE steps ADD COLUMN recipe TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE steps ADD COLUMN parent TEXT",
    "ALTER TABLE steps ADD COLUMN rule TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE steps ADD COLUMN ran REAL NOT NULL DEFAULT 0",
    "CREATE INDEX steps_recipe ON steps (recipe)",
    "CREATE INDEX steps_created_by ON steps (created_by)",
    # read_set is NULL where there is none; `doubt` then says why. It goes with its layer
    """CREATE TABLE traces (
        num INTEGER PRIMARY KEY AUTOINCREMENT,
        recipe TEXT NOT NULL,
        diff_id TEXT NOT NULL REFERENCES diffs (diff_id) ON DELETE CASCADE,
        parent TEXT NOT NULL,
        step TEXT NOT NULL,
        paths INTEGER NOT NULL,
        read_set BLOB,
        doubt TEXT NOT NULL,
        failed BLOB)""",
    "CREATE INDEX traces_recipe ON traces (recipe)",
    "CREATE INDEX traces_diff ON traces (diff_id)",
    # the further names of files: few among many rows
    "CREATE INDEX files_links ON files (diff, link) WHERE kind = 'h'",
    "ALTER TABLE build_steps ADD COLUMN rule TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE build_steps ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
)

_SHIPPING = (
    # in which packed forms a layer is known: as it came from a registry, or as it was packed to be pushed
    # (`maker` says by what; "" for others). A layer may have no folder in diff/: then it is fetched by these
    """CREATE TABLE packed (
        diff_id TEXT NOT NULL REFERENCES diffs (diff_id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        annotations TEXT NOT NULL,
        maker TEXT NOT NULL,
        PRIMARY KEY (diff_id, digest)) WITHOUT ROWID""",
    "CREATE INDEX packed_digest ON packed (digest)",
    # which repositories (in full) were seen to have a blob, and when, in seconds since 1970
    """CREATE TABLE places (
        digest TEXT NOT NULL,
        repository TEXT NOT NULL,
        seen REAL NOT NULL,
        PRIMARY KEY (digest, repository)) WITHOUT ROWID""",
    # under which digests repositories (in full) have an image: what was pulled, and what was pushed
    """CREATE TABLE repo_digests (
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE,
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (image_id, repository, digest)) WITHOUT ROWID""",
    "CREATE INDEX repo_digests_digest ON repo_digests (digest)",
    # origin: the shared cache that a step, or its row, came from; "" for what was done here
    "ALTER TABLE steps ADD COLUMN origin TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE build_steps ADD COLUMN origin TEXT NOT NULL DEFAULT ''",
    # the shared caches that were read, so that one which has not changed is not read again
    """CREATE TABLE cache_imports (
        source TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        read REAL NOT NULL) WITHOUT ROWID""",
    # indexes in the making (`lamina index`); what they name need not be in the store
    """CREATE TABLE drafts (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL,
        changed TEXT NOT NULL) WITHOUT ROWID""",
    # what was pushed to `lamina registry serve` beside being an image of the store
    """CREATE TABLE hosted_manifests (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        artifact_type TEXT NOT NULL,
        subject TEXT NOT NULL,
        annotations TEXT NOT NULL,
        added REAL NOT NULL,
        PRIMARY KEY (repository, digest)) WITHOUT ROWID""",
    "CREATE INDEX hosted_manifests_subject ON hosted_manifests (repository, subject)",
    """CREATE TABLE hosted_tags (
        repository TEXT NOT NULL,
        tag TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (repository, tag),
        FOREIGN KEY (repository, digest) REFERENCES hosted_manifests (repository, digest) ON DELETE CASCADE
        ) WITHOUT ROWID""",
    # `added`: when it was last counted on, in seconds since 1970; 0 once no manifest there names it
    """CREATE TABLE hosted_blobs (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        added REAL NOT NULL,
        PRIMARY KEY (repository, digest)) WITHOUT ROWID""",
)

_QUESTIONS = (
    "CREATE INDEX build_steps_chain ON build_steps (chain_id)",
    "CREATE INDEX build_steps_diff ON build_steps (diff_id)",
    # of the end of an image's history: where each entry stands in the Dockerfile (numbers, 0 for unknown)
    """CREATE TABLE image_lines (
        image_id TEXT PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        dockerfile TEXT NOT NULL,
        lines TEXT NOT NULL) WITHOUT ROWID""",
    # folders that hide what lower layers have in them: few among many rows
    "CREATE INDEX files_opaque ON files (diff) WHERE opaque",
    # of each layer's files 4 bytes each, in any order (db.sieves): what has none of them is passed over
    """CREATE TABLE digest_sieves (
        diff INTEGER PRIMARY KEY REFERENCES diffs (num) ON DELETE CASCADE,
        hashes BLOB NOT NULL)""",
    """CREATE TABLE name_sieves (
        diff INTEGER PRIMARY KEY REFERENCES diffs (num) ON DELETE CASCADE,
        hashes BLOB NOT NULL)""",
    # what package managers wrote (a database, or a file for each package), by kind and content
    """CREATE TABLE package_files (
        num INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        digest BLOB NOT NULL,
        UNIQUE (kind, digest))""",
    # key: the name as it is looked for; source: what the package was built from, "" where it is its name
    """CREATE TABLE packages (
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        architecture TEXT NOT NULL,
        source TEXT NOT NULL,
        file INTEGER NOT NULL REFERENCES package_files (num) ON DELETE CASCADE,
        PRIMARY KEY (key, version, architecture, file)) WITHOUT ROWID""",
    "CREATE INDEX packages_name ON packages (name)",
    "CREATE INDEX packages_source ON packages (source) WHERE source <> ''",
    "CREATE INDEX packages_file ON packages (file)",
    # where such files are; a layer that was looked through for them has a row in package_layers
    """CREATE TABLE package_layers (
        diff INTEGER PRIMARY KEY REFERENCES diffs (num) ON DELETE CASCADE)""",
    """CREATE TABLE package_places (
        diff INTEGER NOT NULL REFERENCES package_layers (diff) ON DELETE CASCADE,
        path BLOB NOT NULL,
        file INTEGER NOT NULL REFERENCES package_files (num) ON DELETE CASCADE,
        PRIMARY KEY (diff, path)) WITHOUT ROWID""",
    "CREATE INDEX package_places_file ON package_places (file)",
)

MIGRATIONS: tuple[Migration, ...] = (
    Migration("the first tables", _LAYERS + _CACHE + _IMAGES + _CONTAINERS + _LEASES),
    Migration("cache mounts of RUN", _CACHE_MOUNTS),
    Migration("records of builds", _BUILDS),
    Migration("indexes of several images", _INDEXES),
    Migration("what servers said of URLs", _URLS),
    Migration("what steps read of the layers below them, and why they were done", _TRACES),
    Migration("where layers are elsewhere, and what others put here", _SHIPPING),
    Migration("what questions look up", _QUESTIONS),
)
