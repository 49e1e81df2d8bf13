package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
)

// Commits returns how many transactions the writer has committed.
func (r *Register) Commits() uint64 { return r.commits.Load() }

// Queries returns the text of all statements that were prepared so far in a
// SQLite register.
func (r *Register) Queries() []string {
	var queries []string
	engine := r.engine.(*sqlite)
	for _, on := range []*statements{engine.reader, engine.writer} {
		on.mu.Lock()
		queries = slices.AppendSeq(queries, maps.Keys(on.prepared))
		on.mu.Unlock()
	}
	return queries
}

// Rebind returns a query as it is sent to PostgreSQL.
func (r *Register) Rebind(query string) string { return r.engine.(*postgres).rebind(query) }

// ToBeSigned is the parser of certificates that Complete uses.
func ToBeSigned(certificate []byte) ([]byte, error) { return toBeSigned(certificate) }

// LimitPages makes the disk full, as far as SQLite can tell, when the file has
// that many pages; fewer than there are count as what there are.
func (r *Register) LimitPages(n int) error {
	return r.write(context.Background(), &write{run: func(b *batch) error {
		var got int
		return b.read(fmt.Sprintf("PRAGMA max_page_count = %d", n), nil, func(row scanner) error { return row.Scan(&got) })
	}})
}

// MigratePostgres opens a database as a program does that has one migration
// more.
func MigratePostgres(ctx context.Context, address, script string) error {
	d := postgresDialect
	files := fstest.MapFS{d.folder + "/9999_later.sql": {Data: []byte(script)}}
	names, err := fs.Glob(d.files, d.folder+"/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := fs.ReadFile(d.files, name)
		if err != nil {
			return err
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	d.files = files
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return migrate(ctx, postgresSession{conn}, d, false)
}

// MakeSQLite makes a file as a program did that had the first n migrations.
func MakeSQLite(ctx context.Context, path string, n int) (err error) {
	d := sqliteDialect
	names, err := fs.Glob(d.files, d.folder+"/*.sql")
	if err != nil {
		return err
	}
	files := fstest.MapFS{}
	for _, name := range names[:n] {
		data, err := fs.ReadFile(d.files, name)
		if err != nil {
			return err
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	d.files = files
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return migrate(ctx, sqliteSession{conn}, d, true)
}
