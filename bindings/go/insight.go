package keepwell

import (
	"context"
	"math"
	"runtime"
	"strings"
	"time"
)

// ReportOrder says what a report of statements is sorted by, most first.
type ReportOrder uint32

// The orders of a report of statements.
const (
	ByTotal   ReportOrder = byTotal   // time of all calls together
	ByCalls   ReportOrder = byCalls   // calls
	ByMean    ReportOrder = byMean    // time for each call
	ByWorst   ReportOrder = byWorst   // the longest call
	ByRows    ReportOrder = byRows    // rows returned or changed
	ByScanned ReportOrder = byScanned // rows gone through in whole tables
)

// StatementCost is what one statement has cost, on all connections together.
type StatementCost struct {
	SQL    string // as it was given, at most about 2,000 bytes of it; "" with Others
	Others bool   // the sum of those that were dropped for want of room (metrics.statements)
	Writes bool   // it may change something
	Calls  int64  // one call that runs it for many sets of parameters counts once
	Errors int64  // calls of these that failed

	Total time.Duration // from the call to the end of the statement, waits in the library included
	Mean  time.Duration
	Worst time.Duration

	Rows             int64 // returned, or changed where it returned none
	FullScans        int64 // calls that went through a whole table
	ScannedRows      int64 // rows that those went through
	AutomaticIndexes int64 // calls for which the engine made an index of its own
	Sorts            int64 // calls that sorted
}

// StatementReport returns what each statement has cost since the store was opened or the report was begun anew, no more than limit of them
// (0: all). Where statements were dropped for want of room, the last entry is the sum of them. It is empty where metrics.statements is 0.
//
// It waits for nobody. Errors: [ErrClosed], [ErrMisuse] for an order that there is not, [ErrParameter] for a limit below 0.
func (s *Store) StatementReport(order ReportOrder, limit int) ([]StatementCost, error) {
	if s.pool.closed.Load() {
		return nil, newError(ErrClosed, "statement report: the store is closed")
	}
	if limit < 0 || int64(limit) > math.MaxUint32 {
		return nil, newError(ErrParameter, "statement report: a limit of %d; give 0 for all, or how many", limit)
	}
	handle, err := nativeStatementReport(s.handle, uint32(order), uint32(limit))
	if err != nil {
		return nil, s.pool.orClosed(err, "statement report")
	}
	costs, err := readTable(&s.target, handle, (*StatementCost).columns)
	for i := range costs {
		costs[i].Others = costs[i].SQL == ""
	}
	return costs, err
}

func (c *StatementCost) columns() []any {
	return []any{(*orEmpty)(&c.SQL), (*isWrite)(&c.Writes), &c.Calls, &c.Errors, (*seconds)(&c.Total), (*seconds)(&c.Mean), (*seconds)(&c.Worst),
		&c.Rows, &c.FullScans, &c.ScannedRows, &c.AutomaticIndexes, &c.Sorts}
}

// ResetStatementReport begins the report of statements anew. Errors: [ErrClosed].
func (s *Store) ResetStatementReport() error {
	if s.pool.closed.Load() {
		return newError(ErrClosed, "statement report: the store is closed")
	}
	err := nativeStatementReportReset(s.handle)
	runtime.KeepAlive(s.pool)
	return s.pool.orClosed(err, "statement report")
}

// PlanNode is one step of a plan.
type PlanNode struct {
	ID     int64  // its number
	Parent int64  // the number of the step that it is a part of; 0: of none
	Detail string // what the engine does: "SCAN user", "SEARCH user USING INDEX by_age (age>?)"
}

// Plan is how the engine would run a statement: steps, each after the one that it is a part of. See https://sqlite.org/eqp.html.
type Plan []PlanNode

