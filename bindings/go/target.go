package keepwell

import (
	"context"
	"runtime"
)

// target is what statements run on: a store, a transaction or a pinned connection. It has their methods.
type target struct {
	pool   *pool
	handle uint64
	opts   options
	bound  context.Context // see Store.WithContext
	guard  *guard          // keeps the lease of a transaction or connection from ending; nil for a store
}

// Querier is what [Store], [Tx] and [Conn] have in common, so that a function can work on any of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) *Row
	Exec(ctx context.Context, sql string, args ...any) (Result, error)
	ExecMany(ctx context.Context, sql string, rows [][]any) (Result, error)
	ExecScript(ctx context.Context, sql string) (Result, error)
	Begin(ctx context.Context, opts *TxOptions) (*Tx, error)
	Transaction(ctx context.Context, fn func(tx *Tx) error) error
}

// Result is what a statement changed. It satisfies [database/sql.Result].
type Result struct {
	lastInsertID int64
	rowsAffected int64
}

// LastInsertId returns the key of the row inserted last, 0 if the connection has inserted none. The error is always nil.
func (r Result) LastInsertId() (int64, error) { return r.lastInsertID, nil }

// RowsAffected returns how many rows were inserted, updated or deleted. The error is always nil.
func (r Result) RowsAffected() (int64, error) { return r.rowsAffected, nil }

// Query runs one statement that returns rows. A result that fits into one buffer of 64 KiB has given its connection back
// when Query returns; a larger one is read as it is asked for and holds a connection until it is read to its end or closed.
//
// It waits for a connection and for the engine until the context ends.
func (t *target) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return t.query(new(Rows), ctx, nil, sql, args)
}

// QueryRow runs a statement and keeps its first row for [Row.Scan], which also reports the error. It holds no connection.
func (t *target) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	return t.queryRow(new(Row), ctx, nil, sql, args)
}

// Exec runs one statement for its effect. It waits for the writer and for the engine until the context ends. On a store, writes of
// goroutines that wait share a transaction (writer.group_commit); each has a result and an error of its own, and all is durable when it returns.
func (t *target) Exec(ctx context.Context, sql string, args ...any) (Result, error) {
	return t.exec(ctx, 0, sql, args)
}

// ExecScript runs any number of statements, separated by semicolons, without parameters. RowsAffected counts all of them.
// A script that fails half-way keeps what was done before unless it runs in a transaction.
func (t *target) ExecScript(ctx context.Context, sql string) (Result, error) {
	f := takeFrame(t, opScript)
	defer f.put()
	err := t.call(ctx, f, sql, nil, false)
	f.releaseSlot()
	return f.result(err)
}

func (t *target) exec(ctx context.Context, statement uint64, sql string, args []any) (Result, error) {
	f := takeFrame(t, opExecute)
	f.call.statement = statement
	err := t.call(ctx, f, sql, args, false)
	f.releaseSlot()
	result, err := f.result(err)
	f.put()
	return result, err
}

func (f *frame) result(err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	return Result{f.call.result.lastInsertID, f.call.result.rowsAffected}, nil
}

// call packs the parameters, takes a connection's place where the target is a store, and crosses. After an error no place is held;
// after a success the frame holds it until releaseSlot or until a lease takes it over.
func (t *target) call(ctx context.Context, f *frame, sql string, args []any, reads bool) error {
	if err := f.start(ctx, t); err != nil {
		return err
	}
	if err := f.pack(args); err != nil {
		return err
	}
	return t.cross(f, sql, reads)
}

// cross makes the call of a packed frame.
func (t *target) cross(f *frame, sql string, reads bool) error {
	if t.guard == nil {
		return t.crossLeasing(f, sql, reads)
	}
	if !f.limit() {
		return f.lateError()
	}
	status := f.run(sql)
	runtime.KeepAlive(t.guard)
	if status != 0 {
		return f.error(status)
	}
	return nil
}

// crossLeasing makes a call on a store: first as a reader where that may do, and as the writer where it must be.
func (t *target) crossLeasing(f *frame, sql string, reads bool) error {
	p := t.pool
	if reads && !p.needsWriter(sql) {
		f.call.flags |= callNoWriter
		status, err := t.crossWith(f, sql, p.readers)
		if status != statusNeedsWriter {
			return err
		}
		if f.call.statement == 0 {
			p.rememberWrite(sql)
		}
		f.call.flags &^= callNoWriter
	}
	_, err := t.crossWith(f, sql, p.writer)
	return err
}

func (t *target) crossWith(f *frame, sql string, s *slots) (int32, error) {
	if !s.tryAcquire() {
		if s.open() && t.crossCached(f, sql) {
			return 0, nil
		}
		if made, err := t.pool.acquireSlow(f, s, t.job(f, sql, s)); err != nil {
			return int32(ErrExhausted), err
		} else if made {
			return f.made(f.call.status)
		}
	}
	f.slot = s
	if !f.limit() {
		f.releaseSlot()
		return int32(ErrTimeout), f.lateError()
	}
	status := t.crossHolding(f, sql, s)
	runtime.KeepAlive(t.pool)
	return f.made(status)
}

// crossCached makes a call that would have to wait for a place, if the cache of results can answer it: that takes no connection.
func (t *target) crossCached(f *frame, sql string) bool {
	c := &f.call
	asks := c.cache == int32(CacheUse) || c.cache == int32(CacheDefault) && t.pool.caching
	if !asks || c.op != opQuery || !f.limit() {
		return false
	}
	c.flags |= callCached
	status := f.run(sql)
	c.flags &^= callCached
	runtime.KeepAlive(t.pool)
	return status == 0
}

// crossHolding makes the call of a frame that holds a place of s: with those of other writers while there are such, else alone.
func (t *target) crossHolding(f *frame, sql string, s *slots) int32 {
	if s == t.pool.writer && t.pool.contended() && t.job(f, sql, s) != nil {
		return t.pool.lead(f)
	}
	return f.run(sql)
}

// made gives the place back after a call that failed.
func (f *frame) made(status int32) (int32, error) {
	if status != 0 {
		f.releaseSlot()
		return status, f.error(status)
	}
	return 0, nil
}
