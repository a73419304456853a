package keepwell

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type userID int64

type money struct{ cents int64 }

func (m money) Value() (driver.Value, error) { return m.cents, nil }

func (m *money) Scan(v any) error {
	cents, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a %T is no money", v)
	}
	m.cents = cents
	return nil
}

func TestEveryKindOfParameterArrives(t *testing.T) {
	store := openTest(t)
	five := 5
	when := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.FixedZone("", 3600))
	cases := []struct {
		in   any
		want string // typeof, then quote
	}{
		{nil, "null NULL"}, {(*int)(nil), "null NULL"}, {[]byte(nil), "null NULL"}, {sql.Null[int]{}, "null NULL"},
		{1, "integer 1"}, {int8(-8), "integer -8"}, {int16(16), "integer 16"}, {int32(-32), "integer -32"}, {int64(math.MinInt64), "integer -9223372036854775808"},
		{uint8(8), "integer 8"}, {uint16(16), "integer 16"}, {uint32(math.MaxUint32), "integer 4294967295"}, {uint64(math.MaxInt64), "integer 9223372036854775807"}, {uint(3), "integer 3"},
		{1.5, "real 1.5"}, {float32(0.25), "real 0.25"}, {true, "integer 1"}, {false, "integer 0"},
		{"", "text ''"}, {"it's", "text 'it''s'"}, {[]byte{}, "blob X''"}, {[]byte{0, 255}, "blob X'00FF'"},
		{&five, "integer 5"}, {userID(77), "integer 77"}, {money{250}, "integer 250"}, {&money{251}, "integer 251"}, {sql.Null[int]{V: 9, Valid: true}, "integer 9"},
		{when, "text '2026-03-04 04:06:07.000008000Z'"}, {&when, "text '2026-03-04 04:06:07.000008000Z'"}, {time.Second, "integer 1000000000"},
		{math.NaN(), "null NULL"}, {sql.RawBytes("raw"), "blob X'726177'"},
	}
	for _, c := range cases {
		if got := one[string](t, store, "SELECT typeof(?1) || ' ' || quote(?1)", c.in); got != c.want {
			t.Errorf("%T %v: got %s, wanted %s", c.in, c.in, got, c.want)
		}
	}
}

func TestAParameterThatCannotBeOneIsAnError(t *testing.T) {
	store := openTest(t)
	for _, v := range []any{uint64(math.MaxInt64) + 1, struct{}{}, []int{1}, make(chan int), sql.NamedArg{Name: "a\x00b", Value: 1}} {
		_, err := store.Exec(bg, "SELECT ?", v)
		wantError(t, err, ErrParameter)
	}
	_, err := store.Exec(bg, "SELECT ?, ?", 1, struct{ A int }{})
	wantError(t, err, ErrParameter, "parameter 2", "struct")
}

func TestNamedParametersAndTheirMistakes(t *testing.T) {
	store := openTest(t)
	for _, name := range []string{"id", ":id"} {
		if got := one[int](t, store, "SELECT :id + @more + $last", Named(name, 5), Named("more", 20), Named("$last", 100)); got != 125 {
			t.Errorf("%s: %d", name, got)
		}
	}
	var args []any
	var b strings.Builder
	b.WriteString("SELECT 0")
	for i := range 100 { // more names than fit on the stack of the C side
		args = append(args, Named(fmt.Sprintf("p%d", i), i))
		fmt.Fprintf(&b, " + :p%d", i)
	}
	if got := one[int](t, store, b.String(), args...); got != 4950 {
		t.Errorf("%d", got)
	}
	_, err := store.Exec(bg, "SELECT :a", Named("b", 1))
	wantError(t, err, ErrParameter, "b")
	_, err = store.Exec(bg, "SELECT :a, :b", Named("a", 1), 2)
	wantError(t, err, ErrParameter, "1 of 2")
	_, err = store.Exec(bg, "SELECT :a, :b", Named("a", 1))
	wantError(t, err, ErrParameter)
}

func TestValuesComeBackAsTheyWent(t *testing.T) {
	store := openTest(t)
	for _, v := range []any{nil, int64(0), int64(math.MaxInt64), int64(math.MinInt64), 0.1, math.Inf(1), -math.MaxFloat64, "", "a\x00b", "gr\u00fc\u00df dich \U0001F600", "\xff\xfe",
		[]byte{}, []byte("a\x00b"), strings.Repeat("x", 100_000)} {
		got := one[any](t, store, "SELECT ?", v)
		if !reflect.DeepEqual(got, v) {
			t.Errorf("%T %.40q came back as %T %.40q", v, v, got, got)
		}
	}
}

