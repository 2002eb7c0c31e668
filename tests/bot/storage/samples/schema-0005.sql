BEGIN TRANSACTION;
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      REAL NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL                       -- JSON
, server_id INTEGER) STRICT;
INSERT INTO "audit" VALUES(1,1800000180.0,'discord:99','block','discord:33','{"reason": "floods"}',400);
CREATE TABLE blocks (
    server_id INTEGER NOT NULL,
    user_id   INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    at        REAL    NOT NULL,
    until     REAL,                             -- NULL = until somebody lifts it
    PRIMARY KEY (server_id, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "blocks" VALUES(400,33,'discord:99','floods',1800000180.0,NULL);
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
INSERT INTO "charges" VALUES('aaaaaaaaa1','discord:11',NULL,'charged',1638400,0,1638400,0,1800000000.0,1800000000.0);
INSERT INTO "charges" VALUES('eeeeeeeee2','discord:22',NULL,'charged',1048576,0,1048576,0,1800000060.0,1800000060.0);
INSERT INTO "charges" VALUES('qqqqqqqqq5','discord:22',NULL,'reserved',1638400,0,0,0,1800000180.0,NULL);
CREATE TABLE credits (
    id     INTEGER PRIMARY KEY,
    owner  TEXT    NOT NULL,
    kind   TEXT    NOT NULL CHECK (kind IN ('granted', 'reset')),
    amount INTEGER NOT NULL,
    at     REAL    NOT NULL,
    by     TEXT    NOT NULL,
    reason TEXT    NOT NULL
) STRICT;
CREATE TABLE deliveries (
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('result', 'ping')),
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'undeliverable', 'dropped')),
    tries      INTEGER NOT NULL DEFAULT 0,
    not_before REAL    NOT NULL DEFAULT 0,
    error      TEXT    NOT NULL DEFAULT '',
    created_at REAL    NOT NULL,
    closed_at  REAL,
    PRIMARY KEY (job_id, purpose)
) STRICT, WITHOUT ROWID;
INSERT INTO "deliveries" VALUES('aaaaaaaaa1','result','delivered',0,0.0,'',1800000000.0,1800000000.0);
INSERT INTO "deliveries" VALUES('eeeeeeeee2','result','pending',0,0.0,'',1800000060.0,NULL);
CREATE TABLE forgotten (
    owner TEXT NOT NULL PRIMARY KEY,
    at    REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE inputs (
    sha256     TEXT    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL,
    created_at REAL    NOT NULL
) STRICT;
CREATE TABLE interactions (
    job_id         TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    interaction_id INTEGER NOT NULL,
    token          TEXT    NOT NULL,
    expires_at     REAL    NOT NULL
) STRICT;
CREATE TABLE job_inputs (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL REFERENCES inputs (sha256),
    PRIMARY KEY (job_id, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (
    id            TEXT    NOT NULL PRIMARY KEY,
    attempt       INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    deaths        INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    owner         TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    user_id       INTEGER NOT NULL,
    user_name     TEXT    NOT NULL,
    guild_id      INTEGER,
    channel_id    INTEGER NOT NULL,
    interaction_id INTEGER,
    parent_job    TEXT    NOT NULL,
    parent_index  INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    running_limit INTEGER NOT NULL,
    request       TEXT    NOT NULL,
    cost          INTEGER NOT NULL CHECK (cost >= 0),
    state         TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    error_code    TEXT    NOT NULL DEFAULT '',
    error_text    TEXT    NOT NULL DEFAULT '',
    created_at    REAL    NOT NULL,
    started_at    REAL,
    finished_at   REAL,
    seconds       TEXT    NOT NULL DEFAULT '{}'
, server_id INTEGER, spoiler INTEGER NOT NULL DEFAULT 0 CHECK (spoiler IN (0, 1))) STRICT;
INSERT INTO "jobs" VALUES('aaaaaaaaa1',1,0,'discord:11','dream',11,'ann',400,500,NULL,'',0,1,1,'{"version":1,"kind":"dream","prompts":[{"text":"a fox","image":"","weight":1.0}],"model":"primer","options":{"steps":25,"sampler":"ddim","eta":1.0,"order":0,"respacing":"even","skip_steps":0,"cfg_scale":2.5,"class_id":-1,"perceptors":"usual","target_weight":1.0,"distance":"spherical","sees":"predicted","cut_kind":"mixed","cutouts":4,"overview":0,"cut_batches":1,"cut_power":1.0,"flip":0.0,"gray":0.0,"cut_noise":0.1,"clip_guidance_scale":1000.0,"tv_scale":0.0,"range_scale":0.0,"saturation_scale":0.0,"init_scale":0.0,"clamp_max":0.0,"shift_max":0.1,"gradient":"net","guide_every":1,"guide_from":0.0,"guide_until":1.0,"perlin":"none","symmetry":"none","symmetry_until":1.0,"seamless":"none","method":"clip_diffusion"},"width":256,"height":256,"seed":7,"count":1,"init_image":"","target_image":"","mask_image":""}',1638400,'done','','',1800000000.0,1800000000.0,1800000000.0,'{"steps": 1.0}',NULL,0);
INSERT INTO "jobs" VALUES('eeeeeeeee2',1,0,'discord:22','upscale',22,'bob',400,500,NULL,'aaaaaaaaa1',0,1,1,'{"version":1,"kind":"upscale","image":"044f77fcdb3e3b14c4634ff50b0b3e1c2cfd823e452aea742388b748cf204465","upscaler":"primer","scale":4,"width":256,"height":256}',1048576,'done','','',1800000060.0,1800000060.0,1800000060.0,'{"steps": 1.0}',NULL,0);
INSERT INTO "jobs" VALUES('qqqqqqqqq5',1,0,'discord:22','dream',22,'bob',400,500,NULL,'',0,1,1,'{"version":1,"kind":"dream","prompts":[{"text":"a fox","image":"","weight":1.0}],"model":"primer","options":{"steps":25,"sampler":"ddim","eta":1.0,"order":0,"respacing":"even","skip_steps":0,"cfg_scale":2.5,"class_id":-1,"perceptors":"usual","target_weight":1.0,"distance":"spherical","sees":"predicted","cut_kind":"mixed","cutouts":4,"overview":0,"cut_batches":1,"cut_power":1.0,"flip":0.0,"gray":0.0,"cut_noise":0.1,"clip_guidance_scale":1000.0,"tv_scale":0.0,"range_scale":0.0,"saturation_scale":0.0,"init_scale":0.0,"clamp_max":0.0,"shift_max":0.1,"gradient":"net","guide_every":1,"guide_from":0.0,"guide_until":1.0,"perlin":"none","symmetry":"none","symmetry_until":1.0,"seamless":"none","method":"clip_diffusion"},"width":256,"height":256,"seed":7,"count":1,"init_image":"","target_image":"","mask_image":""}',1638400,'queued','','',1800000180.0,NULL,NULL,'{}',NULL,0);
CREATE TABLE messages (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created_at REAL    NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "messages" VALUES(500,1001,'aaaaaaaaa1',1800000000.0);
CREATE TABLE pictures (
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx        INTEGER NOT NULL CHECK (idx >= 0),
    path       TEXT,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    facts      TEXT    NOT NULL,
    perceptor  TEXT    NOT NULL DEFAULT '',
    embedding  BLOB,                            -- little-endian half floats
    created_at REAL    NOT NULL,
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "pictures" VALUES('aaaaaaaaa1',0,'pictures/27/aaaaaaaaa1-0.png',256,256,'044f77fcdb3e3b14c4634ff50b0b3e1c2cfd823e452aea742388b748cf204465',36,'{"width": 256, "height": 256, "seed": 0, "clip_score": 0.3, "perceptor": "fake", "notes": []}','fake',NULL,1800000000.0);
INSERT INTO "pictures" VALUES('eeeeeeeee2',0,'pictures/27/eeeeeeeee2-0.png',1024,1024,'4e42f1fe06d3b5034b2a2680351823188199cb46a3cadbc85f38d2a94aade5a2',36,'{"width": 1024, "height": 1024, "seed": 0, "clip_score": 0.3, "perceptor": "fake", "notes": []}','fake',NULL,1800000060.0);
CREATE TABLE presses (
    key TEXT NOT NULL PRIMARY KEY,
    at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE removals (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "removals" VALUES(500,900);
CREATE TABLE report_voices (
    job_id  TEXT    NOT NULL REFERENCES reports (job_id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    at      REAL    NOT NULL,
    PRIMARY KEY (job_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE reports (
    job_id     TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    server_id  INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,                -- where moderators read it
    message_id INTEGER,
    shown_at   TEXT    NOT NULL,                -- link to the message that was reported
    state      TEXT    NOT NULL CHECK (state IN ('open', 'deleted', 'blocked', 'dismissed')),
    closed_by  TEXT    NOT NULL DEFAULT '',
    at         REAL    NOT NULL,
    closed_at  REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
    scope   TEXT NOT NULL CHECK (scope IN ('bot', 'server', 'person')),
    subject TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,                      -- JSON
    PRIMARY KEY (scope, subject, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "settings" VALUES('person','11','pings','false');
INSERT INTO "settings" VALUES('server','400','mature','"never"');
CREATE INDEX jobs_by_owner ON jobs (owner, created_at);
CREATE INDEX jobs_alive ON jobs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_parent ON jobs (parent_job) WHERE parent_job <> '';
CREATE INDEX pictures_by_sha ON pictures (sha256) WHERE path IS NOT NULL;
CREATE INDEX pictures_by_age ON pictures (created_at) WHERE path IS NOT NULL;
CREATE INDEX charges_by_owner ON charges (owner, reserved_at);
CREATE INDEX charges_by_credit ON charges (owner) WHERE from_credit > 0;
CREATE INDEX credits_by_owner ON credits (owner, at);
CREATE INDEX interactions_by_end ON interactions (expires_at);
CREATE INDEX messages_by_job ON messages (job_id, created_at);
CREATE INDEX deliveries_open ON deliveries (created_at) WHERE state = 'pending';
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_server ON audit (server_id, id);
CREATE INDEX charges_by_server ON charges (guild_id, reserved_at) WHERE guild_id IS NOT NULL;
PRAGMA user_version = 5;
COMMIT;
