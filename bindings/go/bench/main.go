// Command bench measures keepwell's own Go API against database/sql with mattn/go-sqlite3 and with modernc.org/sqlite.
//
// Every contender has a copy of one file database: a table of -rows rows × 6 columns (integer key, integer, real, about 20 and 60
// characters of text, a nullable integer), WAL, synchronous=NORMAL. The contenders take turns in short rounds; what is printed are the
// medians, one JSON object a line, and a table on the standard error output.
//
// With arguments, which are cells writers:sync:readers, many goroutines that insert one row a call are measured in place of that.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/keepwell/keepwell/bindings/go"
)

var (
	quick  = flag.Bool("quick", false, "fewer rounds, under a minute altogether")
	count  = flag.Int("rows", 1_000_000, "rows of the table")
	folder = flag.String("dir", "", "where the databases are made; a temporary folder unless given")
	only   = flag.String("only", "", "measure only the ids that contain this")

	seconds = flag.Float64("seconds", 2, "length of a window of the writers' bench")
	windows = flag.Int("windows", 3, "windows of the writers' bench on either side")
)

// line is one line of the output.
type line struct {
	ID       string   `json:"id"`
	Language string   `json:"language"`
	Peer     string   `json:"peer"`
	OursNS   float64  `json:"ours_ns"`
	PeerNS   float64  `json:"peer_ns"`
	Ratio    float64  `json:"ratio"`
	Target   *float64 `json:"target"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	flag.Parse()
	dir := *folder
	if dir == "" {
		temporary, err := os.MkdirTemp("", "keepwell-bench")
		check(err)
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	if flag.NArg() > 0 {
		measureWriters(dir, flag.Args(), time.Duration(*seconds*float64(time.Second)), *windows)
		return
	}
	contenders := openAll(dir)
	fmt.Fprintf(os.Stderr, "go bench: keepwell %s, %s, %d CPUs, %d rows, WAL, synchronous=NORMAL\n", keepwell.Version(), runtime.Version(), runtime.NumCPU(), *count)
	for _, c := range contenders {
		fmt.Fprintf(os.Stderr, "  %-10s SQLite %s\n", c.name(), c.version())
	}
	for _, w := range workloads() {
		if strings.Contains(w.id, *only) {
			report(w, measure(w, contenders))
		}
	}
	for _, c := range contenders {
		c.close()
	}
}

// workload is one kind of work. run does it n times with a contender.
type workload struct {
	id     string
	n      int // operations in one round
	rounds int
	target float64 // for mattn; 0: none
	run    func(c contender, n int)
}

func workloads() []workload {
	all := []workload{
		{"go.point", 4_000, 61, 0.15, contender.points},
		{"go.point_tx", 4_000, 61, 0.18, contender.pointsTx},
		{"go.rows100", 200, 61, 0.22, contender.hundreds},
		{"go.structs100", 200, 31, 0, contender.structs},
		{"go.cached_point", 4_000, 61, 0, contender.cachedPoints},
		{"go.cached_rows100", 200, 61, 0, contender.cachedHundreds},
		{"go.scan", 1, 9, 0.20, contender.scan},
		{"go.autocommit", 200, 41, 0, contender.inserts},
		{"go.execute_many", 10_000, 31, 0.40, contender.insertMany},
	}
	if *quick {
		for i := range all {
			all[i].rounds = max(3, all[i].rounds/3)
		}
	}
	return all
}

// measure lets the contenders take turns and returns the nanoseconds of one operation in each round, by contender.
func measure(w workload, contenders []contender) [][]float64 {
	times := make([][]float64, len(contenders))
	for round := range w.rounds + 1 {
		for i := range contenders {
			at := (round + i) % len(contenders)
			runtime.GC()
			started := time.Now()
			w.run(contenders[at], w.n)
			passed := float64(time.Since(started).Nanoseconds()) / float64(w.n)
			if round > 0 { // the first one warms up
				times[at] = append(times[at], passed)
			}
		}
	}
	return times
}

// report prints our median against each peer's.
func report(w workload, times [][]float64) {
	output := json.NewEncoder(os.Stdout)
	for i, peer := range peers {
		ours, theirs := quartiles(times[0]), quartiles(times[i+1])
		l := line{w.id, "go", peer.title, ours[1], theirs[1], ours[1] / theirs[1], nil}
		verdict := ""
		if i == 0 && w.target > 0 {
			l.Target = &w.target
			verdict = fmt.Sprintf("target %.2f", w.target)
			if l.Ratio > w.target {
				verdict += " MISSED"
			}
		}
		check(output.Encode(l))
		fmt.Fprintf(os.Stderr, "%-16s %-24s %12.0f ns (%.0f to %.0f) : %12.0f ns (%.0f to %.0f) = %.3f %s\n", w.id, peer.title,
			ours[1], ours[0], ours[2], theirs[1], theirs[0], theirs[2], l.Ratio, verdict)
	}
}

func quartiles(times []float64) [3]float64 {
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	return [3]float64{sorted[n/4], sorted[n/2], sorted[n*3/4]}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func path(dir, name string) string { return filepath.Join(dir, name+".db") }
