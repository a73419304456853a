package keepwell

import (
	"context"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pool is what all targets of one open store share: its handle, and the places for its connections. Goroutines wait here, in
// Go, because a goroutine that waits inside C keeps an operating system thread.
type pool struct {
	handle   uint64
	writer   *slots        // one place
	readers  *slots        // the others; the writer's when the store has one connection only
	patience time.Duration // how long to wait for a connection when a call has no deadline; 0: without end
	sharing  int           // how many single writes may share one crossing; less than 2: none
	caching  bool          // whether queries that say nothing of the cache of results use it

	last contention // belongs to who holds the writer's place

	writes  atomic.Pointer[map[string]struct{}] // SQL that is known to need the writer although it came through Query
	columns columnSets

	mu      sync.Mutex
	holders map[*lease]struct{}
	closed  atomic.Bool
}

// rememberedWrites bounds pool.writes; what does not fit is asked of the library each time.
const rememberedWrites = 256

func newPool(handle uint64, s settings) *pool {
	p := &pool{handle: handle, writer: newSlots(1), holders: map[*lease]struct{}{}, patience: s.patience, sharing: s.sharing, caching: s.caching}
	p.readers = p.writer
	if s.maxOpen > 1 {
		p.readers = newSlots(s.maxOpen - 1)
	}
	p.eachLine(func(s *slots) { s.joined = func() { p.waiting(s, 1) } })
	return p
}

// eachLine calls do with each of the lines for a connection: one where the store has one connection only.
func (p *pool) eachLine(do func(s *slots)) {
	do(p.writer)
	if p.readers != p.writer {
		do(p.readers)
	}
}

// needsWriter reports whether sql is known to write.
func (p *pool) needsWriter(sql string) bool {
	writes := p.writes.Load()
	if writes == nil {
		return false
	}
	_, ok := (*writes)[sql]
	return ok
}

// rememberWrite notes that sql writes. The map is replaced, not changed, so that needsWriter takes no lock.
func (p *pool) rememberWrite(sql string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.writes.Load()
	grown := map[string]struct{}{sql: {}}
	if old != nil {
		if len(*old) >= rememberedWrites {
			return
		}
		for key := range *old {
			grown[key] = struct{}{}
		}
	}
	p.writes.Store(&grown)
}

// acquire takes a place for the frame's call, first come, first served.
func (p *pool) acquire(f *frame, s *slots) error {
	if !s.tryAcquire() {
		if _, err := p.acquireSlow(f, s, nil); err != nil {
			return err
		}
	}
	f.slot = s
	return nil
}

// acquireSlow stands in line for a place. It returns true when the holder of the place has made the call, which is the job, meanwhile.
func (p *pool) acquireSlow(f *frame, s *slots, job any) (made bool, err error) {
	var stop1, stop2 <-chan struct{}
	limit := p.patience
	if f.ctx != nil {
		if e := p.selfDeadlock(f, s); e != nil {
			p.waited(s, 0, ErrSelfDeadlock)
			return false, e
		}
		stop1 = f.ctx.Done()
	}
	if f.bound != nil {
		stop2 = f.bound.Done()
	}
	started := time.Now()
	if !f.deadline.IsZero() {
		limit = max(1, time.Until(f.deadline))
	}
	made, waited, err := s.wait(job, stop1, stop2, limit)
	var refusal *Error
	if err != nil {
		refusal = p.notAcquired(f, s, err, time.Since(started))
	}
	if waited > 0 {
		p.waiting(s, -1)
		p.waited(s, waited, codeOf(refusal))
	}
	if refusal != nil {
		return false, refusal
	}
	return made, nil
}

func codeOf(e *Error) Code {
	if e == nil {
		return 0
	}
	return e.Code
}

// notAcquired says why a call got no connection.
func (p *pool) notAcquired(f *frame, s *slots, reason error, waited time.Duration) *Error {
	operation := operationName(f.call.op)
	if reason == errSlotsClosed {
		return newError(ErrClosed, "%s: the store is closed", operation)
	}
	ended := f.ended()
	if ended != nil && ended.Err() == context.Canceled {
		return contextError(ended, operation)
	}
	code := ErrExhausted
	if ended != nil || !f.deadline.IsZero() {
		code = ErrTimeout
	}
	taken, waiting := s.load()
	e := newError(code, "%s: no %s became free within %v: %d in use, %d waiting%s", operation, p.kind(s),
		waited.Round(time.Millisecond), taken, waiting, p.describeHolders(s))
	return e
}

func (p *pool) kind(s *slots) string {
	if s == p.writer {
		return "writer connection"
	}
	return "reader connection"
}

// selfDeadlock finds the wait that could never end: the context carries a transaction that holds the very place.
func (p *pool) selfDeadlock(f *frame, s *slots) error {
	tx, ok := FromContext(f.ctx)
	if !ok || tx.pool != p || tx.state.root().lease.slot != s || tx.state.root().ended.Load() {
		return nil
	}
	if taken, _ := s.load(); uint64(taken) < s.capacity || s.capacity > 1 {
		return nil
	}
	return newError(ErrSelfDeadlock, "%s: waits for the %s that the transaction in its own context holds; use that transaction",
		operationName(f.call.op), p.kind(s))
}

// describeHolders names what holds places of s for long: transactions, pinned connections and streams.
func (p *pool) describeHolders(s *slots) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var held []*lease
	for l := range p.holders {
		if l.slot == s {
			held = append(held, l)
		}
	}
	sort.Slice(held, func(i, j int) bool { return held[i].since.Before(held[j].since) })
	var b strings.Builder
	for i, l := range held {
		if i == 4 {
			fmt.Fprintf(&b, "; and %d more", len(held)-i)
			break
		}
		b.WriteString("; held by " + l.String())
	}
	return b.String()
}

