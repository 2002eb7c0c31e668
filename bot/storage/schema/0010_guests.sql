-- Whether the bot was only a guest (user-installed) where the job was asked for, so its server is in no cache.
ALTER TABLE jobs ADD COLUMN guest INTEGER NOT NULL DEFAULT 0;
