// The demo in Go: load a fifth of a dependency graph, ask about it from several goroutines, meet each kind of error, write beside others.
//
//	demo-go FILE SCHEMA GRAPH    loads GRAPH (see graph.py) into the database FILE and reports
//	demo-go FILE --together N    N transactions in each of four goroutines, beside the other programs
//	demo-go FILE --totals        what all programs wrote together
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	keepwell "github.com/keepwell/keepwell/bindings/go"
)

const (
	language   = "Go"
	goroutines = 4
	endless    = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
)

func openStore(path string) (*keepwell.Store, error) {
	return keepwell.OpenConfig(keepwell.Config{
		DataSource:   path,
		MaxOpenConns: 8,
		Options:      map[string]any{"query.timeout": 30 * time.Second},
	})
}

// share is this program's part of the graph, as parameters.
type share struct {
	licences, packages, edges [][]any
}

func readShare(path string, run int64) (share, error) {
	var mine share
	graph, err := os.ReadFile(path)
	if err != nil {
		return mine, err
	}
	for line := range strings.Lines(string(graph)) {
		field := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case field[len(field)-1] != language:
		case field[0] == "package":
			mine.licences = append(mine.licences, []any{field[4]})
			mine.packages = append(mine.packages, []any{number(field[1]), field[2], field[3], field[4], number(field[5]), number(field[6]), run})
		default:
			mine.edges = append(mine.edges, []any{number(field[1]), number(field[2]), field[3]})
		}
	}
	return mine, nil
}

