package keepwell

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// costOf finds a statement in a report.
func costOf(t *testing.T, costs []StatementCost, sql string) StatementCost {
	t.Helper()
	for _, cost := range costs {
		if cost.SQL == sql {
			return cost
		}
	}
	t.Fatalf("%s is not in %+v", sql, costs)
	return StatementCost{}
}

func report(t *testing.T, store *Store, order ReportOrder, limit int) []StatementCost {
	t.Helper()
	costs, err := store.StatementReport(order, limit)
	if err != nil {
		t.Fatal(err)
	}
	return costs
}

func TestAReportSaysWhatEachStatementHasCost(t *testing.T) {
	store := numbers(t, 1000)
	if err := store.ResetStatementReport(); err != nil {
		t.Fatal(err)
	}
	const scan, point, change = "SELECT id FROM n WHERE name = ? ORDER BY half", "SELECT name FROM n WHERE id = ?", "INSERT INTO n VALUES (?, 'x', 0)"
	for i := range 3 {
		All[int](bg, store, scan, fmt.Sprint("row ", i+1))
		mustExec(t, store, change, 5000+i)
	}
	for range 10 {
		one[string](t, store, point, 5)
	}
	_, err := store.Exec(bg, change, 5000)
	wantError(t, err, ErrConstraint)

	costs := report(t, store, ByCalls, 0)
	if len(costs) != 3 || costs[0].SQL != point || costs[1].SQL != change || costs[2].SQL != scan {
		t.Fatalf("%+v", costs)
	}
	if c := costs[0]; c.Calls != 10 || c.Rows != 10 || c.Writes || c.Errors != 0 || c.FullScans != 0 || c.Sorts != 0 {
		t.Errorf("%+v", c)
	}
	if c := costs[1]; c.Calls != 4 || c.Rows != 3 || !c.Writes || c.Errors != 1 {
		t.Errorf("%+v", c)
	}
	if c := costs[2]; c.Calls != 3 || c.Rows != 3 || c.FullScans != 3 || c.ScannedRows < 3*999 || c.Sorts != 3 {
		t.Errorf("%+v", c)
	}
	for _, c := range costs {
		if c.Total <= 0 || c.Worst <= 0 || c.Worst > c.Total || c.Total > time.Minute || (c.Mean-c.Total/time.Duration(c.Calls)).Abs() > 2 {
			t.Errorf("times: %+v", c)
		}
	}
	if most := report(t, store, ByScanned, 1); len(most) != 1 || most[0].SQL != scan {
		t.Errorf("%+v", most)
	}
	for order := ByTotal; order <= ByScanned; order++ {
		if all := report(t, store, order, 0); len(all) != 3 {
			t.Errorf("%d: %+v", order, all)
		}
	}
}

func TestAReportIsBoundedAndEmptyWithoutOne(t *testing.T) {
	store := openTest(t, "metrics.statements", "10")
	for i := range 30 {
		one[int](t, store, fmt.Sprint("SELECT ", i))
	}
	costs := report(t, store, ByTotal, 0)
	last := costs[len(costs)-1]
	if len(costs) > 11 || !last.Others || last.SQL != "" || costs[0].Others {
		t.Errorf("%+v", costs)
	}
	var calls int64
	for _, cost := range costs {
		calls += cost.Calls
	}
	if calls != 30 {
		t.Errorf("%d calls", calls)
	}
	none := openTest(t, "metrics.statements", "0")
	one[int](t, none, "SELECT 1")
	if costs := report(t, none, ByTotal, 0); len(costs) != 0 {
		t.Errorf("%+v", costs)
	}
}

func TestALongReportIsWhole(t *testing.T) {
	store := openTest(t)
	padding := strings.Repeat(" ", 1500)
	for i := range 200 {
		one[int](t, store, fmt.Sprintf("SELECT%s%d", padding, i))
	}
	costs := report(t, store, ByCalls, 0)
	if len(costs) != 200 {
		t.Fatalf("%d statements", len(costs))
	}
	costOf(t, costs, "SELECT"+padding+"199")
}

