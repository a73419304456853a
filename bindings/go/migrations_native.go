package keepwell

// Migrations as C has them.

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"time"
	"unsafe"
)

// migrating is one operation under way: what its callbacks ask and tell.
type migrating struct {
	ctx      context.Context
	progress func(MigrationEvent) bool
	panicked any
}

// timeoutOf is the time that a context leaves, as the library takes it: -1 is no limit, and what is over is the shortest there is.
func timeoutOf(ctx context.Context) C.int64_t {
	deadline, ok := ctx.Deadline()
	if !ok {
		return -1
	}
	return C.int64_t(max(1, time.Until(deadline).Microseconds()))
}

//export keepwellGoMigrateTick
func keepwellGoMigrateTick(handle unsafe.Pointer) C.int32_t {
	if migratingOf(handle).ctx.Err() != nil {
		return 1
	}
	return 0
}

//export keepwellGoMigrateEvent
func keepwellGoMigrateEvent(event, handle unsafe.Pointer) (stop C.int32_t) {
	m := migratingOf(handle)
	if m.progress == nil {
		return 0
	}
	defer func() {
		if m.panicked = recover(); m.panicked != nil { // it must not unwind the library's frames
			stop = 1
		}
	}()
	e := (*C.kw_migrate_event)(event)
	if m.progress(MigrationEvent{
		Phase:       MigrationPhase(e.phase),
		Version:     int64(e.version),
		Description: C.GoStringN(e.description, C.int(e.description_len)),
		File:        C.GoStringN(e.file, C.int(e.file_len)),
		Down:        e.direction == C.KW_DIRECTION_DOWN,
		Index:       int(e.index),
		Total:       int(e.total),
		Statement:   int(e.statement),
		Offset:      int64(e.offset),
		Length:      int64(e.length),
		RowsChanged: int64(e.rows_changed),
		SQL:         C.GoStringN(e.sql, C.int(e.sql_len)),
	}) {
		return 0
	}
	return 1
}

func migratingOf(handle unsafe.Pointer) *migrating {
	return cgo.Handle(*(*C.uintptr_t)(handle)).Value().(*migrating)
}

func nativeMigrations(store uint64) (uint64, error) {
	var set C.kw_migrations
	e := newCError()
	err := fail(C.kw_migrations_new(C.kw_store(store), &set, e), e)
	return uint64(set), err
}

func nativeFreeMigrations(set uint64) { C.kw_migrations_free(C.kw_migrations(set)) }

func nativeMigrationsSet(set uint64, key, value string) error {
	e := newCError()
	k, kn := chars(key)
	v, vn := chars(value)
	return fail(C.kw_migrations_set(C.kw_migrations(set), k, kn, v, vn, e), e)
}

func nativeMigrationsFolder(set uint64, path string) error {
	e := newCError()
	p, n := chars(path)
	return fail(C.kw_migrations_add_folder(C.kw_migrations(set), p, n, e), e)
}

func nativeMigrationsFile(set uint64, name string, content []byte) error {
	e := newCError()
	p, n := chars(name)
	return fail(C.kw_migrations_add_file(C.kw_migrations(set), p, n, unsafe.Pointer(unsafe.SliceData(content)), C.size_t(len(content)), e), e)
}

func nativeMigrationsAdd(set uint64, m Migration) error {
	e := newCError()
	raw := (*C.kw_migration)(C.calloc(1, C.sizeof_kw_migration))
	defer C.free(unsafe.Pointer(raw))
	raw.struct_size = C.sizeof_kw_migration
	raw.version = C.int64_t(m.Version)
	raw.description = C.CString(m.Description)
	defer C.free(unsafe.Pointer(raw.description))
	raw.up, raw.up_len = C.CString(m.Up), C.size_t(len(m.Up))
	defer C.free(unsafe.Pointer(raw.up))
	if m.Down != "" {
		raw.down, raw.down_len = C.CString(m.Down), C.size_t(len(m.Down))
		defer C.free(unsafe.Pointer(raw.down))
	}
	return fail(C.kw_migrations_add(C.kw_migrations(set), raw, e), e)
}

func nativeMigrationsCount(set uint64) (int, error) {
	var count C.size_t
	e := newCError()
	err := fail(C.kw_migrations_count(C.kw_migrations(set), &count, e), e)
	return int(count), err
}

// nativeMigrate does an operation; its report as JSON.
func nativeMigrate(m *migrating, set uint64, operation int, version *int64, steps *int) (string, error) {
	handle := cgo.NewHandle(m)
	defer handle.Delete()
	var flags C.uint32_t
	var v, n int64
	if version != nil {
		flags, v = flags|C.KW_MIGRATE_HAS_VERSION, *version
	}
	if steps != nil {
		flags, n = flags|C.KW_MIGRATE_HAS_STEPS, int64(*steps)
	}
	var report C.kw_report
	e := newCError()
	status := C.keepwell_go_migrate(C.kw_migrations(set), C.int32_t(operation), flags, C.int64_t(v), C.uint64_t(n), timeoutOf(m.ctx), C.uintptr_t(handle), &report, e)
	if m.panicked != nil {
		panic(m.panicked)
	}
	return nativeReport(report, fail(status, e))
}

// nativeReport reads a report and frees it.
func nativeReport(report C.kw_report, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer C.kw_report_free(report)
	return grown(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.kw_error) C.kw_status {
		return C.kw_report_json(report, buffer, size, length, e)
	})
}

// grown reads a text of unknown length.
func grown(read func(buffer *C.char, size C.size_t, length *C.size_t, e *C.kw_error) C.kw_status) (string, error) {
	room := 4096
	for {
		buffer := make([]byte, room)
		var length C.size_t
		e := newCError()
		if err := fail(read((*C.char)(unsafe.Pointer(unsafe.SliceData(buffer))), C.size_t(room), &length, e), e); err != nil {
			return "", err
		}
		if int(length) < room {
			return string(buffer[:length]), nil
		}
		room = int(length) + 1
	}
}

func nativeSchemaDump(ctx context.Context, store uint64) (string, error) {
	return grown(func(buffer *C.char, size C.size_t, length *C.size_t, e *C.kw_error) C.kw_status {
		return C.keepwell_go_schema_dump(C.kw_store(store), timeoutOf(ctx), buffer, size, length, e)
	})
}

func nativeRebuild(m *migrating, store uint64, table, definition string, columns map[string]string) (string, error) {
	handle := cgo.NewHandle(m)
	defer handle.Delete()
	t, d := C.CString(table), C.CString(definition)
	defer C.free(unsafe.Pointer(t))
	defer C.free(unsafe.Pointer(d))
	raw := (*C.kw_rebuild_column)(C.calloc(C.size_t(len(columns)+1), C.sizeof_kw_rebuild_column))
	defer C.free(unsafe.Pointer(raw))
	list := unsafe.Slice(raw, len(columns))
	i := 0
	for name, expression := range columns {
		list[i].name, list[i].expression = C.CString(name), C.CString(expression)
		defer C.free(unsafe.Pointer(list[i].name))
		defer C.free(unsafe.Pointer(list[i].expression))
		i++
	}
	var report C.kw_report
	e := newCError()
	status := C.keepwell_go_rebuild(C.kw_store(store), t, d, raw, C.size_t(len(columns)), timeoutOf(m.ctx), C.uintptr_t(handle), &report, e)
	return nativeReport(report, fail(status, e))
}
