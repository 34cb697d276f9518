-- What was answered to requests that carried an Idempotency-Key, for a day.

CREATE TABLE idempotency (
  id TEXT PRIMARY KEY, -- SHA-256 over the principal and its key
  request TEXT NOT NULL, -- SHA-256 over method, address and body
  owner TEXT NOT NULL, -- the request that has the key; another may take it over when that one died
  answer TEXT, -- sealed, see worker/idempotency/seal.ts; NULL while the request is in flight
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
