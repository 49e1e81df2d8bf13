package register

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements keeps what was prepared on a connection or a pool of them, so
// that each query is compiled once and its text stands where it is used.
type statements struct {
	on       preparer
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

type preparer interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	Close() error
}

func newStatements(on preparer) *statements {
	return &statements{on: on, prepared: make(map[string]*sql.Stmt)}
}

func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.prepared[query] = stmt
	return stmt, nil
}

// each runs a query and calls scan for each of its rows; a nil scan means that
// it has none.
func (s *statements) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return explainSQLite(err)
	}
	if scan == nil {
		_, err := stmt.ExecContext(ctx, args...)
		return explainSQLite(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return explainSQLite(err)
	}
	return drain(rows, scan, explainSQLite)
}

// close closes the statements first: a connection with open ones keeps its file
// open.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var faults []error
	for _, stmt := range s.prepared {
		faults = append(faults, stmt.Close())
	}
	clear(s.prepared)
	return errors.Join(append(faults, s.on.Close())...)
}
