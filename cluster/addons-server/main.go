// Command addons is what the cluster's own pods run, in one binary: CoreDNS and metrics-server, by its first argument.
//
// CoreDNS has the plugins that its Corefile here names and no other: the rest would bring the SDKs of three clouds.
package main

import (
	"fmt"
	"os"

	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func main() {
	if len(os.Args) < 2 {
		fail()
	}
	name := os.Args[1]
	// Each reads its own arguments from here.
	os.Args = append([]string{name}, os.Args[2:]...)
	switch name {
	case "coredns":
		coremain.Run()
	case "metrics-server":
		os.Exit(cli.Run(app.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())))
	default:
		fail()
	}
}

func fail() {
	fmt.Fprintln(os.Stderr, "usage: addons coredns|metrics-server [ARGUMENTS]")
	os.Exit(64)
}
