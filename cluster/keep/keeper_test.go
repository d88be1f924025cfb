package main

import (
	"slices"
	"testing"
	"time"
)

var epoch = time.Unix(0, 0)

// names are those of parts, in their order.
func names(parts []*part) []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func expect(t *testing.T, parts []*part, want ...string) {
	t.Helper()
	if got := names(parts); !slices.Equal(got, want) {
		t.Fatalf("started: %v, not %v", got, want)
	}
}

func TestThePauseGrowsWhileAServerEndsEarlyAndNoLonger(t *testing.T) {
	const second = time.Second
	for name, ends := range map[string][]struct{ ran, pause time.Duration }{
		"at once, always":      {{0, second}, {0, 2 * second}, {0, 4 * second}, {0, 8 * second}, {0, lastPause}, {0, lastPause}},
		"once, after a while":  {{time.Hour, second}},
		"after a while":        {{0, second}, {0, 2 * second}, {lastPause, second}, {0, 2 * second}},
		"just before a while":  {{0, second}, {lastPause - 1, 2 * second}},
		"after a while, often": {{lastPause, second}, {lastPause, second}},
	} {
		t.Run(name, func(t *testing.T) {
			server := &part{name: "server"}
			k, now := keeper{parts: []*part{server}}, epoch
			for _, end := range ends {
				expect(t, k.start(now), "server")
				if next := k.next(); !next.IsZero() {
					t.Fatalf("something is to be done at %v while it runs", next)
				}
				now = now.Add(end.ran)
				k.ended(server, false, now)
				if want := now.Add(end.pause); !k.next().Equal(want) {
					t.Fatalf("again after %v, not %v", k.next().Sub(now), end.pause)
				}
				expect(t, k.start(now.Add(end.pause-1)))
				now = now.Add(end.pause)
			}
		})
	}
}

func TestAServerThatSucceedsIsStartedAgainAsWell(t *testing.T) {
	server := &part{name: "server"}
	k := keeper{parts: []*part{server}}
	k.start(epoch)
	k.ended(server, true, epoch)
	expect(t, k.start(epoch.Add(firstPause)), "server")
}

func TestWhatComesAfterAConditionWaitsForIt(t *testing.T) {
	before, condition, after := &part{name: "before"}, &part{name: until}, &part{name: "after"}
	k := keeper{parts: []*part{before, condition, after}}
	now := epoch
	expect(t, k.start(now), "before", until)
	for range 3 {
		k.ended(condition, false, now)
		expect(t, k.start(now))
		now = k.next()
		expect(t, k.start(now), until)
	}
	if waited := now.Sub(epoch); waited != 3*look {
		t.Errorf("tried three times in %v", waited)
	}
	// What ends meanwhile is started again meanwhile.
	k.ended(before, false, now)
	now = now.Add(firstPause)
	expect(t, k.start(now), "before")
	k.ended(condition, true, now)
	expect(t, k.start(now), "after")
	// It held once: that is enough.
	k.ended(before, false, now)
	k.ended(after, false, now)
	expect(t, k.start(now.Add(lastPause)), "before", "after")
}

func TestAtTheEndNothingIsStartedAndWhatIsLeftIsKilled(t *testing.T) {
	for name, test := range map[string]struct {
		// ended is how many of two servers have ended by then.
		ended int
		after time.Duration
		kill  bool
	}{
		"a server has time to end":           {ended: 1, after: grace - 1},
		"but no more than that":              {ended: 1, after: grace, kill: true},
		"once they have ended it is no good": {ended: 2, kill: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := keeper{parts: []*part{{name: "one"}, {name: "other"}}}
			expect(t, k.start(epoch), "one", "other")
			if k.kill(epoch.Add(time.Hour)) {
				t.Fatal("killed while they are to run")
			}
			k.end(epoch)
			for _, p := range k.parts[:test.ended] {
				k.ended(p, true, epoch)
			}
			now := epoch.Add(test.after)
			// A second signal gives no second grace.
			k.end(now)
			expect(t, k.start(now.Add(lastPause)))
			if got := k.kill(now); got != test.kill {
				t.Fatalf("killed: %v", got)
			}
			if next := k.next(); !next.After(now) || next.After(epoch.Add(grace+look)) {
				t.Errorf("next after %v", next.Sub(epoch))
			}
		})
	}
}

func TestACallThatCannotBeMeantIsRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":                nil,
		"no server":              {"logs"},
		"no beginning":           {"logs", "etcd", "true"},
		"no name":                {"logs", "--"},
		"no command":             {"logs", "--", "etcd"},
		"another one's end":      {"logs", "--", "--", "etcd", "true"},
		"a log elsewhere":        {"logs", "--", "../etcd", "true"},
		"one log for two":        {"logs", "--", "etcd", "true", "--", "etcd", "false"},
		"a condition of nothing": {"logs", "--", "until", "--", "etcd", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			if code := run(args); code != 64 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestServersAndConditionsAreRead(t *testing.T) {
	parts, err := read([]string{"--", "etcd", "etcd", "--data=a b", "--", until, "true", "--", until, "false", "--", "scheduler", "x"})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, parts, "etcd", until, until, "scheduler")
	if command := parts[0].command; !slices.Equal(command, []string{"etcd", "--data=a b"}) {
		t.Errorf("command: %q", command)
	}
}
