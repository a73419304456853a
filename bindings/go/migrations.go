package keepwell

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
)

// Migrations is a set of migrations for one store: what is applied, what is pending, and everything that can be done about it. It is for
// any number of goroutines at once.
//
// Each migration is a transaction of its own together with its row in the table keepwell_migrations. Whoever starts at the same time, in any
// process and language, finds it done. Foreign keys are off while it runs and are checked before it is committed. An error leaves nothing
// of the migration that it is in, and says which ones before it stay.
//
// An operation waits while others write: in this process in the line for the writer until the context ends, or for pool.wait_timeout
// without a deadline; for other processes no longer than the policy lock_timeout. The end of the context, or a [Timeout] of the store that
// the set was made with, ends the run and rolls back the migration that it is in; the store's query.timeout does not hold for migrations.
// [Migrations.Status], [Migrations.Plan] and [Migrations.Verify] only read, and [Migrations.Rehearse] only reads this database.
//
// What policies refuse is an [ErrMigration] or [ErrSchemaNewer] whose message has the cure.
type Migrations struct {
	target target
	set    *migrationSet
	tell   func(MigrationEvent) bool
}

// migrationSet is the library's set. It is freed when nobody has it any more.
type migrationSet struct {
	handle uint64
	closed atomic.Bool
}

// MigrationOption changes how migrations are read and applied; see [Store.Migrations].
type MigrationOption func(*migrationOptions)

type migrationOptions struct {
	settings [][2]string
	tell     func(MigrationEvent) bool
}

// WithMigrationFormat names the layout of files where it does not show: keepwell, golang-migrate, goose, dbmate, sqlx, refinery, flyway,
// diesel or rusqlite_migration.
func WithMigrationFormat(format string) MigrationOption { return WithMigrationPolicy("format", format) }

// WithMigrationPolicy decides a doubtful case, or sets another of the keys:
//
//	out_of_order         refuse, accept or skip a pending version below an applied one
//	changed              refuse or accept an applied migration whose text has changed
//	missing              refuse or accept an applied migration that the source does not have
//	newer                refuse or accept a database that is newer than the source
//	gaps                 accept or refuse numbers left out
//	interrupted          refuse, resume or restart a migration of which only a part has run
//	transactions         each, all or none
//	lock_timeout         how long to wait for other processes: 60s; none
//	snapshot             the path of a copy that is written before the first pending migration
//	ignore               names of files that are no migrations, separated by commas
//	who, program         texts for the history
//
// The first that is named is the default. An unknown key or value is an [ErrConfig].
func WithMigrationPolicy(key, value string) MigrationOption {
	return func(o *migrationOptions) { o.settings = append(o.settings, [2]string{key, value}) }
}

// WithMigrationProgress has fn called when a migration begins, after each of its statements, and when it is done. When fn returns false, the
// run ends with [ErrCancelled] and the migration that it is in is rolled back; one that is done stays. fn must not use the store. It runs
// while the caller of the operation waits, though on another goroutine; a panic in it ends the run and goes on in the caller. A set that
// several goroutines use at once calls fn from all of them.
func WithMigrationProgress(fn func(MigrationEvent) bool) MigrationOption {
	return func(o *migrationOptions) { o.tell = fn }
}

// Migrations makes a set of migrations from a source: [MigrationDir], [MigrationFS] or [MigrationList]. Nothing of the database is touched,
// and a folder is read at the first operation. Close the set when it is no longer needed.
//
//	migrations, err := store.Migrations(keepwell.MigrationFS(files, "migrations"))
//	if err != nil {
//		return err
//	}
//	defer migrations.Close()
//	report, err := migrations.Up(ctx)
//
// The set has the defaults of the store for its calls, see [Store.With] and [Store.WithContext].
func (s *Store) Migrations(source MigrationSource, opts ...MigrationOption) (*Migrations, error) {
	if s.pool.closed.Load() {
		return nil, newError(ErrClosed, "migrations: the store is closed")
	}
	if source == nil {
		return nil, newError(ErrMisuse, "migrations: the source is nil; give MigrationDir, MigrationFS or MigrationList")
	}
	handle, err := nativeMigrations(s.handle)
	runtime.KeepAlive(s.pool)
	if err != nil {
		return nil, err
	}
	m := &Migrations{target: s.patient(), set: &migrationSet{handle: handle}}
	if err := m.fill(source, opts); err != nil {
		nativeFreeMigrations(handle)
		return nil, err
	}
	runtime.AddCleanup(m.set, nativeFreeMigrations, handle)
	return m, nil
}

