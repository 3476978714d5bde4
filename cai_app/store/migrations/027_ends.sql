-- How a response ended, as `finish` of a step: one that was cut off must not be learned as if it
-- ended there. NULL where nobody knows, as in files of others.
ALTER TABLE responses ADD COLUMN finish VARCHAR;
