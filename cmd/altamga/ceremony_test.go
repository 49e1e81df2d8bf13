package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCeremonyStories runs ceremonies as their officers do, and serves what
// they leave. The stories name ports of this machine by $CA, $OCSP, $TSA, $CRL
// and $ADMIN.
func TestCeremonyStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/ceremony",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"CA", "OCSP", "TSA", "CRL", "ADMIN"} {
				env.Setenv(name, freePort(t))
			}
			env.Setenv("SOFTHSM", softHSM())
			return nil
		},
		Condition: storyCondition,
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor},
	})
}

// waitFor waits until a URL answers 200.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor URL")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(args[0])
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s is not ready after half a minute", args[0])
}
