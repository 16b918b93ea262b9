package memkv_test

import (
	"testing"

	"atrium/storage/kv"
	"atrium/storage/kv/kvtest"
	"atrium/storage/kv/memkv"
)

func TestEngine(t *testing.T) {
	kvtest.Run(t, func(*testing.T) kv.Engine { return memkv.New() })
}
