package keepwell

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// decode reads JSON that must have no unknown keys.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// text reads one of the forms of text of the conformance suite.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(t))
	}
	var form struct {
		Repeat []json.RawMessage `json:"repeat"`
		Each   []json.RawMessage `json:"each"`
		Join   []text            `json:"join"`
		Hex    *string           `json:"hex"`
	}
	if err := decode(raw, &form); err != nil {
		return err
	}
	switch {
	case form.Repeat != nil:
		return t.repeat(form.Repeat)
	case form.Each != nil:
		return t.each(form.Each)
	case form.Hex != nil:
		b, err := hex.DecodeString(*form.Hex)
		*t = text(b)
		return err
	}
	for _, part := range form.Join {
		*t += part
	}
	return nil
}

func (t *text) repeat(form []json.RawMessage) error {
	var part text
	var times int
	if err := fields(form, &part, &times); err != nil {
		return err
	}
	*t = text(strings.Repeat(string(part), times))
	return nil
}

func (t *text) each(form []json.RawMessage) error {
	var pattern, separator string
	var from, to int
	if err := fields(form, &pattern, &from, &to, &separator); err != nil {
		return err
	}
	var parts []string
	for i := from; i <= to; i++ {
		parts = append(parts, strings.ReplaceAll(pattern, "#", strconv.Itoa(i)))
	}
	*t = text(strings.Join(parts, separator))
	return nil
}

func fields(form []json.RawMessage, into ...any) error {
	if len(form) != len(into) {
		return fmt.Errorf("%d elements in place of %d", len(form), len(into))
	}
	for i, raw := range form {
		if err := json.Unmarshal(raw, into[i]); err != nil {
			return err
		}
	}
	return nil
}

// value reads a value of the conformance suite: int64, float64, string, []byte or nil.
type value struct{ v any }

func (v *value) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	var form struct {
		I, R *string
		T, B *text
		X    *string
	}
	if err := decode(raw, &form); err != nil {
		return err
	}
	var err error
	switch {
	case form.I != nil:
		v.v, err = strconv.ParseInt(*form.I, 10, 64)
	case form.R != nil:
		v.v, err = strconv.ParseFloat(*form.R, 64)
	case form.T != nil:
		v.v = string(*form.T)
	case form.B != nil:
		v.v, err = hex.DecodeString(string(*form.B))
	case form.X != nil:
		var b []byte
		b, err = hex.DecodeString(*form.X)
		v.v = string(b)
	default:
		err = fmt.Errorf("%s is no value", raw)
	}
	return err
}

// same compares values by type and content, doubles by their bits.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		other, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(other)
	case []byte:
		other, ok := b.([]byte)
		return ok && bytes.Equal(a, other)
	}
	return a == b
}

func sameRow(want []value, got []any) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !same(want[i].v, got[i]) {
			return false
		}
	}
	return true
}

// values strips the type of the suite.
func plain(row []value) []any {
	all := make([]any, len(row))
	for i, v := range row {
		all[i] = v.v
	}
	return all
}

// show prints a row for a message, cut short.
func show(row any) string {
	s := fmt.Sprintf("%#v", row)
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
