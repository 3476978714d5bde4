-- Rows are only ever added. `seq` is the order in which they came, for paging.

CREATE TABLE acknowledged (
    incarnation VARCHAR NOT NULL,
    n BIGINT NOT NULL
);
INSERT INTO acknowledged VALUES (uuid()::VARCHAR, 0);

CREATE TABLE responses (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    prompt VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    model VARCHAR,
    adapter VARCHAR,
    seed BIGINT,
    source VARCHAR,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- a and b are responses, ordered by a hash. Rows never change, so what pages show and search of
-- the two stands here again: a join with a million responses would take longer than a page may.
CREATE TABLE comparisons (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    prompt VARCHAR NOT NULL,
    a VARCHAR NOT NULL,
    b VARCHAR NOT NULL,
    a_text VARCHAR NOT NULL,
    b_text VARCHAR NOT NULL,
    a_model VARCHAR,
    b_model VARCHAR,
    source VARCHAR,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE raters (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    kind VARCHAR NOT NULL,
    name VARCHAR,
    backend VARCHAR,
    adapter_hash VARCHAR,
    constitution VARCHAR,
    constitution_hash VARCHAR,
    template_hash VARCHAR,
    few_shot INTEGER,
    cot BOOLEAN,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- subject is a response or a comparison; value is P(a is better) for a preference.
CREATE TABLE labels (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    about VARCHAR NOT NULL CHECK (about IN ('response', 'comparison')),
    subject VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    value DOUBLE,
    unscored_reason VARCHAR,
    orders STRUCT(
        "first" VARCHAR, p_a DOUBLE, lost_mass DOUBLE, rationale VARCHAR, unscored_reason VARCHAR
    )[],
    principle VARCHAR,
    question VARCHAR,
    run VARCHAR,
    seed BIGINT,
    time TIMESTAMPTZ,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE transcripts (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    prompt VARCHAR NOT NULL,
    backend VARCHAR NOT NULL,
    adapter VARCHAR,
    constitution VARCHAR NOT NULL,
    constitution_hash VARCHAR NOT NULL,
    seed BIGINT,
    draft VARCHAR,
    revision VARCHAR,
    transcript JSON NOT NULL,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- An index of what the constitution files say; the files are what counts.
CREATE TABLE constitutions (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    hazard BOOLEAN NOT NULL,
    constitution JSON NOT NULL,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Runs whose outputs are in.
CREATE TABLE runs (
    seq BIGINT NOT NULL,
    id VARCHAR PRIMARY KEY,
    kind VARCHAR NOT NULL,
    created TIMESTAMPTZ,
    ended TIMESTAMPTZ,
    config JSON,
    read BIGINT NOT NULL,
    new BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    torn BOOLEAN NOT NULL,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Which run gave which row, by the row's seq in the table of its type. A row that two runs made is
-- one row and has two of these.
CREATE TABLE outputs (
    run VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    seq BIGINT NOT NULL
);

-- What was made from what: runs, constitutions, backends, adapters, snapshots.
CREATE TABLE lineage (
    child VARCHAR NOT NULL,
    parent VARCHAR NOT NULL,
    relation VARCHAR NOT NULL,
    added TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (child, parent, relation)
);

-- The latest of a rater on a subject counts; what one run said of it counts together.
CREATE VIEW latest_labels AS
SELECT * EXCLUDE (batch, latest) FROM (
    SELECT *, coalesce(run, id) AS batch,
           last_value(coalesce(run, id)) OVER (
               PARTITION BY subject, kind, rater ORDER BY coalesce(time, added), seq
               ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
           ) AS latest
    FROM labels
) WHERE batch = latest;
