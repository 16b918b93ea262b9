package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"atrium/configs"
)

var configCommand = &command{
	name: "config", short: "look at the configuration",
	sub: []*command{
		{name: "check", args: "[FILE]", short: "name every mistake in a file", run: configCheck,
			long: "Without FILE it is " + configs.DefaultPath + "."},
		{name: "example", short: "print an annotated example", run: func(i *invocation) error {
			_, err := fmt.Fprint(i.out, configs.Example)
			return err
		}},
	},
}

func configCheck(i *invocation) error {
	file := configs.DefaultPath
	switch len(i.args) {
	case 0:
	case 1:
		file = i.args[0]
	default:
		return usageError("wants one FILE at most")
	}
	c, err := configs.Load(file)
	if err != nil {
		return err
	}
	if c.TLS.Cert != "" {
		for _, f := range []string{c.TLS.Cert, c.TLS.Key} {
			if _, err := os.Stat(f); err != nil {
				return fmt.Errorf("tls: %w", err)
			}
		}
	}
	fmt.Fprintf(i.out, "%s is right\n", file)
	return nil
}

// release is the release that this tree is, or becomes.
const release = "0.1.0"

var versionCommand = &command{
	name: "version", short: "print the version",
	run: func(i *invocation) error {
		rev := ""
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" && len(s.Value) >= 12 {
					rev = " (" + s.Value[:12] + ")"
				}
			}
		}
		_, err := fmt.Fprintf(i.out, "atrium %s%s, %s\n", release, rev, runtime.Version())
		return err
	},
}
