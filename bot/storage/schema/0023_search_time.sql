-- A search may be limited to what was painted since a time (unix seconds); 0 = any time.
ALTER TABLE searches ADD COLUMN since REAL NOT NULL DEFAULT 0;
