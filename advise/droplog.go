package advise

// dropLog finds why the log lines that log_drops asks for may not appear.
func (d *doctor) dropLog() {
	if d.Status == nil || d.Status.DropLog == nil {
		return
	}
	p := d.Status.DropLog
	d.note(DropLog, Note, p.Remedy, "without lines it looks as if nobody was dropped, and what reads them finds nothing", "%s", p.Error)
}
