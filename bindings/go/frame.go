package keepwell

import (
	"context"
	"sync"
	"time"
	"unsafe"
)

// frame is one call's working memory, pooled: the flat block that crosses into C, the packed parameters, and the buffer that
// takes the rows. A frame belongs to one goroutine at a time, from takeFrame to put.
type frame struct {
	call nativeCall // first: keepwellGoTick finds the frame by the address of its call

	params []uint64 // parameter cells, then the bytes of text and blobs, then names
	used   int      // bytes of params in use
	cells  []cell   // the result buffer: rows of cells, then the bytes that they point at
	bytes  []byte   // the same memory
	base   uint64   // its address

	ctx      context.Context // of the call
	bound    context.Context // of the derived target, see Store.WithContext
	deadline time.Time
	ticking  bool    // whether the library shall ask ended now and then
	slot     *slots  // the place that this call holds
	sql      string  // of a write that stands in line, for whoever makes it
	tells    *teller // the progress function of a migration
}

const (
	bufferCells   = 64 * 1024 / cellSize
	rowCells      = 4 * 1024 / cellSize // what QueryRow offers: it wants one row
	largestBuffer = 1024 * 1024         // frames with more are left to the garbage collector
)

var frames = sync.Pool{New: func() any { return newFrame() }}

func newFrame() *frame {
	f := &frame{params: make([]uint64, 128)}
	f.call.prepare()
	f.setBuffer(bufferCells)
	return f
}

// setBuffer gives the frame a result buffer of so many cells.
func (f *frame) setBuffer(cells int) {
	f.cells = make([]cell, cells)
	first := unsafe.Pointer(unsafe.SliceData(f.cells))
	f.bytes = unsafe.Slice((*byte)(first), cells*cellSize)
	f.base = uint64(uintptr(first))
}

// takeFrame takes a frame and readies its call for operation op on target t.
func takeFrame(t *target, op uint32) *frame {
	f := frames.Get().(*frame)
	c := &f.call
	c.target, c.op, c.statement = t.handle, op, 0
	c.columns, c.rows, c.namesAt = 0, 0, 0
	c.size = uint64(len(f.bytes))
	c.flags = t.opts.flags | callUnbound
	c.cache, c.batchRows, c.cacheTTL = t.opts.cache, t.opts.batchRows, t.opts.cacheTTL
	return f
}

// put gives the frame back to the pool. The caller has no more use for it, its buffer or anything that points into it.
func (f *frame) put() {
	f.ctx, f.bound, f.sql, f.tells = nil, nil, "", nil
	if len(f.bytes) > largestBuffer || len(f.params)*8 > largestBuffer {
		return
	}
	frames.Put(f)
}

// start notes the contexts and the deadline of a call on t. It fails when one of them has ended already.
func (f *frame) start(ctx context.Context, t *target) error {
	f.ticking, f.call.timeoutUS = false, 0
	f.deadline = time.Time{}
	f.ctx, f.bound = ctx, t.bound
	if ctx.Done() == nil && t.bound == nil && t.opts.timeout == 0 {
		return nil
	}
	return f.startBounded(ctx, t)
}

func (f *frame) startBounded(ctx context.Context, t *target) error {
	f.ticking = true
	if ended := f.ended(); ended != nil {
		return contextError(ended, operationName(f.call.op))
	}
	if t.opts.timeout > 0 {
		f.deadline = time.Now().Add(t.opts.timeout)
	} else if t.opts.timeout < 0 {
		f.call.timeoutUS = -1
	}
	f.earlier(ctx)
	if t.bound != nil {
		f.earlier(t.bound)
	}
	return nil
}

// earlier moves the deadline to that of ctx when that is earlier.
func (f *frame) earlier(ctx context.Context) {
	if d, ok := ctx.Deadline(); ok && (f.deadline.IsZero() || d.Before(f.deadline)) {
		f.deadline = d
	}
}

// ended returns the context that has ended, if one has.
func (f *frame) ended() context.Context {
	if f.ctx != nil && f.ctx.Err() != nil {
		return f.ctx
	}
	if f.bound != nil && f.bound.Err() != nil {
		return f.bound
	}
	return nil
}

// limit turns the deadline into the library's timeout. False when no time is left.
func (f *frame) limit() bool {
	if f.deadline.IsZero() {
		return true
	}
	left := time.Until(f.deadline)
	f.call.timeoutUS = max(1, int64((left+time.Microsecond-1)/time.Microsecond))
	return left > 0
}

// late reports whether the deadline has passed.
func (f *frame) late() bool { return !f.deadline.IsZero() && !time.Now().Before(f.deadline) }

// error makes the Go error for a failed call.
func (f *frame) error(status int32) *Error {
	e := f.call.err.toError(status)
	if e.Code != ErrCancelled && e.Code != ErrTimeout {
		return e
	}
	if ended := f.ended(); ended != nil {
		e.because(ended)
	} else if e.Code == ErrCancelled && f.late() {
		e.timedOut()
	}
	return e
}

// lateError is the error for a call whose time was over before it could start.
func (f *frame) lateError() error {
	if ended := f.ended(); ended != nil {
		return contextError(ended, operationName(f.call.op))
	}
	return newError(ErrTimeout, "%s: the timeout passed before the call could start", operationName(f.call.op))
}

// releaseSlot gives the call's place back, if it holds one.
func (f *frame) releaseSlot() {
	if f.slot != nil {
		f.slot.release()
		f.slot = nil
	}
}

// text lends the bytes of a text or blob cell, until the buffer is filled again.
func (f *frame) text(c *cell) []byte {
	offset := c.bits - f.base
	return f.bytes[offset : offset+uint64(c.length) : offset+uint64(c.length)]
}

func operationName(op uint32) string {
	switch op {
	case opQuery, opFetch:
		return "query"
	case opExecute:
		return "execute"
	case opExecuteMany:
		return "execute many"
	case opScript:
		return "execute script"
	case opPrepare:
		return "prepare"
	case opBegin:
		return "begin"
	case opPin:
		return "acquire a connection"
	case opMigrate:
		return "run of migrations"
	case opSchemaDump:
		return "schema dump"
	case opRebuild:
		return "rebuild of a table"
	case opHealth:
		return "health"
	case opExplain:
		return "explain"
	case opAdvise:
		return "advise"
	}
	return "call"
}
