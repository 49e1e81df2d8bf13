package serve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/altamga/altamga/internal/serve"
)

func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		l := newPipeListener()
		handler := func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/before":
				w.Header().Set("Content-Type", "application/pkix-crl")
				panic("nil map")
			case "/after":
				fmt.Fprint(w, "half of")
				panic("nil map")
			}
			ok(w, r)
		}
		group := start(log, []serve.Server{{Name: "crl", Listener: l, Handler: http.HandlerFunc(handler)}})
		client := l.client(t)
		response, body := get(t, client, "/before?fin=SECRET")
		if response.StatusCode != 500 || body != "internal error\n" || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("got %d %q %v", response.StatusCode, body, response.Header)
		}
		if response.Header.Get("X-Request-Id") == "" {
			t.Error("the answer has no name to look for in the log")
		}
		// Not a GET, which the client would repeat.
		if response, err := client.Post("http://server/after", "text/plain", nil); err == nil {
			if _, err = io.ReadAll(response.Body); err == nil {
				t.Error("half an answer looked whole")
			}
			response.Body.Close()
		}
		if _, body := get(t, client, "/"); body != "fine" {
			t.Errorf("the server after a panic: %q", body)
		}
		if err := group.end(); err != nil {
			t.Error(err)
		}
		if got := strings.Count(out.String(), `"panic":"nil map"`); got != 2 {
			t.Errorf("%d panics are in the log, want 2:\n%s", got, out.String())
		}
		if !strings.Contains(out.String(), response.Header.Get("X-Request-Id")) || !strings.Contains(out.String(), "handler_test.go") {
			t.Errorf("the log lacks the request's name or the place:\n%s", out.String())
		}
		if strings.Contains(out.String(), "SECRET") {
			t.Error("the query is in the log")
		}
	})
}

func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(serve.LogRequestID(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		l := newPipeListener()
		handler := func(w http.ResponseWriter, r *http.Request) {
			log.With("a", 1).WithGroup("g").InfoContext(r.Context(), "inside")
			if _, err := io.ReadAll(r.Body); err != nil {
				tooLarge, _ := errors.AsType[*http.MaxBytesError](err)
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				fmt.Fprint(w, tooLarge.Limit)
				return
			}
			io.WriteString(w, serve.RequestID(r.Context()))
		}
		group := start(log, []serve.Server{{Name: "ra", Listener: l, Handler: http.HandlerFunc(handler), MaxBody: 100, MaxHeaderBytes: 1000}})
		client := l.client(t)
		do := func(id, body string) (*http.Response, string) {
			t.Helper()
			request, _ := http.NewRequest("POST", "http://server/"+strings.Repeat("p", 200)+"?serial=SECRET", strings.NewReader(body))
			request.Header.Set("X-Request-Id", id)
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, _ := io.ReadAll(response.Body)
			return response, string(got)
		}
		for _, row := range []struct {
			name, id string
			keep     bool
		}{
			{"the client's", "order-7.A_b", true},
			{"none", "", false},
			{"with a space", "a b", false},
			{"too long", strings.Repeat("a", 65), false},
		} {
			response, inside := do(row.id, "x")
			answered := response.Header.Get("X-Request-Id")
			if answered != inside || answered == "" || (answered == row.id) != row.keep {
				t.Errorf("request id %s: sent %q, answered %q, in the context %q", row.name, row.id, answered, inside)
			}
		}
		if response, body := do("", strings.Repeat("x", 101)); response.StatusCode != 413 || body != "100" {
			t.Errorf("body over MaxBody: got %d %q", response.StatusCode, body)
		}
		request, _ := http.NewRequest("GET", "http://server/", nil)
		request.Header.Set("X-Long", strings.Repeat("x", 6000))
		if response, err := client.Do(request); err != nil || response.StatusCode != 431 {
			t.Errorf("header over MaxHeaderBytes: got %v %v", response, err)
		}
		if err := group.end(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{`"msg":"request"`, `"request":"order-7.A_b"`, `"server":"ra"`, `"status":413`, `"g":{"request":"order-7.A_b"}`, `"octets":11`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, out.String())
			}
		}
		if strings.Contains(out.String(), "SECRET") || strings.Contains(out.String(), strings.Repeat("p", 100)) {
			t.Error("the log has queries or whole paths")
		}
	})
}

// What the wrapping costs each request, beside the handler itself.
// What follows a request in chunks is not answered: somebody in front may have
// taken it for the body (request smuggling).
func TestNothingFollowsARequestInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		group := start(nil, []serve.Server{{Name: "ra", Listener: l, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			ok(w, r)
		})}})
		for name, length := range map[string]string{"chunks and a length": "Content-Length: 5\r\n", "chunks": ""} {
			conn, err := l.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: server\r\n"+length+"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: server\r\n\r\n")
			text, err := io.ReadAll(conn)
			if got := strings.Count(string(text), "HTTP/1.1 "); got != 1 || !strings.Contains(string(text), "Connection: close") || err != nil {
				t.Errorf("%s: %d answers, %v: %q", name, got, err, text)
			}
			conn.Close()
		}
		if err := group.end(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	s := serve.Server{Name: "ocsp", Handler: http.HandlerFunc(ok)}
	h := serve.Handler(&s)
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		w.Body.Reset()
		h.ServeHTTP(w, r)
	}
}
