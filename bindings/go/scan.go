package keepwell

import (
	"database/sql"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// scan copies a cell into a destination. The plain cases come first, without allocation except for the strings themselves.
func (f *frame) scan(c *cell, dest any) error {
	switch d := dest.(type) {
	case *int64:
		if c.typ == cellInteger && d != nil {
			*d = int64(c.bits)
			return nil
		}
	case *int:
		if c.typ == cellInteger && strconv.IntSize == 64 && d != nil {
			*d = int(c.bits)
			return nil
		}
	case *string:
		if c.typ == cellText && d != nil {
			*d = string(f.text(c))
			return nil
		}
	case *float64:
		if c.typ == cellReal && d != nil {
			*d = math.Float64frombits(c.bits)
			return nil
		}
	case *any:
		if d != nil {
			*d = f.value(c)
			return nil
		}
	case *sql.RawBytes:
		if d != nil {
			return f.scanRaw(c, d)
		}
	case sql.Scanner:
		return f.scanScanner(c, d)
	}
	return f.scanOther(c, dest)
}

// value returns the cell as int64, float64, string, []byte or nil. It owns its bytes.
func (f *frame) value(c *cell) any {
	switch c.typ {
	case cellInteger:
		return int64(c.bits)
	case cellReal:
		return math.Float64frombits(c.bits)
	case cellText:
		return string(f.text(c))
	case cellBlob:
		return append([]byte{}, f.text(c)...)
	}
	return nil
}

func (f *frame) scanRaw(c *cell, d *sql.RawBytes) error {
	switch c.typ {
	case cellText, cellBlob:
		*d = f.text(c)
	case cellNull:
		*d = nil
	default:
		*d = f.appendText((*d)[:0], c)
	}
	return nil
}

func (f *frame) scanScanner(c *cell, d sql.Scanner) error {
	if r := reflect.ValueOf(d); r.Kind() == reflect.Pointer && r.IsNil() {
		return fmt.Errorf("the destination is a nil %T", d)
	}
	if done, err := f.scanNull(c, d); done {
		return err
	}
	return d.Scan(f.value(c))
}

// scanNull sets database/sql's types for NULL with the conversions of this package: faster than by their own method, and times work.
func (f *frame) scanNull(c *cell, d sql.Scanner) (bool, error) {
	switch d := d.(type) {
	case *sql.Null[int64]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.Null[int]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.Null[string]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.Null[float64]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.Null[bool]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.Null[time.Time]:
		return true, scanNullOf(f, c, &d.V, &d.Valid)
	case *sql.NullInt64:
		return true, scanNullOf(f, c, &d.Int64, &d.Valid)
	case *sql.NullInt32:
		return true, scanNullOf(f, c, &d.Int32, &d.Valid)
	case *sql.NullString:
		return true, scanNullOf(f, c, &d.String, &d.Valid)
	case *sql.NullFloat64:
		return true, scanNullOf(f, c, &d.Float64, &d.Valid)
	case *sql.NullBool:
		return true, scanNullOf(f, c, &d.Bool, &d.Valid)
	case *sql.NullTime:
		return true, scanNullOf(f, c, &d.Time, &d.Valid)
	}
	return false, nil
}

func scanNullOf[T any](f *frame, c *cell, value *T, valid *bool) error {
	if c.typ == cellNull {
		var zero T
		*value, *valid = zero, false
		return nil
	}
	*valid = true
	return f.scan(c, value)
}

// scanOther converts between the cell's type and the destination's.
func (f *frame) scanOther(c *cell, dest any) error {
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer {
		return fmt.Errorf("the destination must be a pointer, not a %T", dest)
	}
	if p.IsNil() {
		return fmt.Errorf("the destination is a nil %T", dest)
	}
	switch d := dest.(type) {
	case *[]byte:
		return f.scanBytes(c, d)
	case *time.Time:
		return f.scanTime(c, d)
	}
	return f.scanReflect(c, p.Elem())
}

func (f *frame) scanBytes(c *cell, d *[]byte) error {
	switch c.typ {
	case cellNull:
		*d = nil
	case cellText, cellBlob:
		*d = append([]byte{}, f.text(c)...)
	default:
		*d = f.appendText(nil, c)
	}
	return nil
}

// scanReflect sets a destination by the kind of its type.
func (f *frame) scanReflect(c *cell, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		return f.scanPointer(c, v)
	}
	if c.typ == cellNull && v.Kind() == reflect.Interface {
		v.SetZero()
		return nil
	}
	if c.typ == cellNull && v.Kind() != reflect.Slice {
		return fmt.Errorf("NULL does not fit into a %s; scan into a *%s, sql.Null[%s] or any", v.Type(), v.Type(), v.Type())
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return f.scanInt(c, v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return f.scanUint(c, v)
	case reflect.Float32, reflect.Float64:
		return f.scanFloat(c, v)
	case reflect.Bool:
		b, err := f.asBool(c)
		if err == nil {
			v.SetBool(b)
		}
		return err
	case reflect.String:
		v.SetString(string(f.appendText(nil, c)))
		return nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			var b []byte
			err := f.scanBytes(c, &b)
			v.SetBytes(b)
			return err
		}
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(f.value(c)))
			return nil
		}
	}
	return fmt.Errorf("cannot scan into a %s; give it a Scan method (sql.Scanner)", v.Type())
}

