package keepwell

import (
	"context"
	"runtime"
)

// Stmt is a prepared statement. It belongs to the store, is valid on every connection, and is for any number of goroutines.
// Statements run by their text are kept prepared too; a Stmt saves the look-up and shows errors early.
type Stmt struct {
	on         target
	handle     uint64
	sql        string
	parameters int
	columns    int
	readOnly   bool
	cleanup    runtime.Cleanup
	keep       *Stmt // of a statement made by On: the one it came from
}

// Prepare prepares one statement without running it, so that an error in it shows now. The statement runs on what it was prepared on
// unless [Stmt.On] names something else.
func (t *target) Prepare(ctx context.Context, sql string) (*Stmt, error) {
	f := takeFrame(t, opPrepare)
	defer f.put()
	err := t.prepare(ctx, f, sql)
	f.releaseSlot()
	if err != nil {
		return nil, err
	}
	stmt := &Stmt{on: *t, handle: f.call.handle, sql: sql}
	stmt.parameters, stmt.columns, stmt.readOnly, err = nativeStatement(stmt.handle)
	if err != nil {
		nativeFinalize(stmt.handle)
		return nil, err
	}
	stmt.cleanup = runtime.AddCleanup(stmt, nativeFinalize, stmt.handle)
	return stmt, nil
}

// prepare makes the call; on a store it needs a reader, whatever the statement does when it runs.
func (t *target) prepare(ctx context.Context, f *frame, sql string) error {
	if err := f.start(ctx, t); err != nil {
		return err
	}
	if t.guard != nil {
		return t.cross(f, sql, true)
	}
	_, err := t.crossWith(f, sql, t.pool.readers)
	return err
}

// On returns the statement to be run on a transaction or a pinned connection of its store:
//
//	stmt.On(tx).Exec(ctx, 5)
func (s *Stmt) On(q Querier) *Stmt {
	bound := &Stmt{handle: s.handle, sql: s.sql, parameters: s.parameters, columns: s.columns, readOnly: s.readOnly, keep: s}
	switch q := q.(type) {
	case *Store:
		bound.on = q.target
	case *Tx:
		bound.on = q.target
	case *Conn:
		bound.on = q.target
	}
	return bound
}

// Query runs the statement, see [Store.Query].
func (s *Stmt) Query(ctx context.Context, args ...any) (*Rows, error) {
	if s.on.pool == nil {
		return nil, errForeignQuerier
	}
	return s.on.query(new(Rows), ctx, s, "", args)
}

// QueryRow runs the statement and keeps its first row, see [Store.QueryRow].
func (s *Stmt) QueryRow(ctx context.Context, args ...any) *Row {
	if s.on.pool == nil {
		return &Row{err: errForeignQuerier}
	}
	return s.on.queryRow(new(Row), ctx, s, "", args)
}

// Exec runs the statement for its effect, see [Store.Exec].
func (s *Stmt) Exec(ctx context.Context, args ...any) (Result, error) {
	if s.on.pool == nil {
		return Result{}, errForeignQuerier
	}
	result, err := s.on.exec(ctx, s.handle, "", args)
	runtime.KeepAlive(s)
	return result, err
}

// Close frees the statement. A second call does nothing; a statement that is forgotten is freed when it is collected.
func (s *Stmt) Close() error {
	if s.keep == nil {
		s.cleanup.Stop()
		nativeFinalize(s.handle)
	}
	return nil
}

// NumInput returns how many parameters the statement has.
func (s *Stmt) NumInput() int { return s.parameters }

// ReadOnly reports whether the statement changes nothing.
func (s *Stmt) ReadOnly() bool { return s.readOnly }

// Columns returns the names of the columns that the statement returns, none for one that returns no rows.
func (s *Stmt) Columns() ([]string, error) { return s.namesOf(s.columns, false) }

// Parameters returns the names of the parameters with their prefixes, "" for those without a name.
func (s *Stmt) Parameters() ([]string, error) { return s.namesOf(s.parameters, true) }

func (s *Stmt) namesOf(count int, parameters bool) ([]string, error) {
	names := make([]string, count)
	for i := range names {
		name, err := nativeStatementName(s.handle, i, parameters)
		if err != nil {
			return nil, err
		}
		names[i] = name
	}
	runtime.KeepAlive(s)
	return names, nil
}

var errForeignQuerier = newError(ErrMisuse, "On takes a *Store, *Tx or *Conn of this package")
