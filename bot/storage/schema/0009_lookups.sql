-- What is looked up every minute, or with every request, and had to read a whole table for it.

-- With size and path, so that what the pictures take is added up without reading facts and vectors.
DROP INDEX pictures_by_age;
CREATE INDEX pictures_by_age ON pictures (created_at, size, path) WHERE path IS NOT NULL;

CREATE INDEX messages_by_age ON messages (created_at);
CREATE INDEX presses_by_age ON presses (at);

-- Which attachments are old, and which jobs (or questions) need one.
CREATE INDEX inputs_by_age ON inputs (created_at, size);
CREATE INDEX job_inputs_by_sha ON job_inputs (sha256);
CREATE INDEX question_inputs_by_sha ON question_inputs (sha256);

CREATE INDEX report_voices_by_person ON report_voices (user_id, at);
