-- Templates that servers save. key is the folded name, by which uses and stars are counted too, those of shipped styles
-- among them; author is NULL after that person was forgotten.
CREATE TABLE styles (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    template   TEXT    NOT NULL,
    negative   TEXT    NOT NULL,
    options    TEXT    NOT NULL,                    -- JSON
    author     INTEGER,
    created_at REAL    NOT NULL,
    UNIQUE (server_id, key)
) STRICT;

CREATE INDEX styles_by_author ON styles (author) WHERE author IS NOT NULL;

CREATE TABLE style_uses (
    server_id INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    uses      INTEGER NOT NULL,
    PRIMARY KEY (server_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE style_stars (
    server_id INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    user_id   INTEGER NOT NULL,
    PRIMARY KEY (server_id, name, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX style_stars_by_person ON style_stars (user_id);
