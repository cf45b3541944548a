// Package register names the providers of the sandbox: Vault and no cloud.
package register

import (
	_ "github.com/external-secrets/external-secrets/pkg/provider/vault"
)
