package keepwell

// What native.go is for everything else: the crossings of what a store tells of itself, and of the library's log.

// #include "call.h"
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// The forms of the metrics' text.
const (
	metricsPrometheus  = C.KW_METRICS_PROMETHEUS
	metricsOpenMetrics = C.KW_METRICS_OPENMETRICS
)

// The orders of the report of statements.
const (
	byTotal   = C.KW_BY_TOTAL
	byCalls   = C.KW_BY_CALLS
	byMean    = C.KW_BY_MEAN
	byWorst   = C.KW_BY_WORST
	byRows    = C.KW_BY_ROWS
	byScanned = C.KW_BY_SCANNED
)

// The levels of the log.
const (
	logError = C.KW_LOG_ERROR
	logWarn  = C.KW_LOG_WARN
	logInfo  = C.KW_LOG_INFO
	logDebug = C.KW_LOG_DEBUG
	logTrace = C.KW_LOG_TRACE
)

// The roles of connections.
const (
	roleReader = C.KW_ROLE_READER
	roleWriter = C.KW_ROLE_WRITER
)

// nativeWaiting and nativeWaited fail only for a store that is closed, which counts nothing any more.
func nativeWaiting(store uint64, role uint32, change int64) {
	C.kw_store_waiting(C.kw_store(store), C.uint32_t(role), C.int64_t(change), nil)
}

func nativeWaited(store uint64, role uint32, waited time.Duration, ended int32) {
	C.kw_store_waited(C.kw_store(store), C.uint32_t(role), C.uint64_t(max(waited, 0)), C.kw_status(ended), nil)
}

func nativeMetricsText(store uint64, format uint32) (string, error) {
	return growing(func(buffer *C.char, room C.size_t, length *C.size_t) error {
		e := newCError()
		return fail(C.kw_metrics_text(C.kw_store(store), C.uint32_t(format), buffer, room, length, e), e)
	})
}

func nativeMetricsAddress(store uint64) (string, error) {
	return growing(func(buffer *C.char, room C.size_t, length *C.size_t) error {
		e := newCError()
		return fail(C.kw_metrics_address(C.kw_store(store), buffer, room, length, e), e)
	})
}

// health makes the call of the frame, and gives its answer as JSON.
func (f *frame) health() (string, error) {
	return growing(func(buffer *C.char, room C.size_t, length *C.size_t) error {
		if !f.limit() {
			return f.lateError()
		}
		c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
		if status := C.keepwell_go_health(c, buffer, room, length, truth(f.ticking)); status != C.KW_OK {
			return f.error(int32(status))
		}
		return nil
	})
}

// study makes the call of the frame, which is opExplain or opAdvise. The handle of the rows is in the call then.
func (f *frame) study(sql string) int32 {
	c := (*C.keepwell_go_call)(unsafe.Pointer(&f.call))
	text, length := chars(sql)
	f.call.textLength = uint64(length)
	status := C.keepwell_go_study(c, text, truth(f.ticking))
	runtime.KeepAlive(sql)
	return int32(status)
}

// nativeStatementReport returns the handle of the rows.
func nativeStatementReport(store uint64, order, limit uint32) (uint64, error) {
	var rows C.kw_rows
	e := newCError()
	err := fail(C.kw_statement_report(C.kw_store(store), C.uint32_t(order), C.uint32_t(limit), &rows, e), e)
	return uint64(rows), err
}

func nativeStatementReportReset(store uint64) error {
	e := newCError()
	return fail(C.kw_statement_report_reset(C.kw_store(store), e), e)
}

// logEvent is one event of the library's log, with texts of its own.
type logEvent struct {
	level                   int
	at                      time.Time
	dropped                 uint64 // events lost just before it
	target, message, fields string
}

// nativeLogOpen opens a view of the log.
func nativeLogOpen(level, capacity uint32) (uint64, error) {
	var view C.kw_log
	e := newCError()
	err := fail(C.kw_log_open(C.uint32_t(level), C.uint32_t(capacity), &view, e), e)
	return uint64(view), err
}

// nativeLogNext waits for the next event of a view; false when none came in time. One goroutine at a time reads a view.
func nativeLogNext(view uint64, timeout time.Duration) (event logEvent, came bool, err error) {
	out := C.kw_log_event{struct_size: C.sizeof_kw_log_event}
	e := newCError()
	switch status := C.kw_log_next(C.kw_log(view), C.int64_t(timeout.Microseconds()), &out, e); status {
	case C.KW_ROW:
		return logEvent{
			level: int(out.level), at: time.UnixMicro(int64(out.time_us)), dropped: uint64(out.dropped),
			target: lentText(out.target, out.target_len), message: lentText(out.message, out.message_len),
			fields: lentText(out.fields, out.fields_len),
		}, true, nil
	case C.KW_DONE:
		return event, false, nil
	default:
		return event, false, fail(status, e)
	}
}

func nativeLogClose(view uint64) { C.kw_log_close(C.kw_log(view)) }
