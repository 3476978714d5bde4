-- Invitations to rate a queue by a link: of a rater and a queue, one counts at a time. The link's
-- token is kept as a hash only; salt keeps ids of what is shown from being guessed.
CREATE TABLE invites (
    token_hash VARCHAR PRIMARY KEY,
    queue VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    salt VARCHAR NOT NULL,
    expires TIMESTAMPTZ NOT NULL,
    revoked TIMESTAMPTZ,
    added TIMESTAMPTZ NOT NULL DEFAULT now()
);
