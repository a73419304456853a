package keepwell

import (
	"database/sql"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// columnSets remembers the column names of results by the number that the library gives to equal columns. The map is replaced,
// not changed, so that a look-up takes no lock.
type columnSets struct {
	mu  sync.Mutex
	all atomic.Pointer[map[uint64]*columnSet]
}

// columnSet is the columns of a result, and how they go into the struct types they were scanned into.
type columnSet struct {
	names []string
	plans sync.Map // reflect.Type → *structPlan
}

const rememberedColumns = 512

// known returns the columns with number id, nil when they are not remembered.
func (s *columnSets) known(id uint64) *columnSet {
	if all := s.all.Load(); all != nil {
		return (*all)[id]
	}
	return nil
}

// of returns the columns with number id; the first row in the frame's buffer holds their names.
func (s *columnSets) of(id uint64, f *frame, columns int) *columnSet {
	set := s.known(id)
	if set == nil {
		set = &columnSet{names: make([]string, columns)}
		for i := range set.names {
			set.names[i] = string(f.text(&f.cells[i]))
		}
		s.remember(id, set)
	}
	return set
}

// ofHandle returns the columns with number id; the rows behind the handle know their names.
func (s *columnSets) ofHandle(id, rows uint64, columns int) (*columnSet, error) {
	set := s.known(id)
	if set == nil {
		set = &columnSet{names: make([]string, columns)}
		for i := range set.names {
			name, err := nativeColumnName(rows, i)
			if err != nil {
				return nil, err
			}
			set.names[i] = name
		}
		s.remember(id, set)
	}
	return set, nil
}

func (s *columnSets) remember(id uint64, set *columnSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := map[uint64]*columnSet{id: set}
	if old := s.all.Load(); old != nil && len(*old) < rememberedColumns {
		for key, value := range *old {
			grown[key] = value
		}
	}
	s.all.Store(&grown)
}

// structPlan says for each column which field of a struct type takes it.
type structPlan struct {
	fields []fieldPlan
	err    error
}

// fieldPlan finds and sets one field.
type fieldPlan struct {
	name   string
	typ    reflect.Type
	offset uintptr
	path   []embedded // pointers to follow, and to fill, on the way to the field
	fast   reflect.Kind
}

// embedded is a pointer to an embedded struct, at an offset of the struct around it.
type embedded struct {
	offset uintptr
	typ    reflect.Type // of the struct pointed at
}

// plan returns how the columns go into struct type t.
func (s *columnSet) plan(t reflect.Type) *structPlan {
	if plan, ok := s.plans.Load(t); ok {
		return plan.(*structPlan)
	}
	plan, _ := s.plans.LoadOrStore(t, s.makePlan(t))
	return plan.(*structPlan)
}

func (s *columnSet) makePlan(t reflect.Type) *structPlan {
	fields := structFields(t)
	plan := &structPlan{}
	for _, name := range s.names {
		field, ok := fields[strings.ToLower(name)]
		if !ok {
			plan.err = newError(ErrType, "column %q has no field in %s: tag one `db:%q`, or do not select it", name, t, name)
			return plan
		}
		plan.fields = append(plan.fields, field)
	}
	return plan
}

// structFields lists the fields of a struct type by the lower-case names of their columns: the tag `db:"name"`, else the field's
// own name. Embedded structs lend theirs, a field nearer to the outside wins; `db:"-"` hides one.
func structFields(t reflect.Type) map[string]fieldPlan {
	fields := map[string]fieldPlan{}
	depths := map[string]int{}
	for _, field := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(field.Tag.Get("db"), ",")
		if tag == "-" || !field.IsExported() || field.Anonymous && tag == "" && isRow(deref(field.Type)) {
			continue
		}
		name := tag
		if name == "" {
			name = field.Name
		}
		name = strings.ToLower(name)
		if depth, ok := depths[name]; ok && depth <= len(field.Index) {
			continue
		}
		depths[name] = len(field.Index)
		fields[name] = newFieldPlan(t, field)
	}
	return fields
}

// newFieldPlan follows the field's index path through embedded structs and pointers to them.
func newFieldPlan(t reflect.Type, field reflect.StructField) fieldPlan {
	plan := fieldPlan{name: field.Name, typ: field.Type, fast: fastKind(field.Type)}
	for i, index := range field.Index {
		inner := t.Field(index)
		plan.offset += inner.Offset
		t = inner.Type
		if i < len(field.Index)-1 && t.Kind() == reflect.Pointer {
			t = t.Elem()
			plan.path = append(plan.path, embedded{plan.offset, t})
			plan.offset = 0
		}
	}
	return plan
}

// fastKind is the kind of types that are set without reflection, Invalid for others.
func fastKind(t reflect.Type) reflect.Kind {
	if reflect.PointerTo(t).Implements(scannerType) {
		return reflect.Invalid
	}
	switch t.Kind() {
	case reflect.Int64, reflect.Float64, reflect.String:
		return t.Kind()
	case reflect.Int:
		if t.Size() == 8 {
			return reflect.Int64
		}
	}
	return reflect.Invalid
}

// set copies one cell into its field of the struct at p.
func (field *fieldPlan) set(f *frame, c *cell, p unsafe.Pointer) error {
	for _, step := range field.path {
		pointer := (*unsafe.Pointer)(unsafe.Add(p, step.offset))
		if *pointer == nil {
			*pointer = reflect.New(step.typ).UnsafePointer()
		}
		p = *pointer
	}
	p = unsafe.Add(p, field.offset)
	switch {
	case field.fast == reflect.Int64 && c.typ == cellInteger:
		*(*int64)(p) = int64(c.bits)
	case field.fast == reflect.String && c.typ == cellText:
		*(*string)(p) = string(f.text(c))
	case field.fast == reflect.Float64 && c.typ == cellReal:
		*(*float64)(p) = math.Float64frombits(c.bits)
	default:
		if err := f.scan(c, reflect.NewAt(field.typ, p).Interface()); err != nil {
			return fmt.Errorf("field %s: %w", field.name, err)
		}
	}
	return nil
}

var (
	scannerType = reflect.TypeFor[sql.Scanner]()
	timeType    = reflect.TypeFor[time.Time]()
)

// isRow reports whether values of t take a whole row, as structs do that are not values themselves.
func isRow(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != timeType && !reflect.PointerTo(t).Implements(scannerType)
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
