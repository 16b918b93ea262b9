package imapd

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"atrium/mail/imapd/wire"
)

// inProgress is the response code; long says it.
var inProgress = extension{
	name: "INPROGRESS", rfc: "RFC 9585", what: "Long commands say that they go on",
}

// fewAtOnce is up to how many messages no command takes long.
const fewAtOnce = 500

// deadCheck is how often a long command looks whether its client is still there.
const deadCheck = time.Second

// effort is n, or more where the messages are so large that reading them takes long.
func (v *view) effort(n int) int {
	if n == 0 {
		return 0
	}
	return max(n, int(v.box.Size>>14)) // 500 of 16 KiB
}

// long runs work on n messages. When it takes long the client is told from time to time that it goes
// on (RFC 9585 §4), and when the client is gone the context of the work ends, which then stops between two batches.
func (c *session) long(n int, work func(context.Context) error) error {
	if n <= fewAtOnce {
		return work(c.Context())
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- workPanic{p, string(debug.Stack())}
			}
		}()
		done <- work(ctx)
	}()
	progress := c.server.cfg.Progress
	tick := time.NewTicker(min(deadCheck, progress))
	defer tick.Stop()
	said := time.Now()
	for {
		select {
		case err := <-done:
			if p, ok := err.(workPanic); ok {
				panic(fmt.Sprintf("%v\n%s", p.value, p.stack)) // the connection's recover tells of it
			}
			return err
		case now := <-tick.C:
			if now.Sub(said) >= progress {
				said = now
				c.stillWorking()
			}
			if !c.Alive() {
				cancel()
			}
		}
	}
}

// workPanic carries a panic from the goroutine of the work to that of the connection.
type workPanic struct {
	value any
	stack string
}

func (p workPanic) Error() string { return fmt.Sprint(p.value) }

// stillWorking tells the client, which a client that is gone does not survive either.
func (c *session) stillWorking() {
	b := append(c.AvailableBuffer(256), "* OK "...)
	if c.server.reg.has("INPROGRESS") {
		b = append(b, "[INPROGRESS ("...)
		b = append(wire.AppendString(b, c.tag, false), " NIL NIL)] "...)
	}
	c.Write(append(b, "Still at work\r\n"...))
	c.Flush()
}

// count is how many messages spans have.
func count(spans []span) (n int) {
	for _, s := range spans {
		n += s.to - s.from
	}
	return n
}
