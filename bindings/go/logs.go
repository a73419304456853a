package keepwell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"
)

// LevelTrace is the level of the library's most detailed events, below [slog.LevelDebug].
const LevelTrace = slog.LevelDebug - 4

// LogOptions say which events are forwarded; see [ForwardLogs].
type LogOptions struct {
	// Level is the least level that is forwarded; the zero value is [slog.LevelInfo]. More detailed events are not even made, where nobody
	// else of the process asks for them.
	Level slog.Level
	// Capacity is how many events are kept until the handler takes them; 0: 1024. When there are more, the oldest are lost.
	Capacity int
}

// logPause is how often a forwarder looks whether it is to stop.
const logPause = 100 * time.Millisecond

// ForwardLogs gives the library's log to a handler, from now on until stop is called: slow calls (metrics.slow_query), errors, forgotten
// transactions, and so on, of all stores of the process. Nothing is logged without it.
//
//	stop, err := keepwell.ForwardLogs(slog.Default().Handler(), keepwell.LogOptions{})
//	if err != nil {
//		return err
//	}
//	defer stop()
//
// A record has the event's time and message, the attribute target ("keepwell::slow", "keepwell::error", "keepwell::pool", …), and the
// event's fields: store, sql, duration_seconds and so on, numbers as numbers. Events that the handler is not enabled for are left out.
//
// The handler runs on a goroutine of its own, which keeps an operating system thread, so that no statement ever waits for it; what it is
// too slow for is lost, and a warning with the attribute dropped says how much. It may use stores. What Handle returns is
// ignored. Any number of handlers may be forwarded to at once.
//
// stop ends that: it waits until the handler has had the events that came before it was called, and for no others, which takes a tenth of
// a second at most when there are none. It may be called more than once, but not by the handler.
//
// Errors: [ErrMisuse] for no handler, and where the library is part of a Rust program with a
// logger of its own; [ErrParameter] for a capacity that cannot be.
func ForwardLogs(handler slog.Handler, options LogOptions) (stop func(), err error) {
	f, err := newForwarder(handler, options)
	if err != nil {
		return nil, err
	}
	go f.run()
	return sync.OnceFunc(f.stop), nil
}

// forwarder is a view of the library's log, and the goroutine that alone reads and closes it.
type forwarder struct {
	view     uint64
	handler  slog.Handler
	stopping chan time.Time // events until then are to be handled still
	ended    chan struct{}  // closed when the goroutine has ended
}

func newForwarder(handler slog.Handler, options LogOptions) (*forwarder, error) {
	if handler == nil {
		return nil, newError(ErrMisuse, "forward logs: the handler is nil; give slog.Default().Handler() or another")
	}
	if options.Capacity < 0 || int64(options.Capacity) > math.MaxUint32 {
		return nil, newError(ErrParameter, "forward logs: a capacity of %d; give 0 for the default, or how many events", options.Capacity)
	}
	if err := checkABI(); err != nil {
		return nil, err
	}
	view, err := nativeLogOpen(libraryLevel(options.Level), uint32(options.Capacity))
	if err != nil {
		return nil, err
	}
	return &forwarder{view: view, handler: handler, stopping: make(chan time.Time, 1), ended: make(chan struct{})}, nil
}

func (f *forwarder) stop() {
	f.finish()
	<-f.ended
}

// finish has the goroutine end, if nothing else does already.
func (f *forwarder) finish() {
	select {
	case f.stopping <- time.Now():
	default:
	}
}

func (f *forwarder) run() {
	defer close(f.ended)
	defer nativeLogClose(f.view)
	for {
		select {
		case end := <-f.stopping:
			for f.forward(0, end) {
			}
			return
		default:
			f.forward(logPause, time.Time{})
		}
	}
}

// forward waits for an event and handles it, unless it came after end. It reports whether there may be more.
func (f *forwarder) forward(patience time.Duration, end time.Time) bool {
	event, came, err := nativeLogNext(f.view, patience)
	if err != nil {
		f.tell(slog.LevelError, time.Now(), "keepwell: the log cannot be read: "+err.Error(), slog.String("target", "keepwell::log"))
		f.finish()
		return false
	}
	if !came || !end.IsZero() && event.at.After(end) {
		return false
	}
	if event.dropped > 0 {
		message := fmt.Sprintf("%d events of the log were lost: its handler is too slow for them, or the capacity is too small", event.dropped)
		f.tell(slog.LevelWarn, event.at, message, slog.String("target", "keepwell::log"), slog.Uint64("dropped", event.dropped))
	}
	f.tell(slogLevel(event.level), event.at, event.message, event.attributes()...)
	return true
}

func (f *forwarder) tell(level slog.Level, at time.Time, message string, attributes ...slog.Attr) {
	ctx := context.Background()
	if !f.handler.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(at, level, message, 0)
	record.AddAttrs(attributes...)
	f.handler.Handle(ctx, record)
}

// libraryLevel is the library's level for events of level and above.
func libraryLevel(level slog.Level) uint32 {
	switch {
	case level > slog.LevelWarn:
		return logError
	case level > slog.LevelInfo:
		return logWarn
	case level > slog.LevelDebug:
		return logInfo
	case level > LevelTrace:
		return logDebug
	}
	return logTrace
}

// slogLevel is the level of slog for an event's.
func slogLevel(level int) slog.Level {
	switch level {
	case logError:
		return slog.LevelError
	case logWarn:
		return slog.LevelWarn
	case logInfo:
		return slog.LevelInfo
	case logDebug:
		return slog.LevelDebug
	}
	return LevelTrace
}

// attributes are the event's target and fields, in the order of the library.
func (e *logEvent) attributes() []slog.Attr {
	all := []slog.Attr{slog.String("target", e.target)}
	decoder := json.NewDecoder(bytes.NewReader([]byte(e.fields)))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return all
	}
	for decoder.More() {
		key, err := decoder.Token()
		var value any
		if err != nil || decoder.Decode(&value) != nil {
			break
		}
		all = append(all, slog.Attr{Key: fmt.Sprint(key), Value: attributeValue(value)})
	}
	return all
}

// attributeValue keeps a number a number: an integer where it is written as one, a float otherwise.
func attributeValue(value any) slog.Value {
	number, ok := value.(json.Number)
	if !ok {
		return slog.AnyValue(value)
	}
	if integer, err := number.Int64(); err == nil {
		return slog.Int64Value(integer)
	}
	float, err := number.Float64()
	if err != nil {
		return slog.StringValue(number.String())
	}
	return slog.Float64Value(float)
}
