package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"atrium/storage/account"
	"atrium/storage/kv/memkv"
)

var b64 = base64.StdEncoding

func setup(t testing.TB, cfg Config) *Authenticator {
	t.Helper()
	dc := account.DefaultConfig()
	dc.Domain, dc.Memory, dc.Passes, dc.ScramIterations = "example.org", 8, 1, 4096
	log := slog.New(slog.DiscardHandler)
	dir, err := account.Open(memkv.New(), dc, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []account.New{{Name: "anna", Password: "secret"}, {Name: "ben", Password: "pässword"}, {Name: "a=c", Password: "x"}} {
		if _, err := dir.Add(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	return New(dir, cfg, log)
}

// sessions returns the two ends of a TLS connection.
func sessions(t testing.TB, maxVersion uint16) (client, server tls.ConnectionState) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: maxVersion, SessionTicketsDisabled: true})
	c := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
	go s.Handshake()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s.ConnectionState()
}

// answers is a client that gives one answer after the other, in base64.
func answers(lines ...string) func(string) ([]byte, error) {
	return func(string) ([]byte, error) {
		if len(lines) == 0 {
			return nil, io.EOF
		}
		line := lines[0]
		lines = lines[1:]
		return []byte(line), nil
	}
}

func enc(s string) string { return b64.EncodeToString([]byte(s)) }

