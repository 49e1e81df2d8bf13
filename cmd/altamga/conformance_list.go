package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/altamga/altamga/conformance"
)

type conformanceList struct {
	Format string `help:"How they are printed: text or json." enum:"text,json" default:"text"`
}

func (c conformanceList) Run(std streams) error {
	all := conformance.Requirements()
	if c.Format == "json" {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Level, r.Clause, r.Title, r.How)
	}
	return w.Flush()
}
