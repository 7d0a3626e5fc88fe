package lx106

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// instructions is one line for each thing an instruction must do: its bits as
// GNU as gives them, the state before, and what differs after. All that is not
// named must stay. What is expected was worked out from chapter 6 of the ISA.
//
// The instruction lies at codeAt. State is written register=hex; [address]=hex is a word of memory. exc=n means
// that it took exception n: EPC1, EXCCAUSE, PS.EXCM and PC are as they then must be.
var instructions = []struct {
	text          string
	bits          uint32
	before, after string
}{
	// Addition and subtraction wrap around.
	{"add a3,a4,a5", 0x803450, "a4=7FFFFFFF a5=1", "a3=80000000"},
	{"add a3,a4,a5", 0x803450, "a4=FFFFFFFF a5=FFFFFFFF", "a3=FFFFFFFE"},
	{"add.n a3,a4,a5", 0x345A, "a4=FFFFFFFF a5=1 a3=9", "a3=0"},
	{"addi a3,a4,-128", 0x80C432, "a4=0", "a3=FFFFFF80"},
	{"addi a3,a4,127", 0x7FC432, "a4=7FFFFFFF", "a3=8000007E"},
	{"addi.n a3,a4,-1", 0x340B, "a4=0", "a3=FFFFFFFF"},
	{"addi.n a3,a4,1", 0x341B, "a4=FFFFFFFF a3=5", "a3=0"},
	{"addi.n a3,a4,15", 0x34FB, "a4=1", "a3=10"},
	{"addmi a3,a4,-32768", 0x80D432, "a4=8000", "a3=0"},
	{"addmi a3,a4,32512", 0x7FD432, "a4=FF", "a3=7FFF"},
	{"addx2 a3,a4,a5", 0x903450, "a4=80000001 a5=3", "a3=5"},
	{"addx4 a3,a4,a5", 0xA03450, "a4=C0000001 a5=3", "a3=7"},
	{"addx8 a3,a4,a5", 0xB03450, "a4=E0000001 a5=FFFFFFFF", "a3=7"},
	{"sub a3,a4,a5", 0xC03450, "a4=0 a5=1", "a3=FFFFFFFF"},
	{"sub a3,a4,a5", 0xC03450, "a4=80000000 a5=1", "a3=7FFFFFFF"},
	{"subx2 a3,a4,a5", 0xD03450, "a4=80000001 a5=3", "a3=FFFFFFFF"},
	{"subx4 a3,a4,a5", 0xE03450, "a4=3 a5=2", "a3=A"},
	{"subx8 a3,a4,a5", 0xF03450, "a4=20000000 a5=1", "a3=FFFFFFFF"},
	{"neg a3,a5", 0x603050, "a5=1", "a3=FFFFFFFF"},
	{"neg a3,a5", 0x603050, "a5=80000000", "a3=80000000"},
	{"abs a3,a5", 0x603150, "a5=FFFFFFFE", "a3=2"},
	{"abs a3,a5", 0x603150, "a5=7FFFFFFF", "a3=7FFFFFFF"},
	{"abs a3,a5", 0x603150, "a5=80000000", "a3=80000000"},

	// Logic.
	{"and a3,a4,a5", 0x103450, "a4=F0F0F0F0 a5=FF00FF00", "a3=F000F000"},
	{"or a3,a4,a5", 0x203450, "a4=F0F0F0F0 a5=FF00FF00", "a3=FFF0FFF0"},
	{"xor a3,a4,a5", 0x303450, "a4=F0F0F0F0 a5=FF00FF00", "a3=FF00FF0"},

	// Multiplication: 16 bits use only the low halves, 32 give the low word.
	{"mul16s a3,a4,a5", 0xD13450, "a4=1FFFF a5=7", "a3=FFFFFFF9"},
	{"mul16s a3,a4,a5", 0xD13450, "a4=8000 a5=8000", "a3=40000000"},
	{"mul16u a3,a4,a5", 0xC13450, "a4=1FFFF a5=FFFF", "a3=FFFE0001"},
	{"mull a3,a4,a5", 0x823450, "a4=10001 a5=10001", "a3=20001"},
	{"mull a3,a4,a5", 0x823450, "a4=FFFFFFFF a5=FFFFFFFF", "a3=1"},

	// Leading bits.
	{"nsa a3,a4", 0x40E430, "a4=0", "a3=1F"},
	{"nsa a3,a4", 0x40E430, "a4=FFFFFFFF", "a3=1F"},
	{"nsa a3,a4", 0x40E430, "a4=80000000 a3=7", "a3=0"},
	{"nsa a3,a4", 0x40E430, "a4=1", "a3=1E"},
	{"nsa a3,a4", 0x40E430, "a4=FFFF0000", "a3=F"},
	{"nsau a3,a4", 0x40F430, "a4=0", "a3=20"},
	{"nsau a3,a4", 0x40F430, "a4=80000000 a3=7", "a3=0"},
	{"nsau a3,a4", 0x40F430, "a4=1", "a3=1F"},

	// Moves.
	{"mov.n a3,a4", 0x043D, "a4=DEADBEEF", "a3=DEADBEEF"},
	{"movi a3,-2048", 0x00A832, "", "a3=FFFFF800"},
	{"movi a3,2047", 0xFFA732, "", "a3=7FF"},
	{"movi.n a3,-32", 0x036C, "", "a3=FFFFFFE0"},
	{"movi.n a3,95", 0xF35C, "", "a3=5F"},
	{"movi.n a3,-1", 0xF37C, "", "a3=FFFFFFFF"},
	{"moveqz a3,a4,a5", 0x833450, "a4=7 a5=0", "a3=7"},
	{"moveqz a3,a4,a5", 0x833450, "a4=7 a5=80000000", ""},
	{"movnez a3,a4,a5", 0x933450, "a4=7 a5=80000000", "a3=7"},
	{"movnez a3,a4,a5", 0x933450, "a4=7 a5=0", ""},
	{"movltz a3,a4,a5", 0xA33450, "a4=7 a5=80000000", "a3=7"},
	{"movltz a3,a4,a5", 0xA33450, "a4=7 a5=0", ""},
	{"movgez a3,a4,a5", 0xB33450, "a4=7 a5=0", "a3=7"},
	{"movgez a3,a4,a5", 0xB33450, "a4=7 a5=FFFFFFFF", ""},

	// Shifts by an immediate.
	{"extui a3,a4,17,5", 0x453140, "a4=FFFE0000", "a3=1F"},
	{"extui a3,a4,0,16", 0xF43040, "a4=DEADBEEF", "a3=BEEF"},
	{"extui a3,a4,31,1", 0x053F40, "a4=80000000", "a3=1"},
	{"slli a3,a4,1", 0x1134F0, "a4=C0000001", "a3=80000002"},
	{"slli a3,a4,16", 0x113400, "a4=12345678", "a3=56780000"},
	{"slli a3,a4,31", 0x013410, "a4=3", "a3=80000000"},
	{"srai a3,a4,0", 0x213040, "a4=80000001", "a3=80000001"},
	{"srai a3,a4,17", 0x313140, "a4=80000000", "a3=FFFFC000"},
	{"srai a3,a4,31", 0x313F40, "a4=80000000", "a3=FFFFFFFF"},
	{"srai a3,a4,31", 0x313F40, "a4=7FFFFFFF a3=1", "a3=0"},
	{"srli a3,a4,0", 0x413040, "a4=80000001", "a3=80000001"},
	{"srli a3,a4,15", 0x413F40, "a4=80000000", "a3=10000"},

	// Shifts by SAR, 0 to 32.
	{"ssr a4", 0x400400, "a4=FFFFFFE3", "sar=3"},
	{"ssl a4", 0x401400, "a4=20", "sar=20"},
	{"ssl a4", 0x401400, "a4=3F", "sar=1"},
	{"ssa8l a4", 0x402400, "a4=7", "sar=18"},
	{"ssa8b a4", 0x403400, "a4=4", "sar=20"},
	{"ssa8b a4", 0x403400, "a4=3", "sar=8"},
	{"ssai 31", 0x404F10, "", "sar=1F"},
	{"ssai 0", 0x404000, "sar=5", "sar=0"},
	{"sll a3,a5", 0xA13500, "a5=80000001 sar=20", "a3=80000001"},
	{"sll a3,a5", 0xA13500, "a5=3 sar=1", "a3=80000000"},
	{"sll a3,a5", 0xA13500, "a5=FFFFFFFF sar=0 a3=1", "a3=0"},
	{"srl a3,a5", 0x913050, "a5=80000001 sar=0", "a3=80000001"},
	{"srl a3,a5", 0x913050, "a5=80000001 sar=1F", "a3=1"},
	{"srl a3,a5", 0x913050, "a5=80000001 sar=20 a3=1", "a3=0"},
	{"sra a3,a5", 0xB13050, "a5=80000000 sar=0", "a3=80000000"},
	{"sra a3,a5", 0xB13050, "a5=80000000 sar=1F", "a3=FFFFFFFF"},
	{"sra a3,a5", 0xB13050, "a5=80000000 sar=20", "a3=FFFFFFFF"},
	{"src a3,a4,a5", 0x813450, "a4=12345678 a5=9ABCDEF0 sar=0", "a3=9ABCDEF0"},
	{"src a3,a4,a5", 0x813450, "a4=12345678 a5=9ABCDEF0 sar=10", "a3=56789ABC"},
	{"src a3,a4,a5", 0x813450, "a4=12345678 a5=9ABCDEF0 sar=20", "a3=12345678"},

	// Loads. Memory is little endian.
	{"l8ui a3,a4,255", 0xFF0432, "a4=3FFE8000 [3FFE80FC]=81020304", "a3=81"},
	{"l8ui a3,a4,255", 0xFF0432, "a4=3FFE7F02 [3FFE8000]=81020304", "a3=3"},
	{"l16ui a3,a4,510", 0xFF1432, "a4=3FFE8000 [3FFE81FC]=81020304", "a3=8102"},
	{"l16ui a3,a4,510", 0xFF1432, "a4=3FFE8001", "exc=9 excvaddr=3FFE81FF"},
	{"l16si a3,a4,510", 0xFF9432, "a4=3FFE8000 [3FFE81FC]=81020304", "a3=FFFF8102"},
	{"l16si a3,a4,510", 0xFF9432, "a4=3FFE7FFE [3FFE81FC]=8102", "a3=FFFF8102"},
	{"l16si a3,a4,510", 0xFF9432, "a4=3FFE8003", "exc=9 excvaddr=3FFE8201"},
	{"l32i a3,a4,1020", 0xFF2432, "a4=3FFE8000 [3FFE83FC]=81020304", "a3=81020304"},
	{"l32i a3,a4,1020", 0xFF2432, "a4=3FFE8002", "exc=9 excvaddr=3FFE83FE"},
	{"l32i a3,a4,1020", 0xFF2432, "a4=FFFFFFFC", "exc=1C excvaddr=3F8"},
	{"l32i.n a3,a4,60", 0xF438, "a4=3FFE8000 [3FFE803C]=81020304", "a3=81020304"},
	{"l32i.n a3,a4,60", 0xF438, "a4=3FFE8001", "exc=9 excvaddr=3FFE803D"},
	{"l32r a3,.", 0x800431, "pc=40120000 [40100010]=12345678", "a3=12345678"},
	{"l32r a3,.", 0xFFFF31, "pc=40120001 [40120000]=FFFF3100", "a3=FFFF3100"},
	{"l32r a3,.", 0x000031, "pc=40140000", "exc=14 excvaddr=40140000"},
	{"l32r a3,.", 0x800431, "litbase=40121001 [40101010]=12345678", "a3=12345678"},

	// Stores write their bytes only.
	{"s8i a3,a4,255", 0xFF4432, "a3=AABBCCDD a4=3FFE8000 [3FFE80FC]=1020304", "[3FFE80FC]=DD020304"},
	{"s16i a3,a4,510", 0xFF5432, "a3=AABBCCDD a4=3FFE8000 [3FFE81FC]=1020304", "[3FFE81FC]=CCDD0304"},
	{"s16i a3,a4,510", 0xFF5432, "a4=3FFE8001", "exc=9 excvaddr=3FFE81FF"},
	{"s32i a3,a4,1020", 0xFF6432, "a3=AABBCCDD a4=3FFE8000", "[3FFE83FC]=AABBCCDD"},
	{"s32i a3,a4,1020", 0xFF6432, "a4=3FFE8003", "exc=9 excvaddr=3FFE83FF"},
	{"s32i a3,a4,1020", 0xFF6432, "a4=3FFE8FFC", "exc=1D excvaddr=3FFE93F8"},
	{"s32i.n a3,a4,60", 0xF439, "a3=AABBCCDD a4=3FFE8000", "[3FFE803C]=AABBCCDD"},
	{"s32i.n a3,a4,60", 0xF439, "a4=3FFE8002", "exc=9 excvaddr=3FFE803E"},

	// Jumps and calls, to both ends of their reach.
	{"j .", 0x800006, "", "pc=40100004"},
	{"j .", 0x7FFFC6, "", "pc=40140003"},
	{"jx a3", 0x0003A0, "a3=40123457", "pc=40123457"},
	{"call0 .", 0x800005, "pc=40120002", "pc=400A0004 a0=40120005"},
	{"call0 .", 0x7FFFC5, "pc=40120003", "pc=401A0000 a0=40120006"},
	{"callx0 a3", 0x0003C0, "a3=40123457", "pc=40123457 a0=40120003"},
	{"callx0 a0", 0x0000C0, "a0=40123457", "pc=40123457 a0=40120003"},
	{"ret", 0x000080, "a0=40123457", "pc=40123457"},
	{"ret.n", 0xF00D, "a0=40123456", "pc=40123456"},

	// Branches, to both ends of their reach, taken and not.
	{"beqz a3,.", 0x7FF316, "a3=0", "pc=40120803"},
	{"beqz a3,.", 0x7FF316, "a3=80000000", ""},
	{"bnez a3,.", 0x800356, "a3=1", "pc=4011F804"},
	{"bnez a3,.", 0x800356, "a3=0", ""},
	{"bltz a3,.", 0x800396, "a3=80000000", "pc=4011F804"},
	{"bltz a3,.", 0x800396, "a3=0", ""},
	{"bgez a3,.", 0x7FF3D6, "a3=0", "pc=40120803"},
	{"bgez a3,.", 0x7FF3D6, "a3=FFFFFFFF", ""},
	{"beqi a3,-1,.", 0x7F0326, "a3=FFFFFFFF", "pc=40120083"},
	{"beqi a3,-1,.", 0x7F0326, "a3=FFFFFFFE", ""},
	{"bnei a3,1,.", 0x801366, "a3=2", "pc=4011FF84"},
	{"bnei a3,1,.", 0x801366, "a3=1", ""},
	{"blti a3,256,.", 0x7FF3A6, "a3=FF", "pc=40120083"},
	{"blti a3,256,.", 0x7FF3A6, "a3=80000000", "pc=40120083"},
	{"blti a3,256,.", 0x7FF3A6, "a3=100", ""},
	{"bgei a3,10,.", 0x7F93E6, "a3=A", "pc=40120083"},
	{"bgei a3,10,.", 0x7F93E6, "a3=9", ""},
	{"bgei a3,10,.", 0x7F93E6, "a3=80000000", ""},
	{"bltui a3,32768,.", 0x7F03B6, "a3=7FFF", "pc=40120083"},
	{"bltui a3,32768,.", 0x7F03B6, "a3=8000", ""},
	{"bgeui a3,65536,.", 0x7F13F6, "a3=80000000", "pc=40120083"},
	{"bgeui a3,65536,.", 0x7F13F6, "a3=10000", "pc=40120083"},
	{"bgeui a3,65536,.", 0x7F13F6, "a3=FFFF", ""},
	{"beq a3,a4,.", 0x7F1347, "a3=7 a4=7", "pc=40120083"},
	{"beq a3,a4,.", 0x801347, "a3=7 a4=7", "pc=4011FF84"},
	{"beq a3,a4,.", 0x7F1347, "a3=7 a4=80000007", ""},
	{"bne a3,a4,.", 0x7F9347, "a3=7 a4=80000007", "pc=40120083"},
	{"bne a3,a4,.", 0x7F9347, "a3=7 a4=7", ""},
	{"blt a3,a4,.", 0x7F2347, "a3=80000000 a4=7FFFFFFF", "pc=40120083"},
	{"blt a3,a4,.", 0x7F2347, "a3=7 a4=7", ""},
	{"bge a3,a4,.", 0x7FA347, "a3=7 a4=7", "pc=40120083"},
	{"bge a3,a4,.", 0x7FA347, "a3=80000000 a4=7FFFFFFF", ""},
	{"bltu a3,a4,.", 0x7F3347, "a3=7FFFFFFF a4=80000000", "pc=40120083"},
	{"bltu a3,a4,.", 0x7F3347, "a3=80000000 a4=7FFFFFFF", ""},
	{"bgeu a3,a4,.", 0x7FB347, "a3=80000000 a4=7FFFFFFF", "pc=40120083"},
	{"bgeu a3,a4,.", 0x7FB347, "a3=7FFFFFFF a4=80000000", ""},
	{"bany a3,a4,.", 0x7F8347, "a3=5 a4=6", "pc=40120083"},
	{"bany a3,a4,.", 0x7F8347, "a3=5 a4=A", ""},
	{"bnone a3,a4,.", 0x7F0347, "a3=5 a4=A", "pc=40120083"},
	{"bnone a3,a4,.", 0x7F0347, "a3=5 a4=6", ""},
	{"ball a3,a4,.", 0x7F4347, "a3=7 a4=5", "pc=40120083"},
	{"ball a3,a4,.", 0x7F4347, "a3=5 a4=7", ""},
	{"bnall a3,a4,.", 0x7FC347, "a3=5 a4=7", "pc=40120083"},
	{"bnall a3,a4,.", 0x7FC347, "a3=7 a4=5", ""},
	{"bbc a3,a4,.", 0x7F5347, "a3=7FFFFFFF a4=FF", "pc=40120083"},
	{"bbc a3,a4,.", 0x7F5347, "a3=1 a4=20", ""},
	{"bbs a3,a4,.", 0x7FD347, "a3=1 a4=20", "pc=40120083"},
	{"bbs a3,a4,.", 0x7FD347, "a3=7FFFFFFF a4=FF", ""},
	{"bbci a3,31,.", 0x7F73F7, "a3=7FFFFFFF", "pc=40120083"},
	{"bbci a3,31,.", 0x7F73F7, "a3=80000000", ""},
	{"bbsi a3,0,.", 0x7FE307, "a3=1", "pc=40120083"},
	{"bbsi a3,0,.", 0x7FE307, "a3=FFFFFFFE", ""},
	{"beqz.n a3,.", 0xF3BC, "a3=0", "pc=40120043"},
	{"beqz.n a3,.", 0xF3BC, "a3=1", ""},
	{"bnez.n a3,.", 0x03CC, "a3=1", "pc=40120004"},
	{"bnez.n a3,.", 0x03CC, "a3=0", ""},

	// What does nothing here.
	{"nop", 0x0020F0, "", ""},
	{"nop.n", 0xF03D, "", ""},
	{"memw", 0x0020C0, "", ""},
	{"extw", 0x0020D0, "", ""},
	{"excw", 0x002080, "", ""},
	{"isync", 0x002000, "", ""},
	{"rsync", 0x002010, "", ""},
	{"esync", 0x002020, "", ""},
	{"dsync", 0x002030, "", ""},
	{"iitlb a4", 0x504400, "", ""},
	{"idtlb a4", 0x50C400, "", ""},
	{"wer a3,a4", 0x407430, "", ""},
	{"rer a3,a4", 0x406430, "", "a3=0"},

	// Region protection: attributes are kept, addresses map to themselves.
	{"ritlb0 a3,a4", 0x503430, "a4=4FFFFFFF", "a3=40000000"},
	{"rdtlb0 a3,a4", 0x50B430, "a4=FFFFFFFF", "a3=E0000000"},
	{"ritlb1 a3,a4", 0x507430, "a4=4FFFFFFF", "a3=40000002"},
	{"rdtlb1 a3,a4", 0x50F430, "a4=3FFFFFFF", "a3=20000002"},
	{"pitlb a3,a4", 0x505430, "a4=4FFFFFFF", "a3=40000001"},
	{"pdtlb a3,a4", 0x50D430, "a4=4FFFFFFF", "a3=40000001"},
	{"witlb a3,a4", 0x506430, "a3=FFFFFFFF a4=5FFFFFFF", "itlb2=F"},
	{"wdtlb a3,a4", 0x50E430, "a3=5 a4=0", "dtlb0=5"},

	// Special registers; the others follow in TestSpecialRegisters.
	{"rsr a3,sar", 0x030330, "sar=15", "a3=15"},
	{"wsr a3,sar", 0x130330, "a3=FFFFFFFF", "sar=3F"},
	{"xsr a3,sar", 0x610330, "a3=7 sar=15", "a3=15 sar=7"},
	{"rsil a3,15", 0x006F30, "ps=20", "a3=20 ps=2F"},
	{"rsil a3,0", 0x006030, "ps=3F", "a3=3F ps=30"},
	{"waiti 3", 0x007300, "ps=20", "ps=23 waiting=1"},

	// Exceptions and the returns from them.
	{"ill", 0x000000, "", "exc=0"},
	{"ill.n", 0xF06D, "", "exc=0"},
	{"syscall", 0x005000, "", "exc=1"},
	{"syscall", 0x005000, "ps=20", "exc=1"},
	{"syscall", 0x005000, "ps=30 epc1=7", "ps=30 depc=40120000 exccause=1 pc=40100070"},
	{"break 1,15", 0x0041F0, "ps=21", "epc2=40120000 eps2=21 ps=32 debugcause=8 pc=40100010"},
	{"break 1,15", 0x0041F0, "ps=10", "epc2=40120000 eps2=10 ps=12 debugcause=8 pc=40100010"},
	{"break 1,15", 0x0041F0, "ps=2", ""},
	{"break.n 3", 0xF32D, "ps=0", "epc2=40120000 eps2=0 ps=12 debugcause=10 pc=40100010"},
	{"break.n 3", 0xF32D, "ps=2F", ""},
	{"rfe", 0x003000, "ps=3F epc1=40123456", "ps=2F pc=40123456"},
	{"rfde", 0x003200, "ps=3F depc=40123456", "pc=40123456"},
	{"rfi 2", 0x003210, "ps=3F eps2=21 epc2=40123456", "ps=21 pc=40123456"},
	{"rfi 3", 0x003310, "ps=3F eps3=2 epc3=40123456", "ps=2 pc=40123456"},
	{"rfdo 1", 0xF1E100, "", "exc=0"},
	{"rfdd", 0xF1E010, "", "exc=0"},

	// What other Xtensa cores have and this one has not.
	{"illegal: min", 0x433450, "", "exc=0"},
	{"illegal: sext", 0x233400, "", "exc=0"},
	{"illegal: muluh", 0xA23450, "", "exc=0"},
	{"illegal: quou", 0xC23450, "", "exc=0"},
	{"illegal: loop", 0x028476, "", "exc=0"},
	{"illegal: entry", 0x004136, "", "exc=0"},
	{"illegal: call4", 0x000015, "", "exc=0"},
	{"illegal: callx8", 0x0003E0, "", "exc=0"},
	{"illegal: retw.n", 0xF01D, "", "exc=0"},
	{"illegal: s32c1i", 0x01E432, "", "exc=0"},
	{"illegal: l32ai", 0x01B432, "", "exc=0"},
	{"illegal: dhwb", 0x007442, "", "exc=0"},
	{"illegal: rur", 0xE33E70, "", "exc=0"},
	{"illegal: add.s", 0x0A3450, "", "exc=0"},
	{"illegal: rfi 1", 0x003110, "", "exc=0"},
	{"illegal: rsr lbeg", 0x030030, "", "exc=0"},
	{"illegal: xsr prid", 0x61EB30, "", "exc=0"},
	{"illegal: wsr prid", 0x13EB30, "", "exc=0"},
	{"illegal: op0=14", 0x00000E, "", "exc=0"},
	{"illegal: op0=15", 0x00000F, "", "exc=0"},
	{"simcall", 0x005100, "", "stop=1"},
}

