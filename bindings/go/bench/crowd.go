package main

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>

static long counted(const char *name) {
	long (*count)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, name);
	return count ? count() : -1;
}

// How often the process has waited for the disk, and how long altogether; -1 unless benches/c/syncs.c is preloaded.
static long syncs(void) { return counted("bench_syncs"); }
static long sync_nanos(void) { return counted("bench_sync_nanos"); }
*/
import "C"

import (
	"log"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
)

// crowd is one side of the writers' bench: what a writer and a reader do.
type crowd interface {
	insert(number int) bool // one row, committed; false when the engine was busy and it has to be tried again
	lookup(key int)
	rows() int
	close()
}

// window is what one side did in one window of time. Latencies are those of writes that began in the window, however late they ended; the
// rates count what ended in it.
type window struct {
	Writes  float64  `json:"writes"`
	Reads   float64  `json:"reads"`
	P50     int64    `json:"p50"`
	P99     int64    `json:"p99"`
	P999    int64    `json:"p999"`
	Slowest int64    `json:"slowest"`
	Errors  int      `json:"errors"`
	Syncs   *float64 `json:"syncs"` // per write
	Sync    *float64 `json:"sync"`  // nanoseconds that one took
	Fewest  float64  `json:"fewest"`

	written int
}

// worker is one goroutine of a window. Only operations that ended in the window are inTime.
type worker struct {
	number, inTime, busy int
	nanos                []int64
}

// write inserts until the window ends. A busy answer does not end a write: its caller would have to come again, so the time goes on.
func (w *worker) write(c crowd, end time.Time) {
	number := w.number * 1_000_003
	for start := time.Now(); start.Before(end); {
		number++
		for !c.insert(number) {
			w.busy++
		}
		now := time.Now()
		w.nanos = append(w.nanos, now.Sub(start).Nanoseconds())
		if !now.After(end) {
			w.inTime++
		}
		start = now
	}
}

func (w *worker) read(c crowd, end time.Time) {
	choose := rand.New(rand.NewPCG(uint64(w.number), 7))
	for time.Now().Before(end) {
		c.lookup(choose.IntN(logRows) + 1)
		w.inTime++
	}
}

// play lets all goroutines of a side work for so long.
func play(c crowd, of cell, length time.Duration) window {
	workers := make([]worker, of.writers+of.readers)
	var there, done sync.WaitGroup
	var end time.Time // written before the gate opens
	gate := make(chan struct{})
	runtime.GC()
	for i := range workers {
		workers[i].number = i
		work := (*worker).write
		if i >= of.writers {
			work = (*worker).read
		}
		there.Add(1)
		done.Go(func() {
			there.Done()
			<-gate
			work(&workers[i], c, end)
		})
	}
	there.Wait()
	before := diskNow()
	end = time.Now().Add(length)
	close(gate)
	done.Wait()
	w := sumUp(workers[:of.writers], workers[of.writers:], length)
	w.countSyncs(before, diskNow())
	return w
}

// disk is what the process has waited for the disk so far.
type disk struct{ syncs, nanos float64 }

func diskNow() disk { return disk{float64(C.syncs()), float64(C.sync_nanos())} }

func (w *window) countSyncs(before, after disk) {
	if before.syncs < 0 {
		return
	}
	syncs := after.syncs - before.syncs
	perWrite, each := syncs/float64(w.written), (after.nanos-before.nanos)/max(1, syncs)
	w.Syncs, w.Sync = &perWrite, &each
}

func sumUp(writers, readers []worker, length time.Duration) window {
	var nanos []int64
	var w window
	inTime, fewest, reads := 0, math.MaxInt, 0
	for _, one := range writers {
		nanos = append(nanos, one.nanos...)
		inTime += one.inTime
		fewest = min(fewest, one.inTime)
		w.Errors += one.busy
	}
	for _, one := range readers {
		reads += one.inTime
	}
	if inTime == 0 {
		log.Fatal("no write ended in the window")
	}
	slices.Sort(nanos)
	quantile := func(part float64) int64 { return nanos[int(math.Ceil(part*float64(len(nanos))))-1] }
	w.P50, w.P99, w.P999, w.Slowest = quantile(0.5), quantile(0.99), quantile(0.999), quantile(1)
	w.Writes, w.Reads = float64(inTime)/length.Seconds(), float64(reads)/length.Seconds()
	w.Fewest = float64(fewest*len(writers)) / float64(inTime)
	w.written = len(nanos)
	return w
}
