package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/durable"
)

// endpoints is what a client of the demonstration needs to know; endpoints.json
// holds it while the demonstration is up.
type endpoints struct {
	Root      string `json:"root"`
	Issuer    string `json:"issuer"`
	Chain     string `json:"chain"`
	Leaf      string `json:"leaf"`
	LeafKey   string `json:"leaf_key"`
	Revoked   string `json:"revoked"`
	Held      string `json:"held"`
	OCSP      string `json:"ocsp"`
	CRL       string `json:"crl"`
	RootCRL   string `json:"root_crl"`
	DeltaCRL  string `json:"delta_crl"`
	TSA       string `json:"tsa"`
	TSAPolicy string `json:"tsa_policy"`
	// TrustList and its signer's certificate; empty for a centre without one.
	TrustList       string `json:"trust_list,omitempty"`
	TrustListSigner string `json:"trust_list_signer,omitempty"`
	CAAPI           string `json:"ca_api"`
	CAClient        string `json:"ca_client_cert"`
	CAKey           string `json:"ca_client_key"`
	CARoot          string `json:"ca_tls_root"`
	RA              string `json:"ra"`
	// Admin has the base of health, readiness and metrics of each server.
	Admin map[string]string `json:"admin"`
}

// endpointsFile is the name of the file below the demonstration's folder.
const endpointsFile = "endpoints.json"

// write puts the endpoints into dir, whole or not at all.
func (e endpoints) write(dir string) error {
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, endpointsFile), append(data, '\n'), 0o644)
}

// removeEndpoints takes the file away: nothing answers there any more.
func removeEndpoints(dir string) error {
	err := os.Remove(filepath.Join(dir, endpointsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
