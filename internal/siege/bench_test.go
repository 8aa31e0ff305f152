package siege_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testsip"
)

// These benchmarks make the figures of docs/asterisk.md, "What it costs".

// aPeriod is how long what takes CPU all the time is watched.
const aPeriod = 20 * time.Second

// kernelBans asks the kernel about bans, from any goroutine.
type kernelBans struct {
	s      *siege
	handle *netlink.Handle
}

func (s *siege) kernelBans() kernelBans {
	s.Helper()
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	s.must(err)
	s.Cleanup(h.Close)
	return kernelBans{s, h}
}

func (k kernelBans) has(a netip.Addr) bool {
	is, err := k.handle.IpsetTest(k.s.family.set("voip_ban"), &netlink.IPSetEntry{IP: a.AsSlice(), CIDR: uint8(a.BitLen())})
	if err != nil {
		k.s.Error(err)
	}
	return is
}

// await returns when the kernel had a ban first.
func (k kernelBans) await(a netip.Addr) time.Time {
	for end := time.Now().Add(patience); !k.s.Failed(); {
		is, now := k.has(a), time.Now()
		if is {
			return now
		}
		if now.After(end) {
			k.s.Errorf("%s is not banned after %s", a, patience)
		}
	}
	return time.Time{}
}

// BenchmarkBan measures how long an attacker's last wrong password is before the ban in the kernel,
// where a list of a million lines is in force.
func BenchmarkBan(b *testing.B) {
	const lines = 1_000_000
	s := lay(b, layout{phones: 20, list: listOf(b, lines)})
	s.eventually("the list is in force", func() bool {
		header, err := exec.Command("ipset", "list", "-t", "voip_bl").Output() // fails before there is one
		_, number, _ := strings.Cut(string(header), "Number of entries: ")
		var entries int
		_, _ = fmt.Sscan(number, &entries)
		return err == nil && entries > lines/2
	})
	kernel := s.kernelBans()
	next := time.NewTicker(time.Minute / 180) // the agent makes 200 in a minute
	defer next.Stop()
	var sent, answered []time.Duration
	for b.Loop() {
		<-next.C
		c := s.attacker()
		ask := func(challenge *testsip.Answer) (at time.Time, a testsip.Answer) {
			r := c.Request("REGISTER", "7001")
			if challenge != nil {
				r = r.Authorized(*challenge, "7001", "guess")
			}
			at = time.Now()
			c.Send(r.Text())
			return at, c.Answer(r.CallID)
		}
		_, challenge := ask(nil)
		ask(&challenge)
		_, challenge = ask(nil)
		banned := make(chan time.Time, 1)
		go func() { banned <- kernel.await(c.Local().Addr()) }()
		at, _ := ask(&challenge)
		answer := time.Now()
		end := <-banned
		sent, answered = append(sent, end.Sub(at)), append(answered, end.Sub(answer))
	}
	b.ReportMetric(0, "ns/op")
	ms := func(all []time.Duration, share float64) float64 {
		slices.Sort(all)
		return all[int(share*float64(len(all)-1))].Seconds() * 1000
	}
	b.ReportMetric(ms(sent, 0.5), "ms-sent-p50")
	b.ReportMetric(ms(sent, 1), "ms-sent-max")
	b.ReportMetric(ms(answered, 0.5), "ms-answered-p50")
	b.ReportMetric(ms(answered, 1), "ms-answered-max")
}

