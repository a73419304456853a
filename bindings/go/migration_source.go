package keepwell

import (
	"io/fs"
	"strings"
)

// Migration is one migration of the program's own.
type Migration struct {
	Version     int64 // 0 or more, unique in the set
	Description string
	Up          string // the statements that apply it
	Down        string // the statements that undo it; empty: it cannot be undone
}

// MigrationSource is where migrations come from: [MigrationDir], [MigrationFS] or [MigrationList].
type MigrationSource interface {
	addTo(set uint64) error
}

type migrationSource func(set uint64) error

func (s migrationSource) addTo(set uint64) error { return s(set) }

// MigrationDir takes the migrations of a folder. It is read at the first operation, and only once.
func MigrationDir(path string) MigrationSource {
	return migrationSource(func(set uint64) error { return nativeAddMigrationFolder(set, path) })
}

// MigrationList takes migrations of the program's own, in any order.
func MigrationList(migrations ...Migration) MigrationSource {
	return migrationSource(func(set uint64) error {
		for _, m := range migrations {
			if strings.ContainsRune(m.Description, 0) {
				return newError(ErrEncoding, "migrations: the description of version %d has a NUL in it", m.Version)
			}
			if err := nativeAddMigration(set, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// MigrationFS takes the migrations of a file system, such as an [embed.FS], or of one folder in it:
//
//	//go:embed migrations
//	var files embed.FS
//
//	source := keepwell.MigrationFS(files, "migrations")
//
// It is read when the set is made. Names that begin with a dot are left alone.
func MigrationFS(fsys fs.FS, folder ...string) MigrationSource {
	return migrationSource(func(set uint64) error {
		root := fsys
		for _, name := range folder {
			sub, err := fs.Sub(root, name)
			if err != nil {
				return unreadable(name, err)
			}
			root = sub
		}
		return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return unreadable(name, err)
			}
			return addFile(set, root, name, entry)
		})
	})
}

func addFile(set uint64, fsys fs.FS, name string, entry fs.DirEntry) error {
	hidden := name != "." && strings.HasPrefix(entry.Name(), ".")
	switch {
	case entry.IsDir() && hidden:
		return fs.SkipDir
	case entry.IsDir() || hidden:
		return nil
	}
	if info, err := fs.Stat(fsys, name); err != nil {
		return unreadable(name, err)
	} else if !info.Mode().IsRegular() {
		return nil
	}
	content, err := fs.ReadFile(fsys, name)
	if err != nil {
		return unreadable(name, err)
	}
	return nativeAddMigrationFile(set, name, content)
}

func unreadable(name string, err error) error {
	e := newError(ErrCantOpen, "migrations: %s: %v", name, err)
	e.cause = err
	return e
}
