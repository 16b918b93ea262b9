package dav_test

import (
	"testing"

	"atrium/dav/davtest"
)

// TestScripts plays what clients send first and need back, as they were seen, and what
// strangers may try.
func TestScripts(t *testing.T) { davtest.PlayFiles(t, "testdata/*.http") }
