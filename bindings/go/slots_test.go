package keepwell

import (
	"context"
	"runtime"
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
	_, _, err := s.wait(nil, stop, nil, limit)
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

// standInLine waits with a job, and says how that ended.
func standInLine(t *testing.T, s *slots, job any, stop <-chan struct{}) <-chan string {
	t.Helper()
	before, end := waiting(s), make(chan string, 1)
	go func() {
		done, _, err := s.wait(job, stop, nil, 0)
		switch {
		case err != nil:
			end <- err.Error()
		case done:
			end <- "done"
		default:
			end <- "a place"
		}
	}()
	waitFor(t, "a waiter", func() bool { return waiting(s) == before+1 })
	return end
}

func TestJobsAreStartedUpToTheFirstWaiterWithoutOne(t *testing.T) {
	s := newSlots(1)
	s.tryAcquire()
	var ends []<-chan string
	for _, job := range []any{"a", "b", "c", nil, "d"} {
		ends = append(ends, standInLine(t, s, job, nil))
	}
	started := s.startJobs(nil, 2)
	started = s.startJobs(started, 9)
	if len(started) != 3 || started[0].job != "a" || started[1].job != "b" || started[2].job != "c" || waiting(s) != 2 {
		t.Fatalf("%d jobs were started, %d wait", len(started), waiting(s))
	}
	for i, seat := range started {
		seat.end()
		if got := <-ends[i]; got != "done" {
			t.Errorf("waiter %d: %s", i, got)
		}
	}
	for _, end := range ends[3:] {
		if len(s.startJobs(nil, 0)) != 0 {
			t.Error("more jobs than asked for")
		}
		s.release()
		if got := <-end; got != "a place" {
			t.Error(got)
		}
	}
	s.release()
	if taken, waits := s.load(); taken != 0 || waits != 0 {
		t.Errorf("%d taken, %d waiting at the end", taken, waits)
	}
}

func TestWhoWantsToLeaveWaitsForTheEndOfItsJob(t *testing.T) {
	s := newSlots(1)
	s.tryAcquire()
	stop := make(chan struct{})
	end := standInLine(t, s, "a", stop)
	started := s.startJobs(nil, 1)
	close(stop)
	runtime.Gosched()
	select {
	case got := <-end:
		t.Fatalf("the waiter left its job: %s", got)
	default:
	}
	s.close()
	started[0].end()
	if got := <-end; got != "done" {
		t.Error(got)
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
