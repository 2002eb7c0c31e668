-- A challenge: entries until deadline, then the vote vote_id, then winners. revision counts the changes that the
-- announcement has to show, shown those that it does show; result_id and pinned follow the end.
CREATE TABLE challenges (
    id           TEXT    NOT NULL PRIMARY KEY,
    server_id    INTEGER NOT NULL,
    channel_id   INTEGER NOT NULL,
    message_id   INTEGER,
    thread_id    INTEGER,
    host_id      INTEGER NOT NULL,              -- 0: forgotten
    theme        TEXT    NOT NULL,
    entries_each INTEGER NOT NULL CHECK (entries_each > 0),
    vote_seconds REAL    NOT NULL,
    prize        INTEGER NOT NULL CHECK (prize >= 0),   -- pixel steps
    state        TEXT    NOT NULL CHECK (state IN ('open', 'voting', 'ended', 'cancelled')),
    vote_id      TEXT    NOT NULL DEFAULT '',
    created_at   REAL    NOT NULL,
    deadline     REAL    NOT NULL,
    ended_at     REAL,
    reason       TEXT    NOT NULL DEFAULT '',
    result_id    INTEGER,
    pinned       INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    revision     INTEGER NOT NULL DEFAULT 1,
    shown        INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    not_before   REAL    NOT NULL DEFAULT 0
) STRICT;

-- One challenge of a server takes entries at a time.
CREATE UNIQUE INDEX challenges_open ON challenges (server_id) WHERE state = 'open';
CREATE INDEX challenges_running ON challenges (deadline) WHERE state IN ('open', 'voting');
CREATE INDEX challenges_owed ON challenges (not_before) WHERE shown < revision;
CREATE INDEX challenges_by_server ON challenges (server_id, created_at);
CREATE INDEX challenges_by_host ON challenges (host_id);

-- painted: for the challenge, outside of the person's quota. withdrawn entries stay, so that nobody paints twice as much.
CREATE TABLE challenge_entries (
    challenge_id TEXT    NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    job_id       TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx          INTEGER NOT NULL,
    user_id      INTEGER NOT NULL,
    painted      INTEGER NOT NULL CHECK (painted IN (0, 1)),
    withdrawn    INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
    at           REAL    NOT NULL,
    PRIMARY KEY (challenge_id, job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX challenge_entries_by_job ON challenge_entries (job_id);
CREATE INDEX challenge_entries_by_person ON challenge_entries (user_id);

CREATE TABLE challenge_winners (
    challenge_id TEXT    NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    job_id       TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx          INTEGER NOT NULL,
    user_id      INTEGER NOT NULL,
    votes        INTEGER NOT NULL,
    prize        INTEGER NOT NULL,              -- pixel steps
    PRIMARY KEY (challenge_id, job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX challenge_winners_by_job ON challenge_winners (job_id);
CREATE INDEX challenge_winners_by_person ON challenge_winners (user_id);

-- Who wants to be on the leaderboard of a server.
CREATE TABLE leaderboard (
    server_id INTEGER NOT NULL,
    user_id   INTEGER NOT NULL,
    PRIMARY KEY (server_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX leaderboard_by_person ON leaderboard (user_id);