func TestOffer(t *testing.T) {
	_, s13 := sessions(t, 0)
	_, s12 := sessions(t, tls.VersionTLS12)
	far := netip.MustParseAddr("192.0.2.1")
	for _, tc := range []struct {
		name string
		cfg  Config
		peer Peer
		want string
	}{
		{"plain, far", Config{PlainLocal: true}, Peer{Remote: far}, "SCRAM-SHA-256"},
		{"plain, local", Config{PlainLocal: true}, Peer{Local: true}, "SCRAM-SHA-256 PLAIN LOGIN"},
		{"plain, local, not allowed", Config{}, Peer{Local: true}, "SCRAM-SHA-256"},
		{"plain, any", Config{PlainAny: true}, Peer{Remote: far}, "SCRAM-SHA-256 PLAIN LOGIN"},
		{"TLS 1.3", Config{}, Peer{Remote: far, TLS: &s13}, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"},
		{"TLS 1.2", Config{}, Peer{Remote: far, TLS: &s12}, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"},
		{"disabled", Config{Disable: []string{"login", "SCRAM-SHA-256-PLUS"}}, Peer{Remote: far, TLS: &s13}, "SCRAM-SHA-256 PLAIN"},
	} {
		a := setup(t, tc.cfg)
		if got := strings.Join(a.Mechanisms(tc.peer), " "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	cfg := Config{Disable: []string{"NTLM"}}
	if cfg.Validate() == nil {
		t.Error("an unknown mechanism may be disabled")
	}
}

func TestPlainAndLogin(t *testing.T) {
	a := setup(t, Config{PlainLocal: true})
	local := Peer{Local: true}
	for _, tc := range []struct {
		name, mech, initial string
		answers             []string
		want                error
	}{
		{"initial", "PLAIN", enc("\x00anna\x00secret"), nil, nil},
		{"asked", "plain", "", []string{enc("\x00anna@example.org\x00secret")}, nil},
		{"as himself", "PLAIN", enc("ANNA@example.org\x00anna\x00secret"), nil, nil},
		{"as another", "PLAIN", enc("ben\x00anna\x00secret"), nil, account.Denied},
		{"wrong", "PLAIN", enc("\x00anna\x00wrong"), nil, account.Denied},
		{"no password", "PLAIN", enc("\x00anna\x00"), nil, Malformed},
		{"two fields", "PLAIN", enc("anna\x00secret"), nil, Malformed},
		{"four fields", "PLAIN", enc("\x00anna\x00secret\x00"), nil, Malformed},
		{"empty initial", "PLAIN", "=", nil, Malformed},
		{"no base64", "PLAIN", "%%%", nil, Malformed},
		{"too long", "PLAIN", strings.Repeat("A", MaxResponse+4), nil, Malformed},
		{"cancelled", "PLAIN", "", []string{"*"}, Cancelled},
		{"gone", "PLAIN", "", nil, io.EOF},
		{"LOGIN", "LOGIN", "", []string{enc("anna"), enc("secret")}, nil},
		{"LOGIN with name", "LOGIN", enc("anna"), []string{enc("secret")}, nil},
		{"LOGIN wrong", "LOGIN", "", []string{enc("anna"), enc("x")}, account.Denied},
		{"LOGIN nothing", "LOGIN", "", []string{"", ""}, Malformed},
		{"LOGIN cancelled", "LOGIN", "", []string{enc("anna"), "*"}, Cancelled},
		{"unknown", "NTLM", "", nil, Unknown},
		{"PLUS without TLS", "SCRAM-SHA-256-PLUS", "", nil, Unknown},
	} {
		var initial []byte
		if tc.initial != "" {
			initial = []byte(tc.initial)
		}
		acc, err := a.Run(t.Context(), local, tc.mech, initial, answers(tc.answers...))
		if !errors.Is(err, tc.want) || tc.want == nil && (err != nil || acc.Name != "anna@example.org") {
			t.Errorf("%s: %v %v, want %v", tc.name, acc, err, tc.want)
		}
	}
	if _, err := a.Run(t.Context(), Peer{Remote: netip.MustParseAddr("192.0.2.1")}, "PLAIN", []byte(enc("\x00anna\x00secret")), nil); !errors.Is(err, NeedsTLS) {
		t.Error(err)
	}
	if _, err := a.Login(t.Context(), Peer{}, "anna", "secret"); !errors.Is(err, NeedsTLS) {
		t.Error(err)
	}
	if acc, err := a.Login(t.Context(), local, "ben", "pa\u0308ssword"); err != nil || acc.Name != "ben@example.org" {
		t.Error(acc, err)
	}
}

// scramClient is the client's side, with changes for tests.
type scramClient struct {
	header, login, password string
	nonce                   string // a usual one when empty
	binding                 []byte
	breakNonce, breakProof  bool
	bare, verifier          string
	step                    int
	t                       testing.TB
}

func (c *scramClient) answer(challenge string) ([]byte, error) {
	in, err := b64.DecodeString(challenge)
	if err != nil {
		c.t.Fatal(err)
	}
	c.step++
	switch c.step {
	case 1:
		if c.nonce == "" {
			c.nonce = "fyko+d2lbbFgONRv9qkxdawL"
		}
		c.bare = "n=" + c.login + ",r=" + c.nonce
		return []byte(enc(c.header + c.bare)), nil
	case 2:
		var nonce, salt, count string
		for _, f := range strings.Split(string(in), ",") {
			switch f[:2] {
			case "r=":
				nonce = f[2:]
			case "s=":
				salt = f[2:]
			case "i=":
				count = f[2:]
			}
		}
		if c.breakNonce {
			nonce += "x"
		}
		s, _ := b64.DecodeString(salt)
		n, _ := strconv.Atoi(count)
		without := "c=" + b64.EncodeToString(append([]byte(c.header), c.binding...)) + ",r=" + nonce
		message := c.bare + "," + string(in) + "," + without
		proof, verifier := proofOf(c.password, s, n, message)
		if c.breakProof {
			proof[0] ^= 1
		}
		c.verifier = "v=" + b64.EncodeToString(verifier)
		return []byte(enc(without + ",p=" + b64.EncodeToString(proof))), nil
	case 3:
		if string(in) != c.verifier {
			c.t.Errorf("server says %q, want %q", in, c.verifier)
		}
		return nil, nil
	}
	return nil, io.EOF
}

func proofOf(password string, salt []byte, n int, message string) (proof, verifier []byte) {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	salted, _ := pbkdf2.Key(sha256.New, password, salt, n, 32)
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	proof = mac(stored[:], message)
	subtle.XORBytes(proof, proof, key)
	return proof, mac(mac(salted, "Server Key"), message)
}

// RFC 7677 §3.
func TestScramVector(t *testing.T) {
	salt, _ := b64.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	message := "n=user,r=rOprNGfwEbeRWgbNEkqO," +
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	proof, verifier := proofOf("pencil", salt, 4096, message)
	if b64.EncodeToString(proof) != "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" || b64.EncodeToString(verifier) != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Error("the test's own client is wrong")
	}
	salted, _ := pbkdf2.Key(sha256.New, "pencil", salt, 4096, 32)
	stored := sha256.Sum256(sign(salted, "Client Key"))
	if !proves(proof, stored[:], message) || proves(proof[1:], stored[:], message) {
		t.Error("proves")
	}
}

func TestScram(t *testing.T) {
	a := setup(t, Config{})
	c13, s13 := sessions(t, 0)
	c12, s12 := sessions(t, tls.VersionTLS12)
	exporter, _ := c13.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	far := netip.MustParseAddr("127.0.0.1")
	leaf := c13.PeerCertificates[0]
	shown := Peer{Remote: far, TLS: &s13, Shown: func() []byte { return leaf.Raw }}
	hash := sha256.Sum256(leaf.Raw)
	plainPeer, peer13, peer12 := Peer{Remote: far}, Peer{Remote: far, TLS: &s13}, Peer{Remote: far, TLS: &s12}
	for _, tc := range []struct {
		name   string
		peer   Peer
		mech   string
		client scramClient
		want   error
	}{
		{"plain", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret"}, nil},
		{"y without PLUS offered", plainPeer, "SCRAM-SHA-256", scramClient{header: "y,,", login: "anna", password: "secret"}, nil},
		{"y with PLUS offered", peer13, "SCRAM-SHA-256", scramClient{header: "y,,", login: "anna", password: "secret"}, account.Denied},
		{"n with PLUS offered", peer13, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret"}, nil},
		{"authzid", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,a=anna@example.org,", login: "anna", password: "secret"}, nil},
		{"other authzid", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,a=ben,", login: "anna", password: "secret"}, account.Denied},
		{"escapes", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "a=3Dc", password: "x"}, nil},
		{"bad escape", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "a=2c", password: "x"}, Malformed},
		{"UTF-8", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "ben", password: "pässword"}, nil},
		{"a nonce of one character, RFC 5802 7", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret", nonce: "~"}, nil},
		{"a nonce that is none", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret", nonce: "\x01"}, Malformed},
		{"wrong", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "x"}, account.Denied},
		{"nobody", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "nobody", password: "x"}, account.Denied},
		{"proof", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret", breakProof: true}, account.Denied},
		{"nonce", plainPeer, "SCRAM-SHA-256", scramClient{header: "n,,", login: "anna", password: "secret", breakNonce: true}, account.Denied},
		{"TLS 1.3", peer13, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-exporter,,", login: "anna", password: "secret", binding: exporter}, nil},
		{"TLS 1.2", peer12, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-unique,,", login: "anna", password: "secret", binding: c12.TLSUnique}, nil},
		{"the certificate", shown, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-server-end-point,,", login: "anna", password: "secret", binding: hash[:]}, nil},
		{"another certificate", shown, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-server-end-point,,", login: "anna", password: "secret", binding: make([]byte, 32)}, account.Denied},
		{"no certificate", peer13, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-server-end-point,,", login: "anna", password: "secret"}, Unknown},
		{"a man in the middle", peer13, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-exporter,,", login: "anna", password: "secret", binding: make([]byte, 32)}, account.Denied},
		{"unknown binding", peer13, "SCRAM-SHA-256-PLUS", scramClient{header: "p=tls-unique,,", login: "anna", password: "secret"}, Unknown},
		{"PLUS unbound", peer13, "SCRAM-SHA-256-PLUS", scramClient{header: "n,,", login: "anna", password: "secret"}, Malformed},
	} {
		tc.client.t = t
		acc, err := a.Run(t.Context(), tc.peer, tc.mech, nil, tc.client.answer)
		if !errors.Is(err, tc.want) || tc.want == nil && (err != nil || tc.client.step != 3) {
			t.Errorf("%s: %v %v after %d steps, want %v", tc.name, acc, err, tc.client.step, tc.want)
		}
	}
}

func TestExternal(t *testing.T) {
	a := setup(t, Config{External: true})
	peer := func(addresses ...string) Peer {
		return Peer{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{EmailAddresses: addresses}}}}}
	}
	for _, tc := range []struct {
		name, authzid string
		peer          Peer
		want          error
	}{
		{"one", "", peer("who@else.example", "Anna@example.org"), nil},
		{"chosen", "anna", peer("ben@example.org", "anna@example.org"), nil},
		{"another", "ben", peer("anna@example.org"), account.Denied},
		{"nobody", "", peer("who@else.example"), account.Denied},
		{"no certificate", "", Peer{TLS: &tls.ConnectionState{}}, Unknown},
	} {
		acc, err := a.Run(t.Context(), tc.peer, "EXTERNAL", []byte(enc(tc.authzid)), nil)
		if !errors.Is(err, tc.want) || tc.want == nil && (err != nil || acc.Name != "anna@example.org") {
			t.Errorf("%s: %v %v, want %v", tc.name, acc, err, tc.want)
		}
	}
	if slices.Contains(setup(t, Config{}).Mechanisms(peer("anna@example.org")), "EXTERNAL") {
		t.Error("EXTERNAL without having been asked for")
	}
}

func FuzzRun(f *testing.F) {
	f.Add("PLAIN", enc("\x00anna\x00secret"), "*", "")
	f.Add("LOGIN", enc("anna"), enc("secret"), "")
	f.Add("SCRAM-SHA-256", enc("n,,n=anna,r=12345678"), enc("c=biws,r=12345678,p=AAAA"), "")
	f.Add("SCRAM-SHA-256", enc("p=tls-unique,a=x,n==2C,r="), "=", "====")
	a := setup(f, Config{PlainLocal: true})
	f.Fuzz(func(t *testing.T, mech, one, two, three string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		acc, err := a.Run(ctx, Peer{Local: true}, mech, nil, answers(one, two, three))
		if (err == nil) != (acc != nil) {
			t.Error(fmt.Sprint(acc, err))
		}
	})
}
