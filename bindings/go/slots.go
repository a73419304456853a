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

	waits, refused atomic.Uint64 // waits so far, and those that ended without a place
	waited         atomic.Int64  // nanoseconds of all waits
}

// seat is the place of one waiter in the line.
type seat struct {
	prev, next *seat
	queued     bool
	call       chan bool // true: a place; false: closed
}

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

// wait stands in line for a place until stop1 or stop2 is closed or the limit has passed (0: no limit).
func (s *slots) wait(stop1, stop2 <-chan struct{}, limit time.Duration) error {
	place, err := s.enqueue()
	if place == nil {
		return err
	}
	began := time.Now()
	err = s.sit(place, stop1, stop2, limit)
	s.waits.Add(1)
	s.waited.Add(int64(time.Since(began)))
	if err != nil {
		s.refused.Add(1)
	}
	return err
}

// sit waits at a place of the line.
func (s *slots) sit(place *seat, stop1, stop2 <-chan struct{}, limit time.Duration) error {
	var timer <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timer = t.C
	}
	select {
	case granted := <-place.call:
		return closedUnless(granted)
	case <-stop1:
		return s.leave(place, errSlotsStopped)
	case <-stop2:
		return s.leave(place, errSlotsStopped)
	case <-timer:
		return s.leave(place, errSlotsTimeout)
	}
}

// enqueue takes a free place (nil, nil) or joins the end of the line.
func (s *slots) enqueue() (*seat, error) {
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
			place := &seat{prev: s.tail, queued: true, call: make(chan bool, 1)}
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
func (s *slots) leave(place *seat, reason error) error {
	s.mu.Lock()
	if place.queued {
		s.unlink(place)
		s.word.Add(^uint64(0))
		s.mu.Unlock()
		return reason
	}
	s.mu.Unlock()
	if <-place.call {
		s.release()
		return reason
	}
	return errSlotsClosed
}

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
		place.call <- true
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
		place.call <- false
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

func closedUnless(granted bool) error {
	if granted {
		return nil
	}
	return errSlotsClosed
}
