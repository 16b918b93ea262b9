package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"atrium/storage"
	"atrium/storage/account"
)

// Send-as: which addresses an account may use beside its own. A record for each
// in the account storage.System: "sendas/", the account's number, and the address, or
// "@domain" for a whole one.

const sendAsVersion = 1

func sendAsName(id storage.AccountID, address string) string {
	return fmt.Sprintf("sendas/%016x/%s", uint64(id), strings.ToLower(address))
}

// SetSendAs lets an account send as an address, or as any of a domain ("@example.org"), or no
// longer. storage.Invalid for what is neither.
func (d *Deliverer) SetSendAs(ctx context.Context, id storage.AccountID, address string, may bool) error {
	if at := strings.LastIndexByte(address, '@'); at < 0 || at == len(address)-1 || len(address) > 500 || strings.ContainsAny(address, " <>\r\n") {
		return fmt.Errorf("%q is no address and no @domain: %w", address, storage.Invalid)
	}
	return d.mail.Storage().Update(ctx, storage.System, func(tx *storage.Tx) error {
		if !may {
			if _, err := tx.Record(sendAsName(id, address)); err != nil {
				return fmt.Errorf("send as %q: %w", address, err)
			}
			return tx.SetRecord(sendAsName(id, address), nil)
		}
		return tx.SetRecord(sendAsName(id, address), []byte{sendAsVersion})
	})
}

// SendAs returns what an account may send as beside its own addresses.
func (d *Deliverer) SendAs(ctx context.Context, id storage.AccountID) (list []string, err error) {
	prefix := sendAsName(id, "")
	err = d.mail.Storage().View(ctx, storage.System, func(v *storage.View) error {
		list = nil
		for name := range v.Records(prefix) {
			list = append(list, strings.TrimPrefix(name, prefix))
		}
		return nil
	})
	return list, err
}

// MaySend tells whether an account may send as an address, and whether that is its
// own: else it was granted, and the message says who really sent it.
func (d *Deliverer) MaySend(ctx context.Context, a *account.Account, address string) (may, own bool, err error) {
	if own, err = d.Owns(ctx, a, address); own || err != nil {
		return own, own, err
	}
	domain := address[strings.LastIndexByte(address, '@')+1:]
	err = d.mail.Storage().View(ctx, storage.System, func(v *storage.View) error {
		for _, what := range []string{address, "@" + domain} {
			_, err := v.Record(sendAsName(a.ID, what))
			if err == nil {
				may = true
				return nil
			}
			if !errors.Is(err, storage.NotFound) {
				return err
			}
		}
		return nil
	})
	return may, false, err
}
