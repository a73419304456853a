package keepwell

import (
	"context"
	"iter"
	"runtime"
)

// Rows is the result of a query, read row by row. It is for one goroutine at a time.
//
//	rows, err := store.Query(ctx, "SELECT id, name FROM users")
//	if err != nil {
//		return err
//	}
//	defer rows.Close()
//	for rows.Next() {
//		if err := rows.Scan(&id, &name); err != nil {
//			return err
//		}
//	}
//	return rows.Err()
type Rows struct {
	f       *frame // nil when closed
	pool    *pool
	owner   *guard // keeps the transaction alive that the rows belong to
	row     int    // the current row in the buffer
	rows    int    // rows in the buffer
	first   int    // the first cell of the current row
	columns int
	more    uint64 // handle of the rest, 0 when the buffer holds the end
	stream  *guard // the lease of the rest
	sql     string
	id      uint64 // equal numbers mean equal columns
	set     *columnSet
	cached  bool // no statement was run for it
	ended   bool // Next has returned false
	err     error
}

// query runs a query into r.
func (t *target) query(r *Rows, ctx context.Context, s *Stmt, sql string, args []any) (*Rows, error) {
	f := takeFrame(t, opQuery)
	f.call.flags |= callColumnNames
	if err := t.queryFrame(ctx, f, s, sql, args); err != nil {
		f.put()
		return nil, err
	}
	*r = Rows{f: f, pool: t.pool, owner: t.guard, sql: sql}
	r.received()
	r.cached = f.call.fetch.flags&fetchCached != 0
	if r.more == 0 || r.cached {
		f.releaseSlot() // the rest of a kept result is in memory too
	}
	if r.more != 0 {
		r.hold()
	}
	if err := r.takeNames(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// queryFrame runs a query and leaves its first rows in the frame.
func (t *target) queryFrame(ctx context.Context, f *frame, s *Stmt, sql string, args []any) error {
	reads := true
	if s != nil {
		f.call.statement, reads = s.handle, s.readOnly
	}
	err := t.call(ctx, f, sql, args, reads)
	runtime.KeepAlive(s)
	return err
}

// received notes what the last crossing brought.
func (r *Rows) received() {
	fetch := &r.f.call.fetch
	r.rows, r.columns, r.more = int(fetch.rows), int(fetch.columns), fetch.more
	r.id = fetch.columnsID
	r.row, r.first = -1, -r.columns
}

// hold turns the place of the call into the lease of a stream. The library keeps the address of the frame for its ticks until the
// stream is closed, so a frame that ticks is pinned as long.
func (r *Rows) hold() {
	r.stream = r.pool.newLease(r.f, r.more, "stream", r.sql, nativeCloseRows)
	if r.f.ticking {
		r.stream.lease.pinner.Pin(r.f)
	}
}

// takeNames learns the column names: from the row that comes before the others, or, when not even one row fitted, from the handle.
func (r *Rows) takeNames() (err error) {
	switch {
	case r.columns == 0:
		r.rows = 0 // a statement without a result: its row of names is no row
	case r.rows > 0:
		r.set = r.pool.columns.of(r.id, r.f, r.columns)
		r.row, r.first = 0, 0
	case r.more != 0:
		r.set, err = r.pool.columns.ofHandle(r.id, r.more, r.columns)
	}
	return err
}

// Columns returns the names of the columns. The slice is shared: do not change it.
func (r *Rows) Columns() []string {
	if r.set == nil {
		return nil
	}
	return r.set.names
}

// FromCache reports whether no statement was run for this result: it was kept from an earlier query and still holds.
func (r *Rows) FromCache() bool { return r.cached }

// Next moves to the next row, fetching more when the buffer is used up, and reports whether there is one. After false, look at Err.
func (r *Rows) Next() bool {
	if r.row+1 < r.rows {
		r.row++
		r.first += r.columns
		return true
	}
	return r.nextBuffer()
}

// nextBuffer fetches the rest into the buffer, or closes the rows at their end.
func (r *Rows) nextBuffer() bool {
	if r.f == nil && !r.ended && r.err == nil {
		r.err = newError(ErrMisuse, "next: the rows were closed before their end")
	}
	for r.f != nil && r.more != 0 {
		if err := r.fetch(); err != nil {
			r.err = err
			break
		}
		if r.rows > 0 {
			r.row, r.first = 0, 0
			return true
		}
	}
	r.ended = true
	r.Close()
	return false
}

// fetch crosses once for the next rows; when not even one fits, it makes the buffer larger and the loop comes again.
func (r *Rows) fetch() error {
	f := r.f
	if ended := f.ended(); ended != nil {
		return contextError(ended, "query")
	}
	if f.late() {
		return f.lateError()
	}
	if needed := f.call.fetch.needed; r.rows == 0 && needed > uint64(len(f.bytes)) {
		f.setBuffer(int(needed/cellSize) + 1)
	}
	f.call.op, f.call.target, f.call.size = opFetch, r.more, uint64(len(f.bytes))
	f.call.statement = 0
	status := f.run("")
	runtime.KeepAlive(r)
	if status != 0 {
		return f.error(status)
	}
	r.received()
	if r.more == 0 {
		r.endStream(true)
	}
	return nil
}

// endStream gives the stream's connection back; finished says that the library has closed the handle itself.
func (r *Rows) endStream(finished bool) {
	if r.stream == nil {
		return
	}
	r.stream.cleanup.Stop()
	if finished {
		r.stream.lease.finish()
	} else {
		r.stream.lease.close()
	}
	r.stream = nil
}

// Err returns the error that ended Next, nil after the last row.
func (r *Rows) Err() error { return r.err }

// Close gives the connection and the buffer back. It is harmless on closed rows; Next closes them at their end.
func (r *Rows) Close() error {
	if r.f == nil {
		return nil
	}
	r.endStream(false)
	r.f.put()
	r.f, r.rows, r.row, r.more, r.owner = nil, 0, 0, 0, nil
	return nil
}

// All iterates over the rows and closes them at the end; look at Err afterwards.
//
//	for row := range rows.All() {
//		err := row.Scan(&id, &name)
//	}
func (r *Rows) All() iter.Seq[*Rows] {
	return func(yield func(*Rows) bool) {
		defer r.Close()
		for r.Next() {
			if !yield(r) {
				return
			}
		}
	}
}

// Scan copies the columns of the current row into dest, one pointer per column.
//
// Integers, reals, text and blobs go into Go's numbers, strings, bool and []byte where nothing is lost: an integer out of the
// range of its destination, or text that is no number, is an [ErrType]. NULL needs a pointer to a pointer (set to nil), an any, a
// []byte, or a [database/sql.Scanner] such as [database/sql.Null]. A [time.Time] takes text in the forms of SQLite's date
// functions, integers as Unix seconds and reals as Julian days. A [database/sql.RawBytes] borrows until the next call of Next.
// An any receives int64, float64, string, []byte or nil.
func (r *Rows) Scan(dest ...any) error {
	if r.f == nil || r.row < 0 || r.row >= r.rows {
		return newError(ErrMisuse, "scan: there is no current row; call Next first, and only after it was true")
	}
	if len(dest) != r.columns {
		return newError(ErrMisuse, "scan: %d destinations for %d columns", len(dest), r.columns)
	}
	cells := r.f.cells[r.first : r.first+r.columns]
	for i := range cells {
		if err := r.f.scan(&cells[i], dest[i]); err != nil {
			return r.columnError(i, err)
		}
	}
	return nil
}

func (r *Rows) columnError(i int, err error) error {
	name := ""
	if names := r.Columns(); i < len(names) {
		name = names[i]
	}
	return scanError(i, name, err)
}

// Row is the first row of a query, to be scanned once.
type Row struct {
	f       *frame
	columns int
	err     error
}

func (t *target) queryRow(r *Row, ctx context.Context, s *Stmt, sql string, args []any) *Row {
	f := takeFrame(t, opQuery)
	f.call.size = rowCells * cellSize
	if r.err = t.queryFrame(ctx, f, s, sql, args); r.err != nil {
		f.put()
		return r
	}
	if f.call.fetch.more != 0 {
		r.err = f.firstOfMore()
	}
	f.releaseSlot()
	runtime.KeepAlive(t)
	if r.err == nil && f.call.fetch.rows == 0 {
		r.err = ErrNoRows
	}
	if r.err != nil {
		f.put()
		return r
	}
	r.f, r.columns = f, int(f.call.fetch.columns)
	return r
}

// firstOfMore makes sure that the first row is in the buffer, and lets the rest go.
func (f *frame) firstOfMore() error {
	more := f.call.fetch.more
	defer func() { nativeCloseRows(more) }()
	for f.call.fetch.rows == 0 && f.call.fetch.more != 0 {
		if needed := f.call.fetch.needed; needed > uint64(len(f.bytes)) {
			f.setBuffer(int(needed/cellSize) + 1)
		}
		f.call.op, f.call.target, f.call.size = opFetch, more, uint64(len(f.bytes))
		f.call.statement = 0
		if status := f.run(""); status != 0 {
			return f.error(status)
		}
	}
	return nil
}

// Scan copies the columns of the row into dest (see [Rows.Scan]). It returns the query's error, or [ErrNoRows].
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	f := r.f
	if f == nil {
		return newError(ErrMisuse, "scan: the row has been scanned already")
	}
	r.f = nil
	err := r.scan(f, dest)
	f.put()
	return err
}

func (r *Row) scan(f *frame, dest []any) error {
	if len(dest) != r.columns {
		return newError(ErrMisuse, "scan: %d destinations for %d columns", len(dest), r.columns)
	}
	for i, d := range dest {
		if err := f.scan(&f.cells[i], d); err != nil {
			return scanError(i, "", err)
		}
	}
	return nil
}

// Err returns the query's error without scanning: nil, [ErrNoRows], or what went wrong.
func (r *Row) Err() error { return r.err }
