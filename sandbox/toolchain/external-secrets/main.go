// Command external-secrets runs the External Secrets operator with the Vault provider alone: the
// controllers of SecretStore, ClusterSecretStore, ExternalSecret and PushSecret.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	esv1alpha1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1alpha1"
	genv1alpha1 "github.com/external-secrets/external-secrets/apis/generators/v1alpha1"
	ctrlcommon "github.com/external-secrets/external-secrets/pkg/controllers/common"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret"
	"github.com/external-secrets/external-secrets/pkg/controllers/externalsecret/esmetrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/metrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/pushsecret"
	"github.com/external-secrets/external-secrets/pkg/controllers/pushsecret/psmetrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore/cssmetrics"
	"github.com/external-secrets/external-secrets/pkg/controllers/secretstore/ssmetrics"
	"github.com/external-secrets/external-secrets/pkg/feature"
	corev1 "k8s.io/api/core/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	class          = "default"
	refreshDefault = time.Hour
)

func main() {
	// The kubeconfig flag is the one that controller-runtime defines.
	address := flag.String("metrics-address", "127.0.0.1:0", "where /metrics is served")
	storeRequeue := flag.Duration("store-requeue-interval", 5*time.Minute,
		"how often a store is checked")
	flag.Parse()
	kubeconfig := flag.Lookup("kubeconfig").Value.String()
	if err := run(ctrl.SetupSignalHandler(), kubeconfig, *address, *storeRequeue); err != nil {
		fmt.Fprintln(os.Stderr, "external-secrets:", err)
		os.Exit(1)
	}
}

// run follows cmd/controller of the release, without leader election and generators.
func run(ctx context.Context, kubeconfig, address string, storeRequeue time.Duration) error {
	ctrl.SetLogger(zap.New())
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 50, 100
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		kscheme.AddToScheme, apiext.AddToScheme,
		esv1.AddToScheme, esv1alpha1.AddToScheme, genv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: address},
		Client: client.Options{Cache: &client.CacheOptions{
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}},
		}},
	})
	if err != nil {
		return err
	}
	if err := setUp(ctx, manager, storeRequeue); err != nil {
		return err
	}
	for _, each := range feature.Features() {
		if each.Initialize != nil {
			each.Initialize()
		}
	}
	return manager.Start(ctx)
}

func setUp(ctx context.Context, manager ctrl.Manager, storeRequeue time.Duration) error {
	metrics.SetUpLabelNames(false)
	esmetrics.SetUpMetrics()
	ssmetrics.SetUpMetrics()
	cssmetrics.SetUpMetrics()
	psmetrics.SetUpMetrics()
	options := func() controller.Options {
		return controller.Options{MaxConcurrentReconciles: 4, RateLimiter: ctrlcommon.BuildRateLimiter()}
	}
	secrets, err := ctrlcommon.BuildManagedSecretClient(manager, "")
	if err != nil {
		return err
	}
	log := ctrl.Log.WithName("controllers")
	if err := (&secretstore.StoreReconciler{
		Client: manager.GetClient(), Log: log.WithName("SecretStore"), Scheme: manager.GetScheme(),
		ControllerClass: class, RequeueInterval: storeRequeue, PushSecretEnabled: true,
	}).SetupWithManager(manager, options()); err != nil {
		return err
	}
	if err := (&secretstore.ClusterStoreReconciler{
		Client: manager.GetClient(), Log: log.WithName("ClusterSecretStore"),
		Scheme: manager.GetScheme(), ControllerClass: class, RequeueInterval: storeRequeue,
		PushSecretEnabled: true,
	}).SetupWithManager(manager, options()); err != nil {
		return err
	}
	if err := (&externalsecret.Reconciler{
		Client: manager.GetClient(), SecretClient: secrets, Log: log.WithName("ExternalSecret"),
		Scheme: manager.GetScheme(), RestConfig: manager.GetConfig(), ControllerClass: class,
		RequeueInterval: refreshDefault, ClusterSecretStoreEnabled: true, EnableFloodGate: true,
	}).SetupWithManager(manager, options()); err != nil {
		return err
	}
	return (&pushsecret.Reconciler{
		Client: manager.GetClient(), Log: log.WithName("PushSecret"), Scheme: manager.GetScheme(),
		ControllerClass: class, RestConfig: manager.GetConfig(), RequeueInterval: refreshDefault,
	}).SetupWithManager(ctx, manager, options())
}
