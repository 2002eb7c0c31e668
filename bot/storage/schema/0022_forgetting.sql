-- People whose data is being deleted, a few jobs at a time. A row stays until nothing is left, also through a crash.
CREATE TABLE forgetting (
    owner   TEXT    NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    at      REAL    NOT NULL
) STRICT, WITHOUT ROWID;
