package keepwell

// What native.go is for everything else: the crossings of migrations.

// #include "call.h"
import "C"

import (
	"runtime"
	"strings"
	"unsafe"
)

// The operations on migrations.
const (
	migrateUp       = C.KW_MIGRATE_UP
	migrateDown     = C.KW_MIGRATE_DOWN
	migrateTo       = C.KW_MIGRATE_TO
	migrateRedo     = C.KW_MIGRATE_REDO
	migrateStatus   = C.KW_MIGRATE_STATUS
	migratePlan     = C.KW_MIGRATE_PLAN
	migrateDryRun   = C.KW_MIGRATE_DRY_RUN
	migrateRehearse = C.KW_MIGRATE_REHEARSE
	migrateBaseline = C.KW_MIGRATE_BASELINE
	migrateMark     = C.KW_MIGRATE_MARK
	migrateAdopt    = C.KW_MIGRATE_ADOPT
	migrateVerify   = C.KW_MIGRATE_VERIFY

	migrateHasVersion = C.KW_MIGRATE_HAS_VERSION
	migrateHasSteps   = C.KW_MIGRATE_HAS_STEPS

	phaseBegin     = C.KW_PHASE_BEGIN
	phaseStatement = C.KW_PHASE_STATEMENT
	phaseDone      = C.KW_PHASE_DONE

	directionDown = C.KW_DIRECTION_DOWN
)

func nativeMigrations(store uint64) (uint64, error) {
	var set C.kw_migrations
	e := newCError()
	err := fail(C.kw_migrations_new(C.kw_store(store), &set, e), e)
	return uint64(set), err
}

func nativeFreeMigrations(set uint64) { C.kw_migrations_free(C.kw_migrations(set)) }

// nativeAddMigration adds a migration without NUL in its description. down may be empty: it has none then.
func nativeAddMigration(set uint64, m Migration) error {
	e := newCError()
	description, _ := chars(m.Description + "\x00")
	up, upLength := chars(m.Up)
	var down *C.char
	var downLength C.size_t
	if m.Down != "" {
		down, downLength = chars(m.Down)
	}
	return fail(C.keepwell_go_add_migration(C.kw_migrations(set), C.int64_t(m.Version), description, up, upLength, down, downLength, e), e)
}

func nativeAddMigrationFile(set uint64, name string, content []byte) error {
	e := newCError()
	n, length := chars(name)
	return fail(C.kw_migrations_add_file(C.kw_migrations(set), n, length, unsafe.Pointer(unsafe.SliceData(content)), C.size_t(len(content)), e), e)
}

func nativeAddMigrationFolder(set uint64, path string) error {
	e := newCError()
	p, n := chars(path)
	return fail(C.kw_migrations_add_folder(C.kw_migrations(set), p, n, e), e)
}

func nativeSetMigrations(set uint64, key, value string) error {
	e := newCError()
	k, kn := chars(key)
	v, vn := chars(value)
	return fail(C.kw_migrations_set(C.kw_migrations(set), k, kn, v, vn, e), e)
}

func nativeCountMigrations(set uint64) (int, error) {
	var count C.size_t
	e := newCError()
	err := fail(C.kw_migrations_count(C.kw_migrations(set), &count, e), e)
	return int(count), err
}

// migrate makes the call of the frame on the set of migrations that is its target. The report's handle is in the call then.
func (f *frame) migrate(operation int32, goal migrationGoal) int32 {
	c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
	return int32(C.keepwell_go_migrate(c, C.int32_t(operation), C.uint32_t(goal.flags), C.int64_t(goal.version), C.uint64_t(goal.steps),
		truth(f.ticking), truth(f.tells != nil)))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// keepwellGoProgress is called by the library, on the thread of the call, for each event of a run. Its second argument is the frame's call,
// see keepwellGoTick.
//
//export keepwellGoProgress
func keepwellGoProgress(event, call unsafe.Pointer) (stop C.int32_t) {
	if (*frame)(call).tells.tell(eventOf((*C.kw_migrate_event)(event))) {
		return 0
	}
	return 1
}

func eventOf(e *C.kw_migrate_event) MigrationEvent {
	event := MigrationEvent{
		Phase: MigrationPhase(e.phase), Version: int64(e.version), Direction: MigrationUp,
		Index: int(e.index), Total: int(e.total), Statement: int(e.statement), Offset: int64(e.offset), Length: int64(e.length),
		RowsChanged: int64(e.rows_changed),
		Description: lentText(e.description, e.description_len), File: lentText(e.file, e.file_len), SQL: lentText(e.sql, e.sql_len),
	}
	if e.direction == directionDown {
		event.Direction = MigrationDown
	}
	return event
}

// lentText copies text that the library lends.
func lentText(p *C.char, length C.size_t) string {
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(p)), int(length)))
}

// nativeReport takes the report as JSON and frees it.
func nativeReport(report uint64) (string, error) {
	defer C.kw_report_free(C.kw_report(report))
	return growing(func(buffer *C.char, room C.size_t, length *C.size_t) error {
		e := newCError()
		return fail(C.kw_report_json(C.kw_report(report), buffer, room, length, e), e)
	})
}

// schemaDump makes the call of the frame.
func (f *frame) schemaDump() (string, error) {
	return growing(func(buffer *C.char, room C.size_t, length *C.size_t) error {
		if !f.limit() {
			return f.lateError()
		}
		c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
		if status := C.keepwell_go_schema_dump(c, buffer, room, length, truth(f.ticking)); status != C.KW_OK {
			return f.error(int32(status))
		}
		return nil
	})
}

// growing asks for a text with more and more room until all of it fits.
func growing(ask func(buffer *C.char, room C.size_t, length *C.size_t) error) (string, error) {
	for room := C.size_t(16 * 1024); ; {
		buffer := make([]byte, room)
		var length C.size_t
		if err := ask((*C.char)(unsafe.Pointer(&buffer[0])), room, &length); err != nil {
			return "", err
		}
		if length < room {
			return string(buffer[:length]), nil
		}
		room = length + 1
	}
}

// rebuild makes the call of the frame. columns has a name and an expression by turns, each with a NUL. The report's handle is in the call then.
func (f *frame) rebuild(table, definition, columns string, count int) int32 {
	c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
	t, tn := chars(table)
	d, dn := chars(definition)
	pairs, _ := chars(columns)
	status := C.keepwell_go_rebuild(c, t, tn, d, dn, pairs, C.size_t(count), truth(f.ticking))
	runtime.KeepAlive(columns)
	return int32(status)
}
