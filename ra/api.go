package ra

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// applicationView is an application as the staff sees it.
type applicationView struct {
	Application
	// Legal names the actions that the state allows.
	Legal []string `json:"legal,omitempty"`
}

func applicationAnswer(status int, a *Application, who *Person) (answer, error) {
	v := applicationView{Application: *a, Legal: a.legal()}
	v.Ticket, v.Tickets = nil, nil
	// Who carries out status requests needs to know whose they are, not how to
	// find the person elsewhere. A certificate and the request for it hold the
	// FİN, too.
	masked := !who.has(Operator, Officer)
	if masked {
		v.FIN, v.VOEN, v.Email, v.Phone = mask(v.FIN), mask(v.VOEN), "", ""
	}
	if a.Issuance != nil {
		issuance := *a.Issuance
		issuance.Ticket, issuance.Certificates = nil, nil
		for _, c := range a.Issuance.Certificates {
			shown := c.shown(masked)
			issuance.Certificates = append(issuance.Certificates, &shown)
		}
		v.Issuance = &issuance
	}
	v.Void = nil
	for _, c := range a.Void {
		v.Void = append(v.Void, &Void{Issue: c.shown(masked), At: c.At, Revoked: c.Revoked})
	}
	return answer{status: status, body: v, location: "/v1/applications/" + a.ID}, nil
}

// shown returns what the staff sees of a certificate.
func (c *Issue) shown(masked bool) Issue {
	shown := *c
	if masked {
		shown.CSR, shown.Certificate = "", ""
	}
	return shown
}

// mask leaves the first two characters of an identifier.
func mask(s string) string {
	if len(s) <= 2 {
		return s
	}
	return s[:2] + strings.Repeat("*", len(s)-2)
}

func (o *Office) postApplication(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	f, err := readForm(w, r, false)
	if err != nil {
		return answer{}, err
	}
	a := Applicant{
		Category: Category(f.text("category")), GivenName: f.text("given_name"), Surname: f.text("surname"), FIN: f.text("fin"),
		VOEN: f.text("voen"), Email: f.text("email"), Phone: f.text("phone"), SearchConsent: f.flag("search_consent"),
	}
	t, err := readTicket(r, who, f.body)
	if err != nil {
		return answer{}, err
	}
	if err := f.done(a.check()...); err != nil {
		return answer{}, err
	}
	application, err := o.submit(r.Context(), who, a, t)
	if err != nil {
		return answer{}, err
	}
	return applicationAnswer(http.StatusCreated, application, who)
}

// findApplications finds a person's applications by FİN, which therefore
// travels in a body and not in an address.
func (o *Office) findApplications(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	f, err := readForm(w, r, false)
	if err != nil {
		return answer{}, err
	}
	probe := Applicant{FIN: f.text("fin")}
	wrong := slices.DeleteFunc(probe.check(), func(w problem.Field) bool { return w.Field != "fin" })
	if err := f.done(wrong...); err != nil {
		return answer{}, err
	}
	// Whoever looks for one person knows the FİN. Who looks for many is
	// trying them out.
	if !o.searches.allow(who.Name, time.Now()) {
		return answer{}, problem.New(http.StatusTooManyRequests, "too_many_requests", "too many searches by one person")
	}
	ctx := r.Context()
	if err := o.audit(ctx, who, "application.find", ""); err != nil {
		return answer{}, err
	}
	ids, err := o.find(ctx, "fin:"+probe.FIN)
	if err != nil {
		return answer{}, err
	}
	type found struct {
		ID          string    `json:"id"`
		Category    Category  `json:"category"`
		State       State     `json:"state"`
		SubmittedAt time.Time `json:"submitted_at"`
	}
	list := []found{}
	for _, id := range ids {
		var a Application
		if _, err := o.load(ctx, applicationPrefix, id, &a); err != nil {
			return answer{}, err
		}
		list = append(list, found{a.ID, a.Category, a.State, a.SubmittedAt})
	}
	return answer{status: http.StatusOK, body: map[string]any{"applications": list}}, nil
}