func TestInstructions(t *testing.T) {
	seen := map[op]string{}
	for _, x := range instructions {
		name, _, _ := strings.Cut(x.text, " ")
		o := decode(0, x.bits).op
		if before, ok := seen[o]; ok && before != name {
			t.Errorf("%s and %s are decoded as the same", before, name)
		}
		seen[o] = name
		t.Run(fmt.Sprintf("%s %s", x.text, x.before), func(t *testing.T) {
			runInstruction(t, x.bits, x.before, x.after)
		})
	}
	for o := opIllegal; o < opCount; o++ {
		if _, ok := seen[o]; !ok {
			t.Errorf("the instruction with opcode number %d has no case", o)
		}
	}
}

// runInstruction executes one instruction and compares all of the state.
func runInstruction(t *testing.T, bits uint32, before, after string) {
	t.Helper()
	c, p := newMachine()
	code, data := p.memory, p.data
	p.start(c)
	for i := range c.A {
		c.A[i] = 0x11111111 * uint32(i)
	}
	setState(t, &c.State, code, data, before)
	size := uint32(3)
	if bits&8 != 0 && bits&15 < 14 {
		size = 2
	}
	if off := c.PC - codeBase; off < uint32(len(code)) {
		for i := range size {
			code[off+i] = byte(bits >> (8 * i))
		}
	}

	want := c.State
	wantCode, wantData := append([]byte{}, code...), append([]byte{}, data...)
	want.PC += size
	want.Cycles++
	if strings.Contains(after, "stop=") {
		want.PC, want.Cycles = c.PC, c.Cycles
	}
	setState(t, &want, wantCode, wantData, after)

	stop := c.Run(c.Cycles + 1)
	if (stop == StopSimcall) != strings.Contains(after, "stop=1") {
		t.Errorf("stopped for %d", stop)
	}
	if d := differences(c.State, want); d != "" {
		t.Error(d)
	}
	if string(code) != string(wantCode) || string(data) != string(wantData) {
		t.Error("memory differs")
	}
}

