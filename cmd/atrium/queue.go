package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atrium/mail/delivery"
	"atrium/mail/dkim"
	"atrium/mail/queue"
	"atrium/mail/resolver"
	"atrium/mail/smtpd"
	"atrium/storage"
	"atrium/storage/account"
)

var queueCommand = &command{
	name: "queue", short: "mail that waits to go out",
	sub: []*command{
		{name: "list", short: "list what waits, the oldest first", run: queueList, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.String("match", "", "only messages whose sender or a recipient contains this `text`")
			fs.Int("limit", 1000, "at most so many")
		}},
		{name: "show", args: "ID", short: "show a message's state, recipient by recipient", run: queueShow, flags: configFlag},
		{name: "retry", args: "ID...|all", short: "try again now", run: queueChange("retry"), flags: configFlag},
		{name: "hold", args: "ID...|all", short: "keep from being sent", run: queueChange("hold"), flags: configFlag},
		{name: "release", args: "ID...|all", short: "let go what is held", run: queueChange("release"), flags: configFlag},
		{name: "drop", args: "ID...|all", short: "remove; with -bounce the sender is told", run: queueChange("drop"), flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("bounce", false, "tell the sender that it was not delivered")
		}},
	},
}

// outgoing is what sends mail: the queue, with what delivers here and the keys that sign.
type outgoing struct {
	queue *queue.Queue
	keys  *dkim.Keys
}

// openOutgoing opens the queue; it sends nothing until it runs.
func (h *house) openOutgoing(ctx context.Context, d *delivery.Deliverer) (*outgoing, error) {
	dns, err := resolver.New(h.cfg.DNS)
	if err != nil {
		return nil, err
	}
	cfg := h.cfg.Queue
	cfg.MaxMessage = h.cfg.Delivery.MaxMessage + 1<<20
	q, err := queue.Open(h.store, dns, d, cfg, h.log)
	if err != nil {
		return nil, err
	}
	o := &outgoing{queue: q, keys: dkim.Open(h.store)}
	q.SetSigner(func(ctx context.Context, domain string, content io.Reader) ([]byte, error) {
		for parent := domain; !h.dir.Local(domain) && strings.Contains(parent, "."); { // the server's own name may lie below a domain
			if _, parent, _ = strings.Cut(parent, "."); h.dir.Local(parent) {
				domain = parent
			}
		}
		return o.keys.Sign(ctx, domain, content)
	})
	h.out = o
	d.SetSealer(h.sealer(o.keys))
	return o, d.SetQueue(ctx, q)
}

// startOutgoing opens the queue and runs it until the server ends.
func (s *server) startOutgoing(d *delivery.Deliverer) error {
	ctx, cancel := context.WithCancel(context.Background())
	o, err := s.openOutgoing(ctx, d)
	if err != nil {
		cancel()
		return err
	}
	if s.cfg.Queue.Capture != "" {
		s.log.Info("mail to other servers does not leave: it is captured", "for", s.cfg.Queue.Capture)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		domains, err := s.dir.Domains(ctx)
		for _, domain := range domains {
			err = errors.Join(err, o.keys.Ensure(ctx, domain.Name))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("keys for signatures could not be made", "err", err)
		}
		if err := o.queue.Run(ctx); err != nil {
			s.log.Error("queue ended", "err", err)
		}
	}()
	s.closing = append(s.closing, func() {
		cancel()
		<-done
	})
	return nil
}

// outgoingOptions are what servers of a dialect need of the queue.
func (h *house) outgoingOptions(dialect smtpd.Dialect, d *delivery.Deliverer) []smtpd.Option {
	out := []smtpd.Option{smtpd.WithNotifier(d)}
	if dialect == smtpd.Submission {
		out = append(out, smtpd.WithChecker(signer{h.out.keys, h.dir}))
	}
	return out
}

// signer signs what accounts submit, by the keys of the domain in From or, where
// that is not ours, of the sender's.
type signer struct {
	keys *dkim.Keys
	dir  *account.Directory
}

