package keepwell

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// inLine holds the writer while each write takes its place in the line, in this order, and lets all of them go then.
func inLine(t *testing.T, store *Store, writes ...func() error) []error {
	t.Helper()
	return inLineThen(t, store, func() {}, writes...)
}

// inLineThen does so too, and calls then when all of them have been let go.
func inLineThen(t *testing.T, store *Store, then func(), writes ...func() error) []error {
	t.Helper()
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]chan error, len(writes))
	for i, write := range writes {
		ends[i] = make(chan error, 1)
		go func() { ends[i] <- write() }()
		waitFor(t, "a writer", func() bool { return waiting(store.pool.writer) == i+1 })
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	then()
	errs := make([]error, len(writes))
	for i := range ends {
		errs[i] = <-ends[i]
	}
	return errs
}

func groupTable(t *testing.T, settings ...string) *Store {
	t.Helper()
	store := openTest(t, settings...)
	mustScript(t, store, "CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT UNIQUE)")
	return store
}

func TestWritesThatWaitShareOneCrossingAndEachHasItsOwnOutcome(t *testing.T) {
	store := groupTable(t)
	stmt, err := store.Prepare(bg, "INSERT INTO t(s) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	insert := func(n int, text string) func() error {
		return func() error {
			result, err := store.Exec(bg, "INSERT INTO t VALUES (?, ?)", n, text)
			if id, _ := result.LastInsertId(); err == nil && id != int64(n) {
				return fmt.Errorf("row %d has the key %d", n, id)
			}
			return err
		}
	}
	returned, rows := 0, 0
	errs := inLine(t, store,
		insert(10, "a"),
		insert(20, "b"),
		insert(30, "a"),
		func() error {
			return store.QueryRow(bg, "INSERT INTO t VALUES (40, 'd') RETURNING n + 2").Scan(&returned)
		},
		func() error {
			_, err := store.Exec(bg, "INSERT INTO t VALUES (:n, :s)", Named("s", "e"), Named("n", 50))
			return err
		},
		func() error { _, err := stmt.Exec(bg, "f"); return err },
		func() error { _, err := store.Exec(bg, "INSERT INTO nowhere VALUES (1)"); return err },
		func() error {
			found, err := All[int](bg, store, "UPDATE t SET s = s || '!' RETURNING n")
			rows = len(found)
			return err
		},
	)
	for i, err := range errs {
		switch i {
		case 2:
			wantError(t, err, ErrConstraint)
		case 6:
			wantError(t, err, ErrSQL)
		default:
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		}
	}
	if returned != 42 || rows != 5 {
		t.Errorf("RETURNING gave %d, and %d rows", returned, rows)
	}
	if got := one[string](t, store, "SELECT group_concat(n || s) FROM (SELECT * FROM t ORDER BY n)"); got != "10a!,20b!,40d!,50e!,51f!" {
		t.Error(got)
	}
	stats, err := store.Stats()
	if err != nil || stats.Groups != 1 || stats.GroupedWrites != uint64(len(errs)) {
		t.Errorf("%d groups of %d writes, %v", stats.Groups, stats.GroupedWrites, err)
	}
}

func TestWhatHoldsTheWriterForLongerDividesTheGroups(t *testing.T) {
	store := groupTable(t)
	var order []string // written by who has the writer
	write := func(name string) func() error {
		return func() error { _, err := store.Exec(bg, "INSERT INTO t(s) VALUES (?)", name); return err }
	}
	errs := inLine(t, store, write("a"), write("b"),
		func() error {
			return store.Transaction(bg, func(tx *Tx) error {
				found, err := All[string](bg, tx, "SELECT s FROM t ORDER BY n")
				order = found
				return err
			})
		},
		write("c"), write("d"), write("e"))
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if fmt.Sprint(order) != "[a b]" {
		t.Errorf("the transaction in the middle of the line saw %v", order)
	}
	if stats, err := store.Stats(); err != nil || stats.Groups != 2 || stats.GroupedWrites != 5 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestNoGroupWhereTheConfigurationSaysSo(t *testing.T) {
	for _, setting := range [][2]string{{"writer.group_commit", "off"}, {"writer.group_max", "1"}} {
		store := groupTable(t, setting[0], setting[1])
		write := func() error { _, err := store.Exec(bg, "INSERT INTO t(s) VALUES (NULL)"); return err }
		for _, err := range inLine(t, store, write, write, write) {
			if err != nil {
				t.Error(err)
			}
		}
		if stats, err := store.Stats(); err != nil || stats.Groups != 0 {
			t.Errorf("%v: %+v, %v", setting, stats, err)
		}
	}
}

// The endless write leads, so that its goroutine's thread runs the others; or it follows, and another one's thread hears of its context.
func TestAContextEndsOneWriteOfAGroup(t *testing.T) {
	for name, at := range map[string]int{"leads": 0, "follows": 1} {
		t.Run(name, func(t *testing.T) {
			store := groupTable(t)
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			endlessWrite := func() error {
				_, err := store.Exec(ctx, "INSERT INTO t(s) "+endless)
				return err
			}
			writes := []func() error{nil, nil, nil}
			for i := range writes {
				writes[i] = func() error { _, err := store.Exec(bg, "INSERT INTO t(n) VALUES (?)", i); return err }
			}
			writes[at] = endlessWrite
			stop := func() {
				waitFor(t, "all of them to cross, or to be about to", func() bool { return waiting(store.pool.writer) == 0 })
				cancel()
			}
			for i, err := range inLineThen(t, store, stop, writes...) {
				if i == at {
					wantError(t, err, ErrCancelled)
				} else if err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			}
			if got := one[int](t, store, "SELECT count(*) FROM t"); got != 2 {
				t.Errorf("%d rows", got)
			}
		})
	}
}

func TestTheConfigurationIsReadBackHoweverItWasWritten(t *testing.T) {
	store, err := OpenConfig(Config{DataSource: ":memory:", YAML: "pool: {wait_timeout: 50ms}\nquery: {timeout: 1m}\nwriter: {group_max: 7}"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for key, want := range map[string]string{"pool.wait_timeout": "0.05", "query.timeout": "60", "writer.group_max": "7", "close_timeout": "10"} {
		if got, err := store.Config(key); err != nil || got != want {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
	if p := store.pool; p.patience != 50*time.Millisecond || store.opts.timeout != time.Minute || p.sharing != 7 {
		t.Errorf("Go waits %v, gives a call %v, and shares among %d", p.patience, store.opts.timeout, p.sharing)
	}
	_, err = store.Config("pool.wait_timout")
	wantError(t, err, ErrConfig)
}
