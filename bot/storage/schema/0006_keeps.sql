-- What people keep: retention passes it over. Kept is a job, with all its pictures; whoever keeps it need not have asked for it.
CREATE TABLE keeps (
    job_id  TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    at      REAL    NOT NULL,
    PRIMARY KEY (job_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX keeps_by_person ON keeps (user_id);

-- Short replies that called somebody: no reaction to them means anything, but they go with their job.
CREATE TABLE calls (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_by_job ON calls (job_id);
