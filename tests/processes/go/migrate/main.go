// One of the starters of migrators.py, in Go: see there.
package main

import (
	"context"
	"fmt"
	"os"

	keepwell "github.com/keepwell/keepwell/bindings/go"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path, folder string) error {
	store, err := keepwell.Open(path)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := store.Migrations(keepwell.MigrationDir(folder))
	if err != nil {
		return err
	}
	report, err := m.Up(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("applied", len(report.Migrations))
	return nil
}
