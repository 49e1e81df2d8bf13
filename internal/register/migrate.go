package register

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// migrations are applied in the order of their names. One that was released is
// never changed; what it got wrong, a later one puts right.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the program's version, in one transaction. A
// newer schema is refused: what it means, this program cannot know.
func migrate(ctx context.Context, conn *sql.Conn) (err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(err, rollback)
		}
	}()
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("its schema version %d is newer than this program's, %d", version, len(names))
	}
	for i, name := range names[version:] {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("applying %s: %w", name, err)
		}
		if _, err := conn.ExecContext(ctx, "INSERT INTO schema_version (version, applied_at) VALUES (?, ?)",
			version+i+1, time.Now().UnixMicro()); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

func schemaVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var tables, known int
	if err := conn.QueryRowContext(ctx, "SELECT count(*), ifnull(sum(name = 'schema_version'), 0) FROM sqlite_schema").
		Scan(&tables, &known); err != nil {
		return 0, err
	}
	switch {
	case tables == 0:
		_, err := conn.ExecContext(ctx, "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT")
		return 0, err
	case known == 0:
		return 0, errors.New("the file is a database of something else")
	}
	var version int
	err := conn.QueryRowContext(ctx, "SELECT ifnull(max(version), 0) FROM schema_version").Scan(&version)
	return version, err
}
