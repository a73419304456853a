package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	keepwell "github.com/keepwell/keepwell/bindings/go"
)

// show takes an error that had to come and shows it as a program sees it. Every error of the package is a *keepwell.Error and answers
// errors.Is for its class; a timeout and a cancellation also answer for the context's own errors.
func show(what, name string, class, got error) error {
	var e *keepwell.Error
	if !errors.Is(got, class) || !errors.As(got, &e) {
		return fmt.Errorf("%s: %v was expected, not %v", what, class, got)
	}
	fmt.Printf("  %-22s %s", what, name)
	if e.EngineCode != 0 {
		fmt.Printf(", engine %d (%d)", e.EngineCode, e.ExtendedCode)
	}
	if e.Offset >= 0 {
		fmt.Printf(", byte %d", e.Offset)
	}
	fmt.Printf("\n      %s\n", e)
	return nil
}

// showErrors makes one error of each kind.
func showErrors(ctx context.Context, store *keepwell.Store, path string) error {
	fmt.Println("  Errors as a Go program sees them:")
	query := func(ctx context.Context, sql string, args ...any) error {
		rows, err := store.Query(ctx, sql, args...)
		if err == nil {
			rows.Close()
		}
		return err
	}
	exec := func(ctx context.Context, store *keepwell.Store, sql string) error {
		_, err := store.Exec(ctx, sql)
		return err
	}
	late, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	timeout := query(late, endless)

	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)

	waiting := store.Transaction(ctx, func(tx *keepwell.Tx) error {
		return exec(keepwell.NewContext(ctx, tx), store, "DELETE FROM edge") // the transaction was meant, not the store
	})
	closed, err := openStore(path)
	if err != nil {
		return err
	}
	closed.Close()
	_, misspelled := keepwell.OpenConfig(keepwell.Config{DataSource: path, Options: map[string]any{"pool.max_opne": 8}})

	err = errors.Join(
		show("wrong SQL", "keepwell.ErrSQL", keepwell.ErrSQL, query(ctx, "SELECT name FORM package")),
		show("a constraint", "keepwell.ErrConstraint", keepwell.ErrConstraint,
			exec(ctx, store, "INSERT INTO run SELECT * FROM run")),
		show("a missing parameter", "keepwell.ErrParameter", keepwell.ErrParameter,
			query(ctx, "SELECT id FROM package WHERE name = ? AND version = ?", "libc")),
		show("a timeout", "context.DeadlineExceeded", context.DeadlineExceeded, timeout),
		show("a cancelled call", "context.Canceled", context.Canceled, query(cancelled, endless)),
		show("a write, read-only", "keepwell.ErrReadOnly", keepwell.ErrReadOnly,
			exec(ctx, store.With(keepwell.ReadOnly()), "DELETE FROM edge")),
		show("a wait for oneself", "keepwell.ErrSelfDeadlock", keepwell.ErrSelfDeadlock, waiting),
		show("a closed store", "keepwell.ErrClosed", keepwell.ErrClosed, exec(ctx, closed, "SELECT 1")),
		show("a misspelled setting", "keepwell.ErrConfig", keepwell.ErrConfig, misspelled),
	)
	fmt.Println()
	return err
}
