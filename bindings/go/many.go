package keepwell

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
)

// How much of ExecMany's parameters crosses at a time. More than that is one transaction over several crossings.
const (
	manyCells = 4 * 1024   // cells in the parameter block at most: more would leave the processor's cache before they are used
	manyBytes = 512 * 1024 // bytes in it, after which it is sent
	manyFirst = 64         // sets that the block begins with when nobody knows how many will come
)

// ExecMany runs one statement once for each set of parameters, all of them or none: alone in a transaction of its own, inside a
// transaction in a savepoint. It is many times faster than a loop over Exec. Parameters with names ([Named]) have the same ones in each set.
func (t *target) ExecMany(ctx context.Context, sql string, rows [][]any) (Result, error) {
	return t.execMany(ctx, sql, len(rows), func(yield func([]any) bool) {
		for _, row := range rows {
			if !yield(row) {
				return
			}
		}
	})
}

// ExecSeq is ExecMany over an iterator, for input that shall not be in memory as a whole. The iterator may yield the same slice
// again and again with other contents.
func (t *target) ExecSeq(ctx context.Context, sql string, rows iter.Seq[[]any]) (Result, error) {
	return t.execMany(ctx, sql, 0, rows)
}

// many is an ExecMany under way.
type many struct {
	t      *target
	ctx    context.Context
	sql    string
	f      *frame
	tx     *Tx   // begun when the parameters need a second crossing
	room   int   // sets whose cells fit into the parameter block now
	most   int   // sets that may be in it
	packed int   // sets in it
	total  int   // sets seen
	width  int   // parameters in one set
	names  []any // the first set, when its parameters have names
	sum    Result
}

func (t *target) execMany(ctx context.Context, sql string, expected int, rows iter.Seq[[]any]) (Result, error) {
	m := &many{t: t, ctx: ctx, sql: sql, f: takeFrame(t, opExecuteMany), width: -1}
	defer m.f.put()
	for row := range rows {
		if err := m.add(row, expected); err != nil {
			return m.undo(err)
		}
	}
	if err := m.flush(m.tx == nil); err != nil {
		return m.undo(err)
	}
	if m.tx != nil {
		if err := m.tx.Commit(); err != nil {
			return m.undo(err)
		}
	}
	return m.sum, nil
}

// add packs one set, after sending what is packed when there is no more room.
func (m *many) add(row []any, expected int) error {
	if m.width < 0 {
		m.width = len(row)
		m.most = max(1, manyCells/max(1, m.width))
		if m.room = expected; expected == 0 {
			m.room = manyFirst
		}
		m.room = min(m.room, m.most)
		m.clear()
		if m.width > 0 {
			if _, named := row[0].(sql.NamedArg); named {
				m.names = slices.Clone(row)
			}
		}
	}
	if len(row) != m.width {
		return newError(ErrParameter, "execute many: set %d has %d parameters, the first has %d", m.total, len(row), m.width)
	}
	if m.packed == m.room && m.room < m.most {
		m.widen()
	}
	if m.packed == m.room || m.f.used > manyBytes {
		if err := m.flush(false); err != nil {
			return err
		}
	}
	first := m.packed * m.width
	for i, value := range row {
		if named, ok := value.(sql.NamedArg); ok && m.sameName(i, named.Name) {
			value = named.Value
		}
		if err := m.f.bind(first+i, value); err != nil {
			e := parameterError(i, err)
			e.(*Error).Message = fmt.Sprintf("execute many: set %d: %v", m.total, e.(*Error).Message)
			return e
		}
	}
	m.packed++
	m.total++
	return nil
}

// sameName reports whether parameter i has the name that it had in the first set.
func (m *many) sameName(i int, name string) bool {
	if m.names == nil {
		return false
	}
	first, ok := m.names[i].(sql.NamedArg)
	return ok && first.Name == name
}

// clear makes the parameter block empty: cells for the sets to come, then their bytes.
func (m *many) clear() {
	m.f.used = 0
	m.f.reserve(m.room * m.width * cellSize)
	m.f.used = m.room * m.width * cellSize
	m.packed = 0
}

// widen makes room for four times as many cells: the bytes behind them move, and with them their offsets in the cells.
func (m *many) widen() {
	room := min(m.room*4, m.most)
	m.f.shiftBytes(m.room*m.width*cellSize, room*m.width*cellSize)
	m.room = room
}

// flush sends what is packed. The last call of all, when nothing went before, needs no transaction around it.
func (m *many) flush(only bool) error {
	if m.total == 0 {
		return nil
	}
	t := m.t
	if !only {
		if err := m.begin(); err != nil {
			return err
		}
		t = &m.tx.target
	}
	m.f.call.target, m.f.call.flags = t.handle, t.opts.flags|callUnbound
	m.f.call.columns, m.f.call.rows = uint64(m.width), uint64(m.packed)
	if m.names != nil {
		if err := m.f.packNames(m.names); err != nil {
			return err
		}
	}
	if err := m.start(t); err != nil {
		return err
	}
	err := t.cross(m.f, m.sql, false)
	m.f.releaseSlot()
	runtime.KeepAlive(m.tx)
	if err != nil {
		return m.inWhole(err)
	}
	m.sum.rowsAffected += m.f.call.result.rowsAffected
	m.sum.lastInsertID = m.f.call.result.lastInsertID
	m.clear()
	return nil
}

// start notes the bounds of the whole before the first crossing, and looks at them before each other.
func (m *many) start(t *target) error {
	if m.total == m.packed {
		return m.f.start(m.ctx, t)
	}
	if m.f.ended() != nil {
		return m.f.lateError()
	}
	return nil
}

func (m *many) begin() (err error) {
	if m.tx == nil {
		m.tx, err = m.t.Begin(m.ctx, nil)
	}
	return err
}

// inWhole makes the library's "row 5: …" of a later crossing count from the first set of all.
func (m *many) inWhole(err error) error {
	before, row := m.total-m.packed, 0
	if e, ok := err.(*Error); ok && before > 0 {
		if _, scan := fmt.Sscanf(e.Message, "row %d:", &row); scan == nil {
			_, rest, _ := strings.Cut(e.Message, ":")
			e.Message = fmt.Sprintf("row %d:%s", before+row, rest)
		}
	}
	return err
}

// undo takes everything back.
func (m *many) undo(err error) (Result, error) {
	if m.tx != nil {
		m.tx.Rollback()
	}
	return Result{}, err
}
