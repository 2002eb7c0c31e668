-- What was asked for, what became of it, and the pictures. Times are unix seconds, costs pixel steps (1e6 = one unit).

CREATE TABLE jobs (
    id            TEXT    NOT NULL PRIMARY KEY,
    attempt       INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    deaths        INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    owner         TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    user_id       INTEGER NOT NULL,
    user_name     TEXT    NOT NULL,
    guild_id      INTEGER,
    channel_id    INTEGER NOT NULL,
    interaction_id INTEGER,
    parent_job    TEXT    NOT NULL,
    parent_index  INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    running_limit INTEGER NOT NULL,
    request       TEXT    NOT NULL,
    cost          INTEGER NOT NULL CHECK (cost >= 0),
    state         TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    error_code    TEXT    NOT NULL DEFAULT '',
    error_text    TEXT    NOT NULL DEFAULT '',
    created_at    REAL    NOT NULL,
    started_at    REAL,
    finished_at   REAL,
    seconds       TEXT    NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX jobs_by_owner ON jobs (owner, created_at);
CREATE INDEX jobs_alive ON jobs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_parent ON jobs (parent_job) WHERE parent_job <> '';

-- path is relative to the data folder, so that the folder can be moved; NULL when the file is no longer kept.
CREATE TABLE pictures (
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx        INTEGER NOT NULL CHECK (idx >= 0),
    path       TEXT,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    facts      TEXT    NOT NULL,
    perceptor  TEXT    NOT NULL DEFAULT '',
    embedding  BLOB,                            -- little-endian half floats
    created_at REAL    NOT NULL,
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX pictures_by_sha ON pictures (sha256) WHERE path IS NOT NULL;
CREATE INDEX pictures_by_age ON pictures (created_at) WHERE path IS NOT NULL;

-- Attachments that requests name by hash; kept as files, for a job must be able to start after a restart.
CREATE TABLE inputs (
    sha256     TEXT    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL,
    created_at REAL    NOT NULL
) STRICT;

CREATE TABLE job_inputs (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL REFERENCES inputs (sha256),
    PRIMARY KEY (job_id, sha256)
) STRICT, WITHOUT ROWID;
