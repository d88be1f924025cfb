package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testDeadline bounds what a test waits for: seconds as a rule, on a busy machine more.
const testDeadline = time.Minute

// TestMain is the program itself where a test has started it so: it collects all children, and those of a test are the test's.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_OF_KEEP") != "" {
		main()
	}
	os.Exit(m.Run())
}

// kept is a running keeper, and the folder with the logs of its servers.
type kept struct {
	*testing.T
	logs    string
	command *exec.Cmd
	said    string
	pids    []int
}

// keep starts a keeper, with LOGS in an argument being the folder of logs. What it and its servers printed is shown if the test fails.
func keep(t *testing.T, args ...string) *kept {
	t.Helper()
	t.Parallel()
	k := &kept{T: t, logs: t.TempDir()}
	k.said = filepath.Join(k.logs, "said")
	said, err := os.Create(k.said)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	for i, arg := range args {
		args[i] = strings.Replace(arg, "LOGS", k.logs, 1)
	}
	k.command = exec.Command(os.Args[0], append([]string{k.logs}, args...)...)
	k.command.Env = append(os.Environ(), "TEST_OF_KEEP=yes", "MARK="+k.logs)
	k.command.Stdout, k.command.Stderr = said, said
	if err := k.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if k.command.ProcessState == nil {
			k.end()
		}
		files, _ := filepath.Glob(filepath.Join(k.logs, "*"))
		for _, file := range files {
			if content, _ := os.ReadFile(file); t.Failed() {
				t.Logf("%s:\n%s", file, content)
			}
		}
	})
	return k
}

// says waits until a file in the folder of logs has what pattern matches, and gives what its groups matched.
func (k *kept) says(file, pattern string) []string {
	k.Helper()
	wanted := regexp.MustCompile("(?s)" + pattern)
	for deadline := time.Now().Add(testDeadline); ; time.Sleep(20 * time.Millisecond) {
		content, _ := os.ReadFile(filepath.Join(k.logs, file))
		if found := wanted.FindStringSubmatch(string(content)); found != nil {
			return found
		}
		if time.Now().After(deadline) {
			k.Fatalf("not so in time: %s has %s", file, pattern)
		}
	}
}

// pid waits for the number of a process, as the group of pattern.
func (k *kept) pid(file, pattern string) int {
	k.Helper()
	pid, err := strconv.Atoi(k.says(file, pattern)[1])
	if err != nil {
		k.Fatal(err)
	}
	k.pids = append(k.pids, pid)
	return pid
}

// end tells the keeper to end, and holds that all has gone of which the test has asked for the number.
func (k *kept) end() {
	k.Helper()
	started := time.Now()
	_ = k.command.Process.Signal(syscall.SIGTERM)
	if err := k.command.Wait(); err != nil {
		k.Errorf("after SIGTERM: %v", err)
	}
	k.Logf("it ended in %v", time.Since(started))
	for _, pid := range k.pids {
		// Not collected, it would still be there.
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			k.Errorf("process %d is left: %v", pid, err)
		}
	}
}

func TestAServerThatIsKilledComesAgainInItsLogAndWithTheMark(t *testing.T) {
	// The servers say their mark themselves: while one becomes another program, /proc/PID/environ is empty. It is not called as that of a
	// cluster, which others look for meanwhile.
	const server = "echo started $$ of $MARK; exec sleep 1000"
	k := keep(t, "--", "server", "sh", "-c", server, "--", "other", "sh", "-c", server)
	mark := ` of ` + regexp.QuoteMeta(k.logs) + `\n`
	first, other := k.pid("server.log", `^started (\d+)`+mark), k.pid("other.log", `^started (\d+)`+mark)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.pid("server.log", `^started \d+`+mark+`server ended by signal 9, killed, again in 1s\nstarted (\d+)`+mark)
	k.says("said", `^server ended by signal 9, killed, again in 1s\n$`)
	if err := syscall.Kill(other, 0); err != nil {
		t.Errorf("the other one: %v", err)
	}
	k.end()
}

func TestAServerThatEndsAtOnceIsStartedLessAndLessOften(t *testing.T) {
	k := keep(t, "--", "server", "sh", "-c", "echo started; exit 3", "--", "missing", "/there/is/no/server")
	k.says("server.log", `^started\nserver ended with exit code 3, again in 1s\nstarted\nserver ended with exit code 3, again in 2s\nstarted\n`)
	k.says("said", `missing did not start: [^\n]*no such file or directory, again in 2s\n`)
	k.end()
}

func TestWhatAConditionHoldsBackComesOnceItHolds(t *testing.T) {
	k := keep(t, "--", "before", "sh", "-c", "echo started; exec sleep 1000",
		"--", until, "sh", "-c", `echo tried >>"$0"; [ -e "$1" ]`, "LOGS/tries", "LOGS/condition",
		"--", "after", "sh", "-c", "echo started; exec sleep 1000")
	k.says("before.log", "started")
	k.says("tries", "tried\ntried\ntried\n")
	if _, err := os.Stat(filepath.Join(k.logs, "after.log")); err == nil {
		t.Error("it was started before the condition held")
	}
	if err := os.WriteFile(filepath.Join(k.logs, "condition"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k.says("after.log", "started")
	k.end()
	if said, _ := os.ReadFile(k.said); strings.Contains(string(said), until) {
		t.Errorf("it said: %s", said)
	}
}

func TestAtTheEndNoneIsLeftNotEvenWhatAServerHadLeftBehind(t *testing.T) {
	// As containerd leaves its shims: they stay when it ends, and have children.
	k := keep(t, "--", "server", "sh", "-c", `setsid sh -c 'echo left $$; sleep 1000 & echo its $!; wait' & trap 'echo asked; exit 0' TERM; echo started $$; while :; do sleep 0.1; done`)
	left := k.pid("server.log", `left (\d+)\n`)
	k.pid("server.log", `its (\d+)\n`)
	if err := syscall.Kill(k.pid("server.log", `started (\d+)\n`), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.pid("server.log", `again in 1s\n.*started (\d+)\n`)
	if err := syscall.Kill(left, 0); err != nil {
		t.Errorf("what was left behind ended with its server: %v", err)
	}
	k.end()
	k.says("server.log", `asked\nserver ended with exit code 0\n`)
}

func TestAtTheEndAServerThatDoesNotListenIsKilled(t *testing.T) {
	k := keep(t, "--", "server", "sh", "-c", `trap "" TERM; echo started $$; while :; do sleep 0.1; done`)
	k.pid("server.log", `started (\d+)\n`)
	k.end()
	k.says("said", `server ended by signal 9, killed\n$`)
}
