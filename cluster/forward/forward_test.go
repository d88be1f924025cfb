package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// testDeadline bounds every read and write of a test, so that a lost byte fails the test instead of stopping it.
const testDeadline = 5 * time.Second

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// closedAddress is an address on which nothing listens any more.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	listener.Close()
	return listener.Addr().String()
}

// connect starts a forward to targets and returns a connection through it.
func connect(t *testing.T, targets ...string) *net.TCPConn {
	t.Helper()
	listener := listen(t)
	go serve(listener, targets)
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(testDeadline)); err != nil {
		t.Fatal(err)
	}
	return connection.(*net.TCPConn)
}

// echoAfterEnd answers one connection with all it has read, once the other side has ended.
func echoAfterEnd(listener net.Listener) {
	connection, err := listener.Accept()
	if err != nil {
		return
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(testDeadline))
	all, _ := io.ReadAll(connection)
	connection.Write(all)
}

func TestPassesTheEndOfOneDirectionOnAndKeepsTheOther(t *testing.T) {
	server := listen(t)
	go echoAfterEnd(server)
	connection := connect(t, server.Addr().String())
	if _, err := connection.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := connection.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil || string(answer) != "question" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
}

func TestACallWithoutAddressesOrTargetsIsRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"127.0.0.1:0"}, {"127.0.0.1:0="}, {"127.0.0.1:0=127.0.0.1:1", "127.0.0.1:1"}} {
		if code := Main(args); code != 64 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

func TestEveryAddressHasTargetsOfItsOwn(t *testing.T) {
	var addresses, forwards []string
	for _, server := range []net.Listener{listen(t), listen(t)} {
		address := closedAddress(t)
		go func() {
			if connection, err := server.Accept(); err == nil {
				fmt.Fprint(connection, address)
				connection.Close()
			}
		}()
		addresses = append(addresses, address)
		forwards = append(forwards, address+"="+closedAddress(t)+","+server.Addr().String())
	}
	go Main(forwards)
	for _, address := range addresses {
		var connection net.Conn
		var err error
		for deadline := time.Now().Add(testDeadline); connection == nil; connection, err = net.Dial("tcp", address) {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		defer connection.Close()
		connection.SetDeadline(time.Now().Add(testDeadline))
		answer, err := io.ReadAll(connection)
		if err != nil || string(answer) != address {
			t.Errorf("answer %q on %s, error %v", answer, address, err)
		}
	}
}

func TestTriesTheNextTargetWhereOneRefuses(t *testing.T) {
	server := listen(t)
	go echoAfterEnd(server)
	connection := connect(t, closedAddress(t), server.Addr().String())
	connection.Write([]byte("x"))
	connection.CloseWrite()
	answer, err := io.ReadAll(connection)
	if err != nil || string(answer) != "x" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
}

func TestResetsTheClientWhereNoTargetAccepts(t *testing.T) {
	listener := listen(t)
	go serve(listener, []string{closedAddress(t)})
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err == nil {
		// The reset may come before or after the dialling ends.
		defer connection.Close()
		connection.SetDeadline(time.Now().Add(testDeadline))
		_, err = connection.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("want a reset, got %v", err)
	}
}

func TestPassesAResetOn(t *testing.T) {
	server := listen(t)
	go func() {
		connection, err := server.Accept()
		if err != nil {
			return
		}
		connection.Read(make([]byte, 1))
		connection.(*net.TCPConn).SetLinger(0)
		connection.Close()
	}()
	connection := connect(t, server.Addr().String())
	connection.Write([]byte("x"))
	_, err := connection.Read(make([]byte, 1))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("want a reset, got %v", err)
	}
}
