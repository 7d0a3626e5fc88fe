package sdk

import (
	"time"

	"esper/emulator/esp8266"
)

// sleepDelay is how long the SDK takes to switch WiFi off before a deep sleep.
const sleepDelay = 100 * cyclesPerMillisecond

// deepSleep is system_deep_sleep(microseconds), of 64 bits. The RTC counts to 31 bits at most.
func (s *SDK) deepSleep() uint32 {
	us := uint64(s.Chip.Arg(1))<<32 | uint64(s.Chip.Arg(0))
	if us/rtcTick >= 1<<31 {
		s.print("deep sleep too long\n")
		return 0
	}
	s.wifi.off()
	s.Link.Sleep(s.Now())
	s.sleepAt, s.sleepTime = s.Chip.CPU.Cycles+sleepDelay, time.Duration(us)*time.Microsecond
	return 1
}

// The SDK keeps in RTC memory what the radio does after a deep sleep, in the upper half of a word.
const (
	rtcSleepOption = 0x6000106C
	optionShift    = 16
	optionRadioOff = 4
)

// deepSleepOption is system_deep_sleep_set_option(option).
func (s *SDK) deepSleepOption() uint32 {
	option := s.Chip.Arg(0) & 0xFF
	if option > 2 && option != optionRadioOff {
		return 0
	}
	s.store(rtcSleepOption, s.load(rtcSleepOption)&(1<<optionShift-1)|option<<optionShift)
	return 1
}

// sleep puts the chip to sleep. What the next start must know of it lies in RTC memory.
func (s *SDK) sleep() {
	s.print("enter deep sleep\n")
	info := make([]byte, resetInfoSize)
	info[0] = byte(esp8266.ResetDeepSleep)
	s.write(rtcResetInfo, info)
	s.Chip.DeepSleep(s.sleepTime)
}

// afterSleep is what a start after a deep sleep does otherwise. The vendor's SDK 3.0.6 takes a
// reset by the pin for the end of the sleep, too: what wakes a chip is one.
func (s *SDK) afterSleep() {
	reason := s.Chip.ResetReason()
	if reason != esp8266.ResetDeepSleep && reason != esp8266.ResetPin {
		return
	}
	if s.load(rtcResetInfo) == uint32(esp8266.ResetDeepSleep) {
		s.slept = true
		s.noRadio = s.load(rtcSleepOption)>>optionShift == optionRadioOff
		s.store(rtcResetInfo, 0)
	}
}
