package page

import (
	"bytes"
	_ "embed"
	"text/template"
)

//go:embed page.md.tmpl
var text string

var layout = template.Must(template.New("page").Parse(text))

// Markdown returns the page. Plots are looked for in a folder beside it, called folder. Notes are what
// somebody has written about the figures, such as why one is not reached.
func (r Results) Markdown(folder, notes string) ([]byte, error) {
	type titled struct{ Title, Table string }
	var syncs []titled
	for _, s := range r.Syncs {
		if s.Feeds == 1 {
			syncs = append(syncs, titled{s.title(), s.table()})
		}
	}
	plots, err := r.Plots()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = layout.Execute(&b, map[string]any{
		"Results": r, "Folder": folder, "Plots": plots, "Memory": number(r.Machine.Memory), "Load": number(r.Machine.Load),
		"Minutes": (r.Seconds + 59) / 60, "Goals": r.goalTable(), "Notes": notes, "Syncs": syncs, "Feeds": r.feedTable(), "Start": r.startTable(),
		"Lookup": r.lookupTable(), "Places": r.placeTable(), "Base": r.baseTable(), "Agents": r.agentTable(), "Fleet": r.fleetTable(), "Steps": r.stepTable(),
	})
	return b.Bytes(), err
}
