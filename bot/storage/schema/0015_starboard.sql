-- One entry per starred picture. Its message is posted once; `closed`: a moderator deleted that message.
CREATE TABLE starboard (
    job_id     TEXT    NOT NULL,
    idx        INTEGER NOT NULL,
    server_id  INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    message_id INTEGER,                         -- NULL until it is known
    file       TEXT    NOT NULL DEFAULT '',     -- the message's own copy of the picture
    stars      INTEGER NOT NULL,                -- as the message shows them
    closed     INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)),
    created_at REAL    NOT NULL,
    PRIMARY KEY (job_id, idx),
    FOREIGN KEY (job_id, idx) REFERENCES pictures (job_id, idx) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX starboard_by_message ON starboard (channel_id, message_id) WHERE message_id IS NOT NULL;

-- However an entry goes, its message follows.
CREATE TRIGGER starboard_removed AFTER DELETE ON starboard WHEN old.message_id IS NOT NULL BEGIN
    INSERT OR IGNORE INTO removals VALUES (old.channel_id, old.message_id);
END;

-- Pictures whose entry may have to change: the outbox of the starboard. The triggers do not use OR IGNORE, because the
-- conflict clause of the statement that fires them would replace it.
CREATE TABLE star_changes (
    job_id TEXT    NOT NULL,
    idx    INTEGER NOT NULL,
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER stars_added AFTER INSERT ON stars WHEN new.server_id IS NOT NULL BEGIN
    INSERT INTO star_changes SELECT new.job_id, new.idx
        WHERE NOT EXISTS (SELECT 1 FROM star_changes WHERE job_id = new.job_id AND idx = new.idx);
END;

CREATE TRIGGER stars_moved AFTER UPDATE OF server_id ON stars BEGIN
    INSERT INTO star_changes SELECT new.job_id, new.idx
        WHERE NOT EXISTS (SELECT 1 FROM star_changes WHERE job_id = new.job_id AND idx = new.idx);
END;

CREATE TRIGGER stars_removed AFTER DELETE ON stars WHEN old.server_id IS NOT NULL BEGIN
    INSERT INTO star_changes SELECT old.job_id, old.idx
        WHERE NOT EXISTS (SELECT 1 FROM star_changes WHERE job_id = old.job_id AND idx = old.idx);
END;

CREATE TRIGGER starboard_source_removed AFTER DELETE ON messages BEGIN
    INSERT INTO star_changes SELECT job_id, idx FROM starboard WHERE job_id = old.job_id
        AND NOT EXISTS (SELECT 1 FROM star_changes c WHERE c.job_id = starboard.job_id AND c.idx = starboard.idx);
END;
