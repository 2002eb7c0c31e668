-- What somebody searched for, so that the pages of its results survive a restart. Deleted after a day.
CREATE TABLE searches (
    id         TEXT    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    place      TEXT    NOT NULL CHECK (place IN ('all', 'mine', 'server', 'favorites')),
    words      TEXT    NOT NULL,
    like_id    INTEGER,                         -- the picture that others should resemble
    perceptor  TEXT    NOT NULL,                -- name and hash of the CLIP of the vector
    vector     BLOB,                            -- little-endian half floats, length 1
    at         REAL    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX searches_by_person ON searches (user_id, at);
CREATE INDEX searches_by_age ON searches (at);

-- A picture whose file is gone is not embedded any more.
UPDATE picture_index SET due = 0 WHERE (job_id, idx) IN (SELECT job_id, idx FROM pictures WHERE path IS NULL);

CREATE TRIGGER pictures_expired AFTER UPDATE OF path ON pictures WHEN new.path IS NULL BEGIN
    UPDATE picture_index SET due = 0 WHERE job_id = new.job_id AND idx = new.idx;
END;
