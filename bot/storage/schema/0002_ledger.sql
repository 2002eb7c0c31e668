-- Who has spent what. Amounts are pixel steps (1e6 = one unit), whole numbers, so that sums are exact.

-- One line per job. It is reserved once and closed once: charged (all of it or less) or refunded.
CREATE TABLE charges (
    job_id         TEXT    NOT NULL PRIMARY KEY,
    owner          TEXT    NOT NULL,
    guild_id       INTEGER,
    state          TEXT    NOT NULL CHECK (state IN ('reserved', 'charged', 'refunded')),
    reserved       INTEGER NOT NULL CHECK (reserved >= 0),
    from_credit    INTEGER NOT NULL CHECK (from_credit BETWEEN 0 AND reserved),
    charged        INTEGER NOT NULL DEFAULT 0 CHECK (charged BETWEEN 0 AND reserved),
    charged_credit INTEGER NOT NULL DEFAULT 0 CHECK (charged_credit BETWEEN 0 AND from_credit),
    reserved_at    REAL    NOT NULL,
    closed_at      REAL,
    CHECK ((state = 'reserved') = (closed_at IS NULL)),
    CHECK (state = 'charged' OR (charged = 0 AND charged_credit = 0)),
    CHECK (charged_credit <= charged)
) STRICT;

CREATE INDEX charges_by_owner ON charges (owner, reserved_at);
CREATE INDEX charges_by_credit ON charges (owner) WHERE from_credit > 0;

-- What people were given beyond their allowance, and fresh starts of a window.
CREATE TABLE credits (
    id     INTEGER PRIMARY KEY,
    owner  TEXT    NOT NULL,
    kind   TEXT    NOT NULL CHECK (kind IN ('granted', 'reset')),
    amount INTEGER NOT NULL,
    at     REAL    NOT NULL,
    by     TEXT    NOT NULL,
    reason TEXT    NOT NULL
) STRICT;

CREATE INDEX credits_by_owner ON credits (owner, at);
