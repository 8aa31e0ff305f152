package feeds

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/form"
)

// mostPages is how many pages a list may have. APIBAN gives 250 addresses a page.
const mostPages = 400

// getPages downloads all pages of a list into one body, of which each is a part. If one fails, all
// have: half a list is no list.
func (r *Reader) getPages(ctx context.Context, f *Feed, request fetch.Request, all *fetch.Staged) (fetch.Response, error) {
	request.ETag, request.LastModified = "", "" // they would be of one page
	end, left, next := time.Now().Add(request.Timeout), request.MaxBytes, ""
	response := fetch.Response{}
	for page := 1; ; page++ {
		one := request
		one.URL = one.Secret.In(f.Page(next), config.Secret)
		one.MaxBytes, one.Timeout = left, time.Until(end)
		if page > 1 {
			one.Also = http.StatusBadRequest // so APIBAN says that there are no more
		}
		switch {
		case page > mostPages:
			return response, pageError(page, fmt.Sprintf("a list may have %d pages", mostPages))
		case left <= 0:
			return response, pageError(page, fmt.Sprintf("more than %d bytes in all pages", request.MaxBytes))
		case one.Timeout <= 0:
			return response, pageError(page, fmt.Sprintf("not begun: the pages before took %v, all the time there is", request.Timeout))
		}
		got, said, err := r.getPage(ctx, f, one, all)
		response.Talked, response.Bytes = got.Talked, response.Bytes+got.Bytes
		if err != nil {
			return response, fmt.Errorf("page %d: %w", page, err)
		}
		if left -= got.Bytes; said.Next == "" || said.Next == next {
			return response, nil
		}
		if !isPage(said.Next) {
			return response, pageError(page, fmt.Sprintf("it names %q as the next one", said.Next[:min(len(said.Next), 40)]))
		}
		next = said.Next
	}
}

// getPage downloads a page, and adds it to the body. The page with which a server says that there are
// no more is not added.
func (r *Reader) getPage(ctx context.Context, f *Feed, request fetch.Request, all *fetch.Staged) (got fetch.Response, said form.Page, err error) {
	page, err := r.store.Stage(f.Name)
	if err != nil {
		return got, said, err
	}
	defer page.Discard()
	if got, err = r.Client.Get(ctx, request, page); err != nil {
		return got, said, err
	}
	for part, in := range page.Parts() {
		if said, err = form.PageOf(in, f.Next, f.Form.Fields); err != nil {
			return got, said, err
		}
		if got.Status != http.StatusOK {
			if said.Next == "" && said.Entries {
				return got, said, nil
			}
			return got, said, pageError(0, fmt.Sprintf("the answer is %d, and does not say that there are no more pages", got.Status))
		}
		all.Part(part.Name)
	}
	for _, in := range page.Parts() {
		if _, err := io.Copy(all, in); err != nil {
			return got, said, err
		}
	}
	return got, said, nil
}

// isPage reports whether a server may choose this name for a page: it becomes part of a URL.
func isPage(name string) bool {
	return len(name) <= 100 && strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._~-") == "" && strings.Trim(name, ".") != ""
}

// pagesError is why the pages of a list could not be had.
type pagesError struct{ why string }

func (e *pagesError) Error() string { return e.why }

// Explain describes the error; see [problem.Of].
func (e *pagesError) Explain() (reason, what, remedy string) {
	return string(fetch.ReasonStatus), "", "look at the pages of the list at its source, with curl -i; a key may be wrong or used too often"
}

func pageError(page int, why string) error {
	if page > 0 {
		why = fmt.Sprintf("page %d: %s", page, why)
	}
	return &pagesError{why}
}
