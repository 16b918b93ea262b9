package inbound

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hit is a list that has an address.
type hit struct {
	dnsList
	why string
}

// text is what the list says of it, for the refusal.
func (h *hit) text() string {
	if h.why == "" {
		return ""
	}
	return ": " + h.why
}

// listed asks all lists for an address (RFC 5782). What does not answer does not list.
func (in *Inbound) listed(ctx context.Context, ip netip.Addr) []hit {
	if len(in.lists) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	hits := make([]*hit, len(in.lists))
	var wg sync.WaitGroup
	for i, l := range in.lists {
		wg.Go(func() {
			name := reversed(ip) + "." + l.zone
			a, err := in.dns.A(ctx, name)
			if err != nil {
				return
			}
			for _, b := range a.Records {
				// 127.255.255.0/24 says that the question was not answered (no rights, a public resolver).
				if four := b.As4(); four[0] == 127 && (four[1] != 255 || four[2] != 255) {
					hits[i] = &hit{dnsList: l}
				}
			}
			if hits[i] == nil {
				return
			}
			if txt, err := in.dns.TXT(ctx, name); err == nil {
				hits[i].why = strings.ToValidUTF8(txt.Records[0][:min(len(txt.Records[0]), 200)], "")
			}
		})
	}
	wg.Wait()
	var out []hit
	for _, h := range hits {
		if h != nil {
			out = append(out, *h)
		}
	}
	return out
}

// reversed is an address as DNS lists have it, RFC 5782 §2.1 and §2.4.
func reversed(ip netip.Addr) string {
	ip = ip.Unmap()
	var b strings.Builder
	raw := ip.AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if ip.Is4() {
			b.WriteString(strconv.Itoa(int(raw[i])))
			continue
		}
		const digits = "0123456789abcdef"
		b.WriteByte(digits[raw[i]&15])
		b.WriteByte('.')
		b.WriteByte(digits[raw[i]>>4])
	}
	return b.String()
}
