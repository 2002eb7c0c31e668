-- What servers decide about their members, and what members decide about themselves.

-- Where a job was asked for: guild_id and channel_id say where it is shown, which for private results is a direct message.
ALTER TABLE jobs ADD COLUMN server_id INTEGER;
UPDATE jobs SET server_id = guild_id;
-- Decided when the job was taken, so that a setting that changes later changes nothing that waits.
ALTER TABLE jobs ADD COLUMN spoiler INTEGER NOT NULL DEFAULT 0 CHECK (spoiler IN (0, 1));

-- In which server a moderator acted; NULL: a host, for all of them.
ALTER TABLE audit ADD COLUMN server_id INTEGER;
CREATE INDEX audit_by_server ON audit (server_id, id);

CREATE INDEX charges_by_server ON charges (guild_id, reserved_at) WHERE guild_id IS NOT NULL;

-- Who may not paint where; server_id 0 = nowhere.
CREATE TABLE blocks (
    server_id INTEGER NOT NULL,
    user_id   INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    at        REAL    NOT NULL,
    until     REAL,                             -- NULL = until somebody lifts it
    PRIMARY KEY (server_id, user_id)
) STRICT, WITHOUT ROWID;

-- One report per job, however many people make it; it is closed once.
CREATE TABLE reports (
    job_id     TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    server_id  INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,                -- where moderators read it
    message_id INTEGER,
    shown_at   TEXT    NOT NULL,                -- link to the message that was reported
    state      TEXT    NOT NULL CHECK (state IN ('open', 'deleted', 'blocked', 'dismissed')),
    closed_by  TEXT    NOT NULL DEFAULT '',
    at         REAL    NOT NULL,
    closed_at  REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE report_voices (
    job_id  TEXT    NOT NULL REFERENCES reports (job_id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    at      REAL    NOT NULL,
    PRIMARY KEY (job_id, user_id)
) STRICT, WITHOUT ROWID;

-- Whom to forget in the ledger once nothing of theirs counts any more, so that being forgotten pays for no picture.
CREATE TABLE forgotten (
    owner TEXT NOT NULL PRIMARY KEY,
    at    REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages of forgotten people that still have to be deleted.
CREATE TABLE removals (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;