func (m *Migrations) fill(source MigrationSource, opts []MigrationOption) error {
	var o migrationOptions
	for _, change := range opts {
		change(&o)
	}
	m.tell = o.tell
	for _, s := range o.settings {
		if err := nativeSetMigrations(m.set.handle, s[0], s[1]); err != nil {
			return err
		}
	}
	return source.addTo(m.set.handle)
}

// patient is the store's target for calls that may take long: only a timeout that was asked for holds, not query.timeout.
func (s *Store) patient() target {
	t := s.target
	if !t.opts.own {
		t.opts.timeout = -1
	}
	return t
}

// Close frees the set. The store stays as it is. Closing a closed set does nothing.
func (m *Migrations) Close() error {
	if m.set.closed.CompareAndSwap(false, true) {
		nativeFreeMigrations(m.set.handle)
	}
	return nil
}

// Len returns how many migrations the source has. It reads a folder that has not been read yet.
func (m *Migrations) Len() (int, error) {
	if m.set.closed.Load() {
		return 0, closedSet()
	}
	n, err := nativeCountMigrations(m.set.handle)
	runtime.KeepAlive(m.set)
	return n, err
}

func closedSet() error { return newError(ErrClosed, "migrations: the set is closed") }

// migrationGoal says how far an operation goes.
type migrationGoal struct {
	flags   uint32
	version int64
	steps   uint64
	wrong   error
}

// MigrationLimit says how far [Migrations.Plan], [Migrations.DryRun] and [Migrations.Rehearse] go.
type MigrationLimit func(*migrationGoal)

// ToVersion goes up to this version.
func ToVersion(version int64) MigrationLimit {
	return func(g *migrationGoal) { g.flags, g.version = g.flags|migrateHasVersion, version }
}

// Steps takes so many migrations at most.
func Steps(n int) MigrationLimit {
	return func(g *migrationGoal) {
		if n < 0 {
			g.wrong = newError(ErrParameter, "migrations: %d steps; give 0 or more", n)
			return
		}
		g.flags, g.steps = g.flags|migrateHasSteps, uint64(n)
	}
}

// Up applies all that is pending.
func (m *Migrations) Up(ctx context.Context) (*MigrationReport, error) { return m.do(ctx, migrateUp) }

// UpTo applies what is pending up to a version.
func (m *Migrations) UpTo(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.do(ctx, migrateUp, ToVersion(version))
}

// UpSteps applies the next n that are pending.
func (m *Migrations) UpSteps(ctx context.Context, n int) (*MigrationReport, error) {
	return m.do(ctx, migrateUp, Steps(n))
}

// Down undoes the newest applied migration.
func (m *Migrations) Down(ctx context.Context) (*MigrationReport, error) {
	return m.do(ctx, migrateDown)
}

// DownTo undoes what is applied above a version; 0: all but a migration 0.
func (m *Migrations) DownTo(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.do(ctx, migrateDown, ToVersion(version))
}

// DownSteps undoes the newest n applied migrations.
func (m *Migrations) DownSteps(ctx context.Context, n int) (*MigrationReport, error) {
	return m.do(ctx, migrateDown, Steps(n))
}

// To applies or undoes until version is the newest one applied.
func (m *Migrations) To(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.do(ctx, migrateTo, ToVersion(version))
}

// Redo undoes the newest applied migration and applies it again.
func (m *Migrations) Redo(ctx context.Context) (*MigrationReport, error) {
	return m.do(ctx, migrateRedo)
}

// Status reports every migration that the source or the history knows, and what is doubtful about them. It writes nothing.
func (m *Migrations) Status(ctx context.Context) (*MigrationReport, error) {
	return m.do(ctx, migrateStatus)
}

// Plan reports what [Migrations.Up] would do. It writes nothing.
func (m *Migrations) Plan(ctx context.Context, limits ...MigrationLimit) (*MigrationReport, error) {
	return m.do(ctx, migratePlan, limits...)
}

// DryRun does what [Migrations.Up] would do, in one transaction, and rolls it back.
func (m *Migrations) DryRun(ctx context.Context, limits ...MigrationLimit) (*MigrationReport, error) {
	return m.do(ctx, migrateDryRun, limits...)
}

// Rehearse applies what is pending on a copy of the database, undoes it and applies it again, and reports what differs.
func (m *Migrations) Rehearse(ctx context.Context, limits ...MigrationLimit) (*MigrationReport, error) {
	return m.do(ctx, migrateRehearse, limits...)
}

