package ra

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// pathSerial reads the serial number in the address.
func pathSerial(r *http.Request) (journal.Serial, error) {
	serial, err := journal.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return "", problem.Invalid(problem.Field{Field: "serial", Detail: err.Error(), Clause: "RFC 5280, Section 4.1.2.2"})
	}
	return serial, nil
}

// statusView is a status request as the staff sees it.
type statusView struct {
	StatusRequest
	Legal []string `json:"legal,omitempty"`
}

func statusAnswer(status int, s *StatusRequest, err error) (answer, error) {
	if s == nil {
		return answer{}, err
	}
	v := statusView{StatusRequest: *s, Legal: s.legal()}
	v.Ticket, v.Tickets = nil, nil
	return answer{status: status, body: v, location: "/v1/status-requests/" + s.ID}, err
}

// postChange handles suspend, restore and revoke: 201 when it was carried out,
// 202 when a second person has to confirm it.
func (o *Office) postChange(action string) func(http.ResponseWriter, *http.Request, *Person) (answer, error) {
	return func(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
		f, err := readForm(w, r, false)
		if err != nil {
			return answer{}, err
		}
		in := statusInput{
			Owner: f.text("owner"), Reason: f.text("reason"), Note: f.text("note"), Document: f.text("document"), Channel: f.text("channel"), Scope: f.text("scope"),
			ReceivedAt: f.time("received_at"), InvalidityDate: f.time("invalidity_date"),
		}
		serial, err := pathSerial(r)
		if err != nil {
			return answer{}, err
		}
		t, err := readTicket(r, who, f.body)
		if err != nil {
			return answer{}, err
		}
		request, wrong := in.request(action, time.Now().UTC())
		if err := f.done(wrong...); err != nil {
			return answer{}, err
		}
		s, err := o.request(r.Context(), who, serial, request, t)
		status := http.StatusCreated
		if s != nil && s.State == Received {
			status = http.StatusAccepted
		}
		return statusAnswer(status, s, err)
	}
}

func (o *Office) getStatusRequest(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	var s StatusRequest
	id := r.PathValue("id")
	if _, err := o.load(r.Context(), statusRequestPrefix, id, &s); err != nil {
		return answer{}, err
	}
	if err := o.audit(r.Context(), who, "status.read", id); err != nil {
		return answer{}, err
	}
	return statusAnswer(http.StatusOK, &s, nil)
}

// getCertificateHistory tells all that happened to a certificate, with reasons
// and owners, and the requests that led to it.
func (o *Office) getCertificateHistory(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	serial, err := pathSerial(r)
	if err != nil {
		return answer{}, err
	}
	ctx := r.Context()
	if _, _, err := o.origin(ctx, serial); err != nil {
		return answer{}, err
	}
	c, err := o.certificate(ctx, serial)
	if unknownCertificate(c, err) {
		return answer{}, errNoCertificate
	}
	if err != nil {
		return answer{}, o.authorityFault(ctx, err, "serial")
	}
	if err := o.audit(ctx, who, "certificate.read", "", slog.String("serial", string(serial))); err != nil {
		return answer{}, err
	}
	ids, err := o.find(ctx, "requests:"+string(serial))
	if err != nil {
		return answer{}, err
	}
	requests := []statusView{}
	for _, id := range ids {
		var s StatusRequest
		if _, err := o.load(ctx, statusRequestPrefix, id, &s); err != nil {
			return answer{}, err
		}
		s.Ticket, s.Tickets = nil, nil
		requests = append(requests, statusView{StatusRequest: s, Legal: s.legal()})
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"serial": c.Serial, "issuer": c.Issuer, "profile": c.Profile, "set": c.Set,
		"status": c.Status, "history": c.History, "status_requests": requests,
	}}, nil
}

var errNoCertificate = problem.New(http.StatusNotFound, "unknown_certificate", "no certificate with this serial number came from an application of this centre")

// statusStep is what may be done to a status request after it was entered.
type statusStep struct {
	action string
	roles  []Role
}

var statusSteps = []statusStep{
	{"confirm", []Role{Officer, Revocation}},
	{"execute", []Role{Officer, Revocation, Operator}},
	{"refuse", []Role{Officer, Revocation}},
	{"notified", []Role{Operator, Officer, Revocation}},
}

func (o *Office) postStatusStep(step statusStep) func(http.ResponseWriter, *http.Request, *Person) (answer, error) {
	return func(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
		f, err := readForm(w, r, step.action != "refuse")
		if err != nil {
			return answer{}, err
		}
		now := time.Now().UTC()
		var reason string
		notifiedAt := now
		switch step.action {
		case "refuse":
			if reason = strings.TrimSpace(f.text("reason")); reason == "" {
				f.fault("reason", "is missing: a refusal is given in writing")
			} else if detail := checkText(reason); detail != "" {
				f.fault("reason", detail)
			}
		case "notified":
			if at := f.time("notified_at"); !at.IsZero() {
				notifiedAt = at.UTC()
				if detail := checkPast(at, now); detail != "" {
					f.fault("notified_at", detail)
				}
			}
		}
		t, err := readTicket(r, who, f.body)
		if err != nil {
			return answer{}, err
		}
		if err := f.done(); err != nil {
			return answer{}, err
		}
		s, err := o.step(r.Context(), who, r.PathValue("id"), stepInput{step.action, reason, notifiedAt, t})
		return statusAnswer(http.StatusOK, s, err)
	}
}
