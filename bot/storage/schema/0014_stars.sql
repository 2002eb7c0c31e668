-- Pictures that people star. Retention deletes them last. A star counts for the server where it was given.
CREATE TABLE stars (
    job_id      TEXT    NOT NULL,
    idx         INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    server_id   INTEGER,                        -- NULL: given in a direct message, or a saved job of earlier versions
    by_reaction INTEGER NOT NULL DEFAULT 0 CHECK (by_reaction IN (0, 1)),
    at          REAL    NOT NULL,
    PRIMARY KEY (job_id, idx, user_id),
    FOREIGN KEY (job_id, idx) REFERENCES pictures (job_id, idx) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX stars_by_person ON stars (user_id, at);
CREATE INDEX stars_by_server ON stars (server_id, job_id, idx) WHERE server_id IS NOT NULL;

-- A saved job becomes one star per picture.
INSERT INTO stars SELECT job_id, idx, user_id, NULL, 0, at FROM keeps JOIN pictures USING (job_id);
DROP TABLE keeps;

-- Finished jobs whose pictures are not in the index of the gallery yet.
CREATE TABLE unindexed (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE
) STRICT;

INSERT INTO unindexed SELECT id FROM jobs WHERE state = 'done' ORDER BY created_at, rowid;

CREATE TRIGGER jobs_done AFTER UPDATE OF state ON jobs WHEN new.state = 'done' BEGIN
    INSERT OR IGNORE INTO unindexed VALUES (new.id);
END;

-- What gallery and search know of a finished picture.
CREATE TABLE picture_index (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id     TEXT    NOT NULL,
    idx        INTEGER NOT NULL,
    owner      INTEGER NOT NULL,
    server_id  INTEGER,                         -- where members see it; NULL: a private result, or one of a guest
    channel_id INTEGER NOT NULL,
    mature     INTEGER NOT NULL CHECK (mature IN (0, 1)),
    words      TEXT    NOT NULL,
    due        INTEGER NOT NULL DEFAULT 1 CHECK (due IN (0, 1)),
    perceptor  TEXT    NOT NULL DEFAULT '',     -- name and hash of the CLIP of the vector
    vector     BLOB,                            -- little-endian half floats, length 1
    UNIQUE (job_id, idx),
    FOREIGN KEY (job_id, idx) REFERENCES pictures (job_id, idx) ON DELETE CASCADE
) STRICT;

CREATE INDEX picture_index_by_server ON picture_index (server_id, id);
CREATE INDEX picture_index_by_owner ON picture_index (owner, id);
CREATE INDEX picture_index_by_channel ON picture_index (server_id, channel_id);
CREATE INDEX picture_index_by_perceptor ON picture_index (perceptor, id);
CREATE INDEX picture_index_due ON picture_index (id) WHERE due = 1;

-- rowid = picture_index.id. Triggers may not write it (PRAGMA trusted_schema is off): they queue what is removed.
CREATE VIRTUAL TABLE picture_words USING fts5(words, place, tokenize = "unicode61 remove_diacritics 2");

-- Pictures that are no longer in the index, but may still be in picture_words and in the file of vectors.
CREATE TABLE unlisted (
    id INTEGER NOT NULL PRIMARY KEY
) STRICT;

CREATE TRIGGER picture_index_removed AFTER DELETE ON picture_index BEGIN
    INSERT OR IGNORE INTO unlisted VALUES (old.id);
END;
