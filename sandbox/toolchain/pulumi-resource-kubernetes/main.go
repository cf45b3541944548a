// Command pulumi-resource-kubernetes serves the Kubernetes provider of its published module, whose
// own command has files embedded that are not in the module: `../../upstream.py` writes them, with
// the version, from those that are.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed terraform-mapping.json
	mapping []byte
)

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
