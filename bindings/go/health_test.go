package keepwell

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func health(t *testing.T, ctx context.Context, store *Store) Health {
	t.Helper()
	health, err := store.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return health
}

func TestAHealthyStoreTellsHowItIs(t *testing.T) {
	store := openTest(t, "pool.max_open", "4", "metrics.collect_interval", "1ms")
	migrations, err := store.Migrations(MigrationList(Migration{Version: 7, Description: "t", Up: "CREATE TABLE t(x)"}))
	if err != nil {
		t.Fatal(err)
	}
	defer migrations.Close()
	if before := health(t, bg, store); before.SchemaVersion != nil || before.LastError != nil {
		t.Errorf("%+v", before)
	}
	if _, err := migrations.Up(bg); err != nil {
		t.Fatal(err)
	}
	store.Exec(bg, "INSERT INTO nowhere VALUES (1)")
	waitFor(t, "the sample", func() bool { return health(t, bg, store).SchemaVersion != nil })

	h := health(t, bg, store)
	if !h.Healthy || !h.CanRead || !h.CanWrite || h.Message != "" || *h.SchemaVersion != 7 {
		t.Errorf("%+v", h)
	}
	// The maintenance, which takes samples all the time here, may hold one.
	if h.Pool.MaxOpen != 4 || h.Pool.Open != h.Pool.Idle+h.Pool.InUse || h.Pool.Idle == 0 || h.Pool.InUse > 1 || h.Pool.Waiting != 0 {
		t.Errorf("%+v", h.Pool)
	}
	if h.DatabaseBytes == nil || *h.DatabaseBytes < 4096 || h.LogBytes == nil || *h.LogBytes == 0 {
		t.Errorf("%+v", h)
	}
	if last := h.LastError; last == nil || last.Code != ErrSQL || !strings.Contains(last.Message, "nowhere") || time.Since(last.At).Abs() > time.Hour {
		t.Errorf("%+v", last)
	}
}

func TestHealthInJSONIsThatOfTheLibrary(t *testing.T) {
	store := openTest(t)
	store.Exec(bg, "INSERT INTO nowhere VALUES (1)")
	f := takeFrame(&store.target, opHealth)
	defer f.put()
	if err := f.start(bg, &store.target); err != nil {
		t.Fatal(err)
	}
	theirs, err := f.health()
	if err != nil {
		t.Fatal(err)
	}
	read, err := readHealth(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(read)
	if err != nil || string(ours) != theirs {
		t.Errorf("%v\n%s\n%s", err, ours, theirs)
	}
}

func TestAWriterThatIsHeldIsAnAnswer(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	h := health(t, ctx, store)
	if h.Healthy || !h.CanRead || h.CanWrite || !strings.Contains(h.Message, "writer") || h.Pool.InUse != 1 {
		t.Errorf("%+v", h)
	}
	_, err = store.Health(NewContext(bg, tx))
	wantError(t, err, ErrSelfDeadlock)

	ended := make(chan error)
	go func() { _, err := store.With(Timeout(-1)).Exec(bg, "DELETE FROM account"); ended <- err }()
	waitFor(t, "the goroutine to wait", func() bool { return health(t, bg, store.With(Timeout(time.Millisecond))).Pool.Waiting == 1 })
	tx.Rollback()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if h := health(t, bg, store); !h.Healthy {
		t.Errorf("%+v", h)
	}
}

func TestACancelledHealthCheckIsAnError(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(bg)
	time.AfterFunc(20*time.Millisecond, cancel)
	started := time.Now()
	_, err = store.Health(ctx)
	within(t, started, soon)
	wantError(t, err, context.Canceled)
}

func TestAStoreThatOnlyReadsIsHealthyWithoutWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	writer, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	mustScript(t, writer, "CREATE TABLE t(x)")
	defer writer.Close()
	reader, err := Open("file:" + path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if h := health(t, bg, reader); !h.Healthy || !h.CanRead || h.CanWrite {
		t.Errorf("%+v", h)
	}
}

func TestAClosedStoreHasNoHealth(t *testing.T) {
	store := openTest(t)
	store.Close()
	_, err := store.Health(bg)
	wantError(t, err, ErrClosed)
}
