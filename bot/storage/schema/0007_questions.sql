-- What is asked before much is spent. Whoever is asked sees the question alone, with two buttons; its request waits here.
CREATE TABLE questions (
    id           TEXT    NOT NULL PRIMARY KEY,
    owner        TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    parent_job   TEXT    NOT NULL,
    parent_index INTEGER NOT NULL,
    request      TEXT    NOT NULL,
    asked_at     REAL    NOT NULL,
    answer       TEXT    NOT NULL DEFAULT '' CHECK (answer IN ('', 'yes', 'no'))
) STRICT, WITHOUT ROWID;

CREATE INDEX questions_by_age ON questions (asked_at);
CREATE INDEX questions_by_owner ON questions (owner, asked_at);

-- Attachments that a question's request names, kept until it is answered or has lapsed.
CREATE TABLE question_inputs (
    question_id TEXT NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    sha256      TEXT NOT NULL REFERENCES inputs (sha256),
    PRIMARY KEY (question_id, sha256)
) STRICT, WITHOUT ROWID;
