//go:build linux

package keepwell

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mapIndex maps the beginning of a store's wal-index once more, which is what shows of a second SQLite library.
func mapIndex(t *testing.T, database string) {
	t.Helper()
	file, err := os.Open(database + "-shm")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	// Closed after the store: closing drops the process's locks on the file.
	t.Cleanup(func() { syscall.Munmap(memory); file.Close() })
}

func TestSecondSQLite(t *testing.T) {
	for _, mode := range []string{"off", "warn", "refuse"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			config := Config{DataSource: path, Options: map[string]any{"options.second_sqlite": mode}}
			store, err := OpenConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			if warnings, err := store.Warnings(); err != nil || len(warnings) != 0 {
				t.Fatal(warnings, err)
			}
			mapIndex(t, path)
			health, err := store.Health(bg)
			if err != nil || health.CanWrite != (mode != "refuse") {
				t.Fatal(health, err)
			}
			warnings, err := store.Warnings()
			if err != nil || len(warnings) != map[string]int{"off": 0, "warn": 1, "refuse": 1}[mode] {
				t.Fatal(warnings, err)
			}
			for _, warning := range warnings {
				if !strings.HasPrefix(warning, "options.second_sqlite: ") || health.Message != warning {
					t.Error(warning, health)
				}
			}
			_, err = store.Exec(bg, "CREATE TABLE t(n)")
			if mode != "refuse" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, ErrMisuse, "options.second_sqlite")
			_, err = OpenConfig(config)
			wantError(t, err, ErrMisuse, "options.second_sqlite")
		})
	}
}
