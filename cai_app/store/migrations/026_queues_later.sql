-- What a disagreement-weighted queue was held against: a preference model, and how far it was from
-- the judge at each row. A closed queue is served to nobody; what was answered in it stays.
ALTER TABLE queues ADD COLUMN pm VARCHAR;
ALTER TABLE queue_rows ADD COLUMN other DOUBLE;
CREATE TABLE closed_queues (queue VARCHAR PRIMARY KEY, time TIMESTAMPTZ NOT NULL DEFAULT now());
