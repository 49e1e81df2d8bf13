package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/altamga/altamga/internal/serve"
)

// upCommand runs every server that the configuration has a section for.
type upCommand struct {
	serveFlags
}

func (c upCommand) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addAll)
}

// serveFlags are those of every command that serves.
type serveFlags struct {
	Config string `short:"c" required:"" help:"The configuration file (TOML)." type:"path" placeholder:"FILE"`
	Check  bool   `help:"Check configuration, keys and stores, open no port, and exit."`
	Debug  bool   `help:"Log each request."`
}

// serve runs the servers that add puts into the process, until ctx ends.
func (f serveFlags) serve(ctx context.Context, std streams, add func(*process, context.Context) error) (err error) {
	level := slog.LevelInfo
	if f.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(serve.LogRequestID(slog.NewJSONHandler(std.err, &slog.HandlerOptions{Level: level})))
	p, err := newProcess(ctx, f.Config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := add(p, ctx); err != nil {
		return err
	}
	if f.Check {
		fmt.Fprintf(std.out, "%s: configuration, keys and stores are in order\n", f.Config)
		return nil
	}
	p.loops = append(p.loops, serve.Loop{Name: "keys", Run: p.retryPINs})
	log.LogAttrs(ctx, slog.LevelInfo, "starting", slog.String("config", f.Config), slog.Int("pid", os.Getpid()))
	return p.run(ctx)
}

// addAll adds a server for each section of the configuration.
func (p *process) addAll(ctx context.Context) error {
	c, some := p.config, false
	for _, server := range []struct {
		there bool
		add   func(context.Context) error
	}{{c.CA != nil, p.addCA}, {c.OCSP != nil, p.addOCSP}, {c.CRL != nil, p.addCRL}, {c.TSA != nil, p.addTSA}, {c.RA != nil, p.addRA}, {c.Interop != nil, p.addInterop}} {
		if !server.there {
			continue
		}
		some = true
		if err := server.add(ctx); err != nil {
			return err
		}
	}
	if !some {
		return withHint(errors.New("the configuration names no server"), "add a section [ca], [ocsp], [crl], [tsa], [ra] or [interop]; `altamga init` writes a whole file")
	}
	return nil
}

// noSection says that a server was asked for that the configuration lacks.
func noSection(name string) error {
	return withHint(fmt.Errorf("the configuration has no section [%s]", name), "is it the right file? `altamga init` writes one with every section")
}
