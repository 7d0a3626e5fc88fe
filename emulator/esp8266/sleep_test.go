package esp8266

import "testing"

func TestTheRTCCountsTheCrystal(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.mustStore(regCalibrate, 0x101)
	if v := m.word(regCalibrated); v != 0 {
		t.Errorf("0x%08x was counted without a start", v)
	}
	m.mustStore(regCalibrate, 0x101|calibrate)
	want := uint32(calibrate | 256*crystalHz/rtcHz)
	if v := m.word(regCalibrated); v != want {
		t.Errorf("256 ticks of the RTC have 0x%08x of the crystal, want 0x%08x", v, want)
	}
}

func TestTheRTCEndsADeepSleepAtItsCount(t *testing.T) {
	const ticks = 3 * rtcHz
	for name, c := range map[string]struct {
		power, wake uint32
		sleeps      bool
		wakes       bool
	}{
		"deep":             {rtcDeep, rtcWake, true, true},
		"deep, no end":     {rtcDeep, 0, true, false},
		"not a deep sleep": {4, rtcWake, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, new(code).store(rtcBase, 0xCAFE).store(result, 0xBEEF).loop())
			m.CPU.Cycles = 40 * CyclesPerSecond * (1 << 32) / rtcHz / 10 // the count has wrapped before
			m.FeedWatchdog()
			m.run(1000, EventBudget)
			m.mustStore(regRTCTarget, m.word(regRTCCount)+ticks)
			m.mustStore(regRTCWoken, c.wake)
			m.mustStore(regRTCPower, c.power)
			m.mustStore(regRTCKept, 5)
			begin := m.CPU.Cycles
			m.mustStore(regRTCStart, rtcStart)
			if m.Asleep() != c.sleeps {
				t.Fatalf("asleep: %v", m.Asleep())
			}
			if !c.sleeps {
				return
			}
			m.Receive([]byte("lost"))
			if !c.wakes {
				m.run(1<<40, EventIdle)
				return
			}
			m.run(CyclesPerSecond*2, EventIdle)
			m.run(CyclesPerSecond*2, EventReset)
			if took := float64(m.CPU.Cycles-begin) / CyclesPerSecond; took < 2.999 || took > 3.001 {
				t.Errorf("it slept for %.4f s", took)
			}
			if m.WantedReset() != ResetDeepSleep {
				t.Errorf("it wants reset %d", m.WantedReset())
			}
			m.Chip.Reset(ResetDeepSleep)
			if m.word(rtcBase) != 0xCAFE || m.word(result) == 0xBEEF || m.word(regRTCKept) != 0 || m.word(regUART0) != 0 {
				t.Errorf("memory 0x%x, RTC 0x%x, kept %d", m.word(result), m.word(rtcBase), m.word(regRTCKept))
			}
		})
	}
}
