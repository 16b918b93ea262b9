//go:build race

package main

import "os"

// The program under test is built as the tests are: with the race detector. At its end it
// does not wait a second for reports.
func init() {
	buildFlags = append(buildFlags, "-race")
	os.Setenv("GORACE", "atexit_sleep_ms=0")
}
