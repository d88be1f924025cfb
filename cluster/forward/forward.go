// Package forward joins TCP connections on one address to another one: it makes ports of the nodes reachable on the
// machine's loopback address without a firewall rule.
package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// dialTimeout bounds how long a connection waits for one target before the next one is tried: the targets are on this
// very machine, so what has not answered in this time is down.
const dialTimeout = time.Second

// Main is the command `forward LISTEN=TARGET[,TARGET...]...`: it accepts connections on each LISTEN and joins each to the
// first of its targets that accepts one, in the order given. It returns 64 for a wrong call and 1 when it cannot listen.
func Main(args []string) int {
	incomplete := func(arg string) bool {
		address, targets, _ := strings.Cut(arg, "=")
		return address == "" || targets == ""
	}
	if len(args) == 0 || slices.ContainsFunc(args, incomplete) {
		fmt.Fprintln(os.Stderr, "usage: forward LISTEN=TARGET[,TARGET...]...")
		return 64
	}
	var forwards sync.WaitGroup
	for _, arg := range args {
		address, targets, _ := strings.Cut(arg, "=")
		listener, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Fprintln(os.Stderr, "forward:", err)
			return 1
		}
		fmt.Printf("forward: %s to %s\n", listener.Addr(), targets)
		forwards.Go(func() { serve(listener, strings.Split(targets, ",")) })
	}
	forwards.Wait()
	return 0
}

// serve forwards what listener accepts until it is closed. An error of a single connection ends that connection only.
func serve(listener net.Listener, targets []string) {
	for {
		client, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of file descriptors, as a rule: a pause lets connections end.
			fmt.Fprintln(os.Stderr, "forward:", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go join(client.(*net.TCPConn), targets)
	}
}

// join copies both directions until each side has said all it had to say.
func join(client *net.TCPConn, targets []string) {
	defer client.Close()
	server, err := dial(targets)
	if err != nil {
		fmt.Fprintln(os.Stderr, "forward:", err)
		// No answer at all, as from a port on which nothing listens.
		_ = client.SetLinger(0)
		return
	}
	defer server.Close()
	var directions sync.WaitGroup
	directions.Add(2)
	go func() { defer directions.Done(); pour(server, client) }()
	go func() { defer directions.Done(); pour(client, server) }()
	directions.Wait()
}

// pour copies from source to sink, and passes the end on: a half-closed connection stays half-closed, a broken one
// breaks on the other side too.
func pour(sink, source *net.TCPConn) {
	if _, err := io.Copy(sink, source); err != nil {
		_ = sink.SetLinger(0)
		_ = sink.Close()
		_ = source.Close()
		return
	}
	_ = sink.CloseWrite()
}

// dial connects to the first target that accepts.
func dial(targets []string) (*net.TCPConn, error) {
	var failures []error
	for _, target := range targets {
		connection, err := net.DialTimeout("tcp", target, dialTimeout)
		if err == nil {
			return connection.(*net.TCPConn), nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}
