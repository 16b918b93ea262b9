package sieved

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScram logs in by SCRAM-SHA-256: what the server says last comes with OK, and is its proof (RFC 5804 §1.3, §2.1).
func TestScram(t *testing.T) {
	_, addr := newRig(t).serve(t)
	for _, password := range []string{"pass word", "wrong"} {
		c := dial(t, addr)
		c.until()
		const bare = "n=anna,r=fyko+d2lbbFgONRv9qkxdawL"
		c.say(fmt.Sprintf("AUTHENTICATE \"SCRAM-SHA-256\" \"%s\"\r\n", base64.StdEncoding.EncodeToString([]byte("n,,"+bare))))
		line, err := c.r.ReadString('\n')
		must(t, err)
		first, err := base64.StdEncoding.DecodeString(strings.Trim(line, "\"\r\n"))
		must(t, err)
		m := regexp.MustCompile(`^r=([^,]+),s=([^,]+),i=(\d+)`).FindStringSubmatch(string(first))
		if m == nil {
			t.Fatalf("%q", first)
		}
		salt, _ := base64.StdEncoding.DecodeString(m[2])
		rounds, _ := strconv.Atoi(m[3])
		without := "c=biws,r=" + m[1]
		proof, verifier := scramProof(t, password, salt, rounds, bare+","+string(first)+","+without)
		final := base64.StdEncoding.EncodeToString([]byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof)))
		c.say(fmt.Sprintf("{%d+}\r\n%s\r\n", len(final), final))
		got, want := c.until(), "NO \"Wrong name or password\"\r\n"
		if password != "wrong" {
			want = "OK (SASL \"" + base64.StdEncoding.EncodeToString([]byte("v="+base64.StdEncoding.EncodeToString(verifier))) + "\") \"Logged in\"\r\n"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

// scramProof is the client's proof and what the server is to prove (RFC 5802 §3).
func scramProof(t *testing.T, password string, salt []byte, rounds int, message string) (proof, verifier []byte) {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, 32)
	must(t, err)
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	proof = mac(stored[:], message)
	subtle.XORBytes(proof, proof, key)
	return proof, mac(mac(salted, "Server Key"), message)
}

// TestNames checks which names scripts may have, and that commands take them in each form (RFC 5804 §1.6, §4).
func TestNames(t *testing.T) {
	_, addr := newRig(t).serve(t)
	long := strings.Repeat("𝄞", 128) // 128 characters must do
	play(t, addr, login+`
		C: PUTSCRIPT "`+long+`" "keep;"
		S: OK "Script is kept"
		C: SETACTIVE {512+}
		C: `+long+`
		S: OK "Setactive completed"
		C: RENAMESCRIPT "`+long+`" {8+}
		C: a/..\"b"
		S: OK "Renamescript completed"
		C: LISTSCRIPTS
		S: "a/..\\\"b\"" ACTIVE
		S: OK "Listscripts completed"
		C: PUTSCRIPT "a/..\\\"b\"" "discard;"
		S: OK "Script is kept"
		C: GETSCRIPT "a/..\\\"b\""
		S: {8}
		S: discard;
		S: OK "Getscript completed"
		C: DELETESCRIPT "a/..\\\"b\""
		S: NO (ACTIVE) "The active script cannot be deleted"
		C: PUTSCRIPT "" "keep;"
		S: NO "That name or number cannot be used"
		C: PUTSCRIPT {3+}
		C: a	b "keep;"
		S: NO "That name or number cannot be used"
		C: PUTSCRIPT "`+"a\u2028b"+`" "keep;"
		S: NO "That name or number cannot be used"
		C: PUTSCRIPT "`+"a\u0085b"+`" "keep;"
		S: NO "That name or number cannot be used"
		C: RENAMESCRIPT "a/..\\\"b\"" "`+"a\u007fb"+`"
		S: NO "That name or number cannot be used"
		C: HAVESPACE "x" 99999999999
		S: NO "Wrong arguments for HAVESPACE"
		C: HAVESPACE "x" 9999999999
		S: NO (QUOTA/MAXSIZE) "Script is too large"
		C: LOGOUT
		S: OK "Logout completed"`)
}

// TestBinary checks that what is no UTF-8 is neither a script nor a name, and does not break the dialog.
func TestBinary(t *testing.T) {
	_, addr := newRig(t).serve(t)
	c := dial(t, addr)
	c.until()
	c.say("AUTHENTICATE \"PLAIN\" \"AGFubmEAcGFzcyB3b3Jk\"\r\n")
	c.until()
	for _, command := range []string{"PUTSCRIPT \"a\" {4+}\r\n#\xff\r\n", "PUTSCRIPT {1+}\r\n\xff \"keep;\"", "PUTSCRIPT \"\xff\" \"keep;\"", "PUTSCRIPT \"a\x00b\" \"keep;\"", "CHECKSCRIPT {1+}\r\n\x00"} {
		c.say(command + "\r\nNOOP\r\n")
		if got := c.until(); !strings.HasPrefix(got, "NO ") {
			t.Errorf("%q: %q", command, got)
		}
		if got := c.until(); got != "OK \"Done\"\r\n" {
			t.Errorf("%q: then %q", command, got)
		}
	}
}
