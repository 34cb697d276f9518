-- Soups: searches for the checkpoints whose average is best. What a search decided is in `outcome`.

CREATE TABLE soups (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, -- SHA-256 of the canonical JSON of the question
  question TEXT NOT NULL, -- JSON: kind, candidates, data, every name resolved
  state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
  visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private')), -- of the model that is made
  attempt INTEGER NOT NULL, -- counts the Workflow instances that were started
  outcome TEXT, -- JSON: shares, measure, trace
  model TEXT, -- id of the recipe's model
  problem TEXT, -- JSON, RFC 9457; why it failed
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL -- a running soup that has not moved for long is taken over
) STRICT;

-- What was evaluated on the way; a search that is begun again asks the same questions, and is not answered anew.
CREATE TABLE soup_evaluations (
  soup TEXT NOT NULL,
  mixture TEXT NOT NULL, -- SHA-256 of the canonical JSON of the shares
  answer TEXT NOT NULL, -- JSON: a measure, or the problem that it cannot be evaluated
  created_at TEXT NOT NULL,
  PRIMARY KEY (soup, mixture)
) STRICT, WITHOUT ROWID;
