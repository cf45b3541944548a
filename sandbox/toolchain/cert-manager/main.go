// Command cert-manager links the two cert-manager programs that the sandbox runs, controller and
// cainjector, from the cert-manager library: their own commands are modules that are not published.
//
//	cert-manager controller --kubeconfig F --metrics-address A --cluster-resource-namespace NS
//	cert-manager cainjector --kubeconfig F --metrics-address A
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

type settings struct {
	kubeconfig, metricsAddress, clusterResourceNamespace string
	minimumBackoff                                       time.Duration
}

var programs = map[string]func(context.Context, settings) error{
	"controller": runController,
	"cainjector": runCAInjector,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cert-manager:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || programs[args[0]] == nil {
		return fmt.Errorf("say which program: controller or cainjector")
	}
	var s settings
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "path of the kubeconfig file")
	flags.StringVar(&s.metricsAddress, "metrics-address", "127.0.0.1:0", "where /metrics is served")
	flags.StringVar(&s.clusterResourceNamespace, "cluster-resource-namespace", "cert-manager",
		"namespace of the Secrets that a ClusterIssuer refers to")
	flags.DurationVar(&s.minimumBackoff, "certificate-request-minimum-backoff-duration", time.Hour,
		"shortest wait after a failed request; doubles with each failure")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(klog.Background())
	return programs[args[0]](logf.NewContext(ctx, logf.Log.WithName(args[0])), s)
}
