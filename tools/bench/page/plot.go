package page

import (
	"bytes"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colours are those of Okabe and Ito, which most colour-blind people tell apart.
var colours = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{86, 180, 233, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{130, 130, 130, 255},
}

// line is a row of points, with a name for the legend.
type line struct {
	name string
	at   plotter.XYs
}

// plain takes the Markdown out of a name.
func plain(name string) string { return strings.NewReplacer("`", "", "\\|", "|").Replace(name) }

// newPlot returns an empty plot on white ground.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size, p.Legend.TextStyle.Font.Size = 9, 9, 9
	p.Title.Padding, p.Legend.Padding = 8, 2
	return p
}

// dots is a plot with a row for each name and a dot for each value, on a logarithmic scale. Values
// are by name, in the order of the legend.
func dots(title, unit string, rows []string, kinds []line) ([]byte, error) {
	p := newPlot(title)
	p.X.Label.Text = unit
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks{}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[len(rows)-1-i] = plain(row)
	}
	p.NominalY(names...)
	p.Add(plotter.NewGrid())
	for i, kind := range kinds {
		s, err := plotter.NewScatter(kind.at)
		if err != nil {
			return nil, err
		}
		s.Color, s.Shape, s.Radius = colours[i], []draw.GlyphDrawer{draw.CircleGlyph{}, draw.RingGlyph{}}[i], 4
		p.Add(s)
		p.Legend.Add(kind.name, s)
	}
	widen(&p.X)
	return svg(p, 18*vg.Centimeter, vg.Length(3+0.75*float64(len(rows)))*vg.Centimeter, 2*vg.Centimeter)
}

// lines is a plot of values by another, both on logarithmic scales.
func lines(title, x, y string, all []line) ([]byte, error) {
	p := newPlot(title)
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Scale, p.Y.Scale, p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogScale{}, plot.LogScale{}, ticks{}, ticks{}
	p.Add(plotter.NewGrid())
	for i, l := range all {
		drawn, points, err := plotter.NewLinePoints(l.at)
		if err != nil {
			return nil, err
		}
		drawn.Color, drawn.Width, points.Color, points.Shape, points.Radius = colours[i], 1.5, colours[i], draw.CircleGlyph{}, 2.5
		p.Add(drawn, points)
		p.Legend.Add(plain(l.name), drawn, points)
	}
	widen(&p.X)
	widen(&p.Y)
	return svg(p, 20*vg.Centimeter, 10*vg.Centimeter, 7*vg.Centimeter)
}

// bars is a plot with a bar for each name.
func bars(title, unit string, rows []string, values plotter.Values) ([]byte, error) {
	p := newPlot(title)
	p.X.Label.Text = unit
	p.X.Min = 0
	names, upwards := make([]string, len(rows)), make(plotter.Values, len(rows))
	for i, row := range rows {
		names[len(rows)-1-i], upwards[len(rows)-1-i] = plain(row), values[i]
	}
	b, err := plotter.NewBarChart(upwards, 11)
	if err != nil {
		return nil, err
	}
	b.Horizontal, b.Color, b.LineStyle.Width = true, colours[0], 0
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	p.Add(grid, b)
	p.NominalY(names...)
	p.X.Max *= 1.05
	return svg(p, 18*vg.Centimeter, vg.Length(2.5+0.7*float64(len(rows)))*vg.Centimeter, 0)
}

// widen lets an axis of a logarithmic scale begin and end at 1, 2 or 5 times a power of ten.
func widen(a *plot.Axis) {
	low, high := math.Pow(10, math.Floor(math.Log10(a.Min))), a.Max
	for _, step := range []float64{5, 2} {
		if low*step <= a.Min {
			low *= step
			break
		}
	}
	a.Min, a.Max = low, high*1.3
}

// ticks are marks at 1, 2 and 5 times each power of ten, without exponents.
type ticks struct{}

func (ticks) Ticks(low, high float64) (all []plot.Tick) {
	wide := high/low > 2000 // then only powers of ten have labels
	for exponent := math.Floor(math.Log10(low)); ; exponent++ {
		for _, step := range []float64{1, 2, 5} {
			value := step * math.Pow(10, exponent)
			switch {
			case value > high*1.0001:
				return all
			case value < low*0.9999:
			case wide && step != 1:
				all = append(all, plot.Tick{Value: value})
			default:
				all = append(all, plot.Tick{Value: value, Label: label(value)})
			}
		}
	}
}

func label(x float64) string {
	if x >= 1000 {
		return thousands(int(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// svg draws a plot, with its legend on the right of it.
func svg(p *plot.Plot, width, height, legend vg.Length) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	whole := draw.New(canvas)
	const margin = 8
	beside := p.Legend
	beside.Top = true
	p.Legend = plot.NewLegend()
	p.Draw(draw.Crop(whole, margin, -margin-legend, margin, -margin))
	beside.Draw(draw.Crop(whole, 0, -margin, 0, -5*margin))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	// Where there is no Liberation Sans, Arial has the same widths.
	return bytes.ReplaceAll(b.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans,Arial,Helvetica,sans-serif")), err
}
