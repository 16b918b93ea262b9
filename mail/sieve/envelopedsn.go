package sieve

// envelopeDSN shows the parts of the envelope that ask for reports (RFC 6009 §4).
var envelopeDSN = extension{name: "envelope-dsn", rfc: "6009"}

// Asked is what a message's envelope says about reports (RFC 3461 §4).
type Asked struct {
	Notify   []string // NEVER, or some of SUCCESS, FAILURE and DELAY; none: it does not say
	Original string   // the original recipient, decoded, with the type of address: rfc822;ann@example.org
	Return   string   // FULL, HDRS, or ""
	ID       string   // of the envelope, decoded, or ""
}

// dsnParts are the parts of the envelope that envelope-dsn knows. Each wish for a report is a value of its own; what was
// not said has none.
var dsnParts = map[string]func(*Asked) []string{
	"notify": func(a *Asked) []string { return a.Notify },
	"orcpt":  func(a *Asked) []string { return said(a.Original) },
	"ret":    func(a *Asked) []string { return said(a.Return) },
	"envid":  func(a *Asked) []string { return said(a.ID) },
}

func said(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
