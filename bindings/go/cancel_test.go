package keepwell

import (
	"context"
	"errors"
	"testing"
	"time"
)

const endless = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT max(i) FROM s"

// within fails when more time passed than the promise allows, with room for a busy machine and the race detector.
func within(t *testing.T, started time.Time, limit time.Duration) {
	t.Helper()
	if passed := time.Since(started); passed > limit {
		t.Errorf("took %v, at most %v expected", passed, limit)
	}
}

const soon = 500 * time.Millisecond

func TestCancellationReachesARunningQuery(t *testing.T) {
	store := accounts(t)
	calls := map[string]func(ctx context.Context) error{
		"query":    func(ctx context.Context) error { _, err := store.Query(ctx, endless); return err },
		"queryRow": func(ctx context.Context) error { return store.QueryRow(ctx, endless).Scan(new(int)) },
		"exec":     func(ctx context.Context) error { _, err := store.Exec(ctx, endless); return err },
		"script":   func(ctx context.Context) error { _, err := store.ExecScript(ctx, endless); return err },
		"many":     func(ctx context.Context) error { _, err := store.ExecMany(ctx, endless, [][]any{{}}); return err },
		"bound":    func(ctx context.Context) error { _, err := store.WithContext(ctx).Query(bg, endless); return err },
		"tx": func(ctx context.Context) error {
			return store.Transaction(bg, func(tx *Tx) error { _, err := tx.Query(ctx, endless); return err })
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			cause := errors.New("the cause")
			ctx, cancel := context.WithCancelCause(bg)
			var at time.Time
			time.AfterFunc(30*time.Millisecond, func() { at = time.Now(); cancel(cause) })
			err := call(ctx)
			ended := time.Now()
			<-ctx.Done()
			if passed := ended.Sub(at); passed > soon {
				t.Errorf("ended %v after the cancellation", passed)
			}
			e := wantError(t, err, ErrCancelled)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || errors.Is(err, context.DeadlineExceeded) || e.Timeout() {
				t.Errorf("%+v", e)
			}
			if balance(t, store, 1) != 100 {
				t.Error("the store is not usable")
			}
		})
	}
}

func TestADeadlineEndsARunningQuery(t *testing.T) {
	store := accounts(t)
	ctx, cancel := context.WithTimeout(bg, 40*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := store.Query(ctx, endless)
	within(t, started, soon)
	e := wantError(t, err, context.DeadlineExceeded)
	if !e.Timeout() || errors.Is(err, context.Canceled) || e.Code != ErrTimeout {
		t.Errorf("%+v", e)
	}
	started = time.Now()
	_, err = store.With(Timeout(40*time.Millisecond)).Query(bg, endless)
	within(t, started, soon)
	wantError(t, err, ErrTimeout)
	started = time.Now()
	_, err = store.With(Timeout(time.Hour)).Query(ctx, endless)
	within(t, started, soon)
	wantError(t, err, context.DeadlineExceeded)
}

func TestAContextThatHasEndedStartsNothing(t *testing.T) {
	store := accounts(t)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := store.Exec(ctx, "DELETE FROM account")
	wantError(t, err, context.Canceled)
	_, err = store.Query(ctx, "SELECT 1")
	wantError(t, err, ErrCancelled)
	wantError(t, store.QueryRow(ctx, "SELECT 1").Scan(new(int)), context.Canceled)
	_, err = store.Begin(ctx, nil)
	wantError(t, err, context.Canceled)
	_, err = store.Conn(ctx)
	wantError(t, err, context.Canceled)
	_, err = store.Prepare(ctx, "SELECT 1")
	wantError(t, err, context.Canceled)
	_, err = store.ExecMany(ctx, "DELETE FROM account WHERE id = ?", [][]any{{1}})
	wantError(t, err, context.Canceled)
	_, err = store.WithContext(ctx).Query(bg, "SELECT 1")
	wantError(t, err, context.Canceled)
	_, err = store.Health(ctx)
	wantError(t, err, context.Canceled)
	if balance(t, store, 1) != 100 {
		t.Error("something ran")
	}
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	store := numbers(t, 100_000, "pool.max_open", "2")
	ctx, cancel := context.WithCancel(bg)
	rows, err := store.Query(ctx, "SELECT id, name FROM n")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		rows.Next()
	}
	cancel()
	count := 0
	for rows.Next() {
		count++
	}
	wantError(t, rows.Err(), context.Canceled)
	if count > 50_000 {
		t.Errorf("%d more rows", count)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	// The next use of the same frame, token and connection is not touched.
	for range 20 {
		ctx, cancel := context.WithCancel(bg)
		all, err := All[int](ctx, store, "SELECT id FROM n WHERE id <= 50000")
		if err != nil || len(all) != 50_000 {
			t.Fatal(len(all), err)
		}
		cancel()
	}
}

func TestAFetchThatTakesLongIsCancelled(t *testing.T) {
	store := openTest(t)
	ctx, cancel := context.WithCancel(bg)
	const sql = `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s)
		SELECT i, printf('%200d', i) FROM s WHERE i <= 1000 OR i > 4000000000000`
	rows, err := store.Query(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	started := time.Now()
	for rows.Next() {
	}
	within(t, started, soon)
	wantError(t, rows.Err(), context.Canceled)
}

func TestWaitingForAConnectionEndsWithTheContext(t *testing.T) {
	store := accounts(t, "pool.max_open", "2")
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(bg)
	time.AfterFunc(20*time.Millisecond, cancel)
	started := time.Now()
	_, err = store.Exec(ctx, "DELETE FROM account")
	within(t, started, soon)
	wantError(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	_, err = store.Begin(ctx, nil)
	wantError(t, err, context.DeadlineExceeded, "writer connection", "transaction", "1 in use")
	wantError(t, err, ErrTimeout)
}

func TestACommitIsNotTouchedByTheContext(t *testing.T) {
	store := accounts(t)
	ctx, cancel := context.WithCancel(bg)
	tx, err := store.WithContext(ctx).Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "UPDATE account SET balance = 5 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := tx.Commit(); err != nil || balance(t, store, 1) != 5 {
		t.Error(err)
	}
}

// brittle is a context whose Err panics from some time on.
type brittle struct {
	context.Context
	until time.Time
}

func (b brittle) Err() error {
	if time.Now().After(b.until) && time.Now().Before(b.until.Add(soon)) {
		panic("brittle")
	}
	return b.Context.Err()
}

func TestAContextThatPanicsDuringACallDoesNotUnwindTheLibrary(t *testing.T) {
	store := accounts(t)
	parent, cancel := context.WithCancel(bg)
	defer cancel()
	func() {
		defer func() { recover() }() // the same context panics again when it is asked why the call ended
		store.Query(brittle{parent, time.Now().Add(20 * time.Millisecond)}, endless)
	}()
	if balance(t, store, 1) != 100 {
		t.Error("the store is not usable")
	}
	mustExec(t, store, "DELETE FROM account")
}