// listOf returns a list in which nobody of the siege is.
func listOf(b *testing.B, lines int) string {
	b.Helper()
	var list bytes.Buffer
	if _, err := genfeed.Write(&list, genfeed.Default(lines)); err != nil {
		b.Fatal(err)
	}
	var rest strings.Builder
	for line := range strings.Lines(list.String()) {
		if !strings.HasPrefix(line, "45.") && !strings.HasPrefix(line, "46.") && !strings.HasPrefix(line, "#") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// process is a process whose use of the machine is measured.
type process struct {
	s      *siege
	pid    int
	before time.Duration
	began  time.Time
}

func (s *siege) measure(pid int) process {
	p := process{s: s, pid: pid}
	p.before, p.began = p.cpu(), time.Now()
	return p
}

// cpu is the CPU time that it has used.
func (p process) cpu() time.Duration {
	p.s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	p.s.must(err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] { // proc(5): utime, stime
		n, err := strconv.Atoi(f)
		p.s.must(err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// percent is how much of one processor it has used since it is measured.
func (p process) percent() float64 {
	return 100 * (p.cpu() - p.before).Seconds() / time.Since(p.began).Seconds()
}

// kilobytes returns a line of /proc/PID/status.
func (p process) kilobytes(name string) float64 {
	p.s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	p.s.must(err)
	for line := range strings.Lines(string(text)) {
		var n float64
		if _, err := fmt.Sscanf(line, name+": %f kB", &n); err == nil {
			return n
		}
	}
	p.s.Fatalf("no %s in %s", name, text)
	return 0
}

// wakes is how often its threads have waited for something.
func (p process) wakes() (n int) {
	p.s.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid))
	p.s.must(err)
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // it may have ended
		for line := range strings.Lines(string(text)) {
			var more int
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &more); err == nil {
				n += more
			}
		}
	}
	return n
}

// BenchmarkAtRest measures the watcher while nothing happens: with no phone, and with fifty registered.
func BenchmarkAtRest(b *testing.B) {
	for _, phones := range []int{0, 50} {
		b.Run(fmt.Sprintf("%d phones", phones), func(b *testing.B) {
			s := lay(b, layout{phones: phones})
			for i := range phones {
				_, err := registers(s.on(s.phone, s.family.phone.Addr(), uint16(20000+i)), fmt.Sprint(7000+i), testsip.AnswerLimit)
				s.must(err)
			}
			s.eventually("the phones are known", func() bool { return len(s.phones()) == phones })
			<-time.After(aPeriod)
			var percent, wakes float64
			for b.Loop() {
				p := s.measure(s.watcher.Process.Pid)
				before := p.wakes()
				<-time.After(6 * aPeriod)
				percent += p.percent()
				wakes += float64(p.wakes()-before) / (6 * aPeriod).Seconds() * 10
			}
			p := s.measure(s.watcher.Process.Pid)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(percent/float64(b.N), "%-cpu")
			b.ReportMetric(wakes/float64(b.N), "wakes/10s")
			b.ReportMetric(p.kilobytes("VmRSS"), "KB")
			b.ReportMetric(p.kilobytes("VmHWM"), "KB-most")
		})
	}
}

// BenchmarkFlooded measures the watcher while Asterisk seems to be asked by thousands of strangers in
// a second, each from an address of its own, and a new attacker every second guesses passwords.
func BenchmarkFlooded(b *testing.B) {
	for _, rate := range []int{5_000, 10_000, 20_000} {
		b.Run(fmt.Sprintf("%d a second", rate), func(b *testing.B) { benchFlooded(b, rate) })
	}
}

func benchFlooded(b *testing.B, rate int) {
	s := lay(b, layout{phones: 20})
	f := flood{siege: s, kernel: s.kernelBans(), line: s.copier(), rate: rate}
	p := s.measure(s.watcher.Process.Pid)
	rest, lost := p.kilobytes("VmHWM"), s.health().HEP.Lost
	var cpu float64
	for b.Loop() {
		p := s.measure(s.watcher.Process.Pid)
		f.run()
		cpu += p.percent()
	}
	packets := uint64(0)
	s.eventually("all has been read", func() bool { // it is told every ten seconds
		h := s.health().HEP
		same := h.Packets == packets && int(h.Packets+h.Lost) >= f.sent
		packets = h.Packets
		return same
	})
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(f.sent)/f.took.Seconds(), "messages/s")
	b.ReportMetric(float64(s.health().HEP.Lost-lost), "lost")
	b.ReportMetric(float64(f.attackers), "attackers")
	b.ReportMetric(float64(f.banned), "banned")
	b.ReportMetric(float64(f.most), "answers-most")
	b.ReportMetric(cpu/float64(b.N), "%-cpu")
	b.ReportMetric(rest, "KB-at-rest")
	b.ReportMetric(p.kilobytes("VmHWM")-rest, "KB-more")
}

// flood is one of copied messages, with attackers among them.
type flood struct {
	*siege
	kernel kernelBans
	line   *copier
	rate   int // messages a second

	sent, attackers, banned int
	most                    int // answers that an attacker had before his ban
	took                    time.Duration
}

// run makes it for ten seconds.
func (f *flood) run() {
	const period, steps = 10 * time.Second, 40 // one step of an attacker in 25 ms
	every := time.NewTicker(time.Second / 1000)
	defer every.Stop()
	var a attempts
	began, n, step := time.Now(), 0, 0
	for time.Since(began) < period {
		<-every.C
		for due := int(time.Since(began).Seconds() * float64(f.rate)); n < due; n += 2 {
			f.line.stranger()
		}
		if due := int(time.Since(began).Seconds() * steps); step >= due {
			continue
		}
		if step%steps == 0 {
			a = attempts{addr: netip.AddrPortFrom(f.siege.attackers.Fresh(f.family.is6), 5060)}
			f.attackers++
		}
		step++
		switch {
		case a.banned:
		case f.kernel.has(a.addr.Addr()):
			a.banned = true
			f.banned++
			f.most = max(f.most, a.answers)
		default:
			f.line.guesses(&a)
		}
	}
	f.sent, f.took = f.sent+n, f.took+time.Since(began)
}

