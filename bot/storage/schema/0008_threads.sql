-- The channel that a job's channel is a thread (or a forum's post) of: with it the thread goes.
ALTER TABLE jobs ADD COLUMN thread_of INTEGER;
