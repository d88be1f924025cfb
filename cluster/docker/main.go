// Command docker-buildx is Docker's buildx with the one driver that builds in the engine itself: buildx' own main links
// those for Kubernetes and for builders elsewhere as well, and with them a quarter more packages.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/docker/buildx/commands"
	_ "github.com/docker/buildx/driver/docker"
	"github.com/docker/buildx/util/cobrautil"
	"github.com/docker/buildx/version"
	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/debug"
	// The codec of the protocol that the engine's builder speaks.
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto"
	"go.opentelemetry.io/otel"
)

func main() {
	otel.SetErrorHandler(debug.OTELErrorHandler)
	docker, err := command.NewDockerCli()
	if err == nil {
		err = run(docker)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		os.Exit(status(err))
	}
}

// run runs the command, either as docker's plugin or, as Compose calls it, as a program of its own.
func run(docker *command.DockerCli) error {
	if plugin.RunningStandalone() {
		return commands.NewRootCmd("buildx", false, docker).Execute()
	}
	return plugin.RunPlugin(docker, commands.NewRootCmd("buildx", true, docker), metadata.Metadata{
		SchemaVersion: "0.1.0",
		Vendor:        "Docker Inc.",
		Version:       version.Version,
	})
}

// status is the exit code for err, never 0.
func status(err error) int {
	var code cobrautil.ExitCodeError
	if errors.As(err, &code) {
		return int(code)
	}
	var command cli.StatusError
	if errors.As(err, &command) && command.StatusCode != 0 {
		return command.StatusCode
	}
	return 1
}
