package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// caPending lists what waits for a second person.
type caPending struct {
	caConnection
}

func (c caPending) Run(ctx context.Context, std streams) error {
	client, err := c.open()
	if err != nil {
		return err
	}
	undecided, err := client.Undecided(ctx)
	if err != nil {
		return advise(ctx, client, err)
	}
	if len(undecided) == 0 {
		fmt.Fprintln(std.err, "nothing waits for a second person")
	}
	for _, p := range undecided {
		fmt.Fprintf(std.out, "%s %s, asked for by %s until %s: %s\n", p.ID, strings.TrimSpace(p.Action+" "+string(p.Serial)), p.RequestedBy, p.ExpiresAt.Format(time.RFC3339), p.Request)
	}
	return nil
}

// caConfirm agrees to another person's request, which is carried out by it.
type caConfirm struct {
	caConnection
	ID string `arg:"" help:"The request, as \"altamga ca pending\" shows it."`
}

func (c caConfirm) Run(ctx context.Context, std streams) error {
	client, err := c.open()
	if err != nil {
		return err
	}
	carried, err := client.Confirm(ctx, c.ID)
	if err != nil {
		return advise(ctx, client, err)
	}
	fmt.Fprintf(std.out, "%s %s\n", carried.Pending.ID, carried.Pending.State)
	if carried.Pending.State != journal.Done {
		return withHint(fmt.Errorf("it was not carried out: %s", carried.Pending.Outcome), "the certificate may have changed meanwhile: see it with `altamga ca show`")
	}
	return nil
}

// caRefuse says no to a request, or takes back one's own.
type caRefuse struct {
	caConnection
	ID     string `arg:"" help:"The request, as \"altamga ca pending\" shows it."`
	Reason string `required:"" help:"Why, for whoever asked." placeholder:"TEXT"`
}

func (c caRefuse) Run(ctx context.Context, std streams) error {
	client, err := c.open()
	if err != nil {
		return err
	}
	refused, err := client.Refuse(ctx, c.ID, c.Reason)
	if err != nil {
		return advise(ctx, client, err)
	}
	fmt.Fprintf(std.out, "%s %s\n", refused.ID, refused.State)
	return nil
}
