// Command keep runs servers, and each of them again after it has ended, as an init system does. It is process 1 of the control
// plane and of each node. It is a program of its own, because Kubernetes' packages take 19 MiB before they have done anything.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2), which package syscall does not name.
const prSetChildSubreaper = 36

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is the command `keep LOGS -- NAME COMMAND... -- ...`: each server called NAME writes to LOGS/NAME.log, at its end. What comes after
// `-- until COMMAND...` waits until COMMAND has succeeded. It ends with SIGTERM, which it passes on, and returns 0, or 64 for a wrong call.
func run(args []string) int {
	if len(args) == 0 {
		args = []string{""}
	}
	parts, err := read(args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "keep: %v\nusage: keep LOGS -- NAME COMMAND... [-- NAME COMMAND... | -- until COMMAND...]...\n", err)
		return 64
	}
	// What a server leaves behind comes here, as to process 1: somebody has to collect it, and at the end to end it.
	if _, _, failed := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); failed != 0 {
		fmt.Fprintln(os.Stderr, "keep: not told of what servers leave behind:", failed)
	}
	(&processes{keeper{parts: parts}, args[0], map[int]*part{}}).run()
	return 0
}

// read makes parts of arguments that `--` separates.
func read(args []string) ([]*part, error) {
	var parts []*part
	for _, arg := range args {
		switch last := len(parts) - 1; {
		case arg == "--":
			parts = append(parts, &part{})
		case last < 0:
			return nil, fmt.Errorf("%q is no server: each begins with `--`", arg)
		case parts[last].name == "":
			parts[last].name = arg
		default:
			parts[last].command = append(parts[last].command, arg)
		}
	}
	names := map[string]bool{}
	for _, p := range parts {
		switch {
		case p.name == "" || strings.Contains(p.name, "/"):
			return nil, fmt.Errorf("%q is no name for a server: its log is called so", p.name)
		case len(p.command) == 0:
			return nil, fmt.Errorf("%s has no command", p.name)
		case names[p.name] && !p.condition():
			return nil, fmt.Errorf("two servers are called %s: each has a log of its own", p.name)
		}
		names[p.name] = true
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("there is no server to keep")
	}
	return parts, nil
}

// processes does what the keeper decides. All of it happens in one goroutine: a process that is in the map has not been collected,
// so its number is still its own.
type processes struct {
	keeper
	logs    string
	running map[int]*part
}

// run returns when, after SIGTERM, no child is left.
func (k *processes) run() {
	// One place is enough: what comes while it is taken is seen together with it.
	collect, terminate := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGCHLD)
	signal.Notify(terminate, syscall.SIGTERM)
	for {
		for starts := k.start(time.Now()); len(starts) > 0; starts = k.start(time.Now()) {
			for _, p := range starts {
				k.launch(p)
			}
		}
		var timer <-chan time.Time
		if next := k.next(); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-timer:
		case <-collect:
		case <-terminate:
			k.end(time.Now())
			for pid := range k.running {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		left := k.collect()
		if k.ending() && !left {
			return
		}
		if k.kill(time.Now()) {
			killChildren()
		}
	}
}

// launch starts p. What it leaves in the environment is the child's as well, and with it the mark of the cluster.
func (k *processes) launch(p *part) {
	command := exec.Command(p.command[0], p.command[1:]...)
	if !p.condition() {
		log, err := k.log(p)
		if err != nil {
			k.tell(p, false, "did not start: "+err.Error())
			return
		}
		defer log.Close()
		command.Stdout, command.Stderr = log, log
	}
	if err := command.Start(); err != nil {
		k.tell(p, false, "did not start: "+err.Error())
		return
	}
	k.running[command.Process.Pid] = p
	// It is collected here, with all other children.
	_ = command.Process.Release()
}

func (k *processes) log(p *part) (*os.File, error) {
	return os.OpenFile(filepath.Join(k.logs, p.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// collect takes the children that have ended, also those that others left behind, and says whether any is left.
func (k *processes) collect() bool {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 {
			return err == nil
		}
		p, known := k.running[pid]
		if !known {
			continue
		}
		delete(k.running, pid)
		how := fmt.Sprintf("ended with exit code %d", status.ExitStatus())
		if status.Signaled() {
			how = fmt.Sprintf("ended by signal %d, %s", status.Signal(), status.Signal())
		}
		k.tell(p, status.ExitStatus() == 0, how)
	}
}

// tell notes that p has ended, and says how on standard output and in its log.
func (k *processes) tell(p *part, succeeded bool, how string) {
	k.ended(p, succeeded, time.Now())
	if p.condition() {
		return
	}
	said := p.name + " " + how
	if !k.ending() {
		said += fmt.Sprintf(", again in %s", p.pause)
	}
	outputs := io.Writer(os.Stdout)
	if log, err := k.log(p); err == nil {
		defer log.Close()
		outputs = io.MultiWriter(os.Stdout, log)
	}
	fmt.Fprintln(outputs, said)
}

// killChildren ends all children. Theirs become ours by that, and are the next.
func killChildren() {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
