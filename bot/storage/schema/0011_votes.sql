-- Blind votes over pictures. A vote lives in one message; message_id is NULL until Discord has it.
-- revision counts the changes that the message has to show, shown those that it does show.
CREATE TABLE votes (
    id          TEXT    NOT NULL PRIMARY KEY,
    server_id   INTEGER NOT NULL,
    channel_id  INTEGER NOT NULL,
    thread_of   INTEGER,
    message_id  INTEGER,
    starter_id  INTEGER NOT NULL,               -- 0: forgotten
    title       TEXT    NOT NULL,
    others_only INTEGER NOT NULL CHECK (others_only IN (0, 1)),
    spoiler     INTEGER NOT NULL CHECK (spoiler IN (0, 1)),
    mature      INTEGER NOT NULL CHECK (mature IN (0, 1)),
    state       TEXT    NOT NULL CHECK (state IN ('open', 'closed')),
    created_at  REAL    NOT NULL,
    ends_at     REAL    NOT NULL,
    revision    INTEGER NOT NULL DEFAULT 1,
    shown       INTEGER NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0,
    not_before  REAL    NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX votes_open ON votes (ends_at) WHERE state = 'open';
CREATE INDEX votes_owed ON votes (not_before) WHERE shown < revision;
CREATE INDEX votes_by_server ON votes (server_id, ends_at);
CREATE INDEX votes_by_starter ON votes (starter_id);

-- place 0 is the letter A. traits: JSON, a list of [axis, value].
CREATE TABLE vote_candidates (
    vote_id   TEXT    NOT NULL REFERENCES votes (id) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    job_id    TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx       INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    label     TEXT    NOT NULL,
    traits    TEXT    NOT NULL,
    PRIMARY KEY (vote_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX vote_candidates_by_job ON vote_candidates (job_id);

CREATE TABLE ballots (
    vote_id TEXT    NOT NULL,
    user_id INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    at      REAL    NOT NULL,
    PRIMARY KEY (vote_id, user_id),
    FOREIGN KEY (vote_id, place) REFERENCES vote_candidates (vote_id, place) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX ballots_by_place ON ballots (place, vote_id);
CREATE INDEX ballots_by_person ON ballots (user_id);

-- A picture that is deleted or withdrawn has to disappear from the message, whatever deleted it.
CREATE TRIGGER vote_candidate_gone AFTER DELETE ON vote_candidates
BEGIN
    UPDATE votes SET revision = revision + 1, not_before = 0 WHERE id = OLD.vote_id;
END;