func TestScanConverts(t *testing.T) {
	store := openTest(t)
	ptr := func(i int) *int { return &i }
	cases := []struct {
		sql  string
		want any
	}{
		{"5", int8(5)}, {"-5", int16(-5)}, {"5", int32(5)}, {"5", uint8(5)}, {"5", uint64(5)}, {"255", uint8(255)}, {"5", userID(5)},
		{"5", 5.0}, {"5", float32(5)}, {"2.5", float32(2.5)}, {"3.0", 3}, {"'12'", 12}, {"'12'", uint16(12)}, {"'1.5'", 1.5},
		{"1", true}, {"0", false}, {"'true'", true}, {"5", "5"}, {"1.5", "1.5"}, {"x'414243'", "ABC"}, {"'abc'", []byte("abc")}, {"5", []byte("5")},
		{"x'00'", []byte{0}}, {"NULL", []byte(nil)}, {"NULL", (*int)(nil)}, {"7", ptr(7)}, {"NULL", any(nil)}, {"250", money{250}},
		{"NULL", sql.Null[int]{}}, {"8", sql.Null[int]{V: 8, Valid: true}}, {"'s'", sql.NullString{String: "s", Valid: true}}, {"'2026-03-04'", sql.NullTime{Time: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), Valid: true}}, {"NULL", sql.NullTime{}},
		{"'2026-03-04'", sql.Null[time.Time]{V: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), Valid: true}}, {"1.5", sql.Null[float64]{V: 1.5, Valid: true}},
		{"1", sql.NullBool{Bool: true, Valid: true}}, {"3", sql.NullInt32{Int32: 3, Valid: true}}, {"5", sql.Null[uint8]{V: 5, Valid: true}},
		{"'raw'", sql.RawBytes("raw")}, {"12", sql.RawBytes("12")},
		{"'2026-03-04 05:06:07.5'", time.Date(2026, 3, 4, 5, 6, 7, 500_000_000, time.UTC)}, {"'2026-03-04T05:06:07+01:00'", time.Date(2026, 3, 4, 4, 6, 7, 0, time.UTC)},
		{"'2026-03-04'", time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)}, {"86400", time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)}, {"julianday('2000-01-01 06:00')", time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)},
	}
	for _, c := range cases {
		dest := reflect.New(reflect.TypeFor[any]())
		if c.want != nil {
			dest = reflect.New(reflect.TypeOf(c.want))
		}
		rows, err := store.Query(bg, "SELECT "+c.sql)
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		if err := rows.Scan(dest.Interface()); err != nil {
			t.Errorf("%s into %T: %v", c.sql, c.want, err)
		} else if got := dest.Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s into %T: got %v, wanted %v", c.sql, c.want, got, c.want)
		}
		rows.Close()
	}
}

func TestScanRefusesWhatWouldBeLost(t *testing.T) {
	store := openTest(t)
	cases := []struct {
		sql  string
		dest any
		word string
	}{
		{"128", new(int8), "128"}, {"-1", new(uint64), "-1"}, {"256", new(uint8), "256"}, {"1e300", new(float32), "1e+300"}, {"1.5", new(int), "1.5"},
		{"9.3e18", new(int64), "9.3e+18"}, {"'x'", new(int), "x"}, {"'x'", new(float64), "x"}, {"2", new(bool), "2"}, {"'soon'", new(time.Time), "soon"},
		{"NULL", new(int), "NULL"}, {"NULL", new(string), "NULL"}, {"NULL", new(time.Time), "NULL"}, {"'x'", new(money), "no money"}, {"1", new(chan int), "chan"},
		{"1", 5, "pointer"}, {"1", (*int)(nil), "nil"}, {"'a'", (*string)(nil), "nil"}, {"1", nil, "pointer"}, {"1", (*money)(nil), "nil"}, {"1", (*any)(nil), "nil"},
	}
	for _, c := range cases {
		rows, err := store.Query(bg, "SELECT 0, "+c.sql+" AS bad")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		wantError(t, rows.Scan(new(int), c.dest), ErrType, c.word, `column 1 ("bad")`)
		wantError(t, rows.Scan(new(int)), ErrMisuse, "1 destinations for 2 columns")
		rows.Close()
		wantError(t, store.QueryRow(bg, "SELECT "+c.sql).Scan(c.dest), ErrType, c.word)
	}
}

func TestAScannersOwnErrorIsTheCause(t *testing.T) {
	store := openTest(t)
	own := errors.New("own")
	err := store.QueryRow(bg, "SELECT 1").Scan(scanFunc(func(any) error { return own }))
	if !errors.Is(err, own) || !errors.Is(err, ErrType) {
		t.Error(err)
	}
}

type scanFunc func(any) error

func (f scanFunc) Scan(v any) error { return f(v) }

func TestTimesSortAsTextAndSQLiteReadsThem(t *testing.T) {
	store := openTest(t)
	base := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	got := one[bool](t, store, "SELECT ? < ? AND ? < ?", base, base.Add(1), base.Add(1), base.Add(time.Second))
	if !got {
		t.Error("times do not sort as text")
	}
	if got := one[string](t, store, "SELECT datetime(?, '+1 day')", base); got != "2027-01-01 23:59:59" {
		t.Error(got)
	}
	if got := one[time.Time](t, store, "SELECT ?", base.Add(123456789)); !got.Equal(base.Add(123456789)) {
		t.Error(got)
	}
}

func TestScanningNumbersAllocatesNothing(t *testing.T) {
	store := numbers(t, 200)
	rows, err := store.Query(bg, "SELECT id, half FROM n")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var id int64
	var half float64
	dest := []any{&id, &half}
	if n := testing.AllocsPerRun(100, func() {
		if !rows.Next() || rows.Scan(dest...) != nil {
			t.Fatal(rows.Err())
		}
	}); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}
