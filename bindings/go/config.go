package keepwell

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says how a store is opened. Zero fields leave the default. A File or YAML text is read first; the other fields override it.
type Config struct {
	File string // path of a YAML file
	YAML string // YAML text

	Driver          string // "sqlite3"
	DataSource      string // "app.db", "file:app.db?mode=rwc", ":memory:"
	MaxOpenConns    int    // one writer, the others readers
	MaxIdleConns    int
	ConnMaxLifetime time.Duration

	Cache   CacheOptions
	Options map[string]any // further keys by their names: "sqlite.synchronous": "full"
}

// CacheOptions configure the cache of results. Without any of them, queries use it that ask for it (see [Cache]).
type CacheOptions struct {
	Enabled  bool // all queries use it that do not refuse it
	Disabled bool // none does, whatever it asks for
	TTL      time.Duration
	Size     int   // entries
	MaxBytes int64 // memory of all results together
}

// settings lists the fields as keys and values, in a fixed order. The data source is not among them.
func (c *Config) settings() [][2]string {
	var all [][2]string
	add := func(set bool, key string, value any) {
		if set {
			all = append(all, [2]string{key, settingText(value)})
		}
	}
	add(c.Driver != "", "driver", c.Driver)
	add(c.MaxOpenConns != 0, "pool.max_open", c.MaxOpenConns)
	add(c.MaxIdleConns != 0, "pool.max_idle", c.MaxIdleConns)
	add(c.ConnMaxLifetime != 0, "pool.max_lifetime", c.ConnMaxLifetime)
	add(c.Cache.Enabled, "cache.enabled", true)
	add(c.Cache.Disabled, "cache.enabled", false)
	add(c.Cache.TTL != 0, "cache.ttl", c.Cache.TTL)
	add(c.Cache.Size != 0, "cache.size", c.Cache.Size)
	add(c.Cache.MaxBytes != 0, "cache.max_bytes", c.Cache.MaxBytes)
	for _, key := range slices.Sorted(maps.Keys(c.Options)) {
		add(true, key, c.Options[key])
	}
	return all
}

// settingText writes a value as the configuration reads it; a duration in seconds.
func settingText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// build makes the library's configuration.
func (c *Config) build() (uint64, error) {
	handle, err := nativeNewConfig()
	if err != nil {
		return 0, err
	}
	if err := c.fill(handle); err != nil {
		nativeFreeConfig(handle)
		return 0, err
	}
	return handle, nil
}

func (c *Config) fill(handle uint64) error {
	if c.File != "" {
		if err := nativeConfigFile(handle, c.File); err != nil {
			return err
		}
	}
	if c.YAML != "" {
		if err := nativeConfigYAML(handle, c.YAML); err != nil {
			return err
		}
	}
	if c.DataSource != "" {
		if err := nativeConfigURI(handle, c.DataSource); err != nil {
			return err
		}
	}
	for _, setting := range c.settings() {
		if err := nativeConfigSet(handle, setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// Version returns the version of the library.
func Version() string { return nativeVersion() }

// checkABI compares the library that was loaded with the header this package was compiled with, once.
var checkABI = sync.OnceValue(func() error { return compareABI(nativeABI()) })

func compareABI(description string) error {
	var abi struct {
		Structs json.RawMessage `json:"structs"`
	}
	if err := json.Unmarshal([]byte(description), &abi); err != nil {
		return newError(ErrABI, "the library's description of itself is no JSON: %v; install the library of this package's version", err)
	}
	sizes, err := structSizes(abi.Structs)
	if err != nil {
		return newError(ErrABI, "the library's description of its structs cannot be read: %v", err)
	}
	var wrong []string
	for name, size := range nativeSizes {
		if sizes[name] != size {
			wrong = append(wrong, fmt.Sprintf("%s has %d bytes here, %d there", name, size, sizes[name]))
		}
	}
	if wrong != nil {
		slices.Sort(wrong)
		return newError(ErrABI, "the library does not fit this package: %s; build both from one version", strings.Join(wrong, ", "))
	}
	return nil
}

// structSizes reads {"kw_error": {"size": 544, …}, …}.
func structSizes(text json.RawMessage) (map[string]int, error) {
	var structs map[string]struct {
		Size int `json:"size"`
	}
	if err := json.Unmarshal(text, &structs); err != nil {
		return nil, err
	}
	sizes := map[string]int{}
	for name, s := range structs {
		sizes[name] = s.Size
	}
	return sizes, nil
}
