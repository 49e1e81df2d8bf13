package ca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/altamga/altamga/internal/journal"
)

// Certificates yields the issued certificates of a selection as they arrive, in
// the order of their reservation. The selection's limit bounds how many there
// are in all; zero or less means every one. An error is the last element.
func (c *Client) Certificates(ctx context.Context, selection journal.Selection) iter.Seq2[ListedCertificate, error] {
	return func(yield func(ListedCertificate, error) bool) {
		unlimited, left := selection.Limit <= 0, selection.Limit
		for {
			page := maxListed
			if !unlimited {
				page = min(left, maxListed)
			}
			selection.Limit = page
			n, goOn := 0, true
			err := c.page(ctx, selection, func(line ListedCertificate) bool {
				n++
				selection.After = line.Serial
				goOn = yield(line, nil)
				return goOn
			})
			left -= n
			switch {
			case !goOn:
				return
			case err != nil:
				yield(ListedCertificate{}, err)
				return
			case n < page || !unlimited && left <= 0:
				return
			}
		}
	}
}

// page reads one answer of the list.
func (c *Client) page(ctx context.Context, selection journal.Selection, take func(ListedCertificate) bool) error {
	query := url.Values{"limit": {strconv.Itoa(selection.Limit)}}
	for key, value := range map[string]string{
		"issuer": selection.Issuer, "profile": selection.Profile, "state": string(selection.State), "after": string(selection.After),
	} {
		if value != "" {
			query.Set(key, value)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/v1/certificates?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("asking authority: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking authority: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("reading answer of authority: %w", err)
		}
		return refusalOf(response, answer)
	}
	decoder := json.NewDecoder(response.Body)
	for n := 0; ; n++ {
		var line ListedCertificate
		err := decoder.Decode(&line)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading list of certificates: %w", err)
		case n == selection.Limit:
			return errors.New("reading list of certificates: it is longer than was asked for")
		case line.Serial == "" || line.Serial == selection.After:
			return errors.New("reading list of certificates: a line repeats the one before it or names no serial")
		}
		if !take(line) {
			return nil
		}
	}
}