// Check is smtpd.Checker's.
func (s signer) Check(ctx context.Context, m *delivery.Message) ([]byte, error) {
	domain, err := dkim.Author(io.NewSectionReader(m, m.Start(), m.Size()-m.Start()), m.Size()-m.Start())
	if err != nil {
		return nil, err
	}
	if !s.dir.Local(domain) {
		from := m.Envelope().From
		if domain = from[strings.LastIndexByte(from, '@')+1:]; !s.dir.Local(domain) {
			return nil, nil
		}
	}
	content := io.NewSectionReader(m, m.Start(), m.Size()-m.Start())
	fields, err := s.keys.Sign(ctx, domain, content)
	if err != nil || len(fields) > 0 {
		return fields, err
	}
	if err := s.keys.Ensure(ctx, domain); err != nil { // the domain is new
		return nil, err
	}
	content.Seek(0, io.SeekStart)
	return s.keys.Sign(ctx, domain, content)
}

// queueOf is the queue of the running server, or of the store at rest.
func (h *house) queueOf(ctx context.Context) (*queue.Queue, error) {
	if h.out == nil {
		d, err := delivery.New(h.mail, h.dir, h.cfg.Delivery, h.log)
		if err != nil {
			return nil, err
		}
		if _, err := h.openOutgoing(ctx, d); err != nil {
			return nil, err
		}
	}
	return h.out.queue, nil
}

// queueRow is an entry as the operations tell it.
type queueRow struct {
	ID         string           `json:"id"`
	From       string           `json:"from"`
	Bytes      int64            `json:"bytes"`
	Created    time.Time        `json:"created"`
	Due        time.Time        `json:"due"`
	Attempts   int              `json:"attempts"`
	Held       bool             `json:"held,omitempty"`
	State      string           `json:"state"`
	Recipients []queueRecipient `json:"recipients"`
}

type queueRecipient struct {
	Address string `json:"address"`
	State   string `json:"state"`
	Last    string `json:"last,omitempty"`
}

func rowOf(e *queue.Entry) queueRow {
	r := queueRow{ID: e.ID, From: e.From, Bytes: e.Size, Created: e.Created, Due: e.Due, Attempts: e.Attempts, Held: e.Held, State: e.Summary()}
	for _, p := range e.Recipients {
		x := queueRecipient{Address: p.Address, State: p.State.String()}
		if p.Last != nil {
			x.Last = p.Last.String()
		}
		r.Recipients = append(r.Recipients, x)
	}
	return r
}

// queueArgs are the arguments of the queue's operations.
type queueArgs struct {
	IDs    []string
	Match  string
	Limit  int
	Change string
	Bounce bool
}

func init() {
	operations["queue list"] = op(listQueue)
	operations["queue show"] = op(func(h *house, ctx context.Context, a queueArgs) (any, error) {
		q, err := h.queueOf(ctx)
		if err != nil || len(a.IDs) != 1 {
			return nil, err
		}
		e, err := q.Find(ctx, a.IDs[0])
		if err != nil {
			return nil, err
		}
		return rowOf(e), nil
	})
	operations["queue change"] = op(changeQueue)
	operations["domain records"] = op(domainRecords)
	operations["domain rotate"] = op(rotateKeys)
	operations["account sendas"] = op(sendAs)
}

func listQueue(h *house, ctx context.Context, a queueArgs) (any, error) {
	q, err := h.queueOf(ctx)
	if err != nil {
		return nil, err
	}
	var match func(*queue.Entry) bool
	if a.Match != "" {
		match = func(e *queue.Entry) bool {
			return strings.Contains(e.From, a.Match) || slices.ContainsFunc(e.Recipients, func(p queue.Progress) bool { return strings.Contains(p.Address, a.Match) })
		}
	}
	list, _, err := q.List(ctx, 0, max(a.Limit, 1), match)
	rows := []queueRow{}
	for _, e := range list {
		rows = append(rows, rowOf(e))
	}
	return rows, err
}

// changeQueue carries out one change on some entries, or on all that there are
// when it begins. It tells how many they were.
func changeQueue(h *house, ctx context.Context, a queueArgs) (any, error) {
	q, err := h.queueOf(ctx)
	if err != nil {
		return nil, err
	}
	change := map[string]func(context.Context, string) error{
		"retry": q.Retry, "hold": q.Hold, "release": q.Release,
		"drop": func(ctx context.Context, id string) error { return q.Drop(ctx, id, a.Bounce) },
	}[a.Change]
	if change == nil {
		return nil, fmt.Errorf("no such change: %q", a.Change)
	}
	if !slices.Equal(a.IDs, []string{"all"}) {
		for n, id := range a.IDs {
			if err := change(ctx, id); err != nil {
				return n, err
			}
		}
		return len(a.IDs), nil
	}
	n := 0
	begin := time.Now()
	for after := storage.Num(0); ; {
		list, next, err := q.List(ctx, after, 500, func(e *queue.Entry) bool { return e.Created.Before(begin) })
		if err != nil {
			return n, err
		}
		for _, e := range list {
			if err := change(ctx, e.ID); err == nil {
				n++
			} else if !errors.Is(err, storage.NotFound) { // it went meanwhile
				return n, err
			}
		}
		if next == 0 {
			return n, nil
		}
		after = next
	}
}

