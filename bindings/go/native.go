package keepwell

// This file, native_migrations.go and native_insight.go are the only ones that know C. Everything that crosses is a number, or a pointer to flat Go memory that
// holds no Go pointers; handles are numbers, so finalizers may run in any order.

/*
#cgo !keepwell_pkgconfig CFLAGS: -I${SRCDIR}/../../include
#cgo !keepwell_pkgconfig,!keepwell_static LDFLAGS: -L${SRCDIR}/../../target/release -lkeepwell -Wl,-rpath,${SRCDIR}/../../target/release
#cgo keepwell_static,!keepwell_pkgconfig LDFLAGS: ${SRCDIR}/../../target/release/libkeepwell.a -lm -ldl -lpthread
#cgo keepwell_pkgconfig pkg-config: keepwell
#cgo noescape keepwell_go_run
#cgo nocallback keepwell_go_run
#include "call.h"
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// The operations of a call frame.
const (
	opQuery       = C.KEEPWELL_GO_QUERY
	opFetch       = C.KEEPWELL_GO_FETCH
	opExecute     = C.KEEPWELL_GO_EXECUTE
	opExecuteMany = C.KEEPWELL_GO_EXECUTE_MANY
	opScript      = C.KEEPWELL_GO_SCRIPT
	opPrepare     = C.KEEPWELL_GO_PREPARE
	opBegin       = C.KEEPWELL_GO_BEGIN
	opCommit      = C.KEEPWELL_GO_COMMIT
	opRollback    = C.KEEPWELL_GO_ROLLBACK
	opPin         = C.KEEPWELL_GO_PIN
	opMigrate     = C.KEEPWELL_GO_MIGRATE
	opSchemaDump  = C.KEEPWELL_GO_SCHEMA_DUMP
	opRebuild     = C.KEEPWELL_GO_REBUILD
	opHealth      = C.KEEPWELL_GO_HEALTH
	opExplain     = C.KEEPWELL_GO_EXPLAIN
	opAdvise      = C.KEEPWELL_GO_ADVISE
)

// Flags of a call.
const (
	callReadOnly    = C.KW_OPTION_READ_ONLY
	callUnprepared  = C.KW_OPTION_UNPREPARED
	callNoWriter    = C.KW_OPTION_NO_WRITER
	callUnbound     = C.KW_OPTION_UNBOUND
	callColumnNames = C.KW_OPTION_COLUMN_NAMES
	callCached      = C.KW_OPTION_CACHED
)

// Types of cells.
const (
	cellNull    = C.KW_NULL
	cellInteger = C.KW_INTEGER
	cellReal    = C.KW_REAL
	cellText    = C.KW_TEXT
	cellBlob    = C.KW_BLOB
	cellTextAt  = C.KW_TEXT_AT
	cellBlobAt  = C.KW_BLOB_AT
)

const statusNeedsWriter = C.KW_NEEDS_WRITER

// What a fetch says of its rows.
const fetchCached = C.KW_BATCH_CACHED

// nativeCall has the layout of the C struct keepwell_go_call.
type nativeCall struct {
	target, statement, cancel          uint64
	timeoutUS, cacheTTL                int64
	textLength, columns, rows, namesAt uint64
	size, handle                       uint64
	op, flags                          uint32
	cache                              int32
	batchRows                          uint32
	mode                               int32
	status                             int32
	result                             nativeResult
	fetch                              nativeFetch
	err                                nativeError
}

// nativeResult has the layout of the C struct kw_result.
type nativeResult struct {
	structSize, _              uint32
	lastInsertID, rowsAffected int64
}

// nativeFetch has the layout of the C struct kw_fetch.
type nativeFetch struct {
	structSize, columns, rows, flags uint32
	columnsID, needed, more          uint64
}

// nativeError has the layout of the C struct kw_error.
type nativeError struct {
	structSize                                uint32
	code, engineCode, extendedCode, sqlOffset int32
	flags                                     uint32
	sqlstate                                  [8]byte
	message                                   [512]byte
}

// cell has the layout of the C struct kw_cell: an integer, the bits of a double, or the address of bytes.
type cell struct {
	bits   uint64
	length uint32
	typ    uint32
}

const cellSize = 16

// A negative array length here means that a Go layout does not match the C one.
var (
	_ [C.sizeof_keepwell_go_call - unsafe.Sizeof(nativeCall{})]struct{}
	_ [unsafe.Sizeof(nativeCall{}) - C.sizeof_keepwell_go_call]struct{}
	_ [unsafe.Offsetof(nativeCall{}.err) - unsafe.Offsetof(C.keepwell_go_call{}.error)]struct{}
	_ [unsafe.Offsetof(nativeCall{}.fetch) - unsafe.Offsetof(C.keepwell_go_call{}.fetch)]struct{}
	_ [C.sizeof_kw_error - unsafe.Sizeof(nativeError{})]struct{}
	_ [C.sizeof_kw_fetch - unsafe.Sizeof(nativeFetch{})]struct{}
	_ [C.sizeof_kw_result - unsafe.Sizeof(nativeResult{})]struct{}
	_ [C.sizeof_kw_cell - cellSize]struct{}
	_ [C.sizeof_keepwell_go_write - unsafe.Sizeof(nativeWrite{})]struct{}
	_ [C.KEEPWELL_GO_LARGEST_GROUP - largestGroup]struct{}
)

// nativeSizes are the sizes of the structs this package was compiled with, for the check against the library.
var nativeSizes = map[string]int{
	"kw_error":       C.sizeof_kw_error,
	"kw_fetch":       C.sizeof_kw_fetch,
	"kw_result":      C.sizeof_kw_result,
	"kw_options":     C.sizeof_kw_options,
	"kw_cell":        C.sizeof_kw_cell,
	"kw_cache_stats": C.sizeof_kw_cache_stats,
	"kw_log_event":   C.sizeof_kw_log_event,

	"kw_migration":       C.sizeof_kw_migration,
	"kw_migrate_event":   C.sizeof_kw_migrate_event,
	"kw_migrate_options": C.sizeof_kw_migrate_options,
	"kw_rebuild_column":  C.sizeof_kw_rebuild_column,
}

// prepare fills in what never changes in a frame.
func (c *nativeCall) prepare() {
	c.result.structSize = C.sizeof_kw_result
	c.fetch.structSize = C.sizeof_kw_fetch
	c.err.structSize = C.sizeof_kw_error
}

// run crosses into C with the frame's call. The frame is on the heap: while C runs, Go may be called back and a stack may move.
func (f *frame) run(text string) int32 {
	c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
	sql, length := chars(text)
	params := (*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(f.params)))
	buffer := (*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(f.cells)))
	f.call.textLength = uint64(length)
	if f.ticking {
		return int32(C.keepwell_go_run_ticking(c, sql, params, buffer))
	}
	return int32(C.keepwell_go_run(c, sql, params, buffer))
}

// nativeWrite has the layout of the C struct keepwell_go_write: addresses of pinned memory.
type nativeWrite struct {
	call, text, params, buffer, ticking uint64
}

// lend pins the memory of the frame's call, so that it may be named in a group.
func (f *frame) lend(pinner *runtime.Pinner) nativeWrite {
	text, length := chars(f.sql)
	params, buffer := unsafe.SliceData(f.params), unsafe.SliceData(f.cells)
	f.call.textLength = uint64(length)
	pinner.Pin(f)
	pinner.Pin(params)
	pinner.Pin(text)
	w := nativeWrite{call: address(f), text: address(text), params: address(params)}
	if f.call.op == opQuery {
		pinner.Pin(buffer)
		w.buffer = address(buffer)
	}
	if f.ticking {
		w.ticking = 1
	}
	return w
}

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// nativeGroup crosses into C once for several writes. Each one's status is in its call then.
func nativeGroup(store uint64, writes []nativeWrite) {
	C.keepwell_go_group(C.kw_store(store), (*C.keepwell_go_write)(unsafe.Pointer(unsafe.SliceData(writes))), C.uint32_t(len(writes)))
}

// keepwellGoTick is called by the library, on the thread of the call or of the group's leader, about every 20 ms of a call that waits or runs long. Its
// argument is the frame's call, which is the first field of the frame. A context of somebody else's making that panics cancels the call:
// a panic must not unwind the library's frames.
//
//export keepwellGoTick
func keepwellGoTick(call unsafe.Pointer) (stop C.int32_t) {
	defer func() {
		if recover() != nil {
			stop = 1
		}
	}()
	f := (*frame)(call)
	if f.ended() != nil || f.late() {
		return 1
	}
	return 0
}

// toError makes a Go error of what the library reported.
func (e *nativeError) toError(status int32) *Error {
	return &Error{
		Code:         Code(status),
		EngineCode:   int(e.engineCode),
		ExtendedCode: int(e.extendedCode),
		Offset:       int(e.sqlOffset),
		SQLState:     untilNUL(e.sqlstate[:]),
		Message:      untilNUL(e.message[:]),
		flags:        e.flags,
	}
}

func untilNUL(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func nativeVersion() string     { return C.GoString(C.kw_version()) }
func nativeABI() string         { return C.GoString(C.kw_abi_describe()) }
func nativeCloseRows(h uint64)  { C.kw_rows_close(C.kw_rows(h)) }
func nativeFinalize(h uint64)   { C.kw_statement_close(C.kw_statement(h)) }
func nativeFreeConfig(h uint64) { C.kw_config_free(C.kw_config(h)) }

// nativeUnpin and nativeRollback end a connection and a transaction. They wait for a call of another goroutine on it: nobody would end it
// later.
func nativeUnpin(h uint64) {
	endSurely(func() C.kw_status { return C.kw_conn_release(C.kw_conn(h)) })
}

func nativeRollback(h uint64) {
	endSurely(func() C.kw_status { return C.kw_tx_rollback(C.kw_tx(h), nil) })
}

func endSurely(end func() C.kw_status) {
	for end() == C.KW_MISUSE {
		time.Sleep(time.Millisecond)
	}
}

func nativeStatusName(status int32) string { return C.GoString(C.kw_status_name(C.kw_status(status))) }

// fail turns a status and the error struct of a rare call into a Go error.
func fail(status C.kw_status, e *C.kw_error) error {
	if status == C.KW_OK {
		return nil
	}
	return (*nativeError)(unsafe.Pointer(e)).toError(int32(status))
}

func newCError() *C.kw_error { return &C.kw_error{struct_size: C.sizeof_kw_error} }

func nativeNewConfig() (uint64, error) {
	var config C.kw_config
	e := newCError()
	err := fail(C.kw_config_new(&config, e), e)
	return uint64(config), err
}

// chars lends a string to C for the length of one call. An empty one has an address too: NULL means something else.
func chars(s string) (*C.char, C.size_t) {
	if s == "" {
		return (*C.char)(unsafe.Pointer(unsafe.StringData("\x00"))), 0
	}
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

func nativeConfigSet(config uint64, key, value string) error {
	e := newCError()
	k, kn := chars(key)
	v, vn := chars(value)
	return fail(C.kw_config_set(C.kw_config(config), k, kn, v, vn, e), e)
}

func nativeConfigYAML(config uint64, text string) error {
	e := newCError()
	p, n := chars(text)
	return fail(C.kw_config_load_yaml(C.kw_config(config), p, n, e), e)
}

func nativeConfigFile(config uint64, path string) error {
	e := newCError()
	p, n := chars(path)
	return fail(C.kw_config_load_file(C.kw_config(config), p, n, e), e)
}

func nativeConfigURI(config uint64, uri string) error {
	e := newCError()
	p, n := chars(uri)
	return fail(C.kw_config_load_uri(C.kw_config(config), p, n, e), e)
}

func nativeOpen(config uint64) (uint64, error) {
	var store C.kw_store
	e := newCError()
	err := fail(C.kw_open(C.kw_config(config), &store, e), e)
	return uint64(store), err
}

func nativeInitialize(config uint64) error {
	e := newCError()
	return fail(C.kw_initialize(C.kw_config(config), e), e)
}

func nativeInstance() (uint64, error) {
	var store C.kw_store
	e := newCError()
	err := fail(C.kw_instance(&store, e), e)
	return uint64(store), err
}

// nativeClose closes a store; a negative drain means the configured one.
func nativeClose(store uint64, drain time.Duration) error {
	e := newCError()
	us := C.int64_t(-1)
	if drain >= 0 {
		us = C.int64_t(drain.Microseconds())
	}
	return fail(C.kw_store_close(C.kw_store(store), us, e), e)
}

func nativeStats(store uint64) (Stats, error) {
	s := C.kw_stats{struct_size: C.sizeof_kw_stats}
	e := newCError()
	if err := fail(C.kw_store_stats(C.kw_store(store), &s, e), e); err != nil {
		return Stats{}, err
	}
	return Stats{
		MaxOpen: int(s.max_open), Open: int(s.open), InUse: int(s.in_use), Idle: int(s.idle), Waiting: int(s.waiting),
		Waits: uint64(s.waits), WaitTime: time.Duration(s.wait_ns), Opened: uint64(s.opened),
		ClosedMaxIdle: uint64(s.closed_max_idle), ClosedIdleTime: uint64(s.closed_idle_time),
		ClosedLifetime: uint64(s.closed_lifetime), ClosedBroken: uint64(s.closed_broken),
		Resets: uint64(s.resets), Discards: uint64(s.discards), Exhausted: uint64(s.exhausted),
		Checkpoints: uint64(s.checkpoints), LogFrames: uint64(s.log_frames),
		Groups: uint64(s.groups), GroupedWrites: uint64(s.grouped_writes), ReplayedWrites: uint64(s.replayed_writes),
	}, nil
}

func nativeCacheStats(store uint64) (CacheStats, error) {
	s := C.kw_cache_stats{struct_size: C.sizeof_kw_cache_stats}
	e := newCError()
	if err := fail(C.kw_store_cache_stats(C.kw_store(store), &s, e), e); err != nil {
		return CacheStats{}, err
	}
	return CacheStats{
		Enabled: s.enabled != 0, Hits: uint64(s.hits), Misses: uint64(s.misses),
		Bypasses: CacheBypasses{
			Disabled: uint64(s.bypass_disabled), Transaction: uint64(s.bypass_transaction), Statement: uint64(s.bypass_statement),
			Function: uint64(s.bypass_function), Table: uint64(s.bypass_table), UnderWay: uint64(s.bypass_under_way),
			Schema: uint64(s.bypass_schema), Size: uint64(s.bypass_size),
		},
		Invalidated: uint64(s.invalidated), Expired: uint64(s.expired), Evicted: uint64(s.evicted),
		Entries: uint64(s.entries), Bytes: uint64(s.bytes), MaxEntries: uint64(s.max_entries), MaxBytes: uint64(s.max_bytes),
	}, nil
}

func nativeCacheClear(store uint64) error {
	e := newCError()
	return fail(C.kw_store_cache_clear(C.kw_store(store), e), e)
}

// nativeSetting returns the value of one key of an open store's configuration, as text in the key's unit.
func nativeSetting(store uint64, key string) (string, error) {
	e := newCError()
	k, kn := chars(key)
	for room := C.size_t(128); ; {
		buffer := make([]byte, room)
		var length C.size_t
		err := fail(C.kw_store_config(C.kw_store(store), k, kn, (*C.char)(unsafe.Pointer(&buffer[0])), room, &length, e), e)
		if err != nil {
			return "", err
		}
		if length < room {
			return string(buffer[:length]), nil
		}
		room = length + 1
	}
}

// nativeWarnings returns what the store has to say that is no error.
func nativeWarnings(store uint64) ([]string, error) {
	var count C.uint32_t
	e := newCError()
	if err := fail(C.kw_store_warning_count(C.kw_store(store), &count, e), e); err != nil {
		return nil, err
	}
	var warnings []string
	for i := C.uint32_t(0); i < count; i++ {
		var text *C.char
		var length C.size_t
		if err := fail(C.kw_store_warning(C.kw_store(store), i, &text, &length, e), e); err != nil {
			return nil, err
		}
		warnings = append(warnings, C.GoStringN(text, C.int(length)))
	}
	return warnings, nil
}

// nativeStatement describes a prepared statement: parameters, columns, whether it only reads.
func nativeStatement(statement uint64) (parameters, columns int, readOnly bool, err error) {
	info := C.kw_statement_info{struct_size: C.sizeof_kw_statement_info}
	e := newCError()
	err = fail(C.kw_statement_describe(C.kw_statement(statement), &info, e), e)
	return int(info.parameter_count), int(info.column_count), info.read_only != 0, err
}

func nativeStatementName(statement uint64, index int, parameter bool) (string, error) {
	var name *C.char
	var length C.size_t
	e := newCError()
	var status C.kw_status
	if parameter {
		status = C.kw_statement_parameter_name(C.kw_statement(statement), C.uint32_t(index), &name, &length, e)
	} else {
		status = C.kw_statement_column_name(C.kw_statement(statement), C.uint32_t(index), &name, &length, e)
	}
	if err := fail(status, e); err != nil || name == nil {
		return "", err
	}
	return C.GoStringN(name, C.int(length)), nil
}

// nativeColumnName returns the name of a column of open rows.
func nativeColumnName(rows uint64, index int) (string, error) {
	var name *C.char
	var length C.size_t
	e := newCError()
	err := fail(C.kw_rows_column_name(C.kw_rows(rows), C.uint32_t(index), &name, &length, e), e)
	if err != nil || name == nil {
		return "", err
	}
	return C.GoStringN(name, C.int(length)), nil
}
