// One of the writers of writers.py, in Go: see there for what it does and says.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	keepwell "github.com/keepwell/keepwell/bindings/go"
)

const insert = "INSERT INTO w(process, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)"

var bg = context.Background()

type writer struct {
	store   *keepwell.Store
	process string
	thread  int
}

func (w writer) transaction(sequence int) error {
	return w.store.Transaction(bg, func(tx *keepwell.Tx) error {
		for part := range 3 {
			if _, err := tx.Exec(bg, insert, w.process, w.thread, sequence, part, 3); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w writer) many(sequence int) error {
	rows := make([][]any, 5)
	for part := range rows {
		rows[part] = []any{w.process, w.thread, sequence, part, len(rows)}
	}
	_, err := w.store.ExecMany(bg, insert, rows)
	return err
}

func (w writer) hurried(sequence int) error {
	ctx, cancel := context.WithTimeout(bg, 3*time.Millisecond)
	defer cancel()
	_, err := w.store.Exec(ctx, insert, w.process, w.thread, sequence, 0, 1)
	// ErrTimeout, or ErrExhausted when it was the wait for the writer that took too long.
	if e := (*keepwell.Error)(nil); errors.As(err, &e) && e.Timeout() {
		fmt.Printf("refused %d %d\n", w.thread, sequence)
		return nil
	}
	return err
}

func (w writer) operation(sequence int) error {
	switch sequence % 8 {
	case 0:
		return w.transaction(sequence)
	case 4:
		return w.many(sequence)
	case 6:
		return w.hurried(sequence)
	}
	_, err := w.store.Exec(bg, insert, w.process, w.thread, sequence, 0, 1)
	return err
}

func (w writer) work(operations int) {
	for sequence := range operations {
		if err := w.operation(sequence); err != nil {
			end(fmt.Errorf("%s, thread %d, operation %d: %w", w.process, w.thread, sequence, err))
		}
	}
}

func end(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	if len(os.Args) != 6 {
		os.Exit(2)
	}
	threads, _ := strconv.Atoi(os.Args[3])
	operations, _ := strconv.Atoi(os.Args[4])
	store, err := keepwell.OpenConfig(keepwell.Config{
		DataSource: os.Args[1],
		Options:    map[string]any{"query.timeout": 60 * time.Second, "options.synchronous": os.Args[5]},
	})
	if err != nil {
		end(err)
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	var all sync.WaitGroup
	for thread := range threads {
		all.Add(1)
		go func() {
			defer all.Done()
			writer{store, os.Args[2], thread}.work(operations)
		}()
	}
	all.Wait()
	if err := store.Close(); err != nil {
		end(err)
	}
	fmt.Println("done")
}