func TestWhatAReportCannotBeIsAnError(t *testing.T) {
	store := openTest(t)
	_, err := store.StatementReport(6, 0)
	wantError(t, err, ErrMisuse, "6")
	_, err = store.StatementReport(ByTotal, -1)
	wantError(t, err, ErrParameter, "-1")
	store.Close()
	_, err = store.StatementReport(ByTotal, 0)
	wantError(t, err, ErrClosed)
	wantError(t, store.ResetStatementReport(), ErrClosed)
}

func TestAPlanIsATree(t *testing.T) {
	store := numbers(t, 10)
	plan, err := store.Explain(bg, "SELECT * FROM n WHERE half > (SELECT avg(half) FROM n AS m WHERE m.id > ?) ORDER BY name")
	if err != nil || len(plan) < 4 {
		t.Fatal(plan, err)
	}
	want := "|--SCAN n\n|--SCALAR SUBQUERY 1\n|  `--SEARCH m USING INTEGER PRIMARY KEY (rowid>?)\n`--USE TEMP B-TREE FOR ORDER BY"
	if plan.String() != want {
		t.Errorf("\n%s", plan)
	}
	if empty := (Plan{}).String(); empty != "" {
		t.Errorf("%q", empty)
	}
	if lost := (Plan{{ID: 3, Parent: 99, Detail: "x"}, {ID: 4, Parent: 3, Detail: "y"}}).String(); lost != "`--x\n   `--y" {
		t.Errorf("%q", lost)
	}
}

func TestAdviceIsAnIndexThatHelps(t *testing.T) {
	store := numbers(t, 1000)
	const sql = "SELECT id FROM n WHERE name = ?"
	advice, err := store.Advise(bg, sql)
	if err != nil || len(advice) == 0 {
		t.Fatal(advice, err)
	}
	if a := advice[0]; a.Table != "n" || !strings.Contains(a.Before, "SCAN n") || !strings.Contains(a.After, "SEARCH n") {
		t.Errorf("%+v", a)
	}
	mustExec(t, store, advice[0].IndexSQL)
	plan, err := store.Explain(bg, sql)
	if err != nil || !strings.Contains(plan.String(), "SEARCH n USING") {
		t.Error(plan, err)
	}
	if more, err := store.Advise(bg, sql); err != nil || len(more) != 0 {
		t.Errorf("%+v, %v", more, err)
	}
}

func TestStudyingAStatementFailsAsRunningItDoes(t *testing.T) {
	store := numbers(t, 10, "pool.max_open", "2")
	studies := map[string]func(ctx context.Context, sql string) error{
		"explain": func(ctx context.Context, sql string) error { _, err := store.Explain(ctx, sql); return err },
		"advise":  func(ctx context.Context, sql string) error { _, err := store.Advise(ctx, sql); return err },
	}
	for name, study := range studies {
		wantError(t, study(bg, "SELECT nothing FROM n"), ErrSQL, "nothing")
		wantError(t, study(bg, "SELECT 1; SELECT 2"), ErrSQL)
		ctx, cancel := context.WithCancel(bg)
		cancel()
		wantError(t, study(ctx, "SELECT 1"), context.Canceled, name)

		tx, err := store.Begin(bg, &TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(bg, 5*time.Millisecond)
		wantError(t, study(ctx, "SELECT 1"), ErrTimeout, "reader", "1 in use")
		cancel()
		tx.Rollback()
		if err := study(bg, "SELECT 1"); err != nil {
			t.Error(err)
		}
	}
	if taken, _ := store.pool.readers.load(); taken != 0 || errors.Is(store.Close(), ErrClosed) {
		t.Errorf("%d places are kept", taken)
	}
	wantError(t, studies["explain"](bg, "SELECT 1"), ErrClosed)
}