func queueList(i *invocation) error {
	limit, _ := strconv.Atoi(i.flags.Lookup("limit").Value.String())
	var list []queueRow
	if err := i.call("queue list", queueArgs{Match: i.flags.Lookup("match").Value.String(), Limit: limit}, &list); err != nil {
		return err
	}
	rows := [][]string{{"ID", "AGE", "BYTES", "TRIES", "FROM", "TO", "STATE"}}
	for _, r := range list {
		to := r.Recipients[0].Address
		if n := len(r.Recipients); n > 1 {
			to += fmt.Sprintf(" and %d more", n-1)
		}
		rows = append(rows, []string{r.ID, time.Since(r.Created).Round(time.Second).String(), strconv.FormatInt(r.Bytes, 10), strconv.Itoa(r.Attempts), "<" + r.From + ">", to, r.State})
	}
	i.table(rows)
	return nil
}

func queueShow(i *invocation) error {
	id, err := i.one("the message's ID")
	if err != nil {
		return err
	}
	var r queueRow
	if err := i.call("queue show", queueArgs{IDs: []string{id}}, &r); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "message   %s\nfrom      <%s>\nbytes     %d\ncame      %s\ndue       %s\nattempts  %d\nstate     %s\n\n",
		r.ID, r.From, r.Bytes, r.Created.Format(time.RFC3339), r.Due.Format(time.RFC3339), r.Attempts, r.State)
	rows := [][]string{{"RECIPIENT", "STATE", "LAST ANSWER"}}
	for _, x := range r.Recipients {
		rows = append(rows, []string{x.Address, x.State, x.Last})
	}
	i.table(rows)
	return nil
}

func queueChange(change string) func(*invocation) error {
	return func(i *invocation) error {
		if len(i.args) == 0 {
			return usageError("wants the IDs of messages, or all")
		}
		a := queueArgs{IDs: i.args, Change: change}
		if f := i.flags.Lookup("bounce"); f != nil {
			a.Bounce = f.Value.String() == "true"
		}
		var n int
		if err := i.call("queue change", a, &n); err != nil {
			return err
		}
		fmt.Fprintf(i.out, "%s: %d\n", change, n)
		return nil
	}
}

// queueMetrics are the queue's figures.
type queueMetrics struct{ q *queue.Queue }

var (
	queueLength   = prometheus.NewDesc("atrium_queue_messages", "Messages that wait to go out.", nil, nil)
	queueBytes    = prometheus.NewDesc("atrium_queue_bytes", "Bytes of the messages that wait.", nil, nil)
	queueOldest   = prometheus.NewDesc("atrium_queue_oldest_seconds", "Age of the message that has waited longest.", nil, nil)
	queueEnqueued = prometheus.NewDesc("atrium_queue_enqueued_total", "Messages that were queued since the start.", nil, nil)
	queueOutcomes = prometheus.NewDesc("atrium_queue_recipients_total", "Outcomes of attempts, by recipient.", []string{"outcome"}, nil)
	queueReports  = prometheus.NewDesc("atrium_queue_reports_total", "Reports to senders.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m queueMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueLength, queueBytes, queueOldest, queueEnqueued, queueOutcomes, queueReports} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m queueMetrics) Collect(ch chan<- prometheus.Metric) {
	st, err := m.q.Stats(context.Background())
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(queueLength, float64(st.Length))
	gauge(queueBytes, float64(st.Bytes))
	gauge(queueOldest, st.Oldest.Seconds())
	count(queueEnqueued, st.Enqueued)
	count(queueOutcomes, st.Sent, "sent")
	count(queueOutcomes, st.Deferred, "deferred")
	count(queueOutcomes, st.Failed, "failed")
	count(queueReports, st.Reports)
}
