-- Names that move: each points at a model, and remembers where it pointed. Names differ by more than case.

CREATE TABLE aliases (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  model TEXT NOT NULL,
  version INTEGER NOT NULL, -- goes on after a deletion, so that a version is never two things
  protected INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  updated_by TEXT NOT NULL -- id of the principal
) STRICT;

CREATE INDEX aliases_by_model ON aliases (model);

-- Every version there was; written in the transaction that changes the alias.
CREATE TABLE alias_history (
  name TEXT NOT NULL COLLATE NOCASE,
  version INTEGER NOT NULL,
  model TEXT, -- NULL: the alias was deleted
  action TEXT NOT NULL CHECK (action IN ('create', 'move', 'rollback', 'delete')),
  restored INTEGER, -- of a rollback: which version it brought back
  protected INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX alias_history_by_model ON alias_history (model);