// BenchmarkCalls measures what it costs Asterisk to copy its messages, at a hundred calls a second
// without media: in turn with and without.
func BenchmarkCalls(b *testing.B) {
	const rate = 100
	s := lay(b, layout{phones: 1, pjsip: testasterisk.Trunk("carrier", "45.1.4.4")})
	var without, with, watcher float64
	calls := func() (asterisk, watcher float64) {
		c := exec.Command("sipp", "-sn", "uac", ipv4.sip().String(), "-i", "45.1.4.4", "-p", "5080", "-s", "200",
			"-r", strconv.Itoa(rate), "-d", "1000", "-m", strconv.Itoa(rate*int(aPeriod.Seconds()+10)), "-l", "1000", "-nostdin")
		c.Dir = s.dir
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
		s.phone.Do(func() { s.must(c.Start()) })
		<-time.After(3 * time.Second) // until calls begin and end at the same rate
		a, w := s.measure(s.asterisk.Pid()), s.measure(s.watcher.Process.Pid)
		before := s.asterisk.CLI("core show calls")
		<-time.After(aPeriod)
		asterisk, watcher = a.percent(), w.percent()
		after := s.asterisk.CLI("core show calls")
		_ = c.Process.Signal(unix.SIGUSR1) // it ends its calls
		_ = c.Wait()
		if n := processed(s, after) - processed(s, before); n < rate*int(aPeriod.Seconds())*9/10 {
			b.Errorf("only %d calls\n%s", n, out.String())
		}
		return asterisk, watcher
	}
	for b.Loop() {
		s.asterisk.CLI("module unload res_hep_pjsip.so")
		a, _ := calls()
		without += a
		s.asterisk.CLI("module load res_hep_pjsip.so")
		packets := s.health().HEP.Packets
		a, w := calls()
		with, watcher = with+a, watcher+w
		s.eventually("the messages are copied", func() bool {
			return s.health().HEP.Packets > packets+uint64(6*rate*int(aPeriod.Seconds()))
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(without/float64(b.N), "%-cpu-without")
	b.ReportMetric(with/float64(b.N), "%-cpu-with")
	b.ReportMetric(100*(with-without)/without, "%-more")
	b.ReportMetric(watcher/float64(b.N), "%-cpu-watcher")
	b.ReportMetric(float64(s.health().HEP.Lost), "lost")
}

// processed is how many calls Asterisk has had.
func processed(s *siege, text string) (n int) {
	s.Helper()
	for line := range strings.Lines(text) {
		if _, err := fmt.Sscanf(line, "%d calls processed", &n); err == nil {
			return n
		}
	}
	s.Fatalf("no number of calls in %q", text)
	return 0
}

// BenchmarkAttacked measures what an attacker with 500 requests a second costs Asterisk, without
// voipbl and with it.
func BenchmarkAttacked(b *testing.B) {
	s := lay(b, layout{phones: 20})
	var without, with, watcher float64
	for b.Loop() {
		s.asterisk.CLI("module unload res_hep_pjsip.so")
		s.must(s.watcher.Process.Kill())
		_, _ = s.watcher.Process.Wait()
		c := s.attacker()
		without += s.attacked(c)
		if s.banned(c.Local().Addr()) {
			b.Error("something else has banned the attacker")
		}

		s.asterisk.CLI("module load res_hep_pjsip.so")
		s.watch()
		c = s.attacker()
		w := s.measure(s.watcher.Process.Pid)
		with += s.attacked(c)
		watcher += w.percent()
		if !s.banned(c.Local().Addr()) {
			b.Error("the attacker is not banned")
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(without/float64(b.N), "%-cpu-without")
	b.ReportMetric(with/float64(b.N), "%-cpu-with")
	b.ReportMetric(watcher/float64(b.N), "%-cpu-watcher")
}

// attacked returns how much of a processor Asterisk uses while an attacker sends 500 requests a
// second. It answers each challenge that it gets.
func (s *siege) attacked(c *testsip.Client) float64 {
	const rate = 500
	challenges := make(chan testsip.Answer, rate)
	stop := make(chan bool)
	go func() {
		defer close(challenges)
		for {
			a, err := c.Next(50 * time.Millisecond)
			select {
			case <-stop:
				return
			default:
			}
			if err == nil && a.Status == 401 {
				select {
				case challenges <- a:
				default:
				}
			}
		}
	}()
	p := s.measure(s.asterisk.Pid())
	every := time.NewTicker(2 * time.Millisecond)
	defer every.Stop()
	answer := false
	for began, n := time.Now(), 0; time.Since(began) < aPeriod; {
		<-every.C
		for due := int(time.Since(began).Seconds() * rate); n < due; n++ {
			r := c.Request("REGISTER", "7001")
			if answer = !answer; answer {
				select {
				case a := <-challenges:
					r = r.Authorized(a, "7001", "guess")
				default:
				}
			}
			c.Send(r.Text())
		}
	}
	percent := p.percent()
	close(stop)
	for range challenges { // until it has ended
	}
	return percent
}