// lease is a connection held beyond one call: by a transaction, a pinned connection or a stream. It points at none of them, so
// that it can be ended when one of them is forgotten and collected.
type lease struct {
	pool   *pool
	slot   *slots
	handle uint64
	kind   string
	sql    string
	since  time.Time
	end    func(handle uint64) // closes the handle; harmless on one that is closed already
	done   atomic.Bool
	pinner runtime.Pinner // of memory that the library may look at until the handle is closed
}

// guard is what the owner of a lease points at. When the owner is collected, so is the guard, and the lease ends.
type guard struct {
	lease   *lease
	cleanup runtime.Cleanup
}

// newLease makes a lease that takes over the place of the frame's call.
func (p *pool) newLease(f *frame, handle uint64, kind, sql string, end func(uint64)) *guard {
	l := &lease{pool: p, slot: f.slot, handle: handle, kind: kind, sql: sql, since: time.Now(), end: end}
	f.slot = nil
	p.mu.Lock()
	p.holders[l] = struct{}{}
	p.mu.Unlock()
	g := &guard{lease: l}
	g.cleanup = runtime.AddCleanup(g, (*lease).close, l)
	return g
}

// close ends the lease: its handle, then its place. Only the first call does anything.
func (l *lease) close() {
	if l.done.CompareAndSwap(false, true) {
		l.end(l.handle)
		l.forget()
	}
}

// finish ends the lease when its handle has ended by itself.
func (l *lease) finish() {
	if l.done.CompareAndSwap(false, true) {
		l.forget()
	}
}

func (l *lease) forget() {
	l.pinner.Unpin()
	l.pool.mu.Lock()
	delete(l.pool.holders, l)
	l.pool.mu.Unlock()
	if l.slot != nil {
		l.slot.release()
	}
}

// String describes the lease for a message.
func (l *lease) String() string {
	s := fmt.Sprintf("a %s for %v", l.kind, time.Since(l.since).Round(time.Millisecond))
	if l.sql != "" {
		s += fmt.Sprintf(" (%s)", brief(l.sql))
	}
	return s
}
