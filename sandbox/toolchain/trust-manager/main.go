// Command trust-manager links trust-manager's Bundle controller without its webhook: the released
// program serves metrics and health on every interface, the sandbox on loopback alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	trustapi "github.com/cert-manager/trust-manager/pkg/apis/trust/v1alpha1"
	"github.com/cert-manager/trust-manager/pkg/bundle"
	"github.com/cert-manager/trust-manager/pkg/bundle/controller"
	"k8s.io/apimachinery/pkg/runtime"
	kscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	// The kubeconfig flag is the one that controller-runtime defines.
	metrics := flag.String("metrics-address", "127.0.0.1:0", "where /metrics is served")
	namespace := flag.String("trust-namespace", "cert-manager", "namespace of the bundles' sources")
	flag.Parse()
	kubeconfig := flag.Lookup("kubeconfig").Value.String()
	if err := run(ctrl.SetupSignalHandler(), kubeconfig, *metrics, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "trust-manager:", err)
		os.Exit(1)
	}
}

// run follows cmd/trust-manager/app, without leader election and webhook.
func run(ctx context.Context, kubeconfig, metrics, namespace string) error {
	ctrl.SetLogger(klog.Background())
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kscheme.AddToScheme, trustapi.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	options := controller.Options{Namespace: namespace}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: metrics},
		Cache:   bundle.CacheOpts(options),
	})
	if err != nil {
		return err
	}
	if err := bundle.SetupWithManager(ctx, manager, options); err != nil {
		return err
	}
	return manager.Start(ctx)
}
