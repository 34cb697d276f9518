-- Gates: what a model must hold to be published, and the verdict. One row for each model, version of the data and limits.

CREATE TABLE gates (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, -- SHA-256 of the canonical JSON of the question
  model TEXT NOT NULL,
  question TEXT NOT NULL, -- JSON: parents, data, limits, every name resolved
  state TEXT NOT NULL CHECK (state IN ('pending', 'passed', 'refused')),
  release TEXT NOT NULL CHECK (release IN ('public', 'private')), -- what a model that passes becomes
  attempt INTEGER NOT NULL, -- counts the Workflow instances that were started
  probe TEXT, -- of the parents
  measured TEXT, -- JSON
  reasons TEXT NOT NULL, -- JSON array of sentences
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL, -- a pending gate that has not moved for long is taken over
  decided_at TEXT
) STRICT;

CREATE INDEX gates_by_model ON gates (model);

-- Aliases that shall move once a model has passed all of these gates.
CREATE TABLE alias_orders (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  model TEXT NOT NULL,
  alias TEXT NOT NULL COLLATE NOCASE,
  gates TEXT NOT NULL, -- JSON array of ids
  version INTEGER, -- which version of the alias was seen; NULL: whichever
  protected INTEGER, -- what the alias becomes along with it; NULL: as it is
  gate TEXT, -- JSON, likewise: its new gate; NULL: as it is
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL, -- id of the principal
  job TEXT, -- that ordered it, and takes it back should it end otherwise than well
  UNIQUE (model, alias)
) STRICT;

-- What a gate said of the model when it was private still: JSON, which its manifest ends with.
ALTER TABLE models ADD COLUMN verdict TEXT;
ALTER TABLE models ADD COLUMN verdict_sha256 TEXT; -- of manifest.json with it

-- What a model must pass that a protected alias moves to; JSON.
ALTER TABLE aliases ADD COLUMN gate TEXT;
