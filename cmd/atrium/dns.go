package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"atrium/mail/delivery"
	"atrium/mail/dkim"
	"atrium/storage"
	"atrium/storage/account"
)

// dnsRecord is one record to publish.
type dnsRecord struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
	Note string `json:"note,omitempty"`
}

type domainArgs struct {
	Name     string
	Activate bool
	Purge    bool
}

// keysOf are the keys that sign, of the running server or the store at rest.
func (h *house) keysOf() *dkim.Keys {
	if h.out != nil {
		return h.out.keys
	}
	return dkim.Open(h.store)
}

func (h *house) isDomain(ctx context.Context, name string) error {
	if !h.dir.Local(name) {
		return fmt.Errorf("domain %q: %w; `atrium domain list` lists them", name, storage.NotFound)
	}
	return nil
}

// domainRecords returns every record that a domain's zone should have.
func domainRecords(h *house, ctx context.Context, a domainArgs) (any, error) {
	if err := h.isDomain(ctx, a.Name); err != nil {
		return nil, err
	}
	keys := h.keysOf()
	if err := keys.Ensure(ctx, a.Name); err != nil {
		return nil, err
	}
	list, err := keys.List(ctx, a.Name)
	if err != nil {
		return nil, err
	}
	d, host := a.Name+".", h.cfg.Hostname+"."
	out := []dnsRecord{
		{d, "MX", "10 " + host, "mail for the domain comes to this server"},
		{d, "TXT", "v=spf1 mx -all", "only this server sends mail of the domain; others that may are to be added"},
	}
	if strings.HasSuffix(host, "."+d) {
		out = append(out, dnsRecord{host, "TXT", "v=spf1 a -all", "reports have no sender, so the server's name stands for them (RFC 7208 2.4)"})
	}
	for _, k := range list {
		note := "signatures, " + k.Algorithm
		if k.State != dkim.Active {
			note += ", " + string(k.State)
		}
		out = append(out, dnsRecord{k.Name() + ".", "TXT", k.Record, note})
	}
	out = append(out,
		dnsRecord{"_dmarc." + d, "TXT", "v=DMARC1; p=quarantine; rua=mailto:postmaster@" + a.Name, "what others do with mail that only claims to be of the domain"},
		dnsRecord{"_smtp._tls." + d, "TXT", "v=TLSRPTv1; rua=mailto:postmaster@" + a.Name, "reports of others on the TLS to this server"},
		dnsRecord{"_imaps._tcp." + d, "SRV", "0 1 993 " + host, "programs find the server (RFC 6186)"},
		dnsRecord{"_imap._tcp." + d, "SRV", "10 1 143 " + host, ""},
		dnsRecord{"_pop3s._tcp." + d, "SRV", "20 1 995 " + host, ""},
		dnsRecord{"_submissions._tcp." + d, "SRV", "0 1 465 " + host, ""},
		dnsRecord{"_submission._tcp." + d, "SRV", "10 1 587 " + host, ""},
		dnsRecord{"_caldavs._tcp." + d, "SRV", "0 1 443 " + host, "RFC 6764"},
		dnsRecord{"_carddavs._tcp." + d, "SRV", "0 1 443 " + host, ""},
	)
	if text, id := h.policyText(); text != "" {
		out = append(out,
			dnsRecord{"mta-sts." + d, "CNAME", host, "this server tells there that mail for the domain comes by TLS alone (RFC 8461, inbound.mta_sts); its certificate must have the name"},
			dnsRecord{"_mta-sts." + d, "TXT", "v=STSv1; id=" + id, "the id changes with the policy"},
		)
	}
	return out, nil
}

// rotateKeys makes new keys, has them sign, or removes those that signed before.
func rotateKeys(h *house, ctx context.Context, a domainArgs) (any, error) {
	if err := h.isDomain(ctx, a.Name); err != nil {
		return nil, err
	}
	keys := h.keysOf()
	switch {
	case a.Activate:
		return nil, keys.Activate(ctx, a.Name)
	case a.Purge:
		return nil, keys.Remove(ctx, a.Name, false)
	}
	_, err := keys.Rotate(ctx, a.Name)
	return nil, err
}

func domainDNS(i *invocation) error {
	name, err := i.one("the domain's NAME")
	if err != nil {
		return err
	}
	var list []dnsRecord
	if err := i.call("domain records", domainArgs{Name: name}, &list); err != nil {
		return err
	}
	for _, r := range list {
		if r.Note != "" {
			fmt.Fprintf(i.out, "; %s\n", r.Note)
		}
		data := r.Data
		if r.Type == "TXT" {
			data = quoteTXT(data)
		}
		fmt.Fprintf(i.out, "%s\t3600\tIN\t%s\t%s\n", r.Name, r.Type, data)
	}
	return nil
}

// quoteTXT writes a text as character-strings of at most 255 bytes (RFC 1035 §3.3).
func quoteTXT(s string) string {
	var parts []string
	for len(s) > 255 {
		parts = append(parts, `"`+s[:255]+`"`)
		s = s[255:]
	}
	return strings.Join(append(parts, `"`+s+`"`), " ")
}

func domainRotate(i *invocation) error {
	name, err := i.one("the domain's NAME")
	if err != nil {
		return err
	}
	a := domainArgs{Name: name, Activate: i.flags.Lookup("activate").Value.String() == "true", Purge: i.flags.Lookup("purge").Value.String() == "true"}
	if a.Activate && a.Purge {
		return usageError("-activate and -purge do not go together")
	}
	if err := i.call("domain rotate", a, nil); err != nil {
		return err
	}
	switch {
	case a.Activate:
		fmt.Fprintln(i.out, "The new keys sign from now on. Leave the records of the old ones for a week, then: atrium domain rotate -purge", name)
	case a.Purge:
		fmt.Fprintln(i.out, "The keys that signed before are gone; their records may go too.")
	default:
		fmt.Fprintf(i.out, "There are new keys, which do not sign yet. Publish their records (atrium domain dns %[1]s), wait a day, then: atrium domain rotate -activate %[1]s\n", name)
	}
	return nil
}

// sendAsArgs are what an account may send as.
type sendAsArgs struct {
	Name    string
	Add     []string
	Remove  bool
	Listing bool
}

func sendAs(h *house, ctx context.Context, a sendAsArgs) (any, error) {
	d, err := delivery.New(h.mail, h.dir, h.cfg.Delivery, h.log)
	if err != nil {
		return nil, err
	}
	acc, err := h.dir.Find(ctx, a.Name)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", a.Name, err)
	}
	for _, address := range a.Add {
		if _, domain, ok := strings.Cut(address, "@"); !ok || !h.dir.Local(domain) {
			return nil, fmt.Errorf("%q: %w; only addresses of this server's domains can be granted", address, account.NotLocal)
		}
		if err := d.SetSendAs(ctx, acc.ID, address, !a.Remove); err != nil {
			return nil, err
		}
	}
	list, err := d.SendAs(ctx, acc.ID)
	return append([]string{}, list...), err
}

func accountSendAs(i *invocation) error {
	if len(i.args) == 0 {
		return usageError("wants the account's NAME, and the addresses to be granted or, with -remove, taken back")
	}
	a := sendAsArgs{Name: i.args[0], Add: i.args[1:], Remove: i.flags.Lookup("remove").Value.String() == "true"}
	if a.Remove && len(a.Add) == 0 {
		return errors.Join(usageError("-remove wants addresses"))
	}
	var list []string
	if err := i.call("account sendas", a, &list); err != nil {
		return err
	}
	for _, address := range list {
		fmt.Fprintln(i.out, address)
	}
	return nil
}
