-- Entries are numbered in the order of their arrival, so that a message can name one without its author.
ALTER TABLE challenge_entries ADD COLUMN number INTEGER NOT NULL DEFAULT 0;

UPDATE challenge_entries SET number = (
    SELECT count(*) FROM challenge_entries earlier
    WHERE earlier.challenge_id = challenge_entries.challenge_id
    AND (earlier.at, earlier.job_id, earlier.idx) <= (challenge_entries.at, challenge_entries.job_id, challenge_entries.idx)
);

-- Entries of running challenges whose messages hide author and prompt. What a direct message shows stays as it is.
CREATE VIEW blind_entries (job_id, idx, number, theme, takes_entries) AS
SELECT job_id, idx, number, theme, challenges.state = 'open'
FROM challenges
CROSS JOIN challenge_entries ON challenge_id = challenges.id
CROSS JOIN jobs ON jobs.id = job_id
WHERE challenges.state IN ('open', 'voting') AND withdrawn = 0 AND jobs.guild_id IS NOT NULL;

-- Jobs whose prompt, labels and author are shown to their owner only, until ends_at: entries of running challenges,
-- comparisons in an open vote, and copies of both. Everything that shows other people's pictures asks here.
CREATE VIEW blind_jobs (job_id, ends_at) AS
WITH RECURSIVE blind (job_id, ends_at) AS (
    SELECT challenge_entries.job_id, coalesce(votes.ends_at, deadline + vote_seconds)
    FROM challenges
    CROSS JOIN challenge_entries ON challenge_id = challenges.id
    LEFT JOIN votes ON votes.id = challenges.vote_id
    WHERE challenges.state IN ('open', 'voting') AND withdrawn = 0
    UNION
    SELECT vote_candidates.job_id, votes.ends_at
    FROM votes
    CROSS JOIN vote_candidates ON vote_id = votes.id
    CROSS JOIN jobs ON jobs.id = job_id
    WHERE votes.state = 'open' AND (others_only OR instr(request, '"kind":"compare"') > 0)
    UNION
    SELECT jobs.id, blind.ends_at
    FROM blind
    CROSS JOIN jobs ON jobs.parent_job = blind.job_id AND jobs.parent_job <> ''
    WHERE jobs.kind IN ('pick', 'upscale', 'crop')
)
SELECT job_id, max(ends_at) FROM blind GROUP BY job_id;

-- The message of an entry is blind from the start. The row makes sure that the end of the vote reveals it.
CREATE TRIGGER entry_shown AFTER INSERT ON messages WHEN NEW.job_id IN (SELECT job_id FROM blind_entries) BEGIN
    INSERT INTO covered_sheets (channel_id, message_id, job_id, state)
    SELECT NEW.channel_id, NEW.message_id, NEW.job_id, 'covered' WHERE NOT EXISTS (
        SELECT 1 FROM covered_sheets WHERE channel_id = NEW.channel_id AND message_id = NEW.message_id
    );
END;

-- The starboard follows: an entry is edited when its picture becomes blind and when it is revealed, and what was starred
-- meanwhile appears then. An INSERT into this view does it for one job. starboard.stars -1: the message is out of date.
CREATE VIEW starboard_refresh (job_id) AS SELECT DISTINCT job_id FROM starboard;

-- A job with its copies and their copies; a trigger cannot follow further ones.
CREATE VIEW job_copies (job_id, copy_id) AS
SELECT id, id FROM jobs
UNION ALL
SELECT parent_job, id FROM jobs WHERE parent_job <> '' AND kind IN ('pick', 'upscale', 'crop')
UNION ALL
SELECT nearer.parent_job, farther.id FROM jobs nearer
CROSS JOIN jobs farther ON farther.parent_job = nearer.id AND farther.parent_job <> ''
WHERE nearer.parent_job <> '' AND nearer.kind IN ('pick', 'upscale', 'crop')
AND farther.kind IN ('pick', 'upscale', 'crop');

CREATE TRIGGER starboard_refreshed INSTEAD OF INSERT ON starboard_refresh BEGIN
    UPDATE starboard SET stars = -1 WHERE job_id IN (SELECT copy_id FROM job_copies WHERE job_copies.job_id = NEW.job_id);
    INSERT INTO star_changes SELECT DISTINCT job_id, idx FROM stars s
        WHERE job_id IN (SELECT copy_id FROM job_copies WHERE job_copies.job_id = NEW.job_id)
        AND NOT EXISTS (SELECT 1 FROM star_changes c WHERE c.job_id = s.job_id AND c.idx = s.idx);
END;

CREATE TRIGGER candidate_hidden AFTER INSERT ON vote_candidates BEGIN
    INSERT INTO starboard_refresh VALUES (NEW.job_id);
END;

CREATE TRIGGER candidate_shown AFTER DELETE ON vote_candidates BEGIN
    INSERT INTO starboard_refresh VALUES (OLD.job_id);
END;

CREATE TRIGGER candidates_shown AFTER UPDATE OF state ON votes WHEN OLD.state <> NEW.state BEGIN
    INSERT INTO starboard_refresh SELECT DISTINCT job_id FROM vote_candidates WHERE vote_id = NEW.id;
END;

CREATE TRIGGER entry_hidden AFTER INSERT ON challenge_entries BEGIN
    INSERT INTO starboard_refresh VALUES (NEW.job_id);
END;

CREATE TRIGGER entry_withdrawn AFTER UPDATE OF withdrawn ON challenge_entries BEGIN
    INSERT INTO starboard_refresh VALUES (NEW.job_id);
END;

CREATE TRIGGER entries_shown AFTER UPDATE OF state ON challenges WHEN NEW.state IN ('ended', 'cancelled') BEGIN
    INSERT INTO starboard_refresh SELECT DISTINCT job_id FROM challenge_entries WHERE challenge_id = NEW.id;
END;
