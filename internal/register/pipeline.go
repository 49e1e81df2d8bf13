package register

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The writer's side of the PostgreSQL engine. A transaction is two round trips:
// one that takes the turn and reads what the batch needs, and one that writes
// and commits.

// channel is what the processes of a register tell each other of entries on.
const channel = "altamga_journal"

// open takes the turn. Nothing was written yet, so a connection that turns out
// to be dead is replaced, and nobody who waits for the batch notices.
func (p *postgres) open(statements []statement) error {
	p.ctx, p.cancel = context.WithTimeout(context.Background(), transactionWithin)
	// Each statement sees what was committed before it: those behind the lock see
	// what its last holder wrote.
	list := append([]statement{
		{query: "BEGIN ISOLATION LEVEL READ COMMITTED"},
		{query: "SELECT one FROM turn FOR UPDATE", scan: func(row scanner) error {
			var one int64
			return row.Scan(&one)
		}},
	}, statements...)
	reused := p.conn != nil
	err := p.send(list)
	if reused && p.lost && p.ctx.Err() == nil {
		err = p.send(list)
	}
	return err
}

func (p *postgres) run(statements []statement) error { return p.send(statements) }

func (p *postgres) commit(statements []statement, news bool) error {
	if news {
		statements = append(statements, statement{query: "NOTIFY " + channel})
	}
	err := p.send(append(statements, statement{query: "COMMIT"}))
	if err == nil && p.conn.PgConn().TxStatus() != 'I' {
		err = errors.New("the transaction was not committed")
	}
	if err == nil {
		p.cancel()
	}
	return err
}

func (p *postgres) rollback() {
	if p.conn != nil && p.conn.PgConn().TxStatus() != 'I' {
		if _, err := p.conn.Exec(p.ctx, "ROLLBACK"); err != nil {
			p.giveUp()
		}
	}
	p.cancel()
}

// send runs statements in one round trip, on a connection that it makes when
// there is none. After an error that is not one of the statements', there is
// none again.
func (p *postgres) send(statements []statement) error {
	if p.conn == nil {
		if err := p.connect(p.ctx); err != nil {
			return err
		}
	}
	err := p.pipe(statements)
	p.lost = p.conn.IsClosed()
	if p.lost || errors.Is(err, ErrUnavailable) {
		p.giveUp()
	}
	return err
}

func (p *postgres) pipe(statements []statement) error {
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(p.rebind(s.query), s.args...)
	}
	results := p.conn.SendBatch(p.ctx, batch)
	for _, s := range statements {
		var err, own error
		if s.scan == nil {
			var tag pgconn.CommandTag
			tag, err = results.Exec()
			if err == nil && s.query == "COMMIT" && tag.String() != "COMMIT" {
				err = fmt.Errorf("the server answered COMMIT with %s", tag)
			}
		} else {
			own, err = eachRow(results, s.scan)
		}
		if err = explainPostgres(p.ctx, err); err != nil || own != nil {
			_ = results.Close()
			return errors.Join(own, err)
		}
	}
	return explainPostgres(p.ctx, results.Close())
}

// eachRow tells an error of scan from one of the database.
func eachRow(results pgx.BatchResults, scan func(scanner) error) (own, err error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err, nil
		}
	}
	return nil, rows.Err()
}

// giveUp closes the writer's connection without waiting for the server.
func (p *postgres) giveUp() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.conn.Close(ended)
	p.conn = nil
}

// explainPostgres makes ErrUnavailable of every error that is not the
// statement's own, and the caller's error of what his context has caused. What
// the library says of a lost connection is text only: some of it is wrapped in
// fs.ErrNotExist, for the file of a socket, which means another thing here.
func explainPostgres(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	ended := ctx.Err()
	if errors.Is(ended, context.Canceled) {
		return ended
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && !passing(refused.Code) {
		return err
	}
	if ended != nil {
		return fmt.Errorf("%w: %w: %v", ErrUnavailable, ended, err)
	}
	return fmt.Errorf("%w: %v", ErrUnavailable, err)
}

// passing reports whether a SQLSTATE speaks of the server's condition and not
// of the statement.
func passing(code string) bool {
	for _, prefix := range []string{
		"08",    // connection exception
		"40",    // transaction rollback: serialization failure, deadlock
		"53",    // insufficient resources: disk full, too many connections
		"57",    // operator intervention: shutdown, crash of another process, cancellation
		"58",    // system error: input and output
		"25006", // read-only transaction: the server has become a standby
		"25P03", // idle in transaction for too long
		"55P03", // lock not available in time
	} {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	return false
}
