package configs

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"
)

// bind sets the fields of the struct that out points to from a TOML text. A
// field's key is its name in snake case (MaxPerUser: max_per_user) or its toml tag. All mistakes are
// reported, each with its key, and what is right is set all the same.
func bind(text string, out any) error {
	var m map[string]any
	if _, err := toml.Decode(text, &m); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return syntaxError(fmt.Sprintf("line %d: %s", p.Position.Line, p.Message))
		}
		return syntaxError(err.Error())
	}
	var b binder
	b.table("", m, reflect.ValueOf(out).Elem())
	return errors.Join(b.errs...)
}

// syntaxError means that a text is no TOML.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

type binder struct{ errs []error }

func (b *binder) bad(key, format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
}

// fields maps the keys of a struct to its fields; those of embedded structs are its own.
func fields(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Tag.Get("toml") == "-" || f.Type.Kind() == reflect.Func {
			continue
		}
		if f.Anonymous {
			for k, x := range fields(v.Field(i)) {
				out[k] = x
			}
			continue
		}
		name := f.Tag.Get("toml")
		if name == "" {
			name = snake(f.Name)
		}
		out[name] = v.Field(i)
	}
	return out
}

// derived are fields that Config.fill sets.
var derived = map[string]string{
	"passwords.domain": "domain", "smtp.hostname": "hostname", "lmtp.hostname": "hostname", "delivery.hostname": "hostname", "queue.hostname": "hostname",
}

func (b *binder) table(prefix string, m map[string]any, v reflect.Value) {
	known := fields(v)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		f, ok := known[k]
		if from := derived[prefix+k]; from != "" {
			b.bad(prefix+k, "follows from %s and is not set by itself", from)
			continue
		}
		if !ok {
			b.bad(prefix+k, "no such setting%s", suggest(k, known))
			continue
		}
		b.value(prefix+k, m[k], f)
	}
}

// suggest names a setting that k may have meant.
func suggest(k string, known map[string]reflect.Value) string {
	best, at := "", 3
	for name := range known {
		if d := distance(k, name); d < at || d == at && name < best {
			best, at = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance counts the letters to change, add or leave out to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost++
			}
			prev = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

var durationType = reflect.TypeFor[time.Duration]()

func (b *binder) value(key string, x any, f reflect.Value) {
	if u, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := x.(string)
		if !ok {
			b.bad(key, "wants a text, got %v", x)
			return
		}
		if err := u.UnmarshalText([]byte(s)); err != nil {
			b.bad(key, "%v", err)
		}
		return
	}
	if f.Type() == durationType {
		b.duration(key, x, f)
		return
	}
	switch f.Kind() {
	case reflect.Struct:
		if m, ok := x.(map[string]any); ok {
			b.table(key+".", m, f)
			return
		}
		b.bad(key, "wants a section [%s], got %v", key, x)
	case reflect.String:
		if s, ok := x.(string); ok {
			f.SetString(s)
			return
		}
		b.bad(key, "wants a text in quotes, got %v", x)
	case reflect.Bool:
		if s, ok := x.(bool); ok {
			f.SetBool(s)
			return
		}
		b.bad(key, "wants true or false, got %v", x)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint32:
		b.number(key, x, f)
	case reflect.Float64:
		switch n := x.(type) {
		case int64:
			f.SetFloat(float64(n))
		case float64:
			f.SetFloat(n)
		default:
			b.bad(key, "wants a number, got %v", x)
		}
	case reflect.Slice:
		b.list(key, x, f)
	default:
		b.bad(key, "cannot be set in the file")
	}
}

func (b *binder) duration(key string, x any, f reflect.Value) {
	s, ok := x.(string)
	if ok {
		if d, err := time.ParseDuration(s); err == nil {
			f.SetInt(int64(d))
			return
		}
	}
	b.bad(key, `wants a time such as "90s", "30m" or "12h", got %v`, x)
}

// number takes an integer, or a text with a unit: "50 MiB".
func (b *binder) number(key string, x any, f reflect.Value) {
	n, ok := x.(int64)
	if s, text := x.(string); text {
		n, ok = ParseSize(s)
	}
	if !ok || f.CanInt() && f.OverflowInt(n) || f.CanUint() && (n < 0 || f.OverflowUint(uint64(n))) {
		b.bad(key, `wants a whole number or a size such as "50 MiB", got %v`, x)
		return
	}
	if f.CanUint() {
		f.SetUint(uint64(n))
		return
	}
	f.SetInt(n)
}

// ParseSize reads a size with its unit: "50 MiB".
func ParseSize(s string) (int64, bool) {
	i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) })
	if i <= 0 {
		return 0, false
	}
	var n int64
	if _, err := fmt.Sscan(s[:i], &n); err != nil {
		return 0, false
	}
	shift, ok := map[string]int{"B": 0, "KIB": 10, "MIB": 20, "GIB": 30, "TIB": 40}[strings.ToUpper(strings.TrimSpace(s[i:]))]
	if !ok || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

func (b *binder) list(key string, x any, f reflect.Value) {
	if s, ok := x.(string); ok {
		x = []any{s} // one value needs no brackets
	}
	if tables, ok := x.([]map[string]any); ok { // [[section]]
		xs := make([]any, len(tables))
		for i, t := range tables {
			xs[i] = t
		}
		x = xs
	}
	xs, ok := x.([]any)
	if !ok {
		b.bad(key, "wants a list, got %v", x)
		return
	}
	out, before := reflect.MakeSlice(f.Type(), len(xs), len(xs)), len(b.errs)
	for i, x := range xs {
		b.value(fmt.Sprintf("%s[%d]", key, i), x, out.Index(i))
	}
	if len(b.errs) == before {
		f.Set(out)
	}
}

// keyOf returns the key of a setting, as the file has it, that a package names in an error in its
// own words: "checkpoint bytes", or that of a section below. "" when there is none.
func keyOf(v reflect.Value, name string) string {
	plain := func(s string) string { return strings.NewReplacer("_", "", " ", "").Replace(s) }
	known := fields(v)
	keys := slices.Sorted(maps.Keys(known))
	for _, k := range keys {
		if k == name || plain(k) == plain(name) {
			return k
		}
	}
	for _, k := range keys {
		if f := known[k]; f.Kind() == reflect.Struct {
			if below := keyOf(f, strings.TrimPrefix(name, k+".")); below != "" {
				return k + "." + below
			}
		}
	}
	return ""
}

// snake turns a Go name into a key: MaxPerUser: max_per_user, TLSCert: tls_cert.
func snake(name string) string {
	rs := []rune(name)
	var out strings.Builder
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
