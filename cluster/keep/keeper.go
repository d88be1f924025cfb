package main

import (
	"slices"
	"time"
)

const (
	// A server that has ended is started again after firstPause, and after twice as long each time up to lastPause, unless it ran as
	// long as that: then it had started well, and what ended it is another matter.
	firstPause = time.Second
	lastPause  = 16 * time.Second
	// look is how long after a condition did not hold it is tried again, and after what was killed is still there that is.
	look = 200 * time.Millisecond
	// grace is how long the servers have to end by themselves when all is to end.
	grace = 5 * time.Second
	// until is the name that makes a part a condition.
	until = "until"
)

// part is a server, which is to run always, or a condition: a command that is tried until it succeeds.
type part struct {
	name    string
	command []string

	running, fulfilled bool
	// started is when it was last started, due when it is to be again: at once where it never was.
	started, due time.Time
	pause        time.Duration
}

func (p *part) condition() bool { return p.name == until }

// keeper decides what is to be started and when. It is told what happened and what time it is, and does nothing by itself.
type keeper struct {
	parts []*part
	// deadline is when what is left is to be killed: none while the servers are kept.
	deadline time.Time
}

// turn is the parts whose turn has come: those up to the first condition that does not hold yet.
func (k *keeper) turn() []*part {
	if k.ending() {
		return nil
	}
	for i, p := range k.parts {
		if p.condition() && !p.fulfilled {
			return k.parts[:i+1]
		}
	}
	return k.parts
}

// start is the parts that are to be started now, in their order. From here on they are taken as running.
func (k *keeper) start(now time.Time) []*part {
	var starts []*part
	for _, p := range k.turn() {
		if !p.running && !p.fulfilled && !p.due.After(now) {
			p.running, p.started = true, now
			starts = append(starts, p)
		}
	}
	return starts
}

// next is when something is to be done although nothing happens: never, where it is zero.
func (k *keeper) next() time.Time {
	next := k.deadline
	for _, p := range k.turn() {
		if !p.running && !p.fulfilled && (next.IsZero() || p.due.Before(next)) {
			next = p.due
		}
	}
	return next
}

// ended notes that p has ended, or could not be started.
func (k *keeper) ended(p *part, succeeded bool, now time.Time) {
	p.running = false
	switch {
	case p.condition():
		p.fulfilled, p.due = succeeded, now.Add(look)
		return
	case p.pause == 0 || now.Sub(p.started) >= lastPause:
		p.pause = firstPause
	default:
		p.pause = min(2*p.pause, lastPause)
	}
	p.due = now.Add(p.pause)
}

// end has nothing be started any more.
func (k *keeper) end(now time.Time) {
	if !k.ending() {
		k.deadline = now.Add(grace)
	}
}

func (k *keeper) ending() bool { return !k.deadline.IsZero() }

// kill says whether what is left is to be killed now: the servers had their time, or have ended, and what they left behind has no
// use. What is still there after another look is killed again.
func (k *keeper) kill(now time.Time) bool {
	if !k.ending() || now.Before(k.deadline) && slices.ContainsFunc(k.parts, func(p *part) bool { return p.running }) {
		return false
	}
	k.deadline = now.Add(look)
	return true
}