// scanPointer sets a pointer to nil for NULL and to a new value otherwise.
func (f *frame) scanPointer(c *cell, v reflect.Value) error {
	if c.typ == cellNull {
		v.SetZero()
		return nil
	}
	p := reflect.New(v.Type().Elem())
	if err := f.scan(c, p.Interface()); err != nil {
		return err
	}
	v.Set(p)
	return nil
}

func (f *frame) scanInt(c *cell, v reflect.Value) error {
	i, err := f.asInt(c)
	if err != nil {
		return err
	}
	if v.OverflowInt(i) {
		return fmt.Errorf("%d is out of the range of %s", i, v.Type())
	}
	v.SetInt(i)
	return nil
}

func (f *frame) scanUint(c *cell, v reflect.Value) error {
	if c.typ == cellText || c.typ == cellBlob {
		u, err := strconv.ParseUint(string(f.text(c)), 10, v.Type().Bits())
		if err != nil {
			return f.notA(c, v.Type().String())
		}
		v.SetUint(u)
		return nil
	}
	i, err := f.asInt(c)
	if err != nil {
		return err
	}
	if i < 0 || v.OverflowUint(uint64(i)) {
		return fmt.Errorf("%d is out of the range of %s", i, v.Type())
	}
	v.SetUint(uint64(i))
	return nil
}

func (f *frame) scanFloat(c *cell, v reflect.Value) error {
	var x float64
	switch c.typ {
	case cellReal:
		x = math.Float64frombits(c.bits)
	case cellInteger:
		x = float64(int64(c.bits))
	default:
		var err error
		if x, err = strconv.ParseFloat(string(f.text(c)), 64); err != nil {
			return f.notA(c, v.Type().String())
		}
	}
	if v.OverflowFloat(x) {
		return fmt.Errorf("%v is out of the range of %s", x, v.Type())
	}
	v.SetFloat(x)
	return nil
}

// asInt reads an integer: from integers, from reals that are whole, and from text of decimal digits.
func (f *frame) asInt(c *cell) (int64, error) {
	switch c.typ {
	case cellInteger:
		return int64(c.bits), nil
	case cellReal:
		x := math.Float64frombits(c.bits)
		if x != math.Trunc(x) || x < math.MinInt64 || x >= math.MaxInt64 {
			return 0, fmt.Errorf("%v is not an integer of 64 bits", x)
		}
		return int64(x), nil
	}
	i, err := strconv.ParseInt(string(f.text(c)), 10, 64)
	if err != nil {
		return 0, f.notA(c, "integer")
	}
	return i, nil
}

// asBool reads 0 and 1, and the words of strconv.ParseBool.
func (f *frame) asBool(c *cell) (bool, error) {
	if c.typ == cellInteger && c.bits <= 1 {
		return c.bits == 1, nil
	}
	b, err := strconv.ParseBool(string(f.appendText(nil, c)))
	if err != nil {
		return false, f.notA(c, "bool")
	}
	return b, nil
}

// appendText appends the cell in decimal, or its bytes.
func (f *frame) appendText(b []byte, c *cell) []byte {
	switch c.typ {
	case cellInteger:
		return strconv.AppendInt(b, int64(c.bits), 10)
	case cellReal:
		return strconv.AppendFloat(b, math.Float64frombits(c.bits), 'g', -1, 64)
	case cellText, cellBlob:
		return append(b, f.text(c)...)
	}
	return b
}

func (f *frame) notA(c *cell, what string) error {
	return fmt.Errorf("the %s %q is no %s", cellTypeName(c.typ), brief(string(f.appendText(nil, c))), what)
}

func cellTypeName(typ uint32) string {
	return [...]string{"NULL", "integer", "real", "text", "blob"}[min(typ, cellBlob)]
}

// scanError says which column could not be scanned.
func scanError(i int, name string, err error) error {
	e := newError(ErrType, "scan: column %d: %v", i, err)
	if name != "" {
		e.Message = fmt.Sprintf("scan: column %d (%q): %v", i, name, err)
	}
	e.cause = err
	return e
}
