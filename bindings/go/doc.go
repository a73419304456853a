// Package keepwell is an embedded data layer: one store over SQLite with a pool, transactions, streaming results
// and clear errors, the same from C, C++, Python, Go and Rust.
//
//	store, err := keepwell.Open("app.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
//	var name string
//	err = store.QueryRow(ctx, "SELECT name FROM users WHERE id = ?", 7).Scan(&name)
//
//	users, err := keepwell.All[User](ctx, store, "SELECT id, name FROM users WHERE age > ?", 30)
//
//	err = store.Transaction(ctx, func(tx *keepwell.Tx) error {
//		_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - ? WHERE id = ?", 10, 1)
//		return err
//	})
//
// # Contexts
//
// Every call that may wait takes a [context.Context]. Its deadline and its cancellation reach the running statement
// (a cancellation within about 20 milliseconds), and the error then satisfies errors.Is with [context.Canceled] or
// [context.DeadlineExceeded]. A context that has ended already keeps the call from starting.
//
// # Connections
//
// A store has one writer and several readers. Goroutines wait for them in Go, first come first served, so waiting
// costs no thread. A transaction, a pinned connection ([Conn]) and a result too large for one buffer hold a
// connection until they are ended or closed; small results have given theirs back when Query returns.
//
// # Parameters
//
// nil, bool, every integer and float type, string, []byte, [time.Time], pointers to these (nil is NULL), types with such an
// underlying type, [database/sql/driver.Valuer], and [Named] values. A time is written as UTC text of fixed width,
// "2006-01-02 15:04:05.000000000Z": it sorts as text and SQLite's date functions read it. A uint64 above the range of
// int64 is an error.
//
// # Results
//
// Scan converts like [database/sql]: see [Rows.Scan].
//
// # Migrations
//
// [Store.Migrations] applies and undoes versions of the schema from a folder, an embedded file system or a list:
//
//	//go:embed migrations
//	var files embed.FS
//
//	migrations, err := store.Migrations(keepwell.MigrationFS(files, "migrations"))
//	if err != nil {
//		return err
//	}
//	defer migrations.Close()
//	report, err := migrations.Up(ctx)
//
// Any number of processes and goroutines may do so at once; each migration is applied once.
//
// # Observability
//
// A store measures itself: [Store.MetricsText] and [MetricsHandler] for Prometheus, [Store.Health] and [HealthHandler],
// [Store.StatementReport], [Store.Explain] and [Store.Advise]. [ForwardLogs] gives slow calls and errors to [log/slog]; without it nothing
// is logged. The module keepwellprom, in a folder of this one, has a collector for a registry of client_golang.
package keepwell