// Baseline takes every migration up to version for applied, without running any.
func (m *Migrations) Baseline(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.do(ctx, migrateBaseline, ToVersion(version))
}

// Mark takes one migration for applied, without running it.
func (m *Migrations) Mark(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.do(ctx, migrateMark, ToVersion(version))
}

// Adopt takes over the history of another tool, with its checksums verified.
func (m *Migrations) Adopt(ctx context.Context) (*MigrationReport, error) {
	return m.do(ctx, migrateAdopt)
}

// Verify reports the status, and whether schema and rows are what the migrations left; see [MigrationReport.OK]. It writes nothing.
func (m *Migrations) Verify(ctx context.Context) (*MigrationReport, error) {
	return m.do(ctx, migrateVerify)
}

// do makes one operation.
func (m *Migrations) do(ctx context.Context, operation int32, limits ...MigrationLimit) (*MigrationReport, error) {
	var goal migrationGoal
	for _, limit := range limits {
		limit(&goal)
	}
	if goal.wrong != nil {
		return nil, goal.wrong
	}
	if m.set.closed.Load() {
		return nil, closedSet()
	}
	t := m.target
	teller := newTeller(m.tell)
	report, err := t.reporting(ctx, opMigrate, m.place(operation), func(f *frame) int32 {
		f.call.target, f.tells = m.set.handle, teller
		return f.migrate(operation, goal)
	})
	runtime.KeepAlive(m.set)
	teller.end()
	return report, err
}

// place says what connection an operation takes.
func (m *Migrations) place(operation int32) *slots {
	switch operation {
	case migrateStatus, migratePlan, migrateVerify, migrateRehearse:
		return m.target.pool.readers
	}
	return m.target.pool.writer
}

// reporting makes a call on a store that gives a report, holding a place of s.
func (t *target) reporting(ctx context.Context, op uint32, s *slots, run func(f *frame) int32) (*MigrationReport, error) {
	var handle uint64
	err := t.placed(ctx, op, s, func(f *frame) error {
		if !f.limit() {
			return f.lateError()
		}
		if status := run(f); status != 0 {
			return f.error(status)
		}
		handle = f.call.handle
		return nil
	})
	if err != nil {
		return nil, err
	}
	return readReport(handle)
}

// placed calls work with a frame while a place of s is held for it, so that those who wait are told what they wait for.
func (t *target) placed(ctx context.Context, op uint32, s *slots, work func(f *frame) error) error {
	f := takeFrame(t, op)
	defer f.put()
	if err := f.start(ctx, t); err != nil {
		return err
	}
	if err := t.pool.acquire(f, s); err != nil {
		return err
	}
	g := t.pool.newLease(f, 0, operationName(op), "", func(uint64) {})
	defer func() {
		g.cleanup.Stop()
		g.lease.finish()
	}()
	return work(f)
}

// SchemaDump returns the schema as SQL that makes it anew, without the history of migrations: the same schema gives the same text.
func (s *Store) SchemaDump(ctx context.Context) (dump string, err error) {
	t := s.patient()
	err = t.placed(ctx, opSchemaDump, t.pool.readers, func(f *frame) (err error) {
		dump, err = f.schemaDump()
		return err
	})
	return dump, err
}

// RebuildTable makes a table anew with another definition, one CREATE TABLE statement for the same name, in SQLite's own twelve steps
// (https://sqlite.org/lang_altertable.html#otheralter), in one transaction. Rows with their rowids, indexes, triggers, views, references of
// other tables and the AUTOINCREMENT mark are kept. Columns are filled from the old ones of the same name, or by columns: names with
// SQL expressions over the old table. The report's table has the rows before and after.
//
// It waits for the writer until the context ends; the store's query.timeout does not hold. Errors are [ErrMigration] for what cannot be
// rebuilt as asked, and [ErrConstraint] for rows that do not fit and for foreign keys. Nothing is changed then.
func (s *Store) RebuildTable(ctx context.Context, table, definition string, columns map[string]string) (*MigrationReport, error) {
	var pairs strings.Builder
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		expression := columns[name]
		if strings.ContainsRune(name+expression, 0) {
			return nil, newError(ErrEncoding, "rebuild table: the column %q or its expression has a NUL in it", name)
		}
		pairs.WriteString(name + "\x00" + expression + "\x00")
	}
	t := s.patient()
	return t.reporting(ctx, opRebuild, t.pool.writer, func(f *frame) int32 {
		return f.rebuild(table, definition, pairs.String(), len(columns))
	})
}