// differences names the fields that differ, got before want.
func differences(got, want State) string {
	var b strings.Builder
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if x, y := g.Field(i).Interface(), w.Field(i).Interface(); x != y {
			fmt.Fprintf(&b, "%s is %#x, should be %#x\n", g.Type().Field(i).Name, x, y)
		}
	}
	return b.String()
}

// setState applies assignments in the notation of the table.
func setState(t *testing.T, s *State, code, data []byte, text string) {
	t.Helper()
	named := map[string]*uint32{
		"pc": &s.PC, "sar": &s.SAR, "ps": &s.PS, "litbase": &s.LITBASE,
		"epc1": &s.EPC[1], "epc2": &s.EPC[2], "epc3": &s.EPC[3],
		"eps2": &s.EPS[2], "eps3": &s.EPS[3], "depc": &s.DEPC,
		"exccause": &s.EXCCAUSE, "excvaddr": &s.EXCVADDR, "debugcause": &s.DEBUGCAUSE,
	}
	for i := range s.A {
		named["a"+strconv.Itoa(i)] = &s.A[i]
	}
	for _, assignment := range strings.Fields(text) {
		name, hex, _ := strings.Cut(assignment, "=")
		v64, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			t.Fatalf("%s: %v", assignment, err)
		}
		v := uint32(v64)
		switch {
		case named[name] != nil:
			*named[name] = v
		case name[0] == '[':
			addr, _ := strconv.ParseUint(strings.Trim(name, "[]"), 16, 32)
			if addr >= codeBase {
				binary.LittleEndian.PutUint32(code[addr-codeBase:], v)
			} else {
				binary.LittleEndian.PutUint32(data[addr-dataBase:], v)
			}
		case name == "exc":
			s.EPC[1] = codeAt
			if v == 0x14 {
				s.EPC[1] = 0x40140000
			}
			s.EXCCAUSE = v
			s.PC = s.VECBASE + 0x30
			if s.PS&0x20 != 0 {
				s.PC = s.VECBASE + 0x50
			}
			s.PS |= 0x10
		case name == "waiting":
			s.Waiting = v == 1
		case name == "itlb2":
			s.ITLB[2] = uint8(v)
		case name == "dtlb0":
			s.DTLB[0] = uint8(v)
		case name == "stop":
		default:
			t.Fatalf("unknown: %s", name)
		}
	}
}

