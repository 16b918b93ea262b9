package sieve

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

var (
	mailbox = extension{name: "mailbox", rfc: "5490",
		tests: []test{{name: "mailboxexists", shape: shape{args: "l"}, compile: compileMailboxExists}},
		tags:  copies(map[string][]tagDef{"fileinto": {{name: "create"}}})}
	mailboxID = extension{name: "mailboxid", rfc: "9042",
		tests: []test{{name: "mailboxidexists", shape: shape{args: "l"}, compile: compileIDExists}},
		tags:  copies(map[string][]tagDef{"fileinto": {{name: "mailboxid", value: "s", group: "place"}}})}
	mboxmetadata = extension{name: "mboxmetadata", rfc: "5490", tests: []test{
		{name: "metadata", shape: shape{tags: matchTags, args: "ssl"}, compile: compileMetadata},
		{name: "metadataexists", shape: shape{args: "sl"}, compile: compileMetadataExists}}}
	servermetadata = extension{name: "servermetadata", rfc: "5490", tests: []test{
		{name: "servermetadata", shape: shape{tags: matchTags, args: "sl"}, compile: compileMetadata},
		{name: "servermetadataexists", shape: shape{args: "l"}, compile: compileMetadataExists}}}
	specialUse = extension{name: "special-use", rfc: "8579",
		tests: []test{{name: "specialuse_exists", shape: shape{args: "ll", last: 1}, compile: compileUseExists}},
		tags:  copies(map[string][]tagDef{"fileinto": {{name: "specialuse", value: "s", group: "place"}}})}

	// What a message was found to be before the script ran (RFC 5235).
	spamtest = extension{name: "spamtest", rfc: "5235", tests: []test{
		{name: "spamtest", shape: shape{tags: matchTags, args: "s"}, compile: compileSpam}}}
	spamtestplus = extension{name: "spamtestplus", rfc: "5235", needs: []string{"spamtest"}, tags: map[string][]tagDef{"spamtest": {{name: "percent"}}}}
	virustest    = extension{name: "virustest", rfc: "5235", tests: []test{
		{name: "virustest", shape: shape{tags: matchTags, args: "s"}, compile: func(c *compiler, a *call) cond {
			m := c.matcher(a, a.pos[0])
			return func(r *run) (bool, error) { return m.match(r, []string{strconv.Itoa(min(max(r.env.Virus, 0), 5))}) }
		}}}}
)

// Digest is a key of bounded length for what words say together.
func Digest(words ...string) string {
	h := sha256.New()
	for _, w := range words {
		h.Write([]byte(strconv.Itoa(len(w)) + ":" + w))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func compileMailboxExists(c *compiler, a *call) cond {
	names := c.texts(a.pos[0])
	return func(r *run) (bool, error) {
		for _, n := range names {
			info, err := r.host().Mailbox(r.ctx, n.eval(r))
			if info == nil || err != nil {
				return false, err
			}
			if err := r.step(10); err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// compileIDExists is mailboxidexists (RFC 9042 §5).
func compileIDExists(c *compiler, a *call) cond {
	ids := c.texts(a.pos[0])
	return func(r *run) (bool, error) {
		for _, id := range ids {
			if err := r.step(10); err != nil {
				return false, err
			}
			if name, err := r.host().ByID(r.ctx, id.eval(r)); name == "" || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// compileMetadata is metadata, and servermetadata without a mailbox.
func compileMetadata(c *compiler, a *call) cond {
	box := &template{}
	rest := a.pos
	if a.n.name == "metadata" {
		box, rest = c.text(a.pos[0]), a.pos[1:]
	}
	entry, m := c.text(rest[0]), c.matcher(a, rest[1])
	return func(r *run) (bool, error) {
		v, ok, err := r.host().Metadata(r.ctx, box.eval(r), entry.eval(r))
		if !ok || err != nil {
			return false, err
		}
		return m.match(r, []string{v})
	}
}

func compileMetadataExists(c *compiler, a *call) cond {
	box := &template{}
	list := a.pos[0]
	if a.n.name == "metadataexists" {
		box, list = c.text(a.pos[0]), a.pos[1]
	}
	entries := c.texts(list)
	return func(r *run) (bool, error) {
		for _, e := range entries {
			if _, ok, err := r.host().Metadata(r.ctx, box.eval(r), e.eval(r)); !ok || err != nil {
				return false, err
			}
			if err := r.step(10); err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

func compileUseExists(c *compiler, a *call) cond {
	var box *template
	if len(a.pos) == 2 {
		if a.pos[0].kind != text {
			c.errf(a.pos[0].pos, "one mailbox must be named")
		}
		box = c.text(a.pos[0])
	}
	uses := c.texts(a.pos[len(a.pos)-1])
	return func(r *run) (bool, error) {
		for _, u := range uses {
			use := u.eval(r)
			if err := r.step(10); err != nil {
				return false, err
			}
			if box == nil {
				if name, err := r.host().Use(r.ctx, use); name == "" || err != nil {
					return false, err
				}
				continue
			}
			info, err := r.host().Mailbox(r.ctx, box.eval(r))
			if err != nil || info == nil || !slices.ContainsFunc(info.Uses, func(s string) bool { return strings.EqualFold(s, use) }) {
				return false, err
			}
		}
		return true, nil
	}
}

// compileSpam is RFC 5235 §2.1: 0 not looked at, 1 to 10, or with :percent 0 to 100.
func compileSpam(c *compiler, a *call) cond {
	m := c.matcher(a, a.pos[0])
	return func(r *run) (bool, error) {
		v := min(max(r.env.Spam, 0), 100)
		if !a.tag("percent") && r.env.Spam >= 0 {
			v = 1 + v*9/100
		}
		return m.match(r, []string{strconv.Itoa(v)})
	}
}
