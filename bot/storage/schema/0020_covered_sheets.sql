-- Messages of jobs that hide their labels while a blind vote on their pictures is open.
-- state: 'owed' may show labels or not, 'covered' hides them, 'refused' cannot be edited.
CREATE TABLE covered_sheets (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    state      TEXT    NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'covered', 'refused')),
    tries      INTEGER NOT NULL DEFAULT 0,
    not_before REAL    NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX covered_sheets_by_job ON covered_sheets (job_id);

-- A message that is deleted, or will be, shows nothing any more.
CREATE TRIGGER covered_sheet_gone AFTER DELETE ON messages
BEGIN
    DELETE FROM covered_sheets WHERE channel_id = OLD.channel_id AND message_id = OLD.message_id;
END;
