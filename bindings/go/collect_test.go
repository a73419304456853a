package keepwell

import (
	"database/sql"
	"fmt"
	"reflect"
	"testing"
	"time"
)

type Base struct {
	ID      int64
	Created time.Time `db:"created_at"`
}

type Extra struct {
	Note *string
}

type person struct {
	Base
	*Extra
	Name   string
	Age    sql.Null[int8]
	Score  float32
	Hidden int `db:"-"`
	Raw    []byte
	secret int
}

func people(t testing.TB) *Store {
	store := openTest(t)
	mustScript(t, store, `CREATE TABLE person(id INTEGER PRIMARY KEY, created_at TEXT, name TEXT, age INTEGER, score REAL, note TEXT, raw BLOB);
		INSERT INTO person VALUES (1, '2026-01-02 03:04:05', 'Ada', 36, 1.5, 'first', x'0102'), (2, '2026-02-03', 'Ben', NULL, 2, NULL, NULL)`)
	return store
}

func TestRowsGoIntoStructs(t *testing.T) {
	store := people(t)
	first := "first"
	want := []person{
		{Base{1, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, &Extra{&first}, "Ada", sql.Null[int8]{V: 36, Valid: true}, 1.5, 0, []byte{1, 2}, 0},
		{Base{2, time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)}, &Extra{}, "Ben", sql.Null[int8]{}, 2, 0, nil, 0},
	}
	for range 2 { // the second time by the remembered plan
		got, err := All[person](bg, store, "SELECT * FROM person ORDER BY ID")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v", got, err)
		}
		pointers, err := All[*person](bg, store, "SELECT * FROM person ORDER BY id")
		if err != nil || len(pointers) != 2 || !reflect.DeepEqual(*pointers[1], want[1]) || pointers[0] == pointers[1] {
			t.Fatalf("%+v, %v", pointers, err)
		}
	}
	p, err := One[person](bg, store, "SELECT name, id FROM person WHERE id = ?", 2)
	if err != nil || p.Name != "Ben" || p.ID != 2 || p.Extra != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAColumnWithoutAFieldIsAnError(t *testing.T) {
	store := people(t)
	_, err := All[person](bg, store, "SELECT id, 5 AS hidden FROM person")
	wantError(t, err, ErrType, "hidden", "person")
	_, err = All[person](bg, store, "SELECT 5 AS secret")
	wantError(t, err, ErrType, "secret")
	_, err = All[person](bg, store, "SELECT 300 AS age")
	wantError(t, err, ErrType, "age")
	_, err = All[int](bg, store, "SELECT 1, 2")
	wantError(t, err, ErrType, "one column")
	_, err = One[Base](bg, store, "SELECT NULL AS id")
	wantError(t, err, ErrType, "ID", "NULL")
}

func TestRowsGoIntoMapsSlicesAndSingleValues(t *testing.T) {
	store := people(t)
	maps, err := All[map[string]any](bg, store, "SELECT id, age FROM person ORDER BY id")
	if err != nil || fmt.Sprint(maps) != "[map[age:36 id:1] map[age:<nil> id:2]]" {
		t.Error(maps, err)
	}
	slices, err := All[[]any](bg, store, "SELECT id, name FROM person ORDER BY id")
	if err != nil || fmt.Sprint(slices) != "[[1 Ada] [2 Ben]]" {
		t.Error(slices, err)
	}
	names, err := All[string](bg, store, "SELECT name FROM person ORDER BY id")
	if err != nil || fmt.Sprint(names) != "[Ada Ben]" {
		t.Error(names, err)
	}
	ages, err := All[*int](bg, store, "SELECT age FROM person ORDER BY id")
	if err != nil || *ages[0] != 36 || ages[1] != nil {
		t.Error(ages, err)
	}
	times, err := All[time.Time](bg, store, "SELECT created_at FROM person ORDER BY id")
	if err != nil || times[1].Month() != time.February {
		t.Error(times, err)
	}
}

func TestEachStopsWhenItIsLeft(t *testing.T) {
	store := numbers(t, 20_000, "pool.max_open", "2")
	for range 3 {
		count := 0
		for n, err := range Each[int](bg, store, "SELECT id FROM n ORDER BY id") {
			if count++; err != nil || n != count {
				t.Fatal(n, err)
			}
			if count == 100 {
				break
			}
		}
	}
	for _, err := range Each[int](bg, store, "SELECT nothing") {
		wantError(t, err, ErrSQL)
	}
	sum := 0
	for n, err := range Each[int](bg, store, "SELECT id FROM n") {
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != 20_000*20_001/2 {
		t.Error(sum)
	}
}

func TestColumnsThatChangeAreNoticed(t *testing.T) {
	store := openTest(t)
	mustScript(t, store, "CREATE TABLE t(id INTEGER, name TEXT); INSERT INTO t VALUES (1, 'a')")
	type row struct {
		ID    int
		Name  string
		Extra string
	}
	if got := one[row](t, store, "SELECT * FROM t"); got != (row{1, "a", ""}) {
		t.Error(got)
	}
	mustScript(t, store, "ALTER TABLE t DROP COLUMN id; ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'e'")
	if got := one[row](t, store, "SELECT * FROM t"); got != (row{0, "a", "e"}) {
		t.Error(got)
	}
}
