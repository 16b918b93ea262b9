package resolver_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"atrium/mail/resolver"
)

func TestStatic(t *testing.T) {
	z := resolver.Static(`
		example.org. MX 10 mx.example.org.
		example.org. MX 20 Backup.Example.ORG.
		example.org. TXT "v=spf1 " "mx -all"
		mx.example.org. A 192.0.2.1
		mx.example.org. AAAA 2001:db8::1
		www.example.org. CNAME mx.example.org.
		loop.example.org. CNAME loop.example.org.
		_25._tcp.mx.example.org. TLSA 3 1 1 00ff
		1.2.0.192.in-addr.arpa. PTR mx.example.org.
		xn--bcher-kva.example. MX 0 .
	`)
	z.Fail("broken.example")
	ctx := context.Background()
	mx, err := z.MX(ctx, "EXAMPLE.org")
	if err != nil || !slices.Equal(mx.Records, []resolver.MX{{10, "mx.example.org"}, {20, "backup.example.org"}}) || mx.Authentic {
		t.Errorf("MX: %+v, %v", mx, err)
	}
	if txt, err := z.TXT(ctx, "example.org"); err != nil || !slices.Equal(txt.Records, []string{"v=spf1 mx -all"}) {
		t.Errorf("TXT: %+v, %v", txt, err)
	}
	ips, err := z.IP(ctx, "www.example.org.")
	if err != nil || len(ips.Records) != 2 || ips.Records[0] != netip.MustParseAddr("2001:db8::1") || ips.Name != "mx.example.org" {
		t.Errorf("IP through an alias: %+v, %v", ips, err)
	}
	if names, err := z.PTR(ctx, netip.MustParseAddr("192.0.2.1")); err != nil || names.Records[0] != "mx.example.org" {
		t.Errorf("PTR: %+v, %v", names, err)
	}
	if a, err := z.Authentic(true).TLSA(ctx, "_25._tcp.mx.example.org"); err != nil || !a.Authentic || a.Records[0].Usage != 3 || string(a.Records[0].Data) != "\x00\xff" {
		t.Errorf("TLSA: %+v, %v", a, err)
	}
	if mx, err := z.MX(ctx, "bücher.example"); err != nil || mx.Records[0].Host != "" {
		t.Errorf("null MX: %+v, %v", mx, err)
	}
	for name, want := range map[string]resolver.Kind{
		"nobody.example": resolver.NXDomain, "www.example.org": resolver.NoData, "_tcp.mx.example.org": resolver.NoData,
		"broken.example": resolver.Temporary, "a..b": resolver.Invalid, "": resolver.Invalid, "loop.example.org": resolver.NoData,
	} {
		if _, err := z.MX(ctx, name); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
}
