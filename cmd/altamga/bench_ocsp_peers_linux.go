package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/loopback"
)

// redis starts one, on the load's processor.
func (b *ocspBench) redis(ctx context.Context) (address string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, err
	}
	address, err = loopback.Address()
	if err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	command := exec.CommandContext(ctx, path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", b.dir)
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		command.Process.Kill()
		command.Wait()
	}
	if b.cpu >= 0 {
		if err := pin(command.Process.Pid, 1); err != nil {
			stop()
			return "", nil, err
		}
	}
	return address, stop, waitListening(address)
}

// nginx measures nginx with one worker, with a literal answer or with files.
func (b *ocspBench) nginx(ctx context.Context, m measurement) (measured, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return measured{}, err
	}
	address, err := loopback.Address()
	if err != nil {
		return measured{}, err
	}
	dir := filepath.Join(b.dir, m.kind)
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
		return measured{}, err
	}
	body := strings.Repeat("x", benchAnswerLength)
	requests := b.mixed
	where := "return 200 \"" + body + "\";"
	if m.kind == "files" {
		where, requests = "root "+filepath.Join(dir, "files")+";", nil
		for i := range 10_000 {
			name := fmt.Sprintf("%d", i)
			if err := os.WriteFile(filepath.Join(dir, "files", name), []byte(body), 0o644); err != nil {
				return measured{}, err
			}
			requests = append(requests, []byte("GET /"+name+" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: altamga-bench\r\nAccept: */*\r\n\r\n"))
		}
	}
	configuration := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http {
	access_log off; keepalive_requests 1000000000; open_file_cache max=20000; sendfile on;
	client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
	default_type application/ocsp-response;
	server { listen %[2]s;
		add_header Cache-Control "max-age=59, public, no-transform, must-revalidate";
		add_header Expires "Sun, 22 Nov 2026 13:54:20 GMT"; add_header X-Content-Type-Options nosniff;
		location / { %[3]s } } }
`, dir, address, where)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		return measured{}, err
	}
	command := exec.CommandContext(ctx, path, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", file)
	stop, err := b.start(ctx, command)
	if err != nil {
		return measured{}, err
	}
	defer stop()
	return b.load(address, command.Process.Pid, requests, func(_ int, head, content []byte) error {
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || len(content) != len(body) {
			return fmt.Errorf("answered %.60q", head)
		}
		return nil
	}, m.kind)
}

// cfssl measures cfssl's responder with answers of ours.
func (b *ocspBench) cfssl(ctx context.Context, m measurement) (measured, error) {
	path, err := exec.LookPath("cfssl")
	if err != nil {
		return measured{}, err
	}
	file := filepath.Join(b.dir, "responses")
	if _, err := os.Stat(file); err != nil {
		if err := b.writeResponses(ctx, file); err != nil {
			return measured{}, err
		}
	}
	address, err := loopback.Address()
	if err != nil {
		return measured{}, err
	}
	host, port, _ := net.SplitHostPort(address)
	command := exec.CommandContext(ctx, path, "ocspserve", "-address", host, "-port", port, "-responses", file, "-loglevel", "5")
	stop, err := b.start(ctx, command)
	if err != nil {
		return measured{}, err
	}
	command.Stderr = io.Discard
	defer stop()
	// It redirects where the base64 of a GET holds a doubled slash, and takes a
	// plus for a space.
	requests := slices.Clone(b.mixed)
	for i, in := range b.encoded {
		if text := base64.StdEncoding.EncodeToString(in); strings.Contains(text, "//") || strings.Contains(text, "+") {
			requests[i] = posted(in)
		}
	}
	return b.load(address, command.Process.Pid, requests, b.checker(b.centre, m.kind), m.kind)
}

// writeResponses writes one of our answers to each request, as cfssl reads
// them.
func (b *ocspBench) writeResponses(ctx context.Context, file string) error {
	responder, err := benchResponder(b.centre, 0, nil)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, in := range b.encoded {
		fmt.Fprintln(&out, base64.StdEncoding.EncodeToString(answerTo(ctx, responder, in)))
	}
	return os.WriteFile(file, out.Bytes(), 0o600)
}