func TestSpecialRegisters(t *testing.T) {
	const r, w, x = canRead, canWrite, canExchange
	registers := []struct {
		number uint32
		access access
		bits   uint32 // that keep what was written
	}{
		{3, r | w | x, 0x3F},         // SAR
		{5, r | w | x, 0xFFFFF001},   // LITBASE
		{89, w, 0},                   // MMID
		{96, r | w | x, 1},           // IBREAKENABLE
		{104, r | w | x, 0xFFFFFFFF}, // DDR
		{128, r | w | x, 0xFFFFFFFF}, // IBREAKA0
		{144, r | w | x, 0xFFFFFFFF}, // DBREAKA0
		{160, r | w | x, 0xC000003F}, // DBREAKC0
		{176, r | w, 0},              // configuration ID, high
		{177, r | w | x, 0xFFFFFFFF}, // EPC1
		{178, r | w | x, 0xFFFFFFFF}, // EPC2
		{179, r | w | x, 0xFFFFFFFF}, // EPC3
		{192, r | w | x, 0xFFFFFFFF}, // DEPC
		{194, r | w | x, 0x3F},       // EPS2
		{195, r | w | x, 0x3F},       // EPS3
		{208, r, 0},                  // configuration ID, low
		{209, r | w | x, 0xFFFFFFFF}, // EXCSAVE1
		{210, r | w | x, 0xFFFFFFFF}, // EXCSAVE2
		{211, r | w | x, 0xFFFFFFFF}, // EXCSAVE3
		{226, r | w, 0x80},           // INTERRUPT, INTSET: software only
		{227, w, 0},                  // INTCLEAR
		{228, r | w | x, 0x7FFF},     // INTENABLE
		{230, r | w | x, 0x3F},       // PS
		{231, r | w | x, 0xFFFFFF80}, // VECBASE
		{232, r | w | x, 0x3F},       // EXCCAUSE
		{233, r, 0},                  // DEBUGCAUSE
		{235, r, 0},                  // PRID
		{236, r | w | x, 0xFFFFFFFF}, // ICOUNT
		{237, r | w | x, 0xF},        // ICOUNTLEVEL
		{238, r | w | x, 0xFFFFFFFF}, // EXCVADDR
		{240, r | w | x, 0xFFFFFFFF}, // CCOMPARE0
	}
	known := map[uint32]bool{234: true} // CCOUNT: see the tests of the timer
	for _, reg := range registers {
		known[reg.number] = true
		for can, instruction := range map[access]code{
			r: rsr(3, reg.number), w: wsr(3, reg.number), x: xsr(3, reg.number),
		} {
			c, p := newMachine()
			p.i(instruction)
			p.start(c)
			c.Run(c.Cycles + 1)
			if legal := c.PC == codeAt+3; legal != (reg.access&can != 0) {
				t.Errorf("register %d, access %d: legal is %v", reg.number, can, legal)
			}
		}
		if reg.access != r|w|x {
			continue
		}
		for _, v := range []uint32{0, 0xFFFFFFFF, 0xA5A5A5A5} {
			c, p := newMachine()
			p.i(wsr(2, reg.number), rsr(3, reg.number), xsr(4, reg.number), rsr(5, reg.number))
			p.start(c)
			c.A[2], c.A[4] = v, ^v
			c.Run(c.Cycles + 4)
			if c.A[3] != v&reg.bits || c.A[4] != v&reg.bits || c.A[5] != ^v&reg.bits {
				t.Errorf("register %d, bits %#x, written %#x: read %#x, exchanged %#x, then read %#x",
					reg.number, reg.bits, v, c.A[3], c.A[4], c.A[5])
			}
		}
	}
	for sr := range uint32(256) {
		if !known[sr] && specials[sr] != 0 {
			t.Errorf("special register %d is not in the table", sr)
		}
	}
}
