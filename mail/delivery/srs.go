package delivery

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/storage"
)

// The sender rewriting scheme: the reverse-path of a forwarded message becomes
// SRS0=hash=day=domain=local@ours, so that SPF holds at the next server and a
// report finds its way back through this one. The hash is keyed: nobody else can
// make such an address, and so nobody can relay through it.

// srsAge is for how long reports find their way back.
const srsAge = 14

// srsRecord keeps the key, in the account storage.System.
const srsRecord = "srs"

const srsVersion = 1

func srsSecret(ctx context.Context, s *storage.Store) (secret []byte, err error) {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	err = s.Update(ctx, storage.System, func(tx *storage.Tx) error {
		b, err := tx.Record(srsRecord)
		if err == nil && len(b) == 33 && b[0] == srsVersion {
			secret = append([]byte(nil), b[1:]...)
			return nil
		}
		if err != nil && !errors.Is(err, storage.NotFound) {
			return err
		}
		secret = fresh
		return tx.SetRecord(srsRecord, append([]byte{srsVersion}, fresh...))
	})
	return secret, err
}

var srsEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

func srsHash(secret []byte, text string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(strings.ToLower(text)))
	return srsEncoding.EncodeToString(h.Sum(nil))[:10]
}

// srsDay is a day as two characters.
func srsDay(day int64) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	return string([]byte{digits[day>>5&31], digits[day&31]})
}

// maxSRS bounds the local part that comes out, in bytes; RFC 5321 §4.5.3.1.1 has
// 64, which the scheme passes with any longer sender.
const maxSRS = 200

// srsForward rewrites the reverse-path from for what the address at forwards. What
// another server has rewritten becomes SRS1=hash=server=rest@ours, whose way back is through that
// server: so a path does not grow from one to the next.
func srsForward(secret []byte, from, at string, now time.Time) string {
	i := strings.LastIndexByte(from, '@')
	if i < 1 || strings.ContainsAny(from[:i], "\" ") || len(from) > maxSRS {
		return at // reports go to whom the mail goes
	}
	local, server, ours := from[:i], from[i+1:], at[strings.LastIndexByte(at, '@')+1:]
	if rest, ok := cutSRS(local, "SRS1"); ok && rest[0] == '=' {
		if parts := strings.SplitN(rest[1:], "=", 3); len(parts) == 3 && parts[1] != "" && parts[2] != "" {
			return srs1(secret, parts[1]+"="+parts[2], ours)
		}
	}
	if rest, ok := cutSRS(local, "SRS0"); ok {
		return srs1(secret, server+"="+rest, ours)
	}
	rest := srsDay(now.Unix()/86400) + "=" + server + "=" + local
	return "SRS0=" + srsHash(secret, rest) + "=" + rest + "@" + ours
}

func srs1(secret []byte, text, ours string) string {
	return "SRS1=" + srsHash(secret, text) + "=" + text + "@" + ours
}

// cutSRS cuts off the name of a scheme; what is left begins with its separator, one of "=+-".
func cutSRS(local, scheme string) (rest string, ok bool) {
	if len(local) < 6 || !strings.EqualFold(local[:4], scheme) || !strings.ContainsRune("=+-", rune(local[4])) {
		return "", false
	}
	return local[4:], true
}

// srsReturn reads what srsForward made; ok is false for anything else.
func srsReturn(secret []byte, address string, now time.Time) (from string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 || len(secret) == 0 || len(address) > 2*maxSRS {
		return "", false
	}
	if rest, ok := cutSRS(address[:i], "SRS1"); ok && rest[0] == '=' {
		hash, text, _ := strings.Cut(rest[1:], "=")
		server, first, _ := strings.Cut(text, "=")
		if server == "" || first == "" || !hmac.Equal([]byte(strings.ToUpper(hash)), []byte(srsHash(secret, text))) {
			return "", false
		}
		return "SRS0" + first + "@" + server, true
	}
	rest, ok := cutSRS(address[:i], "SRS0")
	if !ok || rest[0] != '=' {
		return "", false
	}
	parts := strings.SplitN(rest[1:], "=", 4)
	if len(parts) != 4 || parts[2] == "" || parts[3] == "" {
		return "", false
	}
	if !hmac.Equal([]byte(strings.ToUpper(parts[0])), []byte(srsHash(secret, strings.Join(parts[1:], "=")))) {
		return "", false
	}
	today := now.Unix() / 86400
	for d := range int64(srsAge) {
		if strings.EqualFold(parts[1], srsDay(today-d)) {
			return parts[3] + "@" + parts[2], true
		}
	}
	return "", false
}

// returning finds the stranger to whom a report goes back, RFC 5321 §4.5.5.
func (d *Deliverer) returning(address string) (*Route, error) {
	if d.CanSend() {
		if from, ok := srsReturn(d.secret, address, time.Now()); ok {
			if first, ok := srsReturn(d.secret, from, time.Now()); ok {
				from = first // it had come through here before
			}
			return &Route{Address: address, remote: []string{from}}, nil
		}
	}
	return nil, fmt.Errorf("recipient %q: %w", address, storage.NotFound)
}
