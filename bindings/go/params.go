package keepwell

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"
)

// Named is a parameter with a name; the name may have its prefix (":id", "@id", "$id") or not ("id"). Either all
// parameters of a call are named or none is.
func Named(name string, value any) sql.NamedArg { return sql.NamedArg{Name: name, Value: value} }

const timeFormat = "2006-01-02 15:04:05.000000000Z"

// pack packs one set of parameters into the frame.
func (f *frame) pack(args []any) error {
	f.call.columns = uint64(len(args))
	f.used = len(args) * cellSize
	f.reserve(0)
	named := 0
	for i, arg := range args {
		if n, ok := arg.(sql.NamedArg); ok {
			named++
			arg = n.Value
		}
		if err := f.bind(i, arg); err != nil {
			return parameterError(i, err)
		}
	}
	if named == 0 {
		return nil
	}
	if named != len(args) {
		return newError(ErrParameter, "%d of %d parameters have names: name all of them or none", named, len(args))
	}
	return f.packNames(args)
}

// packNames appends the names, each with a closing NUL.
func (f *frame) packNames(args []any) error {
	f.call.namesAt = uint64(f.used)
	for i, arg := range args {
		named, ok := arg.(sql.NamedArg)
		if !ok {
			return newError(ErrParameter, "parameter %d has no name, others have: name all of them or none", i+1)
		}
		name := named.Name
		for _, c := range []byte(name) {
			if c == 0 {
				return newError(ErrParameter, "the name of parameter %d has a NUL in it", i+1)
			}
		}
		f.append(name)
		f.append("\x00")
	}
	return nil
}

// reserve makes room for n bytes after those in use.
func (f *frame) reserve(n int) {
	if f.used+n > len(f.params)*8 {
		grown := make([]uint64, (max(f.used+n, len(f.params)*16)+7)/8)
		copy(grown, f.params)
		f.params = grown
	}
}

// append adds bytes to the parameter block and returns their offset in it.
func (f *frame) append(s string) int {
	at := f.used
	f.reserve(len(s))
	block := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f.params))), len(f.params)*8)
	copy(block[at:], s)
	f.used += len(s)
	return at
}

// shiftBytes moves the bytes behind the cells from one offset to a larger one.
func (f *frame) shiftBytes(from, to int) {
	bytes := f.used - from
	old := f.params
	f.params = make([]uint64, (to+2*bytes+1024)/8)
	copy(f.params, old[:from/8])
	block := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f.params))), len(f.params)*8)
	copy(block[to:], unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(old))), len(old)*8)[from:f.used])
	for i := 0; i < from/8; i += 2 {
		if c := (*cell)(unsafe.Pointer(&f.params[i])); c.typ == cellTextAt || c.typ == cellBlobAt {
			c.bits += uint64(to - from)
		}
	}
	f.used = to + bytes
}

// set writes parameter cell i. Two words of the block are one cell; the second holds length and type.
func (f *frame) set(i int, bits uint64, typ, length uint32) {
	p := (*[2]uint64)(f.params[i*2:])
	p[0] = bits
	c := (*cell)(unsafe.Pointer(p))
	c.length, c.typ = length, typ
}

func (f *frame) setText(i int, s string) error { return f.setBytes(i, cellTextAt, s) }

func (f *frame) setBlob(i int, b []byte) error {
	if b == nil {
		f.set(i, 0, cellNull, 0)
		return nil
	}
	return f.setBytes(i, cellBlobAt, unsafe.String(unsafe.SliceData(b), len(b)))
}

func (f *frame) setBytes(i int, typ uint32, s string) error {
	if len(s) > math.MaxInt32 {
		return newError(ErrTooBig, "%d bytes are more than the limit of %d", len(s), math.MaxInt32)
	}
	f.set(i, uint64(f.append(s)), typ, uint32(len(s)))
	return nil
}

// bind writes one value as parameter i.
func (f *frame) bind(i int, v any) error {
	switch v := v.(type) {
	case nil:
		f.set(i, 0, cellNull, 0)
	case int:
		f.set(i, uint64(v), cellInteger, 0)
	case int64:
		f.set(i, uint64(v), cellInteger, 0)
	case string:
		return f.setText(i, v)
	case float64:
		f.set(i, math.Float64bits(v), cellReal, 0)
	case []byte:
		return f.setBlob(i, v)
	case bool:
		f.setBool(i, v)
	case int32:
		f.set(i, uint64(v), cellInteger, 0)
	case uint32:
		f.set(i, uint64(v), cellInteger, 0)
	case uint64:
		return f.setUint(i, v)
	case time.Time:
		return f.setText(i, v.UTC().Format(timeFormat))
	default:
		return f.bindOther(i, v)
	}
	return nil
}

func (f *frame) setBool(i int, b bool) {
	bits := uint64(0)
	if b {
		bits = 1
	}
	f.set(i, bits, cellInteger, 0)
}

func (f *frame) setUint(i int, u uint64) error {
	if u > math.MaxInt64 {
		return fmt.Errorf("%d is above the range of a 64-bit signed integer", u)
	}
	f.set(i, u, cellInteger, 0)
	return nil
}

// bindOther writes values by their own method or their underlying type.
func (f *frame) bindOther(i int, v any) error {
	r := reflect.ValueOf(v)
	if valuer, ok := v.(driver.Valuer); ok {
		if r.Kind() == reflect.Pointer && r.IsNil() {
			f.set(i, 0, cellNull, 0)
			return nil
		}
		inner, err := valuer.Value()
		if err != nil {
			return err
		}
		if _, again := inner.(driver.Valuer); again {
			return fmt.Errorf("%T.Value() returned another driver.Valuer, %T", v, inner)
		}
		return f.bind(i, inner)
	}
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			f.set(i, 0, cellNull, 0)
			return nil
		}
		return f.bind(i, r.Elem().Interface())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.set(i, uint64(r.Int()), cellInteger, 0)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return f.setUint(i, r.Uint())
	case reflect.Float32, reflect.Float64:
		f.set(i, math.Float64bits(r.Float()), cellReal, 0)
		return nil
	case reflect.Bool:
		f.setBool(i, r.Bool())
		return nil
	case reflect.String:
		return f.setText(i, r.String())
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return f.setBlob(i, r.Bytes())
		}
	}
	return fmt.Errorf("a %T cannot be a parameter; convert it, or give it a Value method (driver.Valuer)", v)
}

func parameterError(i int, err error) error {
	e := newError(ErrParameter, "parameter %d: %v", i+1, err)
	if own, ok := err.(*Error); ok {
		e.Code, e.Message = own.Code, fmt.Sprintf("parameter %d: %s", i+1, own.Message)
	}
	e.cause = err
	return e
}