// number reads an integer of the graph, which is known to be one.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func load(ctx context.Context, store *keepwell.Store, path string) error {
	var mine share
	var refusal error
	err := store.Transaction(ctx, func(tx *keepwell.Tx) error {
		inserted, err := tx.Exec(ctx, "INSERT INTO run(language) VALUES (?)", language)
		if err != nil {
			return err
		}
		run, _ := inserted.LastInsertId()
		if mine, err = readShare(path, run); err != nil {
			return err
		}
		for _, insert := range []struct {
			sql  string
			rows [][]any
		}{
			{"INSERT INTO licence(name) VALUES (?) ON CONFLICT DO NOTHING", mine.licences},
			{`INSERT INTO package(id, name, version, licence_id, features, targets, run_id)
			  SELECT ?1, ?2, ?3, licence.id, ?5, ?6, ?7 FROM licence WHERE licence.name = ?4`, mine.packages},
			{"INSERT INTO edge(package_id, dependency_id, kind) VALUES (?, ?, ?)", mine.edges},
		} {
			if _, err := tx.ExecMany(ctx, insert.sql, insert.rows); err != nil {
				return err
			}
		}
		// A transaction inside a transaction is a savepoint: a try that fails takes nothing else with it.
		refusal = tx.Transaction(ctx, func(savepoint *keepwell.Tx) error {
			if _, err := savepoint.Exec(ctx, "UPDATE package SET features = 0"); err != nil {
				return err
			}
			_, err := savepoint.Exec(ctx, "INSERT INTO edge VALUES (1000000, 1, 'normal')")
			return err
		})
		if !errors.Is(refusal, keepwell.ErrConstraint) {
			return fmt.Errorf("the foreign key should have refused this, but: %v", refusal)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var packages, edges int
	err = store.QueryRow(ctx, "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge)").Scan(&packages, &edges)
	if err != nil {
		return err
	}
	fmt.Printf("  loaded     %d packages and %d dependencies; the file has %d and %d now\n", len(mine.packages), len(mine.edges), packages, edges)
	fmt.Printf("  savepoint  undone after: %v\n", refusal)
	return nil
}

// changeAndRollBack shows that a transaction that is not committed leaves no trace.
func changeAndRollBack(ctx context.Context, store *keepwell.Store) error {
	const count = "SELECT count(*) FROM edge"
	var before, inside, after int
	if err := store.QueryRow(ctx, count).Scan(&before); err != nil {
		return err
	}
	tx, err := store.Begin(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // harmless after the end of the transaction
	if _, err := tx.Exec(ctx, "DELETE FROM edge"); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, count).Scan(&inside); err != nil {
		return err
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	if err := store.QueryRow(ctx, count).Scan(&after); err != nil {
		return err
	}
	if inside != 0 || after != before {
		return errors.New("the rollback did not restore the dependencies")
	}
	fmt.Printf("  rollback   %d dependencies, %d after DELETE, %d after the rollback\n\n", before, inside, after)
	return nil
}

// parallel runs the function once for each number below n, all at the same time, and joins their errors.
func parallel(n int, run func(i int) error) error {
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = run(i)
		}()
	}
	wait.Wait()
	return errors.Join(errs...)
}

func together(ctx context.Context, store *keepwell.Store, transactions int) error {
	_, err := store.Exec(ctx, "UPDATE run SET promised = promised + ? WHERE language = ?", goroutines*transactions, language)
	if err != nil {
		return err
	}
	for waiting := 1; waiting > 0; time.Sleep(2 * time.Millisecond) { // until all programs are there
		if err := store.QueryRow(ctx, "SELECT count(*) FROM run WHERE promised = 0").Scan(&waiting); err != nil {
			return err
		}
	}
	var runs atomic.Int64
	err = parallel(goroutines, func(i int) error {
		for range transactions {
			// One commit, the counter and its note; run again when another process was in the way.
			err := store.RunTx(ctx, nil, func(tx *keepwell.Tx) error {
				runs.Add(1)
				if _, err := tx.Exec(ctx, "UPDATE counter SET value = value + 1 WHERE name = 'commits'"); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "INSERT INTO note(run_id, thread) SELECT id, ? FROM run WHERE language = ?", i, language)
				return err
			})
			if err != nil {
				return err
			}
			// Whatever the others do meanwhile, one query sees one state.
			var difference int
			err = store.QueryRow(ctx, "SELECT value - (SELECT count(*) FROM note) FROM counter").Scan(&difference)
			if err != nil || difference != 0 {
				return fmt.Errorf("a snapshot was torn: %d, %v", difference, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	again := int(runs.Load()) - goroutines*transactions
	fmt.Printf("  %-8s %d threads committed %d transactions each; %d were run again\n", language, goroutines, transactions, again)
	return nil
}

func totals(ctx context.Context, store *keepwell.Store) error {
	var packages, edges, promised, counter, notes, handOvers int
	var integrity string
	err := store.QueryRow(ctx, `SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge), (SELECT sum(promised) FROM run),
		(SELECT value FROM counter), (SELECT count(*) FROM note), (SELECT count(*) FROM hand_over),
		(SELECT * FROM pragma_integrity_check)`,
	).Scan(&packages, &edges, &promised, &counter, &notes, &handOvers, &integrity)
	if err != nil {
		return err
	}
	fmt.Printf("  %-8s%14d%14d%14d%14d%14d%14d  %s\n", language, packages, edges, promised, counter, notes, handOvers, integrity)
	if promised != counter || counter != notes {
		return errors.New("the totals differ")
	}
	if integrity != "ok" {
		return errors.New("the file is damaged")
	}
	return nil
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 2 {
		return errors.New("usage: demo-go FILE SCHEMA GRAPH | FILE --together N | FILE --totals")
	}
	store, err := openStore(args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	switch {
	case args[1] == "--together" && len(args) == 3:
		return together(ctx, store, number(args[2]))
	case args[1] == "--totals" && len(args) == 2:
		return totals(ctx, store)
	case len(args) != 3:
		return run(ctx, nil)
	}
	schema, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	fmt.Printf("Go, by the package keepwell %s\n\n", keepwell.Version())
	if _, err := store.ExecScript(ctx, string(schema)); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return load(ctx, store, args[2]) },
		func() error { return changeAndRollBack(ctx, store) },
		func() error { return report(ctx, store) },
		func() error { return showErrors(ctx, store, args[0]) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo-go:", err)
		os.Exit(1)
	}
}
