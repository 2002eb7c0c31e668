-- How jobs and Discord's messages find each other, and what still has to be said.

-- The token is a secret that Discord honours for 15 minutes; rows are deleted then (with PRAGMA secure_delete).
CREATE TABLE interactions (
    job_id         TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    interaction_id INTEGER NOT NULL,
    token          TEXT    NOT NULL,
    expires_at     REAL    NOT NULL
) STRICT;

CREATE INDEX interactions_by_end ON interactions (expires_at);

CREATE TABLE messages (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created_at REAL    NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_by_job ON messages (job_id, created_at);

-- The outbox: written with the end of a job, closed when Discord has it.
CREATE TABLE deliveries (
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('result', 'ping')),
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'undeliverable', 'dropped')),
    tries      INTEGER NOT NULL DEFAULT 0,
    not_before REAL    NOT NULL DEFAULT 0,
    error      TEXT    NOT NULL DEFAULT '',
    created_at REAL    NOT NULL,
    closed_at  REAL,
    PRIMARY KEY (job_id, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_open ON deliveries (created_at) WHERE state = 'pending';

-- A button that is pressed twice does its work once.
CREATE TABLE presses (
    key TEXT NOT NULL PRIMARY KEY,
    at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