// String draws the plan as SQLite's shell does, without a line break at its end:
//
//	|--SCAN user
//	`--USE TEMP B-TREE FOR ORDER BY
func (p Plan) String() string {
	children := map[int64][]PlanNode{}
	known := map[int64]bool{}
	for _, node := range p {
		known[node.ID] = true
	}
	for _, node := range p {
		parent := node.Parent
		if !known[parent] {
			parent = 0
		}
		children[parent] = append(children[parent], node)
	}
	var b strings.Builder
	draw(&b, children, 0, "")
	return strings.TrimSuffix(b.String(), "\n")
}

func draw(b *strings.Builder, children map[int64][]PlanNode, parent int64, indent string) {
	nodes := children[parent]
	for i, node := range nodes {
		branch, deeper := "|--", "|  "
		if i == len(nodes)-1 {
			branch, deeper = "`--", "   "
		}
		b.WriteString(indent + branch + node.Detail + "\n")
		if node.ID != parent {
			draw(b, children, node.ID, indent+deeper)
		}
	}
}

// Explain returns how the engine would run one statement. It is not run; parameters count as NULL.
//
// It waits for a reader until the context ends. Errors: [ErrSQL], [ErrTimeout], [ErrExhausted] and the like of a query.
func (s *Store) Explain(ctx context.Context, sql string) (Plan, error) {
	return study(ctx, &s.target, opExplain, sql, func(n *PlanNode) []any { return []any{&n.ID, &n.Parent, &n.Detail} })
}

// IndexAdvice is an index that would help a statement.
type IndexAdvice struct {
	Table    string
	IndexSQL string // the CREATE INDEX
	Before   string // the plan without it
	After    string // the plan with it
}

// Advise returns the indexes that would help one statement, most useful first, at most three. They are tried on a copy of the schema in
// memory, where the engine's own planner decides; the database is not changed. That takes some milliseconds.
//
// It waits for a reader until the context ends. Errors: as [Store.Explain].
func (s *Store) Advise(ctx context.Context, sql string) ([]IndexAdvice, error) {
	return study(ctx, &s.target, opAdvise, sql, func(a *IndexAdvice) []any { return []any{&a.Table, &a.IndexSQL, &a.Before, &a.After} })
}

// study has the library look at a statement, holding the place of a reader, and reads what it found.
func study[T any](ctx context.Context, t *target, op uint32, sql string, columns func(*T) []any) (found []T, err error) {
	err = t.placed(ctx, op, t.pool.readers, func(f *frame) error {
		if !f.limit() {
			return f.lateError()
		}
		if status := f.study(sql); status != 0 {
			return f.error(status)
		}
		found, err = readTable(t, f.call.handle, columns)
		return err
	})
	return found, err
}

// readTable reads rows that the library made of what it knows, and closes them. They hold no connection, and reading them waits for
// nothing. columns are the places for the first columns of a row; a later library may have more.
func readTable[T any](t *target, handle uint64, columns func(*T) []any) ([]T, error) {
	defer nativeCloseRows(handle)
	f := takeFrame(t, opFetch)
	if err := f.start(context.Background(), &target{}); err != nil {
		return nil, err
	}
	rows := &Rows{f: f, pool: t.pool, more: handle}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		for i, to := range columns(&one) {
			if i >= rows.columns {
				return nil, newError(ErrABI, "the library's table has %d columns only; install the library of this package's version", rows.columns)
			}
			if err := f.scan(&f.cells[rows.first+i], to); err != nil {
				return nil, scanError(i, "", err)
			}
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// seconds is a duration that is read from seconds.
type seconds time.Duration

// Scan takes a number of seconds.
func (s *seconds) Scan(value any) error {
	number, _ := value.(float64)
	*s = seconds(math.Round(number * 1e9))
	return nil
}

// orEmpty is a text that is empty for NULL.
type orEmpty string

// Scan takes a text or NULL.
func (s *orEmpty) Scan(value any) error {
	text, _ := value.(string)
	*s = orEmpty(text)
	return nil
}

// isWrite is whether the kind of a statement is write.
type isWrite bool

// Scan takes the kind.
func (w *isWrite) Scan(value any) error {
	*w = value == "write"
	return nil
}
