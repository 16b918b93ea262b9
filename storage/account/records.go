package account

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"atrium/storage"
	"atrium/storage/kv"
)

// Keys: byte 0x02, a letter, and what the record is of. A value is a version
// byte and JSON: directories are small, and JSON takes new fields.
//
//	h                    head: next ID, secret
//	a ID(8)              account
//	n address            number of the account that has it as its name
//	c ID(8) slot(1)      credential; slot 0 is the password, 1 to 255 are app passwords
//	l address            alias
//	d domain             domain
//	m ID(8) ID(8)        member of a group
const (
	space   = 0x02
	version = 1
)

var headKey = []byte{space, 'h'}

func accountKey(id storage.AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{space, 'a'}, uint64(id))
}

func credentialKey(id storage.AccountID, slot byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{space, 'c'}, uint64(id)), slot)
}

func textKey(letter byte, s string) []byte { return append([]byte{space, letter}, s...) }

// head is the record of the directory itself.
type head struct {
	Next   storage.AccountID // of the next account
	Secret []byte            // makes the made-up salts of unknown logins steady
}

// accountRecord is an account as it is stored.
type accountRecord struct {
	ID          storage.AccountID
	Name        string
	DisplayName string `json:",omitempty"`
	Sort        Sort   `json:",omitempty"`
	Disabled    bool   `json:",omitempty"`
	Created     time.Time
	MaxBytes    int64  `json:",omitempty"`
	MaxObjects  int64  `json:",omitempty"`
	Epoch       uint64 // rises with each change of credentials
}

// nameRecord says which account has an address as its name.
type nameRecord struct{ ID storage.AccountID }

// credential is one way to log in.
type credential struct {
	Hash  string     // PHC string
	Scram *scramKeys `json:",omitempty"`
}

// scramKeys are SCRAM-SHA-256's (RFC 5802 §3).
type scramKeys struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// aliasRecord and domainRecord are stored as they are told.
type aliasRecord struct {
	Address string
	Targets []string
}

type domainRecord struct {
	Name     string
	CatchAll string `json:",omitempty"`
}

// encode packs a record.
func encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // plain structs always encode
	}
	return append([]byte{version}, b...)
}

// decode unpacks a record; Corrupt when it cannot.
func decode(key, value []byte, record any) error {
	if len(value) == 0 || value[0] != version {
		return fmt.Errorf("directory record %q: %w", key, storage.Corrupt)
	}
	if err := json.Unmarshal(value[1:], record); err != nil {
		return fmt.Errorf("directory record %q: %w: %w", key, storage.Corrupt, err)
	}
	return nil
}

// read reads one record; storage.NotFound when there is none.
func read(r kv.Reader, key []byte, record any) error {
	value, err := r.Get(key)
	if errors.Is(err, kv.NotFound) {
		return storage.NotFound
	}
	if err != nil {
		return err
	}
	return decode(key, value, record)
}

// has tells whether there is a record.
func has(r kv.Reader, key []byte) (bool, error) {
	_, err := r.Get(key)
	if errors.Is(err, kv.NotFound) {
		return false, nil
	}
	return err == nil, err
}
