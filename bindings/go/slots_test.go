package keepwell

import (
	"context"
	"sync"
	"testing"
	"time"
)

// waitFor polls until ok, because the order of events in other goroutines cannot be seen otherwise.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func waiting(s *slots) int {
	_, n := s.load()
	return n
}

// waitPlace waits without a job.
func waitPlace(s *slots, stop <-chan struct{}, limit time.Duration) error {
	_, err := s.wait(nil, stop, nil, limit)
	return err
}

func TestPlacesAreGivenInTheOrderOfArrival(t *testing.T) {
	s := newSlots(1)
	s.tryAcquire()
	order := make(chan int, 8)
	for i := range 8 {
		go func() {
			if err := waitPlace(s, nil, 0); err != nil {
				t.Error(err)
			}
			order <- i
			s.release()
		}()
		waitFor(t, "a waiter", func() bool { return waiting(s) == i+1 })
	}
	s.release()
	for i := range 8 {
		if got := <-order; got != i {
			t.Fatalf("waiter %d came in place of %d", got, i)
		}
	}
	if taken, waits := s.load(); taken != 0 || waits != 0 {
		t.Fatalf("%d taken, %d waiting at the end", taken, waits)
	}
}

func TestNobodyOvertakesAWaiter(t *testing.T) {
	s := newSlots(2)
	s.tryAcquire()
	s.tryAcquire()
	done := make(chan error)
	go func() { done <- waitPlace(s, nil, 0) }()
	waitFor(t, "a waiter", func() bool { return waiting(s) == 1 })
	s.release()
	if s.tryAcquire() {
		t.Fatal("a place that came back was free although somebody waited")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAWaiterThatGivesUpLeavesTheLine(t *testing.T) {
	s := newSlots(1)
	s.tryAcquire()
	if err := waitPlace(s, nil, time.Millisecond); err != errSlotsTimeout {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := waitPlace(s, ctx.Done(), 0); err != errSlotsStopped {
		t.Fatal(err)
	}
	if waiting(s) != 0 {
		t.Fatal("still in line")
	}
	s.release()
	if !s.tryAcquire() {
		t.Fatal("the place was lost")
	}
}

func TestClosingWakesWaitersAndTellsWhenAllIsBack(t *testing.T) {
	s := newSlots(2)
	s.tryAcquire()
	s.tryAcquire()
	done := make(chan error)
	go func() { done <- waitPlace(s, nil, 0) }()
	waitFor(t, "a waiter", func() bool { return waiting(s) == 1 })
	s.close()
	s.close()
	if err := <-done; err != errSlotsClosed {
		t.Fatal(err)
	}
	if err := waitPlace(s, nil, 0); err != errSlotsClosed {
		t.Fatal(err)
	}
	s.release()
	select {
	case <-s.idle:
		t.Fatal("idle with a place taken")
	default:
	}
	s.release()
	<-s.idle
}

func TestManyGoroutinesNeverHoldMoreThanThereIs(t *testing.T) {
	const capacity, users, rounds = 3, 24, 300
	s := newSlots(capacity)
	held := make(chan struct{}, capacity)
	var all sync.WaitGroup
	for user := range users {
		all.Add(1)
		go func() {
			defer all.Done()
			for round := range rounds {
				limit := time.Duration(0)
				if (user+round)%5 == 0 {
					limit = time.Microsecond
				}
				if !s.tryAcquire() && waitPlace(s, nil, limit) != nil {
					continue
				}
				select {
				case held <- struct{}{}:
				default:
					t.Error("more places than there are")
				}
				<-held
				s.release()
			}
		}()
	}
	all.Wait()
	if taken, waits := s.load(); taken != 0 || waits != 0 {
		t.Fatalf("%d taken, %d waiting at the end", taken, waits)
	}
}
