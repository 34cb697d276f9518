-- Jobs: what agents and Workflows do, attempt by attempt. Times are milliseconds since 1970.

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, -- ULID
  kind TEXT NOT NULL CHECK (kind IN ('train', 'experiment', 'probe', 'fuse', 'pipeline')),
  spec TEXT NOT NULL, -- JSON, defaults filled in
  spec_digest TEXT NOT NULL, -- of what decides on its outcome
  labels TEXT NOT NULL, -- JSON object, for lists
  parent TEXT, -- the pipeline that it is part of
  member INTEGER, -- of the family, from 1
  backend TEXT, -- that its agent has; NULL: any
  memory_bytes INTEGER NOT NULL, -- that its agent has at least
  needs TEXT NOT NULL, -- JSON array: labels that its agent has
  timeout_ms INTEGER NOT NULL, -- of an attempt
  state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'running', 'succeeded', 'failed', 'cancelled', 'expired')),
  attempt INTEGER NOT NULL, -- attempts begun
  failures INTEGER NOT NULL, -- attempts that failed and count
  stop TEXT, -- why the attempt shall stop
  reason TEXT, -- why the job, or its last attempt, ended
  exit_code INTEGER,
  message TEXT,
  agent TEXT, -- who has it, or had it last
  lease TEXT, -- SHA-256 of the token of whoever has it
  ended_by TEXT, -- the lease that reported the end of an attempt: it may say so twice
  lease_expires_at INTEGER,
  deadline_at INTEGER,
  stop_by INTEGER,
  not_before INTEGER NOT NULL,
  queue_until INTEGER NOT NULL,
  heartbeat_at INTEGER,
  progress TEXT, -- JSON
  result TEXT, -- JSON, of what Workflows do
  log_bytes INTEGER NOT NULL, -- stored, of all attempts
  log_received INTEGER NOT NULL, -- sent by the current attempt
  callback_state TEXT CHECK (callback_state IN ('pending', 'sent', 'failed')), -- NULL: nobody is to be told
  callback_status INTEGER, -- of the answer
  callback_at INTEGER,
  changes TEXT NOT NULL, -- JSON array: the history
  revision INTEGER NOT NULL, -- grows with every change: compare and swap
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL, -- id of the principal
  started_at INTEGER,
  finished_at INTEGER,
  UNIQUE (parent, member)
) STRICT;

CREATE INDEX jobs_waiting ON jobs (seq) WHERE state = 'queued';
CREATE INDEX jobs_waiting_until ON jobs (queue_until) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs (lease_expires_at) WHERE state IN ('leased', 'running');
CREATE INDEX jobs_by_digest ON jobs (spec_digest);
CREATE INDEX jobs_untold ON jobs (finished_at) WHERE callback_state = 'pending';

-- What a job's process wrote, in the order in which it came.
CREATE TABLE job_log (
  job TEXT NOT NULL,
  start INTEGER NOT NULL, -- of the chunk, in the whole log
  attempt INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  data TEXT NOT NULL, -- one character of U+0001 to U+00FF for each byte
  PRIMARY KEY (job, start)
) STRICT;

-- What an attempt keeps for the next one; the bytes are at jobs/<job>/<attempt>/<sha256>/<name>.
CREATE TABLE job_files (
  job TEXT NOT NULL,
  name TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (job, name, attempt)
) STRICT, WITHOUT ROWID;

-- Checkpoints that a job made.
CREATE TABLE job_outputs (
  job TEXT NOT NULL,
  checkpoint TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  name TEXT,
  bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (job, checkpoint)
) STRICT, WITHOUT ROWID;

-- Agents that were seen.
CREATE TABLE job_agents (
  name TEXT PRIMARY KEY,
  labels TEXT NOT NULL, -- JSON array
  backends TEXT NOT NULL, -- JSON array
  memory_bytes INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
