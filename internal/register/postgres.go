package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// connectWithin bounds the making of a connection, unless the address says
	// connect_timeout.
	connectWithin = 5 * time.Second
	// transactionWithin bounds a transaction of the writer, the wait for other
	// processes' transactions included.
	transactionWithin = 15 * time.Second
	// readWithin bounds a read that is not a snapshot's.
	readWithin = 30 * time.Second
	// lostPoll and calmPoll are how often followers look by themselves for
	// entries: while the server's notifications are not heard, and while they
	// are. A connection pooler between may swallow them without a word.
	lostPoll, calmPoll = 200 * time.Millisecond, time.Second
)

// postgres is a register in a PostgreSQL database.
type postgres struct {
	config *pgx.ConnConfig
	reads  *sql.DB
	ear    *ear

	rebound sync.Map // queries as they are sent, by how they are written

	// Owned by the writer of the register.
	conn *pgx.Conn // nil when there is none
	// lost is set when the last statements ended the connection itself.
	lost bool
	// ctx is that of the transaction.
	ctx    context.Context
	cancel context.CancelFunc
}

func openPostgres(ctx context.Context, address string, create bool, wake func()) (*postgres, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The library's message holds the address.
		return nil, errors.New("the address is not postgres://user@host/database with libpq's parameters")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectWithin
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "altamga register"
	}
	p := &postgres{config: config}
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx, create); err != nil {
		return nil, errors.Join(err, p.conn.Close(ctx))
	}
	p.reads = stdlib.OpenDB(*config)
	p.reads.SetMaxOpenConns(readers)
	p.reads.SetMaxIdleConns(readers)
	p.ear = listen(config, wake)
	return p, nil
}

