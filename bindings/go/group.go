package keepwell

import (
	"runtime"
	"sync"
	"time"
)

// contention is what the last crossing that was led found. It belongs to the holder of the writer's place.
type contention struct {
	writers int           // those whose writes crossed, and those who stood in line at its end
	took    time.Duration // from the leader's turn to the answers
}

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

	// A leader waits for company for this part of the last crossing, and no longer than this.
	companyShare   = 8
	longestCompany = 500 * time.Microsecond
)

var groups = sync.Pool{New: func() any { return &group{writes: make([]nativeWrite, 0, largestGroup)} }}

// contended reports, to the holder of the writer's place, whether others write too.
func (p *pool) contended() bool {
	_, waiting := p.writer.load()
	return waiting > 0 || p.last.writers > 1
}

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

// lead makes the call of a frame that holds the writer's place, and the calls that wait behind it.
func (p *pool) lead(f *frame) int32 {
	p.awaitCompany()
	began := time.Now()
	g := groups.Get().(*group)
	defer groups.Put(g)
	g.seats = p.writer.startJobs(g.seats[:0], p.sharing-1)
	status := p.cross(g, f)
	_, waiting := p.writer.load()
	p.last = contention{1 + len(g.seats) + waiting, time.Since(began)}
	for i, seat := range g.seats {
		seat.end()
		g.seats[i] = nil
	}
	return status
}

// awaitCompany lets the writers of the last crossing come back into the line with their next writes: otherwise the first of them would cross
// alone, and each round of all would wait for the disk twice. It costs a small part of a crossing where they do not come.
func (p *pool) awaitCompany() {
	began, longest := time.Now(), min(p.last.took/companyShare, longestCompany)
	for _, waiting := p.writer.load(); 1+waiting < min(p.last.writers, p.sharing); _, waiting = p.writer.load() {
		if time.Since(began) > longest {
			return
		}
		runtime.Gosched()
	}
}

// cross makes the leader's call alone or, where others were taken out of the line, all of them together.
func (p *pool) cross(g *group, f *frame) int32 {
	if len(g.seats) == 0 {
		return f.run(f.sql)
	}
	g.add(f)
	for _, seat := range g.seats {
		g.add(seat.job.(*frame))
	}
	g.run(p.handle)
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
