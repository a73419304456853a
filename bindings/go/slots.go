package keepwell

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errSlotsClosed  = errors.New("closed")
	errSlotsTimeout = errors.New("waited too long")
	errSlotsStopped = errors.New("stopped")
)

// slots is a counting semaphore that serves waiters first come, first served. It knows nothing of databases.
//
// A waiter may bring a job along. Then whoever holds the only place may do the job for it (startJobs), in the job's turn.
//
// The word packs three numbers: closed (bit 63), free places (bits 32 to 62) and waiters (bits 0 to 31). The waiters' number and
// the queue change only under the lock, together; while somebody waits nothing is free, because a place that comes
// back goes straight to the oldest waiter. So the fast roads need one compare-and-swap and cannot overtake anybody.
type slots struct {
	word     atomic.Uint64
	capacity uint64

	mu   sync.Mutex
	head *seat // the oldest waiter
	tail *seat
	idle chan struct{} // closed when everything has come back after close

	joined func() // hears of everybody who stands in line, before the wait; nil: nobody does
}

// seat is the place of one waiter in the line.
type seat struct {
	prev, next *seat
	queued     bool
	job        any // what the holder of the place may do in the waiter's stead; nil: only the waiter can
	call       chan ending
}

// ending is what a wait ends with, when the waiter does not end it.
type ending int

const (
	granted ending = iota // a place
	served                // the job was done
	refused               // closed
)

const (
	slotsClosed  = 1 << 63
	slotsOneFree = 1 << 32
	slotsWaiting = slotsOneFree - 1
)

func newSlots(capacity int) *slots {
	s := &slots{capacity: uint64(capacity), idle: make(chan struct{})}
	s.word.Store(uint64(capacity) * slotsOneFree)
	return s
}

// tryAcquire takes a place if one is free now.
func (s *slots) tryAcquire() bool {
	for {
		word := s.word.Load()
		if word < slotsOneFree || word&(slotsClosed|slotsWaiting) != 0 {
			return false
		}
		if s.word.CompareAndSwap(word, word-slotsOneFree) {
			return true
		}
	}
}

// open reports whether places are given still.
func (s *slots) open() bool { return s.word.Load()&slotsClosed == 0 }

// wait stands in line for a place until stop1 or stop2 is closed or the limit has passed (0: no limit). It returns true when there is no place
// because the job has been done. Who wants to leave after its job was started waits for the end of it. What it returns as waited is
// more than 0 if it stood in line.
func (s *slots) wait(job any, stop1, stop2 <-chan struct{}, limit time.Duration) (done bool, waited time.Duration, err error) {
	place, err := s.enqueue(job)
	if place == nil {
		return false, 0, err
	}
	if s.joined != nil {
		s.joined()
	}
	began := time.Now()
	done, err = s.sit(place, stop1, stop2, limit)
	return done, max(1, time.Since(began)), err
}

// sit waits at a place of the line.
func (s *slots) sit(place *seat, stop1, stop2 <-chan struct{}, limit time.Duration) (done bool, err error) {
	var timer <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timer = t.C
	}
	select {
	case end := <-place.call:
		return end == served, end.err()
	case <-stop1:
		return s.leave(place, errSlotsStopped)
	case <-stop2:
		return s.leave(place, errSlotsStopped)
	case <-timer:
		return s.leave(place, errSlotsTimeout)
	}
}

// enqueue takes a free place (nil, nil) or joins the end of the line.
func (s *slots) enqueue(job any) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		word := s.word.Load()
		switch {
		case word&slotsClosed != 0:
			return nil, errSlotsClosed
		case word >= slotsOneFree && word&slotsWaiting == 0:
			if s.word.CompareAndSwap(word, word-slotsOneFree) {
				return nil, nil
			}
		case s.word.CompareAndSwap(word, word+1):
			place := &seat{prev: s.tail, queued: true, job: job, call: make(chan ending, 1)}
			if s.tail != nil {
				s.tail.next = place
			} else {
				s.head = place
			}
			s.tail = place
			return place, nil
		}
	}
}

// leave gives up waiting. A place granted in the meantime goes to the next in line.
func (s *slots) leave(place *seat, reason error) (done bool, err error) {
	s.mu.Lock()
	if place.queued {
		s.unlink(place)
		s.word.Add(^uint64(0))
		s.mu.Unlock()
		return false, reason
	}
	s.mu.Unlock()
	switch end := <-place.call; end {
	case granted:
		s.release()
		return false, reason
	default:
		return end == served, end.err()
	}
}

// startJobs takes up to most waiters out of the line, from its head up to the first one without a job, and appends them to started. The
// caller holds the only place, does their jobs, and ends the wait of each of them.
func (s *slots) startJobs(started []*seat, most int) []*seat {
	if s.word.Load()&slotsWaiting == 0 {
		return started
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for place := s.head; place != nil && place.job != nil && len(started) < most; place = s.head {
		s.unlink(place)
		s.word.Add(^uint64(0))
		started = append(started, place)
	}
	return started
}

// end tells the waiter, whose job was started, that it is done.
func (p *seat) end() { p.call <- served }

// release gives a place back.
func (s *slots) release() {
	for {
		word := s.word.Load()
		if word&(slotsClosed|slotsWaiting) != 0 {
			s.handOver()
			return
		}
		if s.word.CompareAndSwap(word, word+slotsOneFree) {
			return
		}
	}
}

// handOver gives a place to the oldest waiter, or makes it free when nobody waits any more.
func (s *slots) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.head; place != nil {
		s.unlink(place)
		s.word.Add(^uint64(0))
		place.call <- granted
		return
	}
	word := s.word.Add(slotsOneFree)
	if word == slotsClosed|s.capacity*slotsOneFree {
		close(s.idle)
	}
}

// close admits nobody any more and wakes who waits. Places still taken come back through release.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.word.Load()&slotsClosed != 0 {
		return
	}
	word := s.word.Or(slotsClosed) | slotsClosed
	for place := s.head; place != nil; place = s.head {
		s.unlink(place)
		word = s.word.Add(^uint64(0))
		place.call <- refused
	}
	if word == slotsClosed|s.capacity*slotsOneFree {
		close(s.idle)
	}
}

// unlink takes a waiter out of the line.
func (s *slots) unlink(place *seat) {
	if place.prev != nil {
		place.prev.next = place.next
	} else {
		s.head = place.next
	}
	if place.next != nil {
		place.next.prev = place.prev
	} else {
		s.tail = place.prev
	}
	place.prev, place.next, place.queued = nil, nil, false
}

// load tells how many places are taken and how many wait.
func (s *slots) load() (taken, waiting int) {
	word := s.word.Load()
	free := (word &^ slotsClosed) / slotsOneFree
	return int(s.capacity - free), int(word & slotsWaiting)
}

func (e ending) err() error {
	if e == refused {
		return errSlotsClosed
	}
	return nil
}