func (o *Office) getApplication(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	id := r.PathValue("id")
	var a Application
	if _, err := o.load(r.Context(), applicationPrefix, id, &a); err != nil {
		return answer{}, err
	}
	if err := o.audit(r.Context(), who, "application.read", id); err != nil {
		return answer{}, err
	}
	return applicationAnswer(http.StatusOK, &a, who)
}

func (o *Office) getApplicationHistory(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	return o.history(r.Context(), who, "application", applicationPrefix, r.PathValue("id"), new(Application))
}

func (o *Office) getStatusRequestHistory(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	return o.history(r.Context(), who, "status", statusRequestPrefix, r.PathValue("id"), new(StatusRequest))
}

func (o *Office) history(ctx context.Context, who *Person, what, prefix, id string, document any) (answer, error) {
	if _, err := o.load(ctx, prefix, id, document); err != nil {
		return answer{}, err
	}
	if err := o.audit(ctx, who, what+".history.read", id); err != nil {
		return answer{}, err
	}
	events, err := o.events(ctx, id)
	return answer{status: http.StatusOK, body: map[string]any{"id": id, "history": events}}, err
}

// postTransition handles the actions that need no authority.
func (o *Office) postTransition(action string) func(http.ResponseWriter, *http.Request, *Person) (answer, error) {
	return func(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
		f, err := readForm(w, r, action == "approve" || action == "withdraw" || action == "confirm" || action == "keep")
		if err != nil {
			return answer{}, err
		}
		var reason string
		switch action {
		case "verify":
			// The operator says so in words, rather than by calling the address.
			if f.text("docs") != "complete" {
				f.fault("docs", `is not "complete": an application is verified when its documents are`)
			}
			if f.text("identity") != "matched" {
				f.fault("identity", `is not "matched": an application is verified when the person's identity is`)
			}
			reason = f.text("note")
			if detail := checkText(reason); detail != "" {
				f.fault("note", detail)
			}
		case "reject", "withdraw", "keep":
			reason = strings.TrimSpace(f.text("reason"))
			if detail := checkText(reason); detail != "" {
				f.fault("reason", detail)
			} else if reason == "" && action == "reject" {
				f.fault("reason", "is missing: a refusal is given in writing")
			}
		}
		t, err := readTicket(r, who, f.body)
		if err != nil {
			return answer{}, err
		}
		if err := f.done(); err != nil {
			return answer{}, err
		}
		a, err := o.act(r.Context(), who, r.PathValue("id"), action, reason, t)
		if err != nil {
			return answer{}, err
		}
		status := http.StatusOK
		if a.Ending != nil {
			// A second person has to confirm it.
			status = http.StatusAccepted
		}
		return applicationAnswer(status, a, who)
	}
}

// issueView is the answer to an issuance.
type issueView struct {
	Application  string      `json:"application"`
	State        State       `json:"state"`
	Set          string      `json:"set"`
	Certificates []issueItem `json:"certificates"`
	// Chain is the certificates' issuers in PEM, from the issuing centre
	// upward, without the root.
	Chain string `json:"chain"`
}

type issueItem struct {
	Kind        string         `json:"kind"`
	Profile     string         `json:"profile"`
	Serial      journal.Serial `json:"serial"`
	Certificate string         `json:"certificate"`
}

func (o *Office) postIssue(w http.ResponseWriter, r *http.Request, who *Person) (answer, error) {
	f, err := readForm(w, r, false)
	if err != nil {
		return answer{}, err
	}
	request := issueRequest{Signature: f.text("csr_signature"), Authentication: f.text("csr_authentication")}
	t, err := readTicket(r, who, f.body)
	if err != nil {
		return answer{}, err
	}
	if err := f.done(request.check()...); err != nil {
		return answer{}, err
	}
	a, err := o.issue(r.Context(), who, r.PathValue("id"), request, t)
	if err != nil {
		return answer{}, err
	}
	v := issueView{Application: a.ID, State: a.State, Set: a.Issuance.Set, Chain: a.Issuance.Chain}
	for _, c := range a.Issuance.Certificates {
		v.Certificates = append(v.Certificates, issueItem{c.Kind, c.Profile, c.Serial, c.Certificate})
	}
	return answer{status: http.StatusCreated, body: v, location: "/v1/applications/" + a.ID}, nil
}
