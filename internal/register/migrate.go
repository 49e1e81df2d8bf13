package register

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// migrations are applied in the order of their names. One that was released is
// never changed; what it got wrong, a later one puts right. The folders of the
// engines hold the same versions.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// dialect is what an engine's schema changes differ in.
type dialect struct {
	files  fs.FS // holds folder
	folder string
	begin  []string // begins a transaction that only one process is in
	tables string   // counts the tables
	known  string   // counts the tables called schema_version
}

// session is a connection for schema changes.
type session interface {
	// exec runs a script of one or more statements.
	exec(ctx context.Context, script string) error
	// number reads one number.
	number(ctx context.Context, query string) (int, error)
}

// migrate brings the schema to the program's version, in one transaction. A
// newer schema is refused: what it means, this program cannot know. Where there
// is none, it is made, or fs.ErrNotExist returned.
func migrate(ctx context.Context, on session, d dialect, create bool) (err error) {
	names, err := fs.Glob(d.files, d.folder+"/*.sql")
	if err != nil {
		return err
	}
	for _, begin := range d.begin {
		if err := on.exec(ctx, begin); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, on.exec(context.WithoutCancel(ctx), "ROLLBACK"))
		}
	}()
	version, err := schemaVersion(ctx, on, d, create)
	if err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("its schema version %d is newer than this program's, %d", version, len(names))
	}
	for i, name := range names[version:] {
		script, err := fs.ReadFile(d.files, name)
		if err != nil {
			return err
		}
		if err := on.exec(ctx, string(script)); err != nil {
			return fmt.Errorf("applying %s: %w", name, err)
		}
		if err := on.exec(ctx, fmt.Sprintf("INSERT INTO schema_version (version, applied_at) VALUES (%d, %d)",
			version+i+1, time.Now().UnixMicro())); err != nil {
			return err
		}
	}
	return on.exec(ctx, "COMMIT")
}

func schemaVersion(ctx context.Context, on session, d dialect, create bool) (int, error) {
	tables, err := on.number(ctx, d.tables)
	if err != nil {
		return 0, err
	}
	known, err := on.number(ctx, d.known)
	switch {
	case err != nil:
		return 0, err
	case tables == 0 && !create:
		return 0, fmt.Errorf("the database is empty: %w", fs.ErrNotExist)
	case tables == 0:
		return 0, on.exec(ctx, "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)")
	case known == 0:
		return 0, errors.New("it is the database of something else")
	}
	return on.number(ctx, "SELECT coalesce(max(version), 0) FROM schema_version")
}
