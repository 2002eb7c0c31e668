-- What servers and people have set, and who did what to whom.

CREATE TABLE settings (
    scope   TEXT NOT NULL CHECK (scope IN ('bot', 'server', 'person')),
    subject TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,                      -- JSON
    PRIMARY KEY (scope, subject, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      REAL NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL                       -- JSON
) STRICT;

CREATE INDEX audit_by_time ON audit (at);
