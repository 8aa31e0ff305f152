package docfile

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

const (
	// lockWait is how long a request waits for another process that writes the document.
	lockWait = 2 * time.Second

	// maxBody is the size of the largest request: a document in base64, and a little JSON around it.
	maxBody = document.MaxSigned/3*4 + 1<<10
)

// Server takes documents in the agent.
type Server struct {
	Cfg     func() config.Config // the configuration in force
	Changed func(Book)           // called if another document than before is in force

	// Judged is called with why a document that has come does not count; nil if it does.
	Judged func(refused *problem.Problem)
}

// Serve answers one request over HTTP.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request) {
	var ask link.Document
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cfg := s.Cfg()
	if !cfg.Fleet.HasDocument() {
		http.Error(w, "no document counts here (fleet.key)", http.StatusConflict)
		return
	}
	b, changed, unkept, err := Take(r.Context(), cfg, "voipbl run", lockWait, ask.Signed)
	a := link.DocumentAnswer{Serial: b.Serial}
	switch {
	case errors.As(err, new(*refusedError)):
		s.Judged(problem.Of(err))
		a.Refused = problem.Line(err)
	case err != nil:
		a.Problem, a.Undone = problem.Line(err), true
	default:
		s.Judged(nil)
		a.Problem = lineIf(unkept)
	}
	if changed {
		s.Changed(b)
	}
	state.Respond(w, a)
}

func lineIf(err error) string {
	if err == nil {
		return ""
	}
	return problem.Line(err)
}
