package keepwell

import (
	"runtime"
	"sync"
)

// group is one crossing for the single writes of several goroutines, in the order in which they stood in line for the writer. They share
// transactions in the library, and no thread waits for another. Whoever gets the writer after a wait leads.
type group struct {
	seats  []*seat       // of everybody but the leader
	writes []nativeWrite // the leader's first
	pinner runtime.Pinner
}

const (
	largestGroup = 64        // writes in one crossing, where writer.group_max allows more
	largestJob   = 64 * 1024 // bytes of a write that another goroutine may make: the library copies it
)

var groups = sync.Pool{New: func() any { return &group{writes: make([]nativeWrite, 0, largestGroup)} }}

// job is the frame of a call for a place of s, when another goroutine may make the call: a single write. Else nil.
func (t *target) job(f *frame, sql string, s *slots) any {
	c := &f.call
	single := c.op == opExecute || c.op == opQuery
	if s != t.pool.writer || t.pool.sharing < 2 || !single || c.flags&(callReadOnly|callNoWriter) != 0 || f.used+len(sql) > largestJob {
		return nil
	}
	f.sql = sql
	return f
}

// lead makes the call of a frame that has waited for the writer and holds it now, and the calls that wait behind it.
func (p *pool) lead(f *frame) int32 {
	// Those whose writes were answered a moment ago come back first, so that they need not wait for the next crossing but one.
	runtime.Gosched()
	g := groups.Get().(*group)
	defer groups.Put(g)
	g.seats = p.writer.startJobs(g.seats[:0], p.sharing-1)
	if len(g.seats) == 0 {
		return f.run(f.sql)
	}
	g.add(f)
	for _, seat := range g.seats {
		g.add(seat.job.(*frame))
	}
	g.run(p.handle)
	for i, seat := range g.seats {
		seat.end()
		g.seats[i] = nil
	}
	return f.call.status
}

// add lends the memory of a call to the crossing.
func (g *group) add(f *frame) {
	f.limit()
	g.writes = append(g.writes, f.lend(&g.pinner))
}

// run crosses, and leaves each call's status in its frame.
func (g *group) run(store uint64) {
	nativeGroup(store, g.writes)
	g.pinner.Unpin()
	g.writes = g.writes[:0]
}
