package page

import (
	"math"
	"slices"
)

// best is the smallest value: the run that others disturbed least. NaN if there is none.
func best(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Min(values)
}

// median is the middle value, or the mean of both in the middle. NaN if there is none.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the value below which a share of all values is, interpolated. NaN if there is none.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := share * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// spread is the range of the middle half of all values, as a share of their median.
func spread(values []float64) float64 {
	return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values)
}

// of returns one figure of all samples, scaled up if only a part was measured.
func (s Series) of(figure func(Sample) float64) []float64 {
	part := s.Part
	if part == 0 {
		part = 1
	}
	values := make([]float64, len(s.Samples))
	for i, sample := range s.Samples {
		values[i] = figure(sample) / part
	}
	return values
}

func (s Series) wall() []float64 { return s.of(func(x Sample) float64 { return x.Wall }) }
func (s Series) cpu() []float64  { return s.of(func(x Sample) float64 { return x.CPU }) }

// peak is the most memory that any run had, in MB. It is not scaled.
func (s Series) peak() float64 {
	peaks := make([]float64, len(s.Samples))
	for i, x := range s.Samples {
		peaks[i] = x.Peak
	}
	return highest(peaks...)
}

// highest is the largest value of those that there are. NaN if there is none.
func highest(values ...float64) float64 {
	values = slices.DeleteFunc(values, math.IsNaN)
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Max(values)
}
