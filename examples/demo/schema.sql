-- A dependency graph, who loaded which part of it, and what the five programs write at the same time.
-- Each program runs this script when it opens the file; only the first one finds something to do.

CREATE TABLE IF NOT EXISTS run(            -- one row for each program
    id        INTEGER PRIMARY KEY,
    language  TEXT NOT NULL UNIQUE,
    promised  INTEGER NOT NULL DEFAULT 0   -- commits that it is going to make beside the others
) STRICT;

CREATE TABLE IF NOT EXISTS licence(
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS package(
    id          INTEGER PRIMARY KEY,       -- dependencies have smaller numbers than their users
    name        TEXT NOT NULL,
    version     TEXT NOT NULL,
    licence_id  INTEGER NOT NULL REFERENCES licence(id),
    features    INTEGER NOT NULL,
    targets     INTEGER NOT NULL,
    run_id      INTEGER NOT NULL REFERENCES run(id),
    UNIQUE (name, version)
) STRICT;

CREATE TABLE IF NOT EXISTS edge(           -- a package needs another one
    package_id     INTEGER NOT NULL REFERENCES package(id),
    dependency_id  INTEGER NOT NULL REFERENCES package(id),
    kind           TEXT NOT NULL CHECK (kind IN ('normal', 'build', 'dev')),
    PRIMARY KEY (package_id, dependency_id, kind),
    CHECK (dependency_id < package_id)     -- so there is no circle
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS edge_backwards ON edge(dependency_id, package_id);

-- What a package needs directly or through others.
CREATE VIEW IF NOT EXISTS needs AS
    WITH RECURSIVE closure(package_id, dependency_id) AS (
        SELECT package_id, dependency_id FROM edge
        UNION
        SELECT closure.package_id, edge.dependency_id
        FROM closure JOIN edge ON edge.package_id = closure.dependency_id)
    SELECT package_id, dependency_id FROM closure;

-- One counter and as many notes as it says, in every snapshot, whoever writes.
CREATE TABLE IF NOT EXISTS counter(
    name   TEXT PRIMARY KEY,
    value  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS note(
    id      INTEGER PRIMARY KEY,
    run_id  INTEGER NOT NULL REFERENCES run(id),
    thread  INTEGER NOT NULL,
    at      REAL NOT NULL DEFAULT (unixepoch('subsec'))
) STRICT;

-- A note that follows one of another program.
CREATE VIEW IF NOT EXISTS hand_over AS
    SELECT id FROM (SELECT id, run_id <> lag(run_id) OVER (ORDER BY id) AS other FROM note) WHERE other;

INSERT INTO counter VALUES ('commits', 0) ON CONFLICT DO NOTHING;
