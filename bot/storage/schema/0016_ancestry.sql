-- Which pictures a job was made from: that of a pressed button, a start, a target, blended and enlarged pictures.
-- parent_job has no foreign key: a job stays the child of a deleted one.
CREATE TABLE ancestry (
    job_id       TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    parent_job   TEXT    NOT NULL,
    parent_index INTEGER NOT NULL CHECK (parent_index >= 0),
    relation     TEXT    NOT NULL,              -- the job's kind, or what the picture was to it
    PRIMARY KEY (job_id, parent_job, parent_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX ancestry_by_parent ON ancestry (parent_job);

INSERT INTO ancestry SELECT id, parent_job, parent_index, kind FROM jobs WHERE parent_job <> '';
