-- Defaults of channels, and which defaults a job used.

CREATE TABLE settings_of_places (
    scope   TEXT NOT NULL CHECK (scope IN ('bot', 'server', 'channel', 'person')),
    subject TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,                      -- JSON
    PRIMARY KEY (scope, subject, key)
) STRICT, WITHOUT ROWID;
INSERT INTO settings_of_places SELECT * FROM settings;
DROP TABLE settings;
ALTER TABLE settings_of_places RENAME TO settings;

-- JSON: [[what, value, whose], …] of `bot.models.job.Applied`.
ALTER TABLE jobs ADD COLUMN applied TEXT NOT NULL DEFAULT '[]';
ALTER TABLE questions ADD COLUMN applied TEXT NOT NULL DEFAULT '[]';
