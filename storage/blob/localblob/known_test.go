package localblob

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

func TestKnown(t *testing.T) {
	var k known
	if !k.may(sha256.Sum256(nil)) {
		t.Error("it says no before it knows")
	}
	k.whole = true
	if k.may(sha256.Sum256(nil)) {
		t.Error("an empty one may have a body")
	}
	const n = 3*knownFirst + 10
	for i := range n {
		k.add(sha256.Sum256(fmt.Append(nil, i)))
	}
	wrong := 0
	for i := range n {
		if !k.may(sha256.Sum256(fmt.Append(nil, i))) {
			t.Fatalf("body %d is not known", i)
		}
		if k.may(sha256.Sum256(fmt.Append(nil, "other", i))) {
			wrong++
		}
	}
	if wrong > n/20 {
		t.Errorf("%d of %d that are not there may be there", wrong, n)
	}
}
