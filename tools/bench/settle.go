package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// settle waits until the machine is idle, at most for some time. The kernel frees what a contender
// has left behind after it has ended: for a million elements of nft that takes seconds.
func settle(ctx context.Context, most time.Duration) {
	const look = 50 * time.Millisecond
	busy := busyTime()
	for end := time.Now().Add(most); time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, look)
		now := busyTime()
		if now-busy <= look/5 {
			return
		}
		busy = now
	}
}

// busyTime is what all cores have worked since the start of the machine, in steps of 10 ms.
func busyTime() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, iowait, irq, softirq int
	fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq)
	return time.Duration(user+nice+system+irq+softirq) * 10 * time.Millisecond
}

// pause waits for a time, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