// connect makes the writer's connection.
func (p *postgres) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return explainPostgres(ctx, err)
	}
	// A process that is stopped or cut off in the middle of a transaction must
	// not keep all others waiting. And what was answered must survive the
	// server's loss of power, whatever the database's default is.
	if _, err := conn.Exec(ctx, fmt.Sprintf(`SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d;
		SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
		busyTimeout.Milliseconds(), transactionWithin.Milliseconds())); err != nil {
		return errors.Join(explainPostgres(ctx, err), conn.Close(ctx))
	}
	p.conn = conn
	return nil
}

// prepare refuses a server that could lose or not hold what is stored, and
// brings the schema forward.
func (p *postgres) prepare(ctx context.Context, create bool) error {
	for _, row := range []struct{ setting, want, why string }{
		{"fsync", "on", "a loss of power could lose what was answered"},
		{"full_page_writes", "on", "a loss of power could damage the database"},
		{"server_encoding", "UTF8", "names could not be stored"},
	} {
		var got string
		if err := p.conn.QueryRow(ctx, "SELECT coalesce(current_setting($1, true), '')", row.setting).Scan(&got); err != nil {
			return explainPostgres(ctx, err)
		}
		if got != "" && got != row.want {
			return fmt.Errorf("the server's %s is %s and must be %s: %s", row.setting, got, row.want, row.why)
		}
	}
	return migrate(ctx, postgresSession{p.conn}, postgresDialect, create)
}

// rebind returns the query with PostgreSQL's names of parameters.
func (p *postgres) rebind(query string) string {
	if done, ok := p.rebound.Load(query); ok {
		return done.(string)
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	p.rebound.Store(query, b.String())
	return b.String()
}

// each reads rows. Connections that idled while the server was restarted are
// found dead only when they are used, so a read that came to nothing is made
// once more, on a new one.
func (p *postgres) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	for again := false; ; again = true {
		began := false
		err := p.eachOnce(ctx, query, args, func(row scanner) error {
			began = true
			return scan(row)
		})
		if again || began || !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		p.dropIdle()
	}
}

func (p *postgres) eachOnce(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	explain := func(err error) error { return explainPostgres(ctx, err) }
	rows, err := p.reads.QueryContext(ctx, p.rebind(query), args...)
	if err != nil {
		return explain(err)
	}
	return drain(rows, scan, explain)
}

// dropIdle closes the read connections that are not in use.
func (p *postgres) dropIdle() {
	p.reads.SetMaxIdleConns(-1)
	p.reads.SetMaxIdleConns(readers)
}

func (p *postgres) snapshot(ctx context.Context) (*snapshot, error) {
	explain := func(err error) error { return explainPostgres(ctx, err) }
	options := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	tx, err := p.reads.BeginTx(ctx, options)
	if errors.Is(explain(err), ErrUnavailable) && ctx.Err() == nil {
		p.dropIdle()
		tx, err = p.reads.BeginTx(ctx, options)
	}
	if err != nil {
		return nil, explain(err)
	}
	query := func(query string, args ...any) (*sql.Rows, error) {
		return tx.QueryContext(ctx, p.rebind(query), args...)
	}
	return &snapshot{query: query, brief: query, explain: explain, end: func() { _ = tx.Rollback() }}, nil
}

// listings reads the index alone.
func (p *postgres) listings(issuer string, last listing, limit int) (string, []any) {
	return `SELECT string_agg(listing(serial, reason, expired, since, invalidity_date, version), '' ORDER BY serial) FROM (
		SELECT serial, reason, expired, since, invalidity_date, version FROM certificate
		WHERE issuer = ? AND state IN ('held', 'revoked') AND serial > ? ORDER BY serial LIMIT ?) AS listed`, []any{issuer, last.serial(), limit}
}

func (p *postgres) poll() time.Duration {
	if p.ear.hears.Load() {
		return calmPoll
	}
	return lostPoll
}

func (p *postgres) close() error {
	p.ear.close()
	err := p.reads.Close()
	if p.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
		defer cancel()
		// A connection that was lost meanwhile is closed, too.
		_ = p.conn.Close(ctx)
	}
	return err
}

// inspect looks for what a damaged index would hide, by reading the tables
// themselves: rows that are there twice or refer to nothing.
func (p *postgres) inspect(tx *snapshot, fault func(format string, args ...any) error) error {
	for _, off := range []string{"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"} {
		if err := tx.each("SELECT set_config('"+off+"', 'off', true)", nil, func(scanner) error { return nil }); err != nil {
			return err
		}
	}
	for _, row := range []struct{ query, fault string }{
		{"SELECT encode(serial, 'hex') FROM certificate GROUP BY serial HAVING count(*) > 1", "serial %s is there more than once"},
		{"SELECT CAST(id AS TEXT) FROM certificate GROUP BY id HAVING count(*) > 1", "row %s of certificate is there more than once"},
		{"SELECT CAST(position AS TEXT) FROM entry GROUP BY position HAVING count(*) > 1", "entry %s is there more than once"},
		{"SELECT CAST(e.position AS TEXT) FROM entry e LEFT JOIN certificate c ON c.id = e.certificate WHERE e.certificate IS NOT NULL AND c.id IS NULL",
			"entry %s refers to a row of certificate that is not there"},
		{"SELECT t.key FROM ticket t LEFT JOIN entry e ON e.position = t.position WHERE e.position IS NULL",
			"ticket %q refers to a row of entry that is not there"},
	} {
		err := tx.each(row.query, nil, func(scan scanner) error {
			var name string
			if err := scan.Scan(&name); err != nil {
				return err
			}
			return fault(row.fault, name)
		})
		if err != nil {
			return err
		}
	}
	for _, on := range []string{"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"} {
		if err := tx.each("SELECT set_config('"+on+"', 'on', true)", nil, func(scanner) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// postgresDialect is how a schema is brought forward in PostgreSQL. The lock is
// for processes that find the database empty at the same time.
var postgresDialect = dialect{
	files:  migrations,
	folder: "migrations/postgres",
	begin:  []string{"BEGIN", "SELECT pg_advisory_xact_lock(hashtext('altamga register'))"},
	tables: "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')",
	known: "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p') " +
		"AND relname = 'schema_version'",
}

type postgresSession struct{ conn *pgx.Conn }

func (s postgresSession) exec(ctx context.Context, script string) error {
	_, err := s.conn.Exec(ctx, script)
	return explainPostgres(ctx, err)
}

func (s postgresSession) number(ctx context.Context, query string) (n int, err error) {
	err = s.conn.QueryRow(ctx, query).Scan(&n)
	return n, explainPostgres(ctx, err)
}
