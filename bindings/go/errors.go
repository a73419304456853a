package keepwell

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Code is the class of an [Error]: the status number of the C interface. Codes are errors themselves, so that
//
//	errors.Is(err, keepwell.ErrConstraint)
//
// asks for the class of an error.
type Code int32

// The classes of errors. Their numbers never change and are the same in every language.
const (
	ErrEngine             Code = 1  // an engine error without a class of its own
	ErrMisuse             Code = 2  // wrong use: two goroutines on one transaction, wrong order of calls
	ErrInvalidHandle      Code = 3  // closed already, or of another kind
	ErrForked             Code = 4  // inherited through fork
	ErrPanic              Code = 5  // a panic inside the library, stopped at its border
	ErrConfig             Code = 6  // an unknown configuration key, or a wrong value
	ErrSQL                Code = 7  // syntax, unknown names, several statements where one is expected
	ErrParameter          Code = 8  // too few, too many, misnamed or unsuitable parameters
	ErrConstraint         Code = 9  // a constraint was violated; ExtendedCode says which
	ErrBusy               Code = 10 // another process holds the database's lock
	ErrTimeout            Code = 11 // the deadline of the call passed
	ErrCancelled          Code = 12 // the context of the call was cancelled
	ErrExhausted          Code = 13 // no connection became free in time
	ErrSelfDeadlock       Code = 14 // the call would wait for a connection that its own caller holds
	ErrClosed             Code = 15 // the store is closing or closed
	ErrReadOnly           Code = 16 // a write through something that may only read
	ErrIO                 Code = 17 // the operating system reported an I/O error
	ErrFull               Code = 18 // the disk or the database is full
	ErrCorrupt            Code = 19 // the file is corrupt, or no database
	ErrCantOpen           Code = 20 // the file could not be opened
	ErrNoMemory           Code = 21 // memory ran out
	ErrTooBig             Code = 22 // a value, row or statement is over a limit
	ErrConflict           Code = 23 // another process committed first: run the transaction again
	ErrTxEnded            Code = 24 // the transaction has already ended
	ErrEncoding           Code = 25 // text that is not UTF-8, or a NUL inside SQL
	ErrPermission         Code = 26 // not permitted by the operating system or by policy
	ErrNeedsWriter        Code = 27 // internal: the statement writes and the call holds a reader
	ErrUnsupported        Code = 28 // the engine or this build cannot do it
	ErrNotInitialized     Code = 29 // Initialize has not been called
	ErrAlreadyInitialized Code = 30 // Initialize has been called before
	ErrABI                Code = 31 // the library is not the one this package was built for
	ErrType               Code = 32 // a value is not of the type asked for, or does not fit
	ErrMigration          Code = 33 // a migration cannot be applied as things are: its set, its history or its text; the message has the cure
	ErrSchemaNewer        Code = 34 // the database was migrated by a newer program
)

// ErrNoRows is what [Row.Scan] and [One] return when the query gives no row; it is [database/sql.ErrNoRows].
var ErrNoRows = sql.ErrNoRows

// Error returns the name of the code, as the C header has it.
func (c Code) Error() string { return c.String() }

// String returns the name of the code, as the C header has it: "KW_CONSTRAINT".
func (c Code) String() string { return nativeStatusName(int32(c)) }

// Flags that an error carries; the numbers of the C interface.
const (
	flagRetryStatement   = 1
	flagRetryTransaction = 2
	flagReconnect        = 4
	flagTimedOut         = 8
	flagCancelled        = 16
	flagCommitted        = 32
	flagRolledBack       = 64
)

// Error is every error that keepwell itself returns.
type Error struct {
	Code         Code   // the class
	EngineCode   int    // SQLite's primary result code, 0 when the engine was not asked
	ExtendedCode int    // SQLite's extended result code
	Offset       int    // byte offset into the SQL, -1 when unknown
	SQLState     string // the SQLSTATE class that fits best
	Message      string // operation, object, numbers and cure

	flags uint32
	cause error
}

// Error returns the message.
func (e *Error) Error() string { return "keepwell: " + e.Message }

// Unwrap returns the cause of a cancellation ([context.Cause]) or the error of a value's own method, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether the error is of the class target (a [Code]). A timed out call is also a
// [context.DeadlineExceeded], a cancelled one also a [context.Canceled].
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.flags&flagCancelled != 0
	case context.DeadlineExceeded:
		return e.flags&flagTimedOut != 0
	case sql.ErrTxDone:
		return e.Code == ErrTxEnded
	}
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Retryable reports whether running the statement, or its whole transaction, again may succeed.
func (e *Error) Retryable() bool {
	return e.flags&(flagRetryStatement|flagRetryTransaction|flagReconnect) != 0
}

// RetryTransaction reports whether the whole transaction has to be run again from its start.
func (e *Error) RetryTransaction() bool { return e.flags&flagRetryTransaction != 0 }

// Timeout reports whether the call ended because its time was over.
func (e *Error) Timeout() bool { return e.flags&flagTimedOut != 0 }

// Committed reports whether the changes are durable although an error is reported.
func (e *Error) Committed() bool { return e.flags&flagCommitted != 0 }

// RolledBack reports whether the engine has rolled the whole transaction back.
func (e *Error) RolledBack() bool { return e.flags&flagRolledBack != 0 }

// newError makes an error that arose in Go, in the same form as the library's own.
func newError(code Code, format string, args ...any) *Error {
	e := &Error{Code: code, Offset: -1, SQLState: "HY000", Message: fmt.Sprintf(format, args...)}
	switch code {
	case ErrTimeout:
		e.flags, e.SQLState = flagTimedOut, "HYT00"
	case ErrExhausted:
		e.flags, e.SQLState = flagTimedOut|flagRetryStatement, "HYT00"
	case ErrCancelled:
		e.flags, e.SQLState = flagCancelled, "57014"
	case ErrParameter:
		e.SQLState = "07001"
	case ErrType:
		e.SQLState = "22018"
	case ErrTxEnded:
		e.SQLState = "25000"
	case ErrClosed:
		e.SQLState = "08003"
	case ErrSelfDeadlock:
		e.SQLState = "40001"
	}
	return e
}

// contextError says in keepwell's form that the context of an operation has ended.
func contextError(ctx context.Context, operation string) *Error {
	err, cause := ctx.Err(), context.Cause(ctx)
	code := ErrCancelled
	if err == context.DeadlineExceeded {
		code = ErrTimeout
	}
	e := newError(code, "%s: %v", operation, err)
	if cause != err {
		e.Message += ": " + cause.Error()
		e.cause = cause
	}
	return e
}

// because adds why the context ended to the error of a call that the library stopped on its behalf.
func (e *Error) because(ctx context.Context) {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == context.DeadlineExceeded {
		e.timedOut()
	} else {
		e.Code, e.SQLState = ErrCancelled, "57014"
		e.flags = e.flags&^flagTimedOut | flagCancelled
	}
	if cause != err {
		e.cause = cause
		e.Message += ": " + cause.Error()
	}
}

// timedOut makes the error one of a deadline.
func (e *Error) timedOut() {
	e.Code, e.SQLState = ErrTimeout, "HYT00"
	e.flags = e.flags&^flagCancelled | flagTimedOut
}

// brief shortens SQL for a message.
func brief(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > 80 {
		sql = sql[:77] + "..."
	}
	return sql
}
