// Command helm. A program of its own, as kubectl is.
package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run runs helm with args and returns the exit code.
func run(args []string) int {
	// The manager of the fields that it sets has its own name, whatever this binary is called.
	kube.ManagedFieldsManager = "helm"
	// What the client library says of its own workings is none of the user's: that it keeps to its rate, and, as an error, that a wait which
	// has seen all it waits for gave up what it still read. What fails, helm returns; what the API server warns of is written as kubectl does.
	klog.SetLogger(logr.Discard())
	rest.SetDefaultWarningHandler(rest.NewWarningWriter(os.Stderr, rest.WarningWriterOptions{Deduplicate: true}))
	command, err := cmd.NewRootCmd(os.Stdout, args, cmd.SetupLogging)
	if err != nil {
		slog.Warn("command failed", slog.Any("error", err))
		return 1
	}
	err = command.Execute()
	var failed cmd.CommandError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode
	default:
		return 1
	}
}
